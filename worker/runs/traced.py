"""Traces of runs: begun with the run, or afterwards from what is known of it.

Runs of one plain action are performed on a short path, without a trace. If one of them does more
than that, or fails, or takes long, its trace begins late.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from ..metering.shapes import SECOND

if TYPE_CHECKING:
    from ..tracing.run_trace import RunTrace
    from ..tracing.tracer import Tracer
    from .run import Run

__all__ = ["begin_trace", "next_traced", "trace_late", "trace_of", "traced_runs"]


def begin_trace(run: Run, tracer: Tracer) -> None:
    """Begin the trace of a run that begins, or go on with that of an execution given up."""
    if run.trace is not None:
        run.trace.begin_again()
        return
    run.trace = tracer.begin(run.offset, run.lane.key_bytes, run.attempts + 1)
    if run.owned is not None:
        run.trace.description = run.describe()


def trace_of(run: Run, tracer: Tracer, began: float | None = None) -> RunTrace:
    """The trace of a run, perhaps on the short path.

    `began` is when the run has begun, if that is known, in seconds of the monotonic clock.
    """
    trace = run.trace
    if trace is None:
        trace = tracer.begin(run.offset, run.lane.key_bytes, run.attempts + 1)
        run.trace = trace
        trace.begin_with_payload(run.payload)
        if run.action is not None:
            trace.start_action(run.action.name, None)
        for event in run.sent or ():
            trace.send(event)
        for output in run.outputs:
            trace.send_output(output, run.step + 1, is_encoded=True)
    if began is not None:
        trace.backdate(began)
    return trace


def traced_runs(tracer: Tracer | None) -> tuple[float, float]:
    """Which runs may have to be traced from their beginning, and when one is slow.

    That is: those from a number on, and those that take so many nanoseconds.
    """
    return (inf, inf) if tracer is None else (0, round(tracer.slow * SECOND))


def next_traced(run: Run, tracer: Tracer) -> tuple[bool, float]:
    """Whether a run is traced from its beginning, and from which number on others may be."""
    number = run.offset
    if tracer.keys:
        cause = tracer.cause(number, run.lane.key_bytes)
        return cause == "named" or (cause == "sampled" and tracer.takes_sampled()), 0
    following = tracer.next_sampled(number)
    if following != number:
        return False, following
    return tracer.takes_sampled(), number + 1


def trace_late(run: Run, tracer: Tracer | None, began: int, *, is_over: bool = False) -> None:
    """Begin the trace of a run that has been on the short path; end it if the run is over.

    `began` is when its action has begun, in nanoseconds of the monotonic clock.
    """
    if tracer is None:
        return
    trace = trace_of(run, tracer, began / SECOND)
    if is_over:
        trace.finish_action()
        tracer.finish(trace, "success")
