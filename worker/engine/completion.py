"""How runs end: committed, tried again, set aside, or with the whole job.

A run that succeeds puts its memory changes, outputs and progress into the open commit group. What
follows a failure is a matter of policy: fail the job, ignore the input, or try again until
`max-attempts` is reached and then set the input aside as a dead letter. A run that is ignored or
set aside puts its progress into the group, too.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from ...agent.errors import RunTimeoutError
from ...agent.waiting.temporary import Kind, kind_of
from ...store import clock
from ...store.records.offsets import LARGEST_OFFSET, offset_of, retries_of
from ..failure_kinds import kind_of_error, kind_of_rejection
from ..hooks import WorkerHook
from ..runs.retries import record_failure, wait_before_next
from ..runs.traced import trace_of
from .failures import (
    dead_letter,
    divergence_in,
    failure_report,
    is_final,
    log_ignored,
    one_line,
    rejection_letter,
)
from .services import run_info

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...store.records.dead_letters import DeadLetter
    from ..hooks import Outcome
    from ..policy import Policy
    from ..runs.group_commit import GroupCommit
    from ..runs.run import Run
    from ..waiting.questions import Questions
    from .owned_runs import OwnedRuns
    from .services import Services
    from .unfinished import UnfinishedRuns


class RunCompletion:
    """Ends the runs of a worker.

    Attributes:
        policy: what follows a failure.
        active: the number of runs under way.
    """

    def __init__(
        self,
        services: Services,
        group: GroupCommit,
        policy: Policy,
        *,
        unfinished: UnfinishedRuns,
        owned: OwnedRuns,
        questions: Questions,
        halt: Callable[[dict[str, Any]], None],
    ) -> None:
        """`halt` gets the report when an action failed and the policy is to fail."""
        self.policy = policy
        self.active = 0
        self._services = services
        self._hooks = services.hooks
        self._tracer = services.tracer
        self._metrics = services.metrics
        self._recordings = services.recordings
        self._group = group
        self._unfinished = unfinished
        self._owned = owned
        self._questions = questions
        self._halt = halt

    def occupy(self, run: Run) -> None:
        """Make a run its lane's current one, until it has ended.

        An answer, or an input that is set aside, may come while its lane has another run.
        """
        if run.lane.run is None:
            run.lane.run = run
        self.active += 1

    def succeed(self, run: Run) -> None:
        """End a run whose last action has returned."""
        if self._hooks is not None:
            self._hooks.call(WorkerHook.run_ended, run_info(run), len(run.outputs))
        if self._recordings is not None:
            self._recordings.record(run, self._questions)
        if run.trace is not None:
            self._end_trace(run, "success")
        if run.lane.run is run:  # else it is an answer, and the memory is another run's
            if self._unfinished and run.lane.has_changes:
                self._unfinished.mark_changed(run.offset, run.lane)
            run.lane.commit()
        if run.timers:
            self._owned.set_timers(run)
        run.lane.writer.outputs += run.outputs
        self._close(run, len(run.outputs))

    def fail(self, run: Run, error: BaseException) -> tuple[Run, float] | None:
        """End a failed attempt.

        Returns the next attempt, which is to be begun, and when; None if there is none.
        """
        if self._group.is_broken:
            return None  # the worker ends, and its successor repeats the run
        self._record_effects(run)
        if run.lane.run is run:  # else it is an answer, and the memory is another run's
            run.roll_back()
        run.timers = None
        if run.expired:
            error = RunTimeoutError.after(self.policy.run_timeout)
        self._metrics.failures += 1
        self._metrics.measures.fail_action(None if run.action is None else run.action.name)
        now = clock.now()
        record_failure(run, error, now)
        outcome, pause = self._outcome(run, error, now)
        if self._hooks is not None:
            self._hooks.call(WorkerHook.run_failed, run_info(run), error, outcome)
        if self._tracer is not None:
            trace_of(run, self._tracer)
            self._end_trace(run, "failed", error, followedBy=outcome)
        run.attempts += 1
        if outcome == "retry":
            return self._retry(run, error), now + pause
        if self._recordings is not None:
            self._recordings.record(run, self._questions, error)
        if outcome == "fail":
            self._services.recorder.drop_failed_calls(run, error)  # or the job would always fail
            self._halt(failure_report(run, error))
        elif outcome == "ignore":
            self._metrics.ignored += 1
            self._count_failure(run, kind_of_error(error), one_line(error))
            log_ignored(run, error)
            run.lane.writer.failed.append(run.number)
            self._close(run, 0)
        else:
            letter = dead_letter(run, error, self.policy, self._questions)
            self._count_failure(run, kind_of_error(error), letter.error)
            self._dead_letter(run, letter)
        return None

    def _count_failure(self, run: Run, kind: str, error: str) -> None:
        self._metrics.failure_kinds.add(kind, run.origin, error)

    def set_aside(self, run: Run, rejection: dict[str, Any]) -> None:
        """Record as a dead letter an input that must not be run (again)."""
        self.occupy(run)
        letter = rejection_letter(run, rejection, self.policy, self._questions)
        self._count_failure(run, kind_of_rejection(letter.cause, letter.error), letter.error)
        if self._tracer is not None:
            trace_of(run, self._tracer)
            self._end_trace(run, "failed", letter.error, followedBy="dead-letter")
        self._dead_letter(run, letter)

    def _outcome(self, run: Run, error: BaseException, now: float) -> tuple[Outcome, float]:
        """Return what follows this failure of a run, and the seconds until then."""
        policy = self.policy
        gave_up = run.log is not None and run.log.call_that_gave_up(error) is not None
        final = (
            gave_up or is_final(error) or run.lane.run is not run
        )  # an answer cannot wait for its turn
        pause = None if final else wait_before_next(run, error, policy, now)
        if pause is not None:
            return "retry", pause
        if retries_of(run.offset):  # a failed retry ends no job, and loses no dead letter
            return "dead-letter", 0.0
        if policy.on_error == "fail":
            return "fail", 0.0
        if policy.on_error == "ignore" and divergence_in(error) is None:
            return "ignore", 0.0
        return "dead-letter", 0.0

    def _retry(self, run: Run, error: BaseException) -> Run:
        self._services.recorder.drop_failed_calls(run, error)
        self._metrics.retries += 1
        if kind_of(error) is Kind.TEMPORARY:  # of other failures the end is told soon
            self._metrics.notices.add_kind(
                kind_of_error(error), f"runs are tried again after {one_line(error)}"
            )
        return self._replace(run)

    def begin_again(self, run: Run) -> Run:
        """Give an execution up; return the run for the next one, of the same attempt."""
        self._record_effects(run)
        run.roll_back()
        again = self._replace(run)
        again.trace = run.trace
        return again

    def _record_effects(self, run: Run) -> None:
        """Have the next execution of a run go on behind its finished actions, if that can be."""
        if run.pending is not None:
            self._services.recorder.record_effects_soon(run)

    def _replace(self, run: Run) -> Run:
        self.active -= 1
        if run.timer is not None:
            run.timer.cancel()
        run.log = None
        again = run.next_attempt()
        run.lane.run = again  # in its place, so that no later input of the key overtakes it
        return again

    def _dead_letter(self, run: Run, letter: DeadLetter) -> None:
        self._metrics.dead_letters += 1
        self._metrics.measures.set_aside(letter.cause)
        run.lane.writer.batch.dead.append(letter)
        run.lane.writer.failed.append(run.number)
        # The key of a record that is none is made up.
        self._close(run, 0, wants_end=letter.cause != "bad-input")

    def suspend(self, run: Run, due: float) -> None:
        """Free the worker of a run that goes on at a moment: the shard has it from now on."""
        self._record_effects(run)
        run.roll_back()
        self.active -= 1
        if run.timer is not None:
            run.timer.cancel()
        run.log = None
        self._owned.suspend(run, due)
        if self._hooks is not None:
            self._hooks.call(WorkerHook.run_suspended, run_info(run), due)
        if run.trace is not None:
            self._end_trace(run, "suspended", until=due if due < inf else None)

    def _end_trace(
        self, run: Run, status: str, error: BaseException | str | None = None, **attributes: Any
    ) -> None:
        trace, tracer = run.trace, self._tracer
        assert trace is not None  # noqa: S101 (the callers have looked)
        assert tracer is not None  # noqa: S101 (who has begun it)
        run.trace = None
        tracer.finish(trace, status, error, waited=run.waited, **attributes)

    def _close(self, run: Run, outputs: int, *, wants_end: bool = True) -> None:
        """Free the lane, and put the run's progress into the open group."""
        lane = run.lane
        if lane.run is run:
            lane.run = None
        run.log = None
        self.active -= 1
        if run.timer is not None:
            run.timer.cancel()
        writer = lane.writer
        if not writer.is_open:
            self._group.join(writer)
        lane.group = self._group.group
        writer.counts.append(outputs)
        if run.owned is not None:
            writer.add_owned(run.number, lane.key_bytes)
            self._owned.finish(run)
        else:
            writer.offsets.append(run.number)
            if wants_end and self._owned.wants_ends and not run.is_answer:
                self._owned.want_end(lane, run.offset)
        if run.tokens:
            self._questions.close(writer, run.tokens)
        if run.entries is not None:
            writer.batch.finished.append(run.offset)
        if run.offset > LARGEST_OFFSET and retries_of(run.offset):
            writer.batch.retried.append(offset_of(run.offset))
