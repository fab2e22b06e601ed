"""A pool whose one worker is the thread that starts it, for development.

The launcher's side has a thread of its own. So the agent's code has the main thread, where a
debugger is at home: it reads from the terminal, and Ctrl-C reaches it. It is no isolation: an
action that crashes or hangs does so to the whole job.
"""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ..control.commands import Stop
from ..workers.starter import Started
from ..workers.threads import ThreadStarter, ThreadWorker

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...agent.plan import AgentPlan
    from ...worker.process.boot import Assignment, Boot
    from ..control.commands import Answer, Command
    from ..jobs.report import Report

__all__ = ["Foreground"]

_PAUSE: Final = 0.05


class _ForegroundStarter(ThreadStarter):
    """Hands workers to the thread that executes them."""

    def __init__(self, boot: Boot, plan: AgentPlan, workers: queue.Queue[ThreadWorker]) -> None:
        super().__init__(boot, plan)
        self._queue = workers

    def start(self, assignment: Assignment) -> None:
        """As `Starter.start`."""
        worker = self._made(assignment)
        if worker is not None:
            self._report(Started(assignment, worker.pid))
            self._queue.put(worker)

    def close(self) -> None:
        """As `Starter.close`; does not wait for a worker that does not end."""
        for worker in self._workers.values():
            worker.crash()
        self._wakeup.close()


class Foreground:
    """Runs a job whose worker is executed by the calling thread.

    Attributes:
        post: gives the pool a command; None before it runs.
    """

    def __init__(self, plan: AgentPlan) -> None:
        """`plan` is the agent, compiled."""
        self.post: Callable[[Command], Answer] | None = None
        self._plan = plan
        self._workers: queue.Queue[ThreadWorker] = queue.Queue()
        self._worker: ThreadWorker | None = None

    def make_starter(self, boot: Boot) -> ThreadStarter:
        """The pool's starter: for `Job.make_starter`."""
        return _ForegroundStarter(boot, self._plan, self._workers)

    def set_post(self, post: Callable[[Command], Answer]) -> None:
        """For `Job.on_pool`."""
        self.post = post

    def stop(self) -> None:
        """Have the pool end when the runs under way have ended; the second time: at once."""
        if self.post is not None:
            self.post(Stop())

    def abandon(self) -> None:
        """Give the worker up, with what it has not committed, and end the pool."""
        self.stop()
        self.stop()
        if self._worker is not None:
            self._worker.crash()

    def run(self, job: Callable[[], Report]) -> Report:
        """Run `job` in a thread of its own, and its worker in this one; return its result.

        Raises:
            TamiasError: what `job` raises.
        """
        results: list[Report] = []
        errors: list[BaseException] = []

        def launch() -> None:
            try:
                results.append(job())
            except BaseException as error:  # noqa: BLE001 (raised again where it was called)
                errors.append(error)

        launcher = threading.Thread(target=launch, name="tamias-pool", daemon=True)
        launcher.start()
        while launcher.is_alive():
            with suppress(queue.Empty):
                self._worker = self._workers.get(timeout=_PAUSE)
                self._worker.run()
        launcher.join()
        if errors:
            raise errors[0]
        return results[0]
