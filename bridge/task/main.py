"""The launcher under a Flink task: `python -m tamias.bridge.task.main`, started by the task.

Its life:

1. Standard input and output become the pipe; what the process prints goes to the task manager's
   log.
2. The task sends what to run (`C`), and the content of a checkpoint, if it begins from one.
3. The pool works until the pipe is closed. The task closes it to end the pool; if the task dies,
   the kernel does. Then all processes here end at once: the task's last checkpoint has what is in
   flight, and no process is left that could emit an outcome.
4. If the task says that its input has ended, the pool does what is left to do, and the launcher
   reports that. It stays until the pipe is closed, because the task takes a last checkpoint.

If only the launcher dies, the task starts another one in the same state directory and sends again
the inputs without an outcome; the outboxes have the rest. A launcher that dies before it has sent
RESTORED leaves an incomplete state: then the task fails, too, and Flink starts it again from the
checkpoint.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...agent.errors import EnvironmentSetupError, PoolError, UsageError
from ...agent.failures.error_json import error_to_json
from ...environments.provide import provide_launch
from ...launcher.jobs.job import Job
from ...launcher.jobs.smoke import smoke_runner
from ...launcher.metrics.series import series_of
from ...launcher.pool.at_end import describe_waiting
from ...store import clock
from ...store.state.reader import StoreReader
from ...store.waiting.reading import WaitingCounts
from ...worker.process.reaper import die_with_parent
from . import frames
from .checkpoints import CheckpointReader
from .cleanup import sweep
from .connection import TaskConnection
from .delivery import TaskDelivery
from .job import PoolJob
from .pipe import Pipe, TaskEndedError
from .restore import Restore
from .series import flink_series
from .source import TaskSource

if TYPE_CHECKING:
    from ...launcher.jobs.report import Report
    from ...launcher.pool.status import PoolStatus
    from ...store.state.directory import StateDirectory
    from .frames import Frame

METRICS_SECONDS: Final = 1.0


def main() -> int:
    """Run the pool of the task that has started this process; return the exit code."""
    die_with_parent(os.getppid())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that runs the job
    pipe = Pipe.of_standard_streams()
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.INFO)
    try:
        TaskPool(pipe).run()
    except TaskEndedError:
        return 0
    except Exception as error:  # noqa: BLE001 (the task gets any error)
        with suppress(TaskEndedError):
            body = {**error_to_json(error), "permanent": is_permanent(error)}
            pipe.send(frames.pack(frames.ERROR, json.dumps(body).encode()))
        return 1
    return 0


def is_permanent(error: Exception) -> bool:
    """Whether the next attempt must fail, too: the agent or the settings are wrong.

    Another environment may be made the next time: a package index may be reached then.
    """
    return isinstance(error, UsageError) and not isinstance(error, EnvironmentSetupError)


class TaskPool:
    """One life of a task's pool."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._early: list[Frame] = []
        self._next_metrics = 0.0

    def run(self) -> None:
        """Run the pool until the task ends it.

        Raises:
            TaskEndedError: the ordinary end.
            TamiasError: as `Pool.run`.
        """
        task = PoolJob.decode(self._next().body)
        state_path = Path(task.state)
        sweep(state_path.parent)
        job = Job(
            task.agent_spec(),
            provide_launch(task.environment),
            smoke=smoke_runner(),
            ends_input=True,
            limit_parts=task.step,
            on_status=self._report,
            handle_signals=False,
        )
        with ExitStack() as stack:
            state = stack.enter_context(
                job.open_state(state_path, {"flink": task.flink} if task.flink else {})
            )
            _log_to_stderr(state)
            groups = range(task.first_group, task.last_group + 1)
            self._restore(state, groups)
            self._pipe.send(frames.pack(frames.RESTORED))
            reader = stack.enter_context(StoreReader(state.path))
            checkpoints = CheckpointReader(reader, state.manifest.shards, groups)
            stack.callback(checkpoints.close)
            delivery = TaskDelivery(task.codec, self._pipe, checkpoints.changed)
            connection = TaskConnection(self._pipe, delivery, checkpoints, self._early)
            report = job.run(state, TaskSource(connection, task.step, task.input_codec), delivery)
            if not report.finished:
                raise PoolError("The pool was stopped, but the Flink task has not ended.")
            check_nothing_waits(report)
            self._pipe.send(frames.pack(frames.FINISHED))
            while True:
                select.select([self._pipe.fileno()], [], [])
                connection.receive()

    def _next(self) -> Frame:
        """Wait for the next frame."""
        while not self._early:
            select.select([self._pipe.fileno()], [], [])
            self._early += self._pipe.receive()
        return self._early.pop(0)

    def _restore(self, state: StateDirectory, groups: range) -> None:
        """Restore the checkpoint that the task sends, up to the frame that ends it."""
        with Restore(state, groups) as restore:
            while (frame := self._next()).kind != frames.GO:
                restore.apply(frame)
            restore.finish()

    def _report(self, status: PoolStatus) -> None:
        now = time.monotonic()
        if now < self._next_metrics:
            return
        self._next_metrics = now + METRICS_SECONDS
        body = {
            "pid": status.pid,
            "phase": status.phase,
            "degraded": status.degraded,
            "events": status.events,
            "outputs": status.outputs,
            "deaths": status.deaths,
            "retries": status.retries,
            "deadLetters": status.dead_letters,
            "ignored": status.ignored,
            "waitingRuns": status.waiting_runs,
            "waitingInputs": status.waiting_inputs,
            "timers": status.timers,
            "questions": status.questions,
            "workers": sum(worker.state == "ready" for worker in status.workers),
            "metrics": status.metrics,
            "series": flink_series(series_of(status.to_json())),
        }
        self._pipe.send(frames.pack(frames.METRICS, json.dumps(body, default=str).encode()))


def check_nothing_waits(report: Report) -> None:
    """Check that a job that ends leaves nothing behind.

    Raises:
        PoolError: runs, inputs or timers wait.
    """
    counts = WaitingCounts(
        report.waiting_runs,
        report.waiting_inputs,
        report.timers,
        report.questions,
        report.next_due,
    )
    if counts:
        raise PoolError(
            f"The input of the job has ended, and {describe_waiting(counts, clock.now())}. A Flink"
            " job that ends cannot keep what waits.",
            hint="Stop the job with a savepoint, without draining it, before its input ends, and"
            " carry on from there; or have it stay until nothing waits: at-end=wait, or a longer"
            " at-end-limit.",
        )


def _log_to_stderr(state: StateDirectory) -> None:
    """Send what workers print to standard error, as the launcher's messages: to the task's log."""
    log = state.layout.pool_log
    log.parent.mkdir(exist_ok=True)
    with suppress(FileExistsError):
        log.symlink_to(f"/proc/{os.getpid()}/fd/2")
        return
    log.unlink()
    log.symlink_to(f"/proc/{os.getpid()}/fd/2")


if __name__ == "__main__":
    sys.exit(main())
