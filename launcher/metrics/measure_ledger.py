"""Adds up what all workers of a pool have measured of themselves, former ones included.

Each worker reports totals since its start (`worker/metering/shapes.py`). What one has reported last
is kept when it leaves, so no sum falls, whatever order workers are born, replaced and moved in. A
report with less than the one before (only code that tampers with its worker sends one) counts as
the one before, where it is less.

Not in the sums is what a killed worker has measured since its last report, a second at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...worker.metering.names import BoundedNames
from ...worker.metering.shapes import MEASURES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...worker.metering.shapes import Measure

__all__ = ["MeasureLedger", "Measured", "at_least"]

MOST_LABELS: Final = 300
"""So many actions, and so many models, at most are told apart."""

Measured = dict[str, "Measure"]
"""What workers have measured, by measure and label."""


class MeasureLedger:
    """What the former workers of a pool have measured."""

    def __init__(self, most: int = MOST_LABELS) -> None:
        """`most`: so many labels are told apart."""
        self._former: Measured = {}
        self._actions = BoundedNames(most)
        self._models = BoundedNames(most)

    def leave(self, report: Measured) -> None:
        """Keep the last report of a worker that has ended."""
        self._add(self._former, report)

    def totals(self, living: Iterable[Measured]) -> Measured:
        """The sums over former workers, and the living ones whose last reports are given."""
        totals: Measured = {}
        for report in (self._former, *living):
            self._add(totals, report)
        return totals

    def _add(self, into: Measured, report: Mapping[str, Measure]) -> None:
        for name, values in report.items():
            if name not in MEASURES:
                continue
            places = self._models if name.startswith("model_") else self._actions
            totals = into.setdefault(name, {})
            for label, value in values.items():
                place = places.place_of(label) if label else label
                before = totals.get(place)
                if isinstance(value, int):
                    totals[place] = value + (before if isinstance(before, int) else 0)
                elif isinstance(before, list):
                    totals[place] = [a + b for a, b in zip(before, value, strict=True)]
                else:
                    totals[place] = value


def at_least(before: Measured | None, now: Measured) -> Measured:
    """A worker's report, with nothing below that of the one before."""
    if before is None:
        return now
    return {name: _no_less(before.get(name, {}), now.get(name, {})) for name in {**before, **now}}


def _no_less(before: Measure, now: Measure) -> Measure:
    raised = {**before, **now}
    for label, value in before.items():
        other = raised[label]
        if isinstance(value, int):
            raised[label] = max(value, other) if isinstance(other, int) else value
        elif not isinstance(other, list):
            raised[label] = value
        elif other != value:
            raised[label] = [max(pair) for pair in zip(value, other, strict=True)]
    return raised
