"""Reports of a failed run: a dead letter, the pool's error, a line in the log."""

from __future__ import annotations

import logging
import os
import time
import traceback
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import (
    ActionResultError,
    DivergenceError,
    RunTimeoutError,
    TamiasError,
    UnserializableError,
)
from ...store.records.dead_letters import DeadLetter
from ...store.records.offsets import offset_of, retries_of
from ..own_code import OWN_FOLDERS

if TYPE_CHECKING:
    from ...store.records.dead_letters import Cause
    from .run import Run

_LOOP_IN_LOOP: Final = (
    "cannot be called from a running event loop",  # asyncio.run, asyncio.Runner.run
    "while another loop is running",
    "event loop is already running",
)
_LOG: Final = logging.getLogger("tamias.worker")


def user_traceback(error: BaseException) -> str:
    """The traceback of the user's code, without the frames of tamias around and below it."""
    shown = traceback.TracebackException.from_exception(error)
    _drop_own_frames(shown, set())
    return "".join(shown.format())


def _drop_own_frames(shown: traceback.TracebackException, seen: set[int]) -> None:
    """Take the frames of tamias out of an exception's traceback and those of its causes."""
    seen.add(id(shown))
    frames = [frame for frame in shown.stack if not frame.filename.startswith(OWN_FOLDERS)]
    if frames:
        shown.stack = traceback.StackSummary.from_list(frames)
    for other in (shown.__cause__, shown.__context__):
        if other is not None and id(other) not in seen:
            _drop_own_frames(other, seen)


def one_line(error: BaseException) -> str:
    """The exception as `Type: message`, on one line."""
    if isinstance(error, TamiasError):
        text = f"{type(error).__name__}: {error}"  # without its module
    else:
        text = "".join(traceback.format_exception_only(type(error), error)) + _advice(error)
    return " ".join(text.split())


def _advice(error: BaseException) -> str:
    """Advice on a mistake that Python's own message does not explain.

    Plain actions are called from the event loop, so they cannot run another one.
    """
    if isinstance(error, RuntimeError) and any(text in str(error) for text in _LOOP_IN_LOOP):
        return (
            "(A plain action is called from the worker's event loop: declare it `async def` and"
            " await instead of running another loop.)"
        )
    return ""


def cause_of(error: BaseException) -> Cause:
    """The dead letter's cause."""
    if isinstance(error, RunTimeoutError):
        return "timeout"
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, UnserializableError) or isinstance(error.__cause__, UnserializableError):
        return "unserializable"  # or a durable call's result is
    if isinstance(error, DivergenceError):
        return "divergence"
    return "exception"


def is_final(error: BaseException) -> bool:
    """Whether another attempt must fail, too: the code is wrong, or another than began the run."""
    if isinstance(error, ActionResultError):
        return True
    return isinstance(error, DivergenceError) and error.is_between_generations


def dead_letter(run: Run, error: BaseException, codec: str) -> DeadLetter:
    """The dead letter of an input whose run raised `error` at its last attempt."""
    divergence = error if isinstance(error, DivergenceError) else None
    return DeadLetter(
        offset=offset_of(run.offset),
        retries=retries_of(run.offset),
        key=run.lane.key_bytes,
        payload=run.payload,
        codec=codec,
        cause=cause_of(error),
        attempts=run.attempts,
        error=one_line(error),
        traceback=user_traceback(error),
        action=run.action.name if run.action is not None else None,
        stacks=run.stacks,
        worker_pid=os.getpid(),
        at=time.time(),
        generation=run.lane.writer.generation,
        recorded_by=divergence.recorded_by if divergence else None,
        recorded=run.history() if divergence else [],
    )


def rejection_letter(run: Run, rejection: dict[str, Any], codec: str) -> DeadLetter:
    """The dead letter of an input that the launcher has rejected."""
    return DeadLetter(
        offset=offset_of(run.offset),
        retries=retries_of(run.offset),
        key=run.lane.key_bytes,
        payload=run.payload,
        codec=codec,
        at=time.time(),
        **{"generation": run.lane.writer.generation, **rejection},
    )


def failure_report(run: Run, error: BaseException) -> dict[str, Any]:
    """The fields of `AgentFailedError`, which the launcher raises."""
    return {
        "offset": offset_of(run.offset),
        "key": repr(run.lane.key),
        "action": run.action.name if run.action is not None else None,
        "error": one_line(error),
        "traceback": user_traceback(error),
    }


def log_ignored(run: Run, error: BaseException) -> None:
    """Log that an input was given up under `on-error: ignore`."""
    _LOG.warning(
        "ignored input %d (key %r): %s", offset_of(run.offset), run.lane.key, one_line(error)
    )
