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
from collections.abc import Callable
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from .index.ranking import decay, fuse
from .index.scan import Scan
from .index.terms import terms_of
from .index.vectors import cosines, half_query, numpy, stored_query
from .parts import DAMAGE, Candidates, filter_terms, find_damage, fits
from .word_search import WordSearch

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from .parts import Loose, Part
    from .records import StoredItem

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

_FEW: Final = 512
"""Scores that are put in order as they are; of more, only the best are."""
_LOWEST: Final = -math.inf


class Query(NamedTuple):
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


_Place: TypeAlias = tuple[int, int]
"""The part and the number of an item."""
_Ranked: TypeAlias = Callable[[int], list[tuple[float, int, int]]]
"""Returns so many of the best, in descending order: score, part, number."""


def search(parts: Sequence[Part], query: Query) -> list[Found]:
    """Return what is found in the parts together, the best first.

    Raises:
        StoreCorruptError: a part is damaged.
        MissingExtraError: the query has a vector, and numpy is not installed.
    """
    if query.limit < 1:
        return []
    if query.limit > MOST:
        query = query._replace(limit=MOST)
    try:
        return _Search(parts, query).found()
    except DAMAGE:
        find_damage(parts)
        raise


class _Search:
    """One search."""

    def __init__(self, parts: Sequence[Part], query: Query) -> None:
        self._parts = parts
        self._query = query
        self._filters = filter_terms(query.filters)
        self._expired: list[Collection[int]] = []
        """The numbers of what has expired, for each part."""
        self._gone: set[_Place] = set()
        """What the index of a damaged set has, and the set has not, or not any more."""
        self._findable: dict[_Place, bool] = {}

    def found(self) -> list[Found]:
        """What is found, the best first."""
        query = self._query
        if query.half_life or (query.vector and query.text):
            return self._joined()
        if query.vector:
            return self._best_of(self._by_vector, query.limit + _SPARE)
        if query.text:
            return self._best_of(self._by_words(), max(_LEAST, _TIMES * query.limit))
        return []

    # -- by one order -------------------------------------------------------------------------

    def _best_of(self, ranked: _Ranked, keep: int) -> list[Found]:
        """The best of an order that is not joined with another one; the scores are its own."""
        _, vector, limit, filters, _, now = self._query
        items = [part.item for part in self._parts]
        while True:
            order = ranked(keep)
            found: list[Found] = []
            for score, part, number in order:
                item = items[part](number)
                if item is None or (item.expires and item.expires <= now):
                    continue
                if filters and not fits(item, filters):
                    continue
                found.append(Found(item, score, score if vector else None))
                if len(found) == limit:
                    return found
            if len(order) < keep:
                return found
            keep *= _GROWTH

    # -- by two orders, or by age -------------------------------------------------------------

    def _joined(self) -> list[Found]:
        """The best by both orders, and by age."""
        query = self._query
        self._expired = [part.expired(query.now) for part in self._parts]
        by_words = self._by_words() if query.text else None
        while True:
            cosines = dict(self._order(self._by_vector)) if query.vector else {}
            words = dict(self._order(by_words)) if by_words is not None else {}
            scores = fuse(words, cosines)
            if query.half_life:
                self._fade(scores)
            best = [(place, self._item(place)) for place in self._first(scores, words)]
            gone = {place for place, item in best if item is None or item.is_expired(query.now)}
            if not gone:
                return [
                    Found(item, scores[place], cosines.get(place))
                    for place, item in best
                    if item is not None
                ]
            self._gone |= gone
            self._findable.clear()

    def _order(self, ranked: _Ranked) -> list[tuple[_Place, float]]:
        """The best items that may be found, and their scores, descending."""
        keep = wanted = max(_LEAST, _TIMES * self._query.limit)
        checks = bool(self._query.filters or self._gone or any(self._expired))
        while True:
            order = ranked(keep)
            chosen = [((part, number), score) for score, part, number in order]
            if checks:
                chosen = [pair for pair in chosen if self._may_be_found(pair[0])]
            if len(chosen) >= wanted or len(order) < keep:
                return chosen[:wanted]
            keep *= _GROWTH

    def _may_be_found(self, place: _Place) -> bool:
        known = self._findable.get(place)
        if known is None:
            part, number = place
            known = place not in self._gone and number not in self._expired[part]
            if known and self._query.filters:
                item = self._item(place)
                known = item is not None and fits(item, self._query.filters)
            self._findable[place] = known
        return known

    def _fade(self, scores: dict[_Place, float]) -> None:
        """Multiply scores with the weights by age."""
        query = self._query
        for place in scores:
            part, number = place
            created = self._parts[part].created(number)
            if created is not None:  # else it is gone, as is seen soon
                scores[place] *= decay(query.now - created, query.half_life)

    def _first(self, scores: Mapping[_Place, float], words: Mapping[_Place, float]) -> list[_Place]:
        """The best, as many as are wanted.

        Among equals those that words have found come first, as a rare word says more than a
        likeness; then those that were added first.
        """
        limit, best = self._query.limit, list(scores)
        if len(best) > limit:
            least = sorted(scores.values(), reverse=True)[limit - 1]
            best = [place for place in best if scores[place] >= least]
        best.sort(key=lambda place: (-scores[place], -words.get(place, 0.0), place))
        return best[:limit]

    def _item(self, place: _Place) -> StoredItem | None:
        part, number = place
        return self._parts[part].item(number)

    # -- the orders ---------------------------------------------------------------------------

    def _by_words(self) -> _Ranked:
        counted = [part.counted() for part in self._parts]
        segments = [
            (number, segment)
            for number, part in enumerate(self._parts)
            for segment in part.segments(self._filters)
        ]
        items, words = sum(n for n, _ in counted), sum(n for _, n in counted)
        return WordSearch(segments, terms_of(self._query.text), (items, words)).best

    def _by_vector(self, keep: int) -> list[tuple[float, int, int]]:
        query = half_query(self._query.vector)
        scan: Scan | None = None

        def scan_of_chunks() -> Scan:
            nonlocal scan
            if scan is None:
                scan = Scan(stored_query(self._query.vector), max(_SCANNED, 2 * keep))
            return scan

        loose = [
            (name, each)
            for name, part in enumerate(self._parts)
            for each in part.compare(len(query), scan_of_chunks, name, self._filters)
        ]
        scored = _best_of_loose(loose, query, keep)
        if scan is None:
            return scored
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


