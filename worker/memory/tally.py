"""What a memory set amounts to, followed from one change to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ...store.sets.records import StoredItem, Totals


class Amount(NamedTuple):
    """What items are together."""

    items: int = 0
    tokens: int = 0
    size: int = 0
    """Bytes of their records and vectors."""

    @classmethod
    def of(cls, item: StoredItem) -> Amount:
        """That of one item, with its vector."""
        return cls(1, item.tokens, len(item.encode()) + len(item.vector))

    @classmethod
    def of_totals(cls, totals: Totals) -> Amount:
        """What a shard has counted."""
        return cls(totals.items, totals.tokens, totals.size)

    def plus(self, other: Amount) -> Amount:
        """Both together."""
        return Amount(self.items + other.items, self.tokens + other.tokens, self.size + other.size)

    def minus(self, other: Amount) -> Amount:
        """Without the other."""
        return Amount(self.items - other.items, self.tokens - other.tokens, self.size - other.size)


NOTHING = Amount()


class Tally:
    """What a set amounts to for a run of the only key that changes it.

    Attributes:
        committed: what the run has found.
        run: what its finished actions have added to that.
        action: what the running one has added.
        may_shrink: whether it may change by itself: items expire, or other keys change it.
        passed: no stored item up to this number can be evicted: it is kept, or gone.
    """

    __slots__ = ("_passed", "action", "committed", "is_recent", "may_shrink", "passed", "run")

    def __init__(self, committed: Amount, run: Amount, action: Amount) -> None:
        self.committed = committed
        self.run = run
        self.action = action
        self.is_recent = True
        """Whether it was counted in this action: the shard removes expired items by itself."""
        self.may_shrink = True
        self.passed = self._passed = 0

    def total(self) -> Amount:
        """All together."""
        return self.committed.plus(self.run).plus(self.action)

    def end_action(self) -> None:
        """What the action has changed belongs to the run."""
        self.run = self.run.plus(self.action)
        self.action = NOTHING
        self.is_recent = False

    def commit(self) -> None:
        """What the run has changed is committed."""
        self.committed = self.total()
        self.run = self.action = NOTHING
        self._passed = self.passed
        self.is_recent = False

    def roll_back(self) -> None:
        """What the run has changed is dropped."""
        self.run = self.action = NOTHING
        self.passed = self._passed
        self.is_recent = False
