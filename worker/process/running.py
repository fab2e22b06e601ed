"""A worker process from its first instruction to its last.

`run_worker` is the life of a newly forked (or spawned) process: set its limits, let it be looked
at, and have a `Worker` work until the launcher sends STOP.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from typing import TYPE_CHECKING, Final

import setproctitle

from ...agent.config.options import PoolOptions
from ...agent.failures.error_text import one_line
from ...store.state.layout import StateLayout
from ..notices import notice_warnings
from ..profiling.profiler import profiling
from ..tasks.stacks import stacks_on_request
from .event_loop import log_unhandled, new_loop
from .limits import KernelLimits
from .machine import be_expendable
from .output import change_label
from .worker import GENERATION_VARIABLE, POOL_VARIABLE, Worker

if TYPE_CHECKING:
    from ...agent.plan import AgentPlan
    from ..hooks import HookClasses
    from .boot import Assignment, Boot

_set_handler: Final = signal.signal
"""As it is before the agent is imported, which may replace it."""
_LOG: Final = logging.getLogger("tamias.worker")


def run_worker(
    boot: Boot, plan: AgentPlan, assignment: Assignment, hooks: HookClasses = ((), 0)
) -> int:
    """Work for the pool until it sends STOP; see the module's text.

    `hooks` are the classes of hooks, and the number of those that could not be imported.
    """
    setproctitle.setproctitle(f"tamias worker {assignment.slot} ({plan.name.rpartition(':')[2]})")
    for number in (signal.SIGINT, signal.SIGHUP):  # they are for the launcher to handle
        _set_handler(number, signal.SIG_IGN)
    _set_handler(signal.SIGTERM, signal.SIG_DFL)
    os.environ[POOL_VARIABLE] = f"{boot.parent}:{boot.state}"
    start_method = plan.config.get(PoolOptions.START_METHOD)
    os.environ[GENERATION_VARIABLE] = f"{boot.generation}:{start_method}"
    change_label(lambda: f"worker {assignment.slot}")
    be_expendable()
    KernelLimits.of(plan.config).apply(assignment.slot)
    loop = new_loop()
    try:
        asyncio.set_event_loop(loop)
        place = assignment.slot, boot.generation
        stacks = stacks_on_request(StateLayout(boot.state).stacks(assignment.slot), loop)
        with stacks, profiling(boot.state, plan, place, loop, _serve) as profiler:
            worker = Worker(boot, plan, assignment, loop, hooks)
            worker.profiler = profiler
            notice_warnings(worker.notices)
            loop.set_exception_handler(log_unhandled)
            return _serve(worker, loop)
    finally:
        loop.close()


def _serve(worker: Worker, loop: asyncio.AbstractEventLoop) -> int:
    """Run the worker to its end.

    User code can end the loop, by a callback that raises SystemExit or by `loop.stop()`, but not
    the worker.
    """
    serving = loop.create_task(worker.serve())
    while True:
        try:
            return loop.run_until_complete(serving)
        except (SystemExit, KeyboardInterrupt, RuntimeError) as error:
            if serving.done() or loop.is_closed():
                raise
            _LOG.error("user code has ended the event loop: %s: it goes on", one_line(error))
