"""Searches memory sets: by meaning, by words, or both.

A set may have several parts: one in each shard, if it is shared, and the changes of runs that are
not committed yet. What depends on all items, such as how rare a word is, is summed over all parts
before any is searched.

Each order is made of more items than are wanted: several dozen of the best. Only their records are
read; what has expired or does not fit the filters is left out then, and if that leaves too few, the
order is made longer. The two orders are joined by the ranks that items have in them.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .index.ranking import decay, fuse
from .index.scan import Scan
from .index.terms import terms_of
from .index.vectors import cosines, numpy, stored_query
from .parts import Candidates, damage_is_named, filter_terms, fits
from .word_search import WordSearch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .parts import Loose, Part
    from .records import ItemHead, StoredItem

__all__ = ["MOST", "Found", "Query", "search"]

_LEAST: Final = 50
"""So many are in an order at least, and `_TIMES` as many as are wanted."""
_TIMES: Final = 4
_GROWTH: Final = 4
_SPARE: Final = 6
"""So many more than are wanted are in an order of vectors alone: some may have expired."""
MOST: Final = 1 << 40
"""Items; as many as all there are."""
_SCANNED: Final = 200
"""So many of the best by i8 may be compared exactly, at least, and twice as many as are wanted."""
_STRANGE: Final = 0.05
"""By so much a cosine of i8 differs from that of f16 if one of them is damaged, or very seldom."""

_LOWEST: Final = -math.inf


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
    """An item that was found."""

    item: StoredItem
    score: float
    """The best have the highest: the sum of reciprocal ranks, times the weight by age. If neither
    two orders were joined nor ages count, it is the cosine, or that of BM25."""
    cosine: float | None = None
    """Of its vector and the query's; None if it was not compared, or is far from the best."""


_Place = tuple[int, int]
"""The part and the number of an item."""


def search(parts: Sequence[Part], query: Query) -> list[Found]:
    """Return what is found in the parts together, the best first.

    Raises:
        StoreCorruptError: a part is damaged.
        MissingExtraError: the query has a vector, and numpy is not installed.
    """
    if query.limit < 1:
        return []
    if query.limit > MOST:
        query = replace(query, limit=MOST)
    with damage_is_named(parts):
        return _Search(parts, query).found()


