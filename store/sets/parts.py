"""Parts of a searched set, in a form that searches are written for.

A part has *segments*: the chunks of a stored set, its tail, and items that are not committed yet.
Each finds the places of a term. The item at a place is not shown if it is dead, or if a later
change has replaced it. That an item has expired is only seen by its record, when it is found.
"""

from __future__ import annotations

import struct
from array import array
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from .folding import terms_record
from .index.bitmap import flags_of, numbers_of
from .index.postings import ChunkLists, TailTerms
from .index.products import library
from .index.terms import metadata_term

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from .index.matrix import VectorMatrix
    from .index.scan import Scan
    from .index.vector_chunk import VectorRows
    from .kept.matrices import KeptMatrix
    from .reading import StoredSet
    from .records import StoredItem

    Buffer = bytes | memoryview | bytearray

__all__ = [
    "DAMAGE",
    "Candidates",
    "ItemsPart",
    "Loose",
    "Part",
    "Segment",
    "StoredPart",
    "filter_terms",
    "find_damage",
    "fits",
]


class Candidates(NamedTuple):
    """Items of chunks whose cosines are to be computed exactly, as columns.

    Attributes:
        numbers: of the items, in their part.
        halves: their vectors in f16, one by one or several in one piece.
        about: their cosines by i8.
        firsts: the first numbers of their chunks.
    """

    numbers: list[int]
    halves: list[Buffer]
    about: list[float]
    firsts: list[int]

    def add(self, more: Candidates) -> None:
        """Add others."""
        self.numbers.extend(more.numbers)
        self.halves.extend(more.halves)
        self.about.extend(more.about)
        self.firsts.extend(more.firsts)


class Loose(NamedTuple):
    """Vectors that are all compared exactly: those of items that are in no chunk, or in few.

    Attributes:
        numbers: of the items, in their part, ascending.
        halves: their vectors, in f16, one after the other.
        wanted: the places of those that may be found; None if all may.
    """

    numbers: Sequence[int]
    halves: Buffer
    wanted: Sequence[int] | None = None


def fits(item: StoredItem, filters: Mapping[str, Any] | None) -> bool:
    """Whether an item's metadata has the values of filters; True is not 1 there."""
    return not filters or all(
        name in item.metadata
        and item.metadata[name] == value
        and isinstance(item.metadata[name], bool) == isinstance(value, bool)
        for name, value in filters.items()
    )


def filter_terms(filters: Mapping[str, Any] | None) -> list[int]:
    """The terms of filters; all items that fit have them. Values that are no scalars have none."""
    found = (metadata_term(name, value) for name, value in (filters or {}).items())
    return [term for term in found if term is not None]


class Segment:
    """Items with an index of their terms.

    Attributes:
        numbers: the number of the item at each place, by which its part knows it.
        lengths: of the items' texts.
        shown: for each place, 0 if its item is not shown, else 1; None if all are.
        allowed: the same for items that filters let through; `narrow` sets it.
    """

    __slots__ = ("_lists", "allowed", "lengths", "numbers", "shown")

    def __init__(
        self, lists: ChunkLists | TailTerms, numbers: Sequence[int], shown: Buffer | None
    ) -> None:
        self._lists = lists
        self.numbers = numbers
        self.lengths: Sequence[int] = lists.lengths
        self.shown = shown
        self.allowed = shown

    def find(self, term: int) -> tuple[Sequence[int], Buffer] | None:
        """The places that have a term, ascending, and how often each has it."""
        if isinstance(self._lists, ChunkLists):
            found = self._lists.find(term)
            return None if found is None else (found[0].cast("H"), found[1])
        places, counts = self._lists.find(term)
        return (places, counts) if places else None

    def find_all(self, np: Any, terms: Any) -> Iterator[tuple[int, Buffer, Buffer]]:
        """Yield what `find` returns for each of many terms, with its index.

        Args:
            np: numpy.
            terms: an array, ascending.

        Places are bytes of u16.
        """
        if isinstance(self._lists, ChunkLists):
            yield from self._lists.find_all(np, terms)
            return
        for index, term in enumerate(terms.tolist()):
            places, counts = self._lists.find(term)
            if places:
                yield index, array("H", places).tobytes(), counts

    def narrow(self, terms: Sequence[int]) -> None:
        """Allow only items that have all these terms."""
        for term in terms:
            found = self.find(term)
            flags = bytearray(len(self.numbers))
            for place in found[0] if found is not None else ():
                flags[place] = 1 if self.allowed is None else self.allowed[place]
            self.allowed = flags


