"""Finds the keys that have the most inputs, in little memory and time.

One input in sixteen is looked at, at random distances, because keys may come in turn. Of these the
algorithm of Misra and Gries ("Finding repeated elements", 1982) counts a few hundred keys: when one
more would be too many, all counts fall by one, and those that are zero make room. So a count is too
low by at most a few hundredths of all, and each key with a larger share is among them.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

from .key_texts import key_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..dispatch.item import Item

__all__ = ["TopKeys"]

EVERY: Final = 16
"""One in so many inputs is looked at, in the mean."""
MOST: Final = 256


class TopKeys:
    """Counts the inputs of the keys that have most of them."""

    def __init__(self, most: int = MOST, seed: int | None = None) -> None:
        """`most` is how many keys are counted at a time; `seed` is for tests."""
        self._most = most
        self._random = Random(seed)  # noqa: S311 (nobody gains by guessing it)
        self._counts: dict[bytes, int] = {}
        self._seen = 0
        self._next = 0
        """How many inputs to pass over until the next one is looked at."""

    def sample(self, items: Sequence[Item]) -> None:
        """Look at some of these inputs."""
        place, size, draw = self._next, len(items), self._random.random
        while place < size:
            self.count(items[place].key)
            place += 1 + int(draw() * (2 * EVERY - 1))
        self._next = place - size

    def count(self, key: bytes) -> None:
        """Count one input of a key."""
        self._seen += 1
        counts = self._counts
        if key in counts:
            counts[key] += 1
        elif len(counts) < self._most:
            counts[key] = 1
        else:
            self._counts = {other: number - 1 for other, number in counts.items() if number > 1}

    def top(self, most: int = 20) -> list[tuple[str, int]]:
        """The keys with the most inputs, as text, and about how many each has had.

        Those are not among them whose count may be that of any key: where all keys have as many
        inputs, there are none.
        """
        least = max(1, self._seen // (self._most + 1))
        found = [(number, key) for key, number in self._counts.items() if number > least]
        found.sort(reverse=True)
        return [(key_text(key), number * EVERY) for number, key in found[:most]]