class _Search:
    """One search."""

    def __init__(self, parts: Sequence[Part], query: Query) -> None:
        self._parts = parts
        self._query = query
        self._filters = filter_terms(query.filters)
        self._is_joined = bool(query.half_life or (query.vector and query.text))
        """Whether scores are those of ranks."""
        self._findable: dict[_Place, bool] = {}
        self._items: dict[_Place, StoredItem | None] = {}

    def found(self) -> list[Found]:
        """What is found, the best first."""
        query = self._query
        cosines = dict(self._order(self._by_vector)) if query.vector else {}
        words = dict(self._order(self._by_words())) if query.text else {}
        scores: dict[_Place, float] = cosines or words
        if self._is_joined:
            scores = fuse(list(words), list(cosines))
        if query.half_life:
            for place in scores:
                age = query.now - self._head(place).created_until
                scores[place] *= decay(age, query.half_life)
        best = self._first(scores, words)
        return [
            Found(item, scores[place], cosines.get(place))
            for place in best
            if (item := self._item(place)) is not None
        ]

    def _order(
        self, ranked: Callable[[int], list[tuple[float, int, int]]]
    ) -> list[tuple[_Place, float]]:
        """The best items that may be found, and their scores, descending."""
        limit = self._query.limit
        is_alone = ranked == self._by_vector and not self._is_joined
        keep = limit + _SPARE if is_alone else max(_LEAST, _TIMES * limit)
        wanted = keep if self._is_joined else limit
        while True:
            found = ranked(keep)
            places = (((part, number), score) for score, part, number in found)
            findable = (pair for pair in places if self._may_be_found(pair[0]))
            chosen = list(islice(findable, wanted))
            if len(chosen) >= wanted or len(found) < keep:
                return chosen
            keep *= _GROWTH

    def _first(self, scores: Mapping[_Place, float], words: Mapping[_Place, float]) -> list[_Place]:
        """The best, as many as are wanted.

        Among equals those that words have found come first, as a rare word says more than a
        likeness; then those that were added first.
        """
        limit = self._query.limit
        ordered = sorted(scores.items(), key=_second, reverse=True)
        if len(ordered) > limit:
            least = ordered[limit - 1][1]
            ordered = [pair for pair in ordered if pair[1] >= least]
        ordered.sort(key=lambda pair: (-pair[1], -words.get(pair[0], 0.0), pair[0]))
        return [place for place, _ in ordered[:limit]]

    def _may_be_found(self, place: _Place) -> bool:
        known = self._findable.get(place)
        if known is None:
            if self._is_joined:  # of two orders, most will not be shown
                expires = self._parts[place[0]].expiry(place[1])
            else:
                item = self._item(place)
                expires = None if item is None else item.expires
            known = expires is not None and not 0.0 < expires <= self._query.now
            if known and self._query.filters:
                item = self._item(place)
                known = item is not None and fits(item, self._query.filters)
            self._findable[place] = known
        return known

    def _head(self, place: _Place) -> ItemHead:
        head = self._parts[place[0]].head(place[1])
        if head is None:  # it was there before, and the transaction is the same
            raise KeyError(place)
        return head

    def _item(self, place: _Place) -> StoredItem | None:
        if place not in self._items:
            self._items[place] = self._parts[place[0]].item(place[1])
        return self._items[place]

    def _by_words(self) -> Callable[[int], list[tuple[float, int, int]]]:
        counted = [part.counted() for part in self._parts]
        segments = [
            (number, segment)
            for number, part in enumerate(self._parts)
            for segment in part.segments(self._filters)
        ]
        items, words = sum(n for n, _ in counted), sum(n for _, n in counted)
        return WordSearch(segments, list(terms_of(self._query.text)), (items, words)).best

    def _by_vector(self, keep: int) -> list[tuple[float, int, int]]:
        query = stored_query(self._query.vector)
        scan: Scan | None = None

        def scan_of_chunks() -> Scan:
            nonlocal scan
            if scan is None:
                scan = Scan(query, max(_SCANNED, 2 * keep))
            return scan

        loose = [
            part.compare(len(query), scan_of_chunks, name, self._filters)
            for name, part in enumerate(self._parts)
        ]
        scored = _best_of_loose(loose, query, keep)
        if scan is not None:
            scored += self._compared(scan.best(keep), query)
        scored.sort(key=_descending)
        return scored[:keep]

    def _compared(
        self, likely: Sequence[tuple[float, Any, int]], query: Any
    ) -> list[tuple[float, int, int]]:
        """Exact cosines of what a scan of chunks has found."""
        rows: dict[int, list[tuple[float, int, int]]] = {}
        for score, (name, first), row in likely:
            rows.setdefault(name, []).append((score, first, row))
        names: list[int] = []
        found = Candidates([], [], [], [])
        for name, places in rows.items():
            found.add(self._parts[name].candidates(places))
            names += [name] * len(places)
        exact: list[float] = cosines(b"".join(found.halves), query).tolist()
        for name, first, about, score in zip(names, found.firsts, found.about, exact, strict=True):
            if not abs(about - score) < _STRANGE:  # NaN is strange, too
                self._parts[name].check(first)
        return list(zip(exact, names, found.numbers, strict=True))


def _best_of_loose(loose: Sequence[Loose], query: Any, keep: int) -> list[tuple[float, int, int]]:
    """The best of what is in no chunk."""
    np = numpy()
    halves = b"".join([half for each in loose for half in each.halves])  # in one piece, aligned
    if not halves:
        return []
    scores = np.fmax(cosines(halves, query), _LOWEST)  # NaN: damaged
    at = max(0, len(scores) - keep)
    ordered = scores.copy()
    ordered.partition(at)
    best = (scores >= ordered[at]).nonzero()[0]  # with all that are equal to it
    ends = list(accumulate(len(each.numbers) for each in loose))
    found = []
    for place, score in zip(best.tolist(), scores[best].tolist(), strict=True):
        name = bisect_right(ends, place)
        inside = place - ends[name] + len(loose[name].numbers)
        found.append((score, name, loose[name].numbers[inside]))
    return found


def _second(pair: tuple[_Place, float]) -> float:
    return pair[1]


def _descending(found: tuple[float, int, int]) -> tuple[float, int, int]:
    return -found[0], found[1], found[2]
