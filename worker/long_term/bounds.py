"""The bounds of memory sets, and what goes when they are exceeded.

A set is bounded by the number, the tokens and the bytes of its items, and all sets of a key
together by their bytes. What the sets amount to is followed (`memory.tally`), so an addition costs
the same whatever the size of its set: nothing is read of it until it is full.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ...agent.errors import MemorySetError
from ..memory.tally import NOTHING, Amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...store.sets.records import StoredItem
    from ..memory.tally import Tally
    from .view import SetView


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a set may have.

    Attributes:
        most: items, tokens and bytes; 0 tokens or bytes: as many as there are.
        key_size: bytes of all sets of the key; 0: as many as there are.
    """

    most: Amount
    key_size: int = 0

    def excess(self, total: Amount, elsewhere: int) -> Amount:
        """What is too much; `elsewhere` are the bytes of the key's other sets."""
        most = self.most
        size = max(0, total.size - most.size) if most.size else 0
        if self.key_size:
            size = max(size, total.size + elsewhere - self.key_size)
        return Amount(
            max(0, total.items - most.items),
            max(0, total.tokens - most.tokens) if most.tokens else 0,
            size,
        )

    def is_full(self, total: Amount, elsewhere: int) -> bool:
        """Whether there is as much as there may be, or more."""
        most = self.most
        return (
            total.items >= most.items
            or 0 < most.tokens <= total.tokens
            or 0 < most.size <= total.size
            or 0 < self.key_size <= total.size + elsewhere
        )


class Victims(NamedTuple):
    """Items to be evicted."""

    items: list[StoredItem]
    passed: int
    """No stored item up to this number is left to be evicted."""


def choose_victims(
    view: SetView, tally: Tally, excess: Amount, new: Sequence[StoredItem] = ()
) -> Victims:
    """Choose the oldest items that may go.

    Args:
        view: the set.
        tally: what it amounts to.
        excess: what is too much.
        new: items that are about to be added. They are the newest, and may replace others.

    Raises:
        MemorySetError: too many items are to be kept.
    """
    victims: list[StoredItem] = []
    gone = NOTHING
    passed = tally.passed
    replaced = {item.id for item in new}

    def is_enough() -> bool:
        return all(left <= 0 for left in excess.minus(gone))

    for number, item in view.oldest(tally.passed):
        if is_enough():
            break
        if not item.keep and item.id not in replaced:
            victims.append(item)
            gone = gone.plus(Amount.of(item))
        passed = number or passed
    for item in new[:-1]:
        if is_enough():
            break
        if not item.keep:
            victims.append(item)
            gone = gone.plus(Amount.of(item))
    if not is_enough():
        raise full(view.name.name)
    return Victims(victims, passed)


def full(name: str) -> MemorySetError:
    """The error for a set in which nothing may go."""
    return MemorySetError(
        f"The memory set {name!r} is full, and all of its items are to be kept (keep=True).",
        hint="Delete some, or allow more: capacity, max_tokens, max_bytes,"
        " long-term-memory.key-max-bytes.",
    )


def too_large(name: str, item_id: str) -> MemorySetError:
    """The error for an item that is more than its set may have."""
    return MemorySetError(
        f"The tokens or bytes of the item {item_id[:50]!r} alone are more than the memory set"
        f" {name!r} may have.",
        hint="Split it, or allow more: max_tokens, max_bytes, long-term-memory.key-max-bytes.",
    )
