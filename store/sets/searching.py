"""Searches memory sets: by meaning, by words, or both.

A set may have several parts: one in each shard, if it is shared, and the changes of runs that are
not committed yet. What depends on all items, such as how rare a word is, is summed over all parts
before any is searched.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from .records import StoredItem, text_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from .reading import StoredSet

__all__ = ["Found", "ItemsPart", "Part", "Query", "StoredPart", "search"]

_RANK: Final = 60
"""The constant of reciprocal rank fusion (Cormack, Clarke, Buettcher 2009)."""
_K1: Final = 1.2
_B: Final = 0.75


@dataclass(frozen=True, slots=True)
class Query:
    """What to search for.

    Attributes:
        text: words to look for; empty for none.
        vector: float16, of length 1, to be near to; empty for none.
        limit: the number of items to find, at most.
        filters: values that items must have in their metadata.
        half_life: seconds in which the weight of an item halves; 0 for never.
        now: the moment of the search, in seconds since the epoch.
    """

    text: str = ""
    vector: bytes = b""
    limit: int = 10
    filters: Mapping[str, Any] | None = None
    half_life: float = 0.0
    now: float = 0.0


class Found(NamedTuple):
    """An item that was found; the best have the highest scores."""

    item: StoredItem
    score: float


class Part(Protocol):
    """A part of the searched set."""

    def items(self) -> Iterator[StoredItem]:
        """All items, with vectors."""


class StoredPart:
    """A set in a snapshot, without items that later changes have replaced."""

    def __init__(self, stored: StoredSet, hidden: Collection[str] = ()) -> None:
        """`hidden` are ids."""
        self._stored = stored
        self._hidden = hidden

    def items(self) -> Iterator[StoredItem]:
        """All items, with vectors."""
        for _, item in self._stored.items(with_vectors=True):  # noqa: PERF102 (no mapping)
            if item.id not in self._hidden:
                yield item


class ItemsPart:
    """Items that are not committed yet."""

    def __init__(self, items: Sequence[StoredItem]) -> None:
        self._items = items

    def items(self) -> Iterator[StoredItem]:
        """All items, with vectors."""
        yield from self._items


def search(parts: Sequence[Part], query: Query) -> list[Found]:
    """Return what is found in the parts together, the best first."""
    items = [
        item
        for part in parts
        for item in part.items()
        if not item.is_expired(query.now) and fits(item, query.filters)
    ]
    rankings = []
    if query.vector:
        rankings.append(_by_vector(items, query.vector))
    if query.text:
        rankings.append(_by_text(items, query.text))
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, place in enumerate(ranking, 1):
            scores[place] = scores.get(place, 0.0) + 1 / (_RANK + rank)
    if query.half_life:
        for place in scores:
            age = max(0.0, query.now - items[place].created_until)
            scores[place] *= 0.5 ** (age / query.half_life)
    best = sorted(scores, key=lambda place: (-scores[place], items[place].id))
    return [Found(items[place], scores[place]) for place in best[: query.limit]]


def fits(item: StoredItem, filters: Mapping[str, Any] | None) -> bool:
    """Whether an item's metadata has the values of filters."""
    return not filters or all(
        name in item.metadata and item.metadata[name] == value for name, value in filters.items()
    )


def _by_vector(items: Sequence[StoredItem], vector: bytes) -> list[int]:
    import numpy as np  # noqa: PLC0415 (an extra)

    places = [place for place, item in enumerate(items) if item.vector]
    wanted = np.frombuffer(vector, np.float16).astype(np.float32)
    found = {
        place: float(np.frombuffer(items[place].vector, np.float16).astype(np.float32) @ wanted)
        for place in places
    }
    return sorted(found, key=lambda place: -found[place])[:200]


def _by_text(items: Sequence[StoredItem], text: str) -> list[int]:
    documents = [Counter(_terms(text_of(item.value))) for item in items]
    average = sum(map(Counter.total, documents)) / max(1, len(documents))
    found: dict[int, float] = {}
    for term in set(_terms(text)):
        having = [place for place, document in enumerate(documents) if term in document]
        rarity = math.log(1 + (len(documents) - len(having) + 0.5) / (len(having) + 0.5))
        for place in having:
            count, length = documents[place][term], documents[place].total()
            weight = count * (_K1 + 1) / (count + _K1 * (1 - _B + _B * length / average))
            found[place] = found.get(place, 0.0) + rarity * weight
    return sorted(found, key=lambda place: -found[place])[:200]


def _terms(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
