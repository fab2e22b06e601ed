"""Searches of words: BM25 over all segments of all parts together.

The inverted lists of all segments are put in one row, so that what is done for each word is done
once, and not once for each chunk. In large sets numpy does it, if it is installed; else a loop.
"""

from __future__ import annotations

from bisect import bisect_right
from heapq import nsmallest
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .index.ranking import TextStatistics, word_score
from .index.vectors import is_there, numpy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .parts import Segment

    Buffer = bytes | memoryview | bytearray

__all__ = ["WordSearch"]

_SMALL: Final = 4096
"""Sets with fewer items are searched without numpy, which costs more than it saves there."""


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
        terms: Sequence[int],
        counted: tuple[int, int],
    ) -> None:
        self._segments = segments
        self._bases: list[int] = []
        total = 0
        for _, segment in segments:
            self._bases.append(total)
            total += len(segment.numbers)
        self._total = total
        self._entries = {
            term: [
                _Entries(index, *found)
                for index, (_, segment) in enumerate(segments)
                if (found := segment.find(term)) is not None
            ]
            for term in dict.fromkeys(terms)
        }
        having = {term: self._having(entries) for term, entries in self._entries.items()}
        self._statistics = TextStatistics(*counted, having)

    def _having(self, entries: list[_Entries]) -> int:
        having = 0
        for index, places, _ in entries:
            shown = self._segments[index][1].shown
            having += len(places) if shown is None else sum(map(shown.__getitem__, places))
        return having

    def best(self, keep: int) -> list[tuple[float, int, int]]:
        """The best, in descending order: score, part, number of the item."""
        if self._total >= _SMALL and is_there():
            found = self._with_numpy(keep)
        else:
            found = self._with_a_loop(keep)
        return [self._named(score, at) for score, at in found]

    def _named(self, score: float, at: int) -> tuple[float, int, int]:
        index = bisect_right(self._bases, at) - 1
        part, segment = self._segments[index]
        return score, part, segment.numbers[at - self._bases[index]]

    def _with_a_loop(self, keep: int) -> list[tuple[float, int]]:
        mean = self._statistics.mean_length
        scores: dict[int, float] = {}
        for term, entries in self._entries.items():
            weight = self._statistics.weight(term)
            for index, places, counts in entries:
                segment = self._segments[index][1]
                base, allowed, lengths = self._bases[index], segment.allowed, segment.lengths
                for place, count in zip(places, counts, strict=True):
                    if allowed is None or allowed[place]:
                        score = weight * word_score(count, lengths[place], mean)
                        scores[base + place] = scores.get(base + place, 0.0) + score
        return nsmallest(keep, ((score, at) for at, score in scores.items()), key=_descending)

    def _with_numpy(self, keep: int) -> list[tuple[float, int]]:
        np = numpy()
        lengths = np.concatenate(
            [np.asarray(segment.lengths, np.uint32) for _, segment in self._segments]
        )
        mean = self._statistics.mean_length
        scores = np.zeros(self._total)
        for term, entries in self._entries.items():
            if not entries:
                continue
            at, counts = self._joined(np, entries)
            added = self._statistics.weight(term) * word_score(counts, lengths[at], mean)
            scores[at] += added
        self._remove_what_is_not_allowed(np, scores)
        found = np.flatnonzero(scores)
        values = scores[found]
        if len(found) > keep:
            least = np.partition(values, len(values) - keep)[len(values) - keep]
            found = found[values >= least]
            values = scores[found]
        order = np.argsort(-values, kind="stable")[:keep]
        return list(zip(values[order].tolist(), found[order].tolist(), strict=True))

    def _joined(self, np: Any, entries: list[_Entries]) -> tuple[Any, Any]:
        """Where the items with a term are among all, and how often each has it."""
        sizes = [len(places) for _, places, _ in entries]
        bases = np.repeat([self._bases[index] for index, _, _ in entries], sizes)
        places = np.concatenate([np.asarray(places, np.uint16) for _, places, _ in entries])
        counts = np.frombuffer(b"".join(counts for _, _, counts in entries), np.uint8)
        return bases + places, counts.astype(np.float64)

    def _remove_what_is_not_allowed(self, np: Any, scores: Any) -> None:
        for base, (_, segment) in zip(self._bases, self._segments, strict=True):
            if segment.allowed is not None:
                flags = np.frombuffer(segment.allowed, np.uint8)
                scores[base : base + len(flags)] *= flags


def _descending(found: tuple[float, int]) -> tuple[float, int]:
    return -found[0], found[1]
