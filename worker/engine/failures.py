"""Reports of a failed run: a dead letter, the pool's error, a line in the log."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import (
    ActionResultError,
    AnswerError,
    DivergenceError,
    RunTimeoutError,
    TamiasError,
    UnserializableError,
    WaitTimeoutError,
)
from ...agent.failures import error_text
from ...agent.failures.error_text import full_text, is_of, message_of
from ...store.records.dead_letters import DeadLetter
from ...store.records.offsets import offset_of, retries_of
from ..own_code import OWN_FOLDERS
from ..recording.material import material_of

if TYPE_CHECKING:
    from ...store.records.dead_letters import Cause
    from ..durable.call_log import CallRecord
    from ..policy import Policy
    from ..runs.run import Run
    from ..waiting.questions import Questions

_LOOP_IN_LOOP: Final = (
    "cannot be called from a running event loop",  # asyncio.run, asyncio.Runner.run
    "while another loop is running",
    "event loop is already running",
)
_LOG: Final = logging.getLogger("tamias.worker")


def user_traceback(error: BaseException) -> str:
    """The traceback of the user's code, without the frames of tamias around and below it."""
    return full_text(error, keep=lambda file: not file.startswith(OWN_FOLDERS))


def one_line(error: BaseException) -> str:
    """The exception as `Type: message`, on one line."""
    if is_of(error, TamiasError):
        return " ".join(f"{type(error).__name__}: {message_of(error)}".split())  # without a module
    return error_text.one_line(error) + _advice(error)


def _advice(error: BaseException) -> str:
    """Advice on a mistake that Python's own message does not explain.

    Plain actions are called from the event loop, so they cannot run another one.
    """
    if is_of(error, RuntimeError) and any(text in message_of(error) for text in _LOOP_IN_LOOP):
        return (
            " (A plain action is called from the worker's event loop: declare it `async def` and"
            " await instead of running another loop.)"
        )
    return ""


def cause_of(error: BaseException) -> Cause:
    """The dead letter's cause."""
    if is_of(error, RunTimeoutError):
        return "timeout"
    if is_of(error, MemoryError):
        return "memory"
    if is_of(error, UnserializableError) or is_of(error_text.cause_of(error), UnserializableError):
        return "unserializable"  # or a durable call's result is
    if is_of(error, DivergenceError):
        return "divergence"
    return "exception"


def divergence_in(error: BaseException) -> DivergenceError | None:
    """The error itself if it is a divergence."""
    return error if is_of(error, DivergenceError) else None  # type: ignore[return-value]


def is_final(error: BaseException) -> bool:
    """Whether another attempt must fail, too: by the code, or by what is on record."""
    if is_of(error, (ActionResultError, AnswerError)):
        return True
    if is_of(error, WaitTimeoutError) and error.is_on_record:  # type: ignore[attr-defined]
        return True
    divergence = divergence_in(error)
    return divergence is not None and divergence.is_between_generations


def dead_letter(run: Run, error: BaseException, policy: Policy, questions: Questions) -> DeadLetter:
    """The dead letter of an input whose run raised `error` at its last attempt."""
    divergence = divergence_in(error)
    call = run.log.call_that_gave_up(error) if run.log is not None else None
    gave_up = f" ({call.name} was tried {_times(len(call.attempts))})" if call is not None else ""
    return DeadLetter(
        offset=offset_of(run.offset),
        retries=retries_of(run.offset),
        key=run.lane.key_bytes,
        payload=run.payload,
        codec=_codec(run, policy.codec),
        origin=None if run.has_input else run.origin,
        attempts_errors=_attempts(run, call),
        cause=cause_of(error),
        attempts=run.attempts,
        error=one_line(error) + gave_up,
        traceback=user_traceback(error),
        action=run.action.name if run.action is not None else None,
        stacks=run.stacks,
        worker_pid=os.getpid(),
        at=time.time(),
        generation=run.lane.writer.generation,
        recorded_by=divergence.recorded_by if divergence else None,
        recorded=run.history() if divergence else [],
        record=material_of(run, questions, policy.record_limit).to_json(),
    )


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _attempts(run: Run, call: CallRecord | None) -> list[dict[str, Any]]:
    """The errors of all attempts at a run, and at the call that gave up, if one did."""
    errors = [(each.at, each.error, each.action) for each in run.errors or ()]
    if call is not None:
        errors += [(at, error, call.name) for at, error in call.attempts]
    return [{"at": at, "error": error, "of": of} for at, error, of in errors]


def rejection_letter(
    run: Run, rejection: dict[str, Any], policy: Policy, questions: Questions
) -> DeadLetter:
    """The dead letter of an input that the launcher has rejected."""
    return DeadLetter(
        offset=offset_of(run.offset),
        retries=retries_of(run.offset),
        key=run.lane.key_bytes,
        payload=run.payload,
        codec=_codec(run, policy.codec),
        origin=None if run.has_input else run.origin,
        at=time.time(),
        record=material_of(run, questions, policy.record_limit).to_json(),
        **{"generation": run.lane.writer.generation, **rejection},
    )


def _codec(run: Run, of_inputs: str) -> str:
    """The encoding of a run's payload: that of inputs, or of a timer's event."""
    return of_inputs if run.has_input else "pickle"


def failure_report(run: Run, error: BaseException) -> dict[str, Any]:
    """The fields of `AgentFailedError`, which the launcher raises."""
    return {
        "offset": offset_of(run.offset),
        "what": run.describe(),
        "key": repr(run.lane.key),
        "action": run.action.name if run.action is not None else None,
        "error": one_line(error),
        "traceback": user_traceback(error),
    }


def log_ignored(run: Run, error: BaseException) -> None:
    """Log that an input was given up under `on-error: ignore`."""
    _LOG.warning("ignored %s (key %r): %s", run.describe(), run.lane.key, one_line(error))
