"""What the workers of each slot have done, former ones included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .measure_ledger import Measured

__all__ = ["SlotLedger"]

_KEPT: Final = ("runs", "user_ns")


class SlotLedger:
    """Counts by slot, which go on when a worker is replaced."""

    def __init__(self) -> None:
        self._former: dict[int, dict[str, int]] = {}

    @property
    def slots(self) -> list[int]:
        """The slots that have had a worker which has left."""
        return list(self._former)

    def leave(self, slot: int, report: Measured) -> None:
        """Keep the last report of a slot's worker, which has ended."""
        self._former[slot] = self.totals(slot, report)

    def totals(self, slot: int, report: Measured | None) -> dict[str, int]:
        """`runs` and `user_ns` of all workers of a slot; the present one's report is given."""
        former = self._former.get(slot, {})
        return {name: former.get(name, 0) + _count(report, name) for name in _KEPT}


def _count(report: Measured | None, name: str) -> int:
    value = (report or {}).get(name, {}).get("", 0)
    return value if isinstance(value, int) else 0