def _best_of_loose(
    loose: Sequence[tuple[int, Loose]], query: Any, keep: int
) -> list[tuple[float, int, int]]:
    """The best of some vectors, each with the name of its part, in descending order."""
    np = numpy()
    columns = [pair for pair in loose if len(pair[1].halves)]
    found: list[Any] = []
    for _, each in columns:
        scores = cosines(each.halves, query)
        found.append(scores if each.wanted is None else scores[each.wanted])
    if not found:
        return []
    scores = found[0] if len(found) == 1 else np.concatenate(found)
    best = _best_places(np, scores, keep)
    places, values = best.tolist(), scores[best].tolist()
    if values and math.isnan(values[-1]):
        values = [_LOWEST if math.isnan(value) else value for value in values]
    if len(found) == 1:
        name, (numbers, _, wanted) = columns[0]
        if wanted is not None:
            places = [wanted[place] for place in places]
        return [(value, name, numbers[at]) for value, at in zip(values, places, strict=True)]
    ends = list(accumulate(map(len, found)))
    order = []
    for value, place in zip(values, places, strict=True):
        column = bisect_right(ends, place)
        name, (numbers, _, wanted) = columns[column]
        inside = place - ends[column] + len(found[column])
        order.append((value, name, numbers[inside if wanted is None else wanted[inside]]))
    return order


def _best_places(np: Any, scores: Any, keep: int) -> Any:
    """The places of the best, in descending order; NaN, of what is damaged, comes last."""
    if len(scores) <= _FEW:
        return (-scores).argsort(kind="stable")[:keep]
    at = max(0, len(scores) - keep)
    scores = np.fmax(scores, _LOWEST)
    ordered = scores.copy()
    ordered.partition(at)
    best = (scores >= ordered[at]).nonzero()[0]  # with all that are equal to it
    return best[(-scores[best]).argsort(kind="stable")[:keep]]


def _descending(found: tuple[float, int, int]) -> tuple[float, int, int]:
    return -found[0], found[1], found[2]
