"""Runs the pool processes of a deployment, as the restart policy decides.

One thread and one loop, which sleeps until a pool process sends a message, a signal comes, or a
pause is over. The supervisor handles no inputs and no outputs: while it is slow or stopped, no pool
is slower.
"""

from __future__ import annotations

import select
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from ..agent.errors import LeaseHeldError, StoreLockedError, WorkerStartError, reason_of
from ..agent.failures.error_json import error_to_json
from ..launcher.jobs.exit_codes import FAILED
from ..launcher.jobs.report import Report
from ..launcher.pool.signals import Signals
from ..launcher.pool.status import PoolStatus
from ..service.server.systemd import notify
from ..store.faults import system_error
from ..store.lease import Lease
from ..store.wakeup import Wakeup
from .pool_process import PoolProcess
from .restarts import DrainProcess, KillProcess, RestartPolicy, StartProcess

if TYPE_CHECKING:
    from .spec import Deployment

_LOCK: Final = "up.lock"
_TICK_SECONDS: Final = 1.0
"""The longest time between two calls of `refresh`."""


class DeploymentListener:
    """Receives what happens in a deployment. All methods do nothing: override what is needed."""

    def started(self, name: str, pid: int, *, again: bool) -> None:
        """A pool process was started."""

    def status(self, name: str, status: PoolStatus) -> None:
        """A pool has sent its status."""

    def logged(self, name: str, text: str) -> None:
        """A pool's launcher has logged a line."""

    def ready(self, name: str, where: dict[str, Any]) -> None:
        """A service is open: `address` and `listen`."""

    def died(self, name: str, how: str, log_tail: str, pause: float | None) -> None:
        """A pool process has died; it is started again after `pause` seconds; None: it is not."""

    def ended(self, name: str, report: Report, code: int) -> None:
        """A pool has ended and reported how."""

    def failed(self, name: str, error: dict[str, Any], code: int) -> None:
        """A pool cannot go on: `type`, `message`, `hint` and `traceback` of its error."""

    def interrupted(self, name: str) -> None:
        """A pool was stopped before it began."""

    def stopping(self, times: int) -> None:
        """The deployment was asked to stop, for the first, second or third time."""

    def refresh(self) -> None:
        """Called at least once a second."""


