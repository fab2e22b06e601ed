"""Ranking: BM25 for words, reciprocal ranks to join two orders, and decay by age."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping
    from typing import TypeVar

    Name = TypeVar("Name", bound=Hashable)

__all__ = ["TextStatistics", "decay", "fuse", "word_score"]

K1: Final = 1.2
B: Final = 0.75
_FUSED_K: Final = 60


class TextStatistics(NamedTuple):
    """What BM25 needs to know of all that is searched, in all parts together.

    Attributes:
        items: how many there are.
        words: the sum of the lengths of their texts.
        having: for each term, how many items have it.
    """

    items: int
    words: int
    having: Mapping[int, int]

    @property
    def mean_length(self) -> float:
        """The mean length of a text."""
        return self.words / self.items if self.items and self.words else 1.0

    def weight(self, term: int) -> float:
        """How much a term says: the rarer, the more."""
        having = self.having.get(term, 0)
        return math.log1p((max(self.items, having) - having + 0.5) / (having + 0.5))


def word_score(count: Any, length: Any, mean_length: float) -> Any:
    """What a term that a text has `count` times adds to its score, times the term's weight.

    The first two may be arrays.
    """
    return count * (K1 + 1) / (count + K1 * (1 - B + B * length / mean_length))


def fuse(*orders: Iterable[Name]) -> dict[Name, float]:
    """Scores by reciprocal rank of what is in one or more orders, in no order."""
    scores: dict[Name, float] = {}
    score_of = scores.get
    for order in orders:
        for rank, name in enumerate(order, _FUSED_K + 1):
            scores[name] = score_of(name, 0.0) + 1 / rank
    return scores


def decay(age: float, half_life: float) -> float:
    """The factor for an item's score by its age, in the unit of `half_life`; never more than 1."""
    return math.pow(2.0, -min(max(0.0, age) / half_life, 1000.0))