class Part(Protocol):
    """A part of a searched set."""

    def counted(self) -> tuple[int, int]:
        """How many items are shown, and the sum of the lengths of their texts."""

    def segments(self, filters: Sequence[int]) -> list[Segment]:
        """Its segments, narrowed to what has these terms."""

    def compare(
        self, dims: int, scan: Callable[[], Scan], name: int, filters: Sequence[int]
    ) -> list[Loose]:
        """Add the chunks with vectors of so many dimensions to a scan, as (name, first).

        Returns what is in none, and what is not to be scanned, by ascending numbers.
        """

    def candidates(self, found: Sequence[tuple[float, int, int]]) -> Candidates:
        """What a scan has found: cosines, first numbers, rows."""

    def check(self, first: int) -> None:
        """Raise StoreCorruptError if the chunk with this first number is damaged."""

    def check_all(self) -> None:
        """Raise StoreCorruptError if any chunk is damaged."""

    def expired(self, now: float) -> Collection[int]:
        """The numbers of the items that have expired at a moment."""

    def created(self, number: int) -> float | None:
        """When an item was created, the last of several; None if it is not there."""

    def item(self, number: int) -> StoredItem | None:
        """An item, None if it is not there; its metadata is not to be changed."""


DAMAGE: Final = (LookupError, ValueError, struct.error)
"""What is raised by a chunk that is damaged by now: a process compares checksums when it reads one
first. Call `find_damage` then."""


def find_damage(parts: Iterable[Part]) -> None:
    """Raise StoreCorruptError if chunks of the parts are damaged."""
    for part in parts:
        part.check_all()


