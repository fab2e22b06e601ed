"""What workers measure of themselves: the names, and the bounds of histograms.

A measure has values by label (an action, a model, a cause; empty where there is nothing to tell
apart). A value is a count, or the list of a histogram: the sum of what was observed, then how many
observations were in each bucket. All are whole numbers, so that a sum over workers is the same in
whatever order it is made: a sum of floating-point numbers may fall by its last digit when a worker
dies, which is a restart to a monitoring system. Times are in nanoseconds, money is in billionths.

Bounds are the same everywhere, so histograms are added up by position. Those of models are from
OpenTelemetry's conventions for generative AI.
"""

from __future__ import annotations

from typing import Final

__all__ = ["MEASURES", "SECOND", "Measure"]

SECOND: Final = 1_000_000_000
"""In nanoseconds."""
_MICROSECOND: Final = 1_000
_MILLISECOND: Final = 1_000_000

Measure = dict[str, "int | list[int]"]
"""The values of one measure, by label."""

_TIMES: Final = (
    10 * _MICROSECOND,
    100 * _MICROSECOND,
    500 * _MICROSECOND,
    *(n * _MILLISECOND for n in (1, 5, 10, 25, 50, 100, 250, 500)),
    *(n * SECOND // 10 for n in (10, 25, 50, 100, 300, 600, 3000)),
)
_MODEL_TIMES: Final = tuple(10 * _MILLISECOND << n for n in range(14))
_TOKENS: Final = tuple(4**n for n in range(14))

MEASURES: Final[dict[str, tuple[int, ...]]] = {
    "runs": (),
    "user_ns": (),
    "executed": (),
    "failed": (),
    "action_ns": _TIMES,
    "calls_made": (),
    "calls_replayed": (),
    "call_failures": (),
    "commit_ns": _TIMES,
    "commit_bytes": (),
    "dead_letters": (),
    "unwritten": (),
    "model_ns": _MODEL_TIMES,
    "model_failures": (),
    "model_input": _TOKENS,
    "model_output": _TOKENS,
    "model_cost": (),
}
"""By name, the upper bounds of the buckets of a histogram; none: it is a count."""
