"""Adds up what all workers of a pool have measured of themselves, former ones included.

Each worker reports totals since its start (`worker/metering/shapes.py`). What one has reported last
is kept when it leaves, so no sum falls, whatever order workers are born, replaced and moved in. A
report with less than the one before (only code that tampers with its worker sends one) counts as
the one before, where it is less.

What a killed worker has measured since its last report is found in its file: see `killed_worker`.
"""

from __future__ import annotations

from operator import add
from typing import TYPE_CHECKING, Final

from ...worker.metering.names import BoundedNames
from ...worker.metering.shapes import MEASURES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...worker.metering.shapes import Measure

__all__ = ["MeasureLedger", "Measured", "merged"]

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
                    totals[place] = list(map(add, before, value))
                else:
                    totals[place] = value


def merged(known: Measured, changed: Measured) -> Measured:
    """A worker's measures, of which some have changed; nothing is below what is known."""
    both = {**known, **changed}
    for name, values in changed.items():
        before = known.get(name, {})
        both[name] = {**before, **values}
        for label, value in values.items():
            other = before.get(label)
            if other is not None:
                both[name][label] = _no_less(other, value)
    return both


def _no_less(before: int | list[int], now: int | list[int]) -> int | list[int]:
    if isinstance(before, list) and isinstance(now, list):
        return list(map(max, before, now))
    return before if isinstance(before, list) or isinstance(now, list) else max(before, now)