class StoredPart:
    """A set in a snapshot, without items that later changes have replaced.

    Attributes:
        item: see `Part`.
    """

    def __init__(self, stored: StoredSet, hidden: Collection[str] = ()) -> None:
        """`hidden` are ids."""
        self._stored = stored
        self.item = stored.found_item
        self._hidden: set[int] = set()
        for item_id in hidden:
            number = stored.number_of(item_id)
            if number is not None:
                self._hidden.add(number)
        self._matrix: VectorMatrix | None = None
        """What was searched in place of the chunks."""
        self._segments: dict[int, Segment] = {}
        """By the first number of a chunk; 0 for the tail."""
        self._rows: dict[int, VectorRows] = {}
        """Of the chunks that have vectors of the dimensions that are searched, once compared."""
        self._narrowed = False

    def counted(self) -> tuple[int, int]:
        """See `Part`."""
        totals = self._stored.totals()
        for number in self._hidden:
            head = self._stored.head(number)
            if head is not None:
                totals = totals.plus(head.totals, -1)
        return totals.items, totals.terms

    def segments(self, filters: Sequence[int]) -> list[Segment]:
        """See `Part`."""
        if 0 not in self._segments:
            if self._has_chunks():
                self._add_chunks()
            self._add_tail()
        if filters and not self._narrowed:
            for segment in self._segments.values():
                segment.narrow(filters)
            self._narrowed = True
        return list(self._segments.values())

    def _has_chunks(self) -> bool:
        state = self._stored.tail().state
        return state.tail < state.totals.items

    def _add_chunks(self) -> None:
        bitmaps = dict(self._stored.bitmaps())
        for first, lists in self._stored.all_lists():
            if first in bitmaps:
                self._add_chunk(first, lists, bitmaps.pop(first))
        for first in bitmaps:
            self._stored.lists(first)  # raises: it is missing

    def _add_chunk(self, first: int, lists: ChunkLists, bitmap: bytes) -> None:
        if numbers_of(bitmap)[0] != len(lists.seqs):
            raise self._stored.damaged(f"chunk {first}", "its bitmap is not that of its lists")
        self._segments[first] = Segment(lists, lists.seqs, self._shown(first, bitmap))

    def _shown(self, first: int, bitmap: bytes) -> Buffer | None:
        places, live = numbers_of(bitmap)
        flags = None if live == places else flags_of(bitmap)
        if self._hidden:
            lists = self._stored.lists(first)
            for number in self._hidden:
                place = lists.place_of(number)
                if place is not None:
                    flags = flags_of(bitmap) if flags is None else flags
                    flags[place] = 0
        return flags

    def _add_tail(self) -> None:
        numbers, terms = self._stored.words_of_tail()
        shown = None
        if self._hidden and not self._hidden.isdisjoint(numbers):
            shown = bytearray(number not in self._hidden for number in numbers)
        self._segments[0] = Segment(terms, numbers, shown)

    def compare(
        self, dims: int, scan: Callable[[], Scan], name: int, filters: Sequence[int]
    ) -> list[Loose]:
        """See `Part`."""
        if filters:
            self.segments(filters)
        found = []
        if self._has_chunks():
            kept = self._stored.matrix()
            if kept is None:
                self._scan_chunks(dims, scan, name)
            elif kept.matrix.dims == dims:
                wanted = self._wanted_rows(kept, filters)
                if len(kept.matrix) <= _FEW_ROWS and library() is not None:
                    found.append(_all_rows(kept.matrix, wanted))
                else:
                    self._matrix = kept.matrix
                    scan().add_matrix((name, _MATRIX), kept.matrix, wanted)
        tail = self._in_tail(dims, filters)
        if tail is not None:
            found.append(tail)
        return found

    def _scan_chunks(self, dims: int, scan: Callable[[], Scan], name: int) -> None:
        bitmaps = self._stored.bitmaps()
        for first, rows in self._stored.all_rows(list(bitmaps)):
            if rows.dims != dims or first not in bitmaps:
                continue
            self._rows[first] = rows
            segment = self._segments.get(first)
            flags = self._shown(first, bitmaps[first]) if segment is None else segment.allowed
            if flags is not None and len(flags) != rows.items:
                raise self._stored.damaged(f"chunk {first}", "its vectors are not of its items")
            scan().add((name, first), rows, flags)

    def _wanted_rows(self, kept: KeptMatrix, filters: Sequence[int]) -> Any:
        matrix, wanted = kept.matrix, kept.live
        if filters:
            try:
                wanted = matrix.mask({n: self._segments[n].allowed for n in matrix.firsts})
            except (KeyError, ValueError) as error:
                raise self._stored.damaged("chunks", f"{error!r}") from error
        return matrix.without(wanted, self._hidden) if self._hidden else wanted

    def _in_tail(self, dims: int, filters: Sequence[int]) -> Loose | None:
        rows = self._stored.rows_of_tail(dims)
        if rows is None:
            return None
        unwanted: set[int] = self._hidden
        if filters:
            tail = self._segments[0]
            if tail.allowed is not None:
                pairs = zip(tail.numbers, tail.allowed, strict=True)
                unwanted = unwanted.union(number for number, flag in pairs if not flag)
        if not unwanted:
            return Loose(*rows)
        # Items whose chunks have vectors of another length are here, too; records will be read.
        numbers, halves = rows
        wanted = [place for place, number in enumerate(numbers) if number not in unwanted]
        return Loose(numbers, halves, wanted)

    def candidates(self, found: Sequence[tuple[float, int, int]]) -> Candidates:
        """See `Part`."""
        candidates = Candidates([], [], [], [])
        by_chunk: dict[int, list[int]] = {}
        for about, first, row in sorted(found, key=itemgetter(1)):
            by_chunk.setdefault(first, []).append(row)
            candidates.about.append(about)
            candidates.firsts.append(first)
        for first, picked in by_chunk.items():
            if first == _MATRIX and self._matrix is not None:
                candidates.halves.append(self._matrix.halves(picked))
                candidates.numbers.extend(self._matrix.numbers(picked))
                continue
            rows = self._rows[first]
            candidates.halves.extend(self._stored.halves(first, rows, picked))
            places = map(rows.places.__getitem__, picked)
            candidates.numbers.extend(self._stored.numbers_at(first, places))
        return candidates

    def check(self, first: int) -> None:
        """See `Part`."""
        for each in self._stored.bitmaps() if first == _MATRIX else [first]:
            self._stored.check_halves(each)

    def check_all(self) -> None:
        """See `Part`."""
        self._stored.check_chunks()

    def expired(self, now: float) -> Collection[int]:
        """See `Part`."""
        if not self._stored.has_expired(now):
            return ()
        return {number for number, _ in self._stored.expired(now)}

    def created(self, number: int) -> float | None:
        """See `Part`."""
        return self._stored.created(number)


