"""Starts workers as threads of this process: for tests of agents, and of tamias itself.

All of a worker is real: its event loop, socket, engine and shards. What only processes have is not
here: limits, signals, the zygote, a process's own imports. A thread cannot be killed either, so an
action that hangs hangs the test.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from ...agent.config.options import PoolOptions
from ...agent.failures.error_json import error_to_json
from ...agent.hooks import find_hooks
from ...store.wakeup import Wakeup
from ...worker.hooks import HOOK_GROUP, WorkerHook
from ...worker.process.worker import Worker
from .starter import BootFailed, Event, Exited, Started, Starter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...agent.plan import AgentPlan
    from ...worker.hooks import HookClasses
    from ...worker.process.boot import Assignment, Boot

FIRST_PID: Final = 1 << 23
"""Above any that Linux gives: a signal to such a process reaches none."""

_PIDS: Final = itertools.count(FIRST_PID)


class ThreadStarter(Starter):
    """Starts workers as threads.

    Args:
        boot: as for any starter.
        plan: the agent, compiled; None: as `boot` describes it.
    """

    def __init__(self, boot: Boot, plan: AgentPlan | None = None) -> None:
        super().__init__()
        self._boot = boot
        self._plan = plan
        self._hooks: HookClasses | None = None
        self._events: deque[Event] = deque()
        self._wakeup = Wakeup()
        self._workers: dict[int, ThreadWorker] = {}

    def start(self, assignment: Assignment) -> None:
        """As `Starter.start`."""
        worker = self._made(assignment)
        if worker is not None:
            self._report(Started(assignment, worker.pid))
            worker.thread.start()

    def _made(self, assignment: Assignment) -> ThreadWorker | None:
        """Make a worker; None, which is reported, if the agent cannot be imported."""
        try:
            plan, hooks = self._prepared()
        except Exception as error:  # noqa: BLE001 (importing user code may do anything)
            self._report(BootFailed.from_json(error_to_json(error)))
            return None
        worker = ThreadWorker(self._boot, plan, assignment, hooks, self._report)
        self._workers[assignment.slot] = worker
        return worker

    def _prepared(self) -> tuple[AgentPlan, HookClasses]:
        plan = self._plan = self._plan or self._boot.compile()
        if self._hooks is None:
            names = plan.config.get(PoolOptions.WORKER_HOOKS)
            self._hooks = find_hooks(WorkerHook, HOOK_GROUP, names)
        return plan, self._hooks

    def crash(self, slot: int) -> bool:
        """End a slot's worker between two turns of its loop; what is not committed is lost.

        Returns whether the slot has had one yet.
        """
        worker = self._workers.get(slot)
        if worker is not None:
            worker.crash()
        return worker is not None

    def _report(self, event: Event) -> None:
        self._events.append(event)
        self._wakeup.wake()

    def descriptors(self) -> Sequence[int]:
        """As `Starter.descriptors`."""
        return [self._wakeup.fileno()]

    def poll(self) -> list[Event]:
        """As `Starter.poll`."""
        self._wakeup.clear()
        return [self._events.popleft() for _ in range(len(self._events))]

    def close(self) -> None:
        """As `Starter.close`."""
        for worker in self._workers.values():
            worker.crash()
        for worker in self._workers.values():
            worker.thread.join()
        self._wakeup.close()

    @property
    def pids(self) -> Sequence[int]:
        """There are none."""
        return []


class ThreadWorker:
    """One worker: its thread, its loop, and how it has ended."""

    def __init__(
        self, boot: Boot, plan: AgentPlan, assignment: Assignment, hooks: HookClasses, report: Any
    ) -> None:
        self.pid = next(_PIDS)
        self.thread = threading.Thread(target=self.run, name=f"worker {assignment.slot}")
        self._assignment = assignment
        self._report = report
        self._loop = asyncio.new_event_loop()
        self._worker = Worker(boot, plan, assignment, self._loop, hooks)

    def crash(self) -> None:
        """Stop the loop, whatever is under way; does nothing when the worker has ended."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.stop)

    def run(self) -> None:
        """Execute the worker to its end, by the thread that calls this."""
        asyncio.set_event_loop(self._loop)
        serving = self._loop.create_task(self._worker.serve())
        serving.add_done_callback(lambda _: self._loop.stop())
        self._loop.run_forever()
        if serving.done():
            status = serving.result() << 8
        else:
            status = signal.SIGKILL.value
            self._abandon()
        self._worker.forget_files()
        self._report(Exited(self._assignment, self.pid, status))
        self._loop.close()

    def _abandon(self) -> None:
        """Give up what the kernel would take from a dead process; commit nothing."""
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._worker.abandon()
        for _ in range(2):  # tasks get their cancellation, and end
            self._loop.call_soon(self._loop.stop)  # another `crash` may stop it as well
            self._loop.run_forever()