class Supervisor:
    """Runs a deployment.

    Args:
        deployment: what to run.
        listener: its methods are called in this thread.
    """

    def __init__(self, deployment: Deployment, listener: DeploymentListener) -> None:
        self._deployment = deployment
        self._members = {member.name: member for member in deployment.members}
        self._listener = listener
        self.policy = RestartPolicy(self._members)
        self._processes: dict[str, PoolProcess] = {}
        self._endings: dict[str, dict[str, Any]] = {}
        """The last messages of processes that have not ended yet."""
        self._clock = time.monotonic
        self._stop_requests = 0
        self._notified = False
        self._wakeup = Wakeup()

    def run(self) -> int:
        """Run until every agent has ended, or it was stopped. Only in the main thread.

        Returns:
            The exit code: the worst of the agents' codes.

        Raises:
            StoreLockedError: the deployment runs already.
            StoreUnwritableError: its directory cannot be made or written.
        """
        with ExitStack() as stack:
            stack.callback(self._wakeup.close)
            stack.callback(self._lock().close)
            stack.callback(self._end_all)
            stack.enter_context(Signals(self._request_stop))
            self._loop()
        return self.policy.exit_code

    def _lock(self) -> Lease:
        folder = self._deployment.state
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise system_error(error, folder) from error
        try:
            return Lease.acquire(folder / _LOCK)
        except LeaseHeldError:
            pid = Lease.last_holder(folder / _LOCK)
            raise StoreLockedError(
                f"The deployment in {folder} is up: process {pid} runs it.",
                hint="End that one first, or name another `state` in the file.",
            ) from None

    def _loop(self) -> None:
        while True:
            now = self._clock()
            while self._stop_requests:
                self._stop_requests -= 1
                self._listener.stopping(self.policy.stop(now))
                notify("STOPPING=1")
            for step in self.policy.turn(now):
                self._carry_out(step)
            self._listener.refresh()
            if self.policy.is_over:
                return
            self._wait()

    def _wait(self) -> None:
        now = self._clock()
        deadline = self.policy.next_deadline()
        seconds = _TICK_SECONDS if deadline is None else min(_TICK_SECONDS, deadline - now)
        by_descriptor = {process.fileno(): name for name, process in self._processes.items()}
        descriptors = [self._wakeup.fileno(), *by_descriptor]
        poller = select.poll()
        for descriptor in descriptors:
            poller.register(descriptor, select.POLLIN)
        for descriptor, _ in poller.poll(max(0, int(seconds * 1000) + 1)):
            if descriptor in by_descriptor:
                self._receive(by_descriptor[descriptor])
            else:
                self._wakeup.clear()

    # -- instructions -------------------------------------------------------------------------

    def _carry_out(self, step: StartProcess | DrainProcess | KillProcess) -> None:
        if isinstance(step, StartProcess):
            self._start(step.name, again=step.again)
        elif isinstance(step, DrainProcess):
            self._processes[step.name].request_stop()
        else:
            self._processes[step.name].kill()

    def _start(self, name: str, *, again: bool) -> None:
        member = self._members[name]
        try:
            process = PoolProcess(
                member, self._deployment.folder, again=again, pools=len(self._members)
            )
        except OSError as error:  # the process limit is reached, or the disk is full
            failure = WorkerStartError(f"its pool process cannot be started: {reason_of(error)}")
            self._report_end(
                name, failure.message, "", {"error": error_to_json(failure), "code": FAILED}
            )
            return
        self._processes[name] = process
        self._listener.started(name, process.pid, again=again)

    # -- events -------------------------------------------------------------------------------

    def _receive(self, name: str) -> None:
        process = self._processes[name]
        messages, closed = process.receive()
        for message in messages:
            self._process(name, message)
        if closed:
            del self._processes[name]
            ending = self._endings.pop(name, None)
            how = f"its pool process {process.wait_for_end()}"
            if ending is not None and "error" in ending:
                how = ending["error"]["message"].rstrip(".")
            self._report_end(name, how, process.log_tail(), ending)

    def _process(self, name: str, message: dict[str, Any]) -> None:
        if "status" in message:
            status = PoolStatus.from_json(message["status"])
            if any(worker.state == "ready" for worker in status.workers):
                self.policy.works(name, status.events)
            self._listener.status(name, status)
            self._notify_when_up()
        elif "log" in message:
            self._listener.logged(name, message["log"])
        elif "ready" in message:
            self._listener.ready(name, message["ready"])
        else:
            self._endings[name] = message

    def _report_end(
        self, name: str, how: str, log_tail: str, ending: dict[str, Any] | None
    ) -> None:
        """Report that a process has ended; `ending` is its last message, if it has sent one."""
        if ending is None or ending.get("error", {}).get("type") == StoreLockedError.__name__:
            pause = self.policy.died(name, self._clock(), ending["code"] if ending else FAILED)
            self._listener.died(name, how, log_tail, pause)
            return
        self.policy.ended(name, ending["code"])
        if "error" in ending:
            self._listener.failed(name, ending["error"], ending["code"])
        elif "interrupted" in ending:
            self._listener.interrupted(name)
        else:
            self._listener.ended(name, Report(**ending["report"]), ending["code"])
        self._notify_when_up()

    def _notify_when_up(self) -> None:
        """Notify systemd, once."""
        if not self._notified and self.policy.is_up:
            self._notified = True
            notify("READY=1")

    # -- the end ------------------------------------------------------------------------------

    def _request_stop(self) -> None:
        self._stop_requests += 1
        self._wakeup.wake()

    def _end_all(self) -> None:
        """Kill what still runs, also after an exception."""
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait_for_end()