class ItemsPart:
    """Items that are not committed yet."""

    def __init__(self, items: Sequence[StoredItem]) -> None:
        self._items = items
        self._segment: Segment | None = None
        self._narrowed = False

    def counted(self) -> tuple[int, int]:
        """See `Part`."""
        return len(self._items), sum(self._own_segment().lengths)

    def segments(self, filters: Sequence[int]) -> list[Segment]:
        """See `Part`."""
        segment = self._own_segment()
        if filters and not self._narrowed:
            segment.narrow(filters)
            self._narrowed = True
        return [segment]

    def _own_segment(self) -> Segment:
        if self._segment is None:
            terms = TailTerms([terms_record(item) for item in self._items])
            self._segment = Segment(terms, range(len(self._items)), None)
        return self._segment

    def compare(
        self,
        dims: int,
        scan: Callable[[], Scan],  # noqa: ARG002 (see `Part`)
        name: int,  # noqa: ARG002 (see `Part`)
        filters: Sequence[int],
    ) -> list[Loose]:
        """See `Part`."""
        allowed = self.segments(filters)[0].allowed if filters else None
        numbers = [
            number
            for number, item in enumerate(self._items)
            if len(item.vector) == 2 * dims and (allowed is None or allowed[number])
        ]
        return [Loose(numbers, b"".join([self._items[number].vector for number in numbers]))]

    def candidates(
        self,
        found: Sequence[tuple[float, int, int]],  # noqa: ARG002 (see `Part`)
    ) -> Candidates:
        """See `Part`; there are no chunks."""
        return Candidates([], [], [], [])

    def check(self, first: int) -> None:
        """See `Part`; there are no chunks."""

    def check_all(self) -> None:
        """See `Part`; there are no chunks."""

    def expired(self, now: float) -> Collection[int]:
        """See `Part`."""
        return {number for number, item in enumerate(self._items) if item.is_expired(now)}

    def created(self, number: int) -> float | None:
        """See `Part`."""
        return self._items[number].created_until

    def item(self, number: int) -> StoredItem | None:
        """See `Part`."""
        return self._items[number]


def _all_rows(matrix: VectorMatrix, wanted: Any) -> Loose:
    places = None if wanted is None else wanted.nonzero()[0].tolist()
    return Loose(matrix.all_numbers(), matrix.all_halves(), places)


_MATRIX: Final = 0
"""Stands for all chunks together where the first number of one is expected; items begin at 1."""
_FEW_ROWS: Final = 2048
"""Rows of a matrix that are multiplied as they are in less time than it takes to set up a scan."""
