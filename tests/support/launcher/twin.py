"""A pool without processes: each worker is a thread of this process.

All else is real: `Pool`, its dispatcher, delivery and checkpoints, and in each thread the `Worker`
itself, with its own event loop, socket, engine and shards. So what a program means can be tried in
milliseconds, where a pool of processes takes half a second to come up. What only processes have is
not here: limits, signals, the zygote, a process's own imports. `tests/integration/test_twin.py`
compares it with pools of processes.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
import threading
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import pytest

from tamias.agent.config.options import PoolOptions
from tamias.agent.failures.error_json import error_to_json
from tamias.agent.hooks import find_hooks
from tamias.launcher.workers.generation import STARTERS
from tamias.launcher.workers.starter import (
    BootFailed,
    Event,
    Exited,
    Started,
    Starter,
)
from tamias.store.wakeup import Wakeup
from tamias.worker.hooks import HOOK_GROUP, WorkerHook
from tamias.worker.process.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tamias.agent.plan import AgentPlan
    from tamias.worker.hooks import HookClasses
    from tamias.worker.process.boot import Assignment, Boot

FIRST_PID: Final = 1 << 23
"""Above any that Linux gives: a signal to such a process reaches none."""

_PIDS: Final = itertools.count(FIRST_PID)


class ThreadStarter(Starter):
    """Starts workers as threads."""

    def __init__(self, boot: Boot, *_: Any) -> None:
        super().__init__()
        self._boot = boot
        self._plan: AgentPlan | None = None
        self._hooks: HookClasses = ((), 0)
        self._events: deque[Event] = deque()
        self._wakeup = Wakeup()
        self._workers: dict[int, ThreadWorker] = {}

    def start(self, assignment: Assignment) -> None:
        """As `Starter.start`."""
        if self._plan is None:
            try:
                self._plan = self._boot.compile()
                names = self._plan.config.get(PoolOptions.WORKER_HOOKS)
                self._hooks = find_hooks(WorkerHook, HOOK_GROUP, names)
            except Exception as error:  # noqa: BLE001 (importing user code may do anything)
                self._report(BootFailed.from_json(error_to_json(error)))
                return
        worker = ThreadWorker(self._boot, self._plan, assignment, self._hooks, self._report)
        self._workers[assignment.slot] = worker
        self._report(Started(assignment, worker.pid))
        worker.thread.start()

    def crash(self, slot: int) -> None:
        """End a slot's worker between two turns of its loop; what is not committed is lost."""
        self._workers[slot].crash()

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
        self.thread = threading.Thread(target=self._run, name=f"worker {assignment.slot}")
        self._assignment = assignment
        self._report = report
        self._loop = asyncio.new_event_loop()
        self._worker = Worker(boot, plan, assignment, self._loop, hooks)

    def crash(self) -> None:
        """Stop the loop, whatever is under way; does nothing when the worker has ended."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.stop)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        serving = self._loop.create_task(self._worker.serve())
        serving.add_done_callback(lambda _: self._loop.stop())
        self._loop.run_forever()
        if serving.done():
            status = serving.result() << 8
        else:
            status = signal.SIGKILL.value
            self._abandon()
        self._report(Exited(self._assignment, self.pid, status))
        self._loop.close()

    def _abandon(self) -> None:
        """Give up what the kernel would take from a dead process; commit nothing."""
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        worker: Any = self._worker
        worker._owned.close()
        worker._socket.close(linger=0)
        worker._context.term()
        self._loop.run_until_complete(asyncio.sleep(0))


@contextmanager
def in_threads() -> Iterator[list[ThreadStarter]]:
    """Have the pools of this block work with threads; gives their starters, the last one last."""
    starters: list[ThreadStarter] = []

    def make(boot: Boot, *_: Any) -> ThreadStarter:
        starters.append(ThreadStarter(boot))
        return starters[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STARTERS, "zygote", make)
        yield starters
