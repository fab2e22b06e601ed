"""Searches of words: BM25 over all segments of all parts together.

The inverted lists of all segments are put in one row, so that what is done for each word is done
once, and not once for each chunk. In large sets numpy does it, if it is installed; else a loop.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cache, partial
from heapq import nsmallest
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .index.ranking import TextStatistics, word_score
from .index.vectors import is_there, numpy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .parts import Segment

    Buffer = bytes | memoryview | bytearray

__all__ = ["WordSearch"]

_SMALL: Final = 4096
"""Sets with fewer items are searched without numpy, which costs more than it saves there."""
_FEW_TIMES: Final = 8
"""As many times as many scores as are wanted are put in order quickly."""


class _Entries(NamedTuple):
    """The items of one segment that have a term."""

    segment: int
    places: Sequence[int]
    counts: Buffer


class WordSearch:
    """A search for words.

    Args:
        segments: what to search, each with the number of its part.
        terms: the words.
        counted: how many items there are, and the sum of the lengths of their texts.
    """

    def __init__(
        self,
        segments: Sequence[tuple[int, Segment]],
        terms: Iterable[int],
        counted: tuple[int, int],
    ) -> None:
        self._segments = segments
        self._terms = sorted(set(terms))
        self._counted = counted
        self._bases: list[int] = []
        total = 0
        for _, segment in segments:
            self._bases.append(total)
            total += len(segment.numbers)
        self._total = total
        self._scores: Any = None

    def best(self, keep: int) -> list[tuple[float, int, int]]:
        """The best, in descending order: score, part, number of the item."""
        if self._total >= _SMALL and is_there():
            found = self._with_numpy(keep)
        else:
            found = self._with_a_loop(keep)
        if len(self._segments) == 1:
            part, segment = self._segments[0]
            numbers = segment.numbers
            return [(score, part, numbers[at]) for score, at in found]
        return [self._named(score, at) for score, at in found]

    def _named(self, score: float, at: int) -> tuple[float, int, int]:
        index = bisect_right(self._bases, at) - 1
        part, segment = self._segments[index]
        return score, part, segment.numbers[at - self._bases[index]]

    # -- without numpy ------------------------------------------------------------------------

    def _with_a_loop(self, keep: int) -> list[tuple[float, int]]:
        if self._scores is None:
            self._scores = self._scores_of_a_loop()
        scores: dict[int, float] = self._scores
        if len(scores) > _FEW_TIMES * keep:
            return nsmallest(keep, ((score, at) for at, score in scores.items()), key=_descending)
        best = sorted(scores)
        best.sort(key=scores.__getitem__, reverse=True)  # equals stay as they are
        return [(scores[at], at) for at in best[:keep]]

    def _scores_of_a_loop(self) -> dict[int, float]:
        entries = {
            term: [
                _Entries(index, *found)
                for index, (_, segment) in enumerate(self._segments)
                if (found := segment.find(term)) is not None
            ]
            for term in self._terms
        }
        having = {term: self._having(those) for term, those in entries.items()}
        statistics = TextStatistics(*self._counted, having)
        mean = statistics.mean_length
        scores: dict[int, float] = {}
        score_of, known = scores.get, cache(partial(word_score, mean_length=mean))
        for term, those in entries.items():
            weight = statistics.weight(term)
            for index, places, counts in those:
                segment = self._segments[index][1]
                base, allowed, lengths = self._bases[index], segment.allowed, segment.lengths
                for place, count in zip(places, counts, strict=True):
                    if allowed is None or allowed[place]:
                        at = base + place
                        scores[at] = score_of(at, 0.0) + weight * known(count, lengths[place])
        return scores

    def _having(self, entries: list[_Entries]) -> int:
        having = 0
        for index, places, _ in entries:
            shown = self._segments[index][1].shown
            having += len(places) if shown is None else sum(map(shown.__getitem__, places))
        return having

    # -- with numpy ---------------------------------------------------------------------------

    def _with_numpy(self, keep: int) -> list[tuple[float, int]]:
        np = numpy()
        if self._scores is None:
            self._scores = self._scores_of_numpy(np)
        scores = self._scores
        least = (
            np.partition(scores, len(scores) - keep)[len(scores) - keep]
            if keep < len(scores)
            else 0.0
        )
        found = np.flatnonzero(scores >= least if least > 0.0 else scores)
        values = scores[found]
        order = np.argsort(-values, kind="stable")[:keep]
        return list(zip(values[order].tolist(), found[order].tolist(), strict=True))

    def _scores_of_numpy(self, np: Any) -> Any:
        lengths = np.concatenate(
            [np.asarray(segment.lengths, np.uint32) for _, segment in self._segments]
        )
        shown = self._flags(np, [segment.shown for _, segment in self._segments])
        found = self._entries_of_numpy(np)
        having = {
            term: len(at) if shown is None else int(np.count_nonzero(shown[at]))
            for term, (at, _) in found.items()
        }
        statistics = TextStatistics(*self._counted, having)
        mean = statistics.mean_length
        scores = np.zeros(self._total)
        for term, (at, counts) in found.items():
            scores[at] += word_score(counts, lengths[at], mean) * statistics.weight(term)
        allowed = self._flags(np, [segment.allowed for _, segment in self._segments])
        if allowed is not None:
            scores *= allowed
        return scores

    def _flags(self, np: Any, flags: Sequence[Buffer | None]) -> Any:
        """Flags of the items of all segments in one row, None if all are 1."""
        if all(some is None for some in flags):
            return None
        row = np.ones(self._total, np.bool_)
        for base, some in zip(self._bases, flags, strict=True):
            if some is not None:
                row[base : base + len(some)] = np.frombuffer(some, np.bool_)
        return row

    def _entries_of_numpy(self, np: Any) -> dict[int, tuple[Any, Any]]:
        """For each term, where the items that have it are among all, and how often each has it."""
        wanted = np.array(self._terms, np.uint32)
        places: list[list[Buffer]] = [[] for _ in self._terms]
        counts: list[list[Buffer]] = [[] for _ in self._terms]
        bases: list[list[int]] = [[] for _ in self._terms]
        sizes: list[list[int]] = [[] for _ in self._terms]
        for base, (_, segment) in zip(self._bases, self._segments, strict=True):
            for index, its_places, its_counts in segment.find_all(np, wanted):
                places[index].append(its_places)
                counts[index].append(its_counts)
                bases[index].append(base)
                sizes[index].append(len(its_counts))
        found: dict[int, tuple[Any, Any]] = {}
        for index, term in enumerate(self._terms):
            if places[index]:
                at = np.repeat(bases[index], sizes[index])
                at += np.frombuffer(b"".join(places[index]), np.uint16)
                counted = np.frombuffer(b"".join(counts[index]), np.uint8)
                found[term] = at, counted.astype(np.float64)
        return found


def _descending(found: tuple[float, int]) -> tuple[float, int]:
    return -found[0], found[1]
