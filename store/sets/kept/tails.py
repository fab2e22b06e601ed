"""What a process keeps of the items of sets that are in no chunk, and of the items of small sets.

A tail is as of one state of its set: of one commit. It is filled with what searches need, when they
need it first. Items never change, and new ones have higher numbers. So if a commit has only added
some, the tail of the next state is made of the one before and of these: `Tail.next`.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from ..index.postings import TailTerms
from ..records import StoredItem
from .values import Kept

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from ..records import SetState

    Buffer = bytes | memoryview
    Records = tuple[array[int], Sequence[Buffer]]
    """The numbers of some items, ascending, and a record of each."""

__all__ = ["KeptItem", "Rows", "Tail", "TailSource", "Tails", "Words"]

_SMALL: Final = 1024
"""Sets with more items keep none: few of them would be found twice."""
_OF_A_TAIL: Final = 1000
_OF_A_ROW: Final = 8
_OF_WORDS: Final = 90
_OF_AN_ITEM: Final = 1600
"""Bytes of these, about, besides their texts and vectors."""
_SCALARS: Final = frozenset((str, int, float, bool, type(None)))


class KeptItem(StoredItem):
    """An item of which nothing can be changed but the mapping of its metadata.

    Attributes:
        shown: what a reader has made of it, to be copied the next time.
    """

    shown: dict[str, Any] | None = None


class Rows(NamedTuple):
    """Vectors of one length in f16, one after the other, and the numbers of their items."""

    numbers: array[int]
    halves: bytes


class Words(NamedTuple):
    """The terms of items, and their numbers."""

    numbers: array[int]
    terms: TailTerms


class TailSource(Protocol):
    """A set in a transaction, which gives the records of its tail."""

    def vectors_behind(self, number: int, likely: int) -> Records:
        """The vectors of items with higher numbers; quick if `likely` is how many they are."""

    def terms_behind(self, number: int, likely: int) -> Records:
        """The terms of items with higher numbers; the same."""


class Tail:
    """The items of a set that are in no chunk, as of one state; for many threads.

    Attributes:
        state: it.
        rows: vectors by their length in bytes; None until they are loaded. Those of items whose
            chunks have vectors of another length are here, too.
        words: the terms of all items; None until they are loaded.
        items: by number, items that were found; of a large set none are kept.
        is_searched_again: whether it is not the first search; before, no items are kept.
        first_due: the moment when the first item of the set expires, in milliseconds; None until it
            is loaded.
    """

    __slots__ = (
        "_items_size",
        "first_due",
        "is_searched_again",
        "items",
        "rows",
        "state",
        "words",
    )

    def __init__(self, state: SetState) -> None:
        self.state = state
        self.rows: Mapping[int, Rows] | None = None
        self.words: Words | None = None
        self.items: dict[int, KeptItem] = {}
        self.first_due: int | None = None
        self.is_searched_again = False
        self._items_size = 0

    @property
    def is_small(self) -> bool:
        """Whether items of the set are kept."""
        return self.state.totals.items <= _SMALL

    def next(self, state: SetState, source: TailSource) -> Tail:
        """The tail of a later state of the set, with what can be taken over from this one.

        Raises BrokenChunkError for terms that are none.
        """
        tail, before = Tail(state), self.state
        tail.is_searched_again = True
        # A reader may have an older snapshot than the one before.
        is_later = before.written < state.written and before.changed <= state.changed
        if not is_later:
            return tail
        added = state.tail - before.tail
        # Of a tail that has become a chunk nothing is left: so one that was empty says nothing.
        was_there = before.tail > 0 or not before.totals.items
        if was_there and added >= 0 and state.totals.items - before.totals.items == added:
            numbers, records = source.terms_behind(before.changed, added)
            # As many are new as there are more, here and in all: so all those before are there.
            if len(numbers) == added:
                if self.words is not None:
                    tail.words = _words(numbers, records, self.words)
                if self.rows is not None:
                    vectors = source.vectors_behind(before.changed, added)
                    tail.rows = _rows(*vectors, self.rows)
        is_full = len(self.items) > 2 * state.totals.items  # of items that are gone
        if tail.is_small and not is_full:
            tail.items, tail._items_size = dict(self.items), self._items_size
        return tail

    def load_rows(self, source: TailSource) -> Mapping[int, Rows]:
        """Read the vectors."""
        self.rows = _rows(*source.vectors_behind(self.state.floor, self.state.tail), {})
        return self.rows

    def load_words(self, source: TailSource) -> Words:
        """Read the terms. Raises BrokenChunkError for what are none."""
        self.words = _words(*source.terms_behind(self.state.floor, self.state.tail), None)
        return self.words

    def keep(self, number: int, item: StoredItem, size: int) -> bool:
        """Keep an item, whose record has so many bytes; whether it can be."""
        if not (self.is_searched_again and self.is_small and _is_plain(item)):
            return False
        self.items[number] = KeptItem._make(item)
        self._items_size += _OF_AN_ITEM + 2 * size
        return True

    def size(self) -> int:
        """About how many bytes it has."""
        size = _OF_A_TAIL + self._items_size
        for rows in (self.rows or {}).values():
            size += len(rows.halves) + _OF_A_ROW * len(rows.numbers)
        if self.words is not None:
            size += self.words.terms.size + _OF_WORDS * len(self.words.numbers)
        return size


class Tails(Kept[Tail]):
    """The tails of sets, those used last.

    Args:
        most: bytes that are kept.
    """

    def __init__(self, most: int) -> None:
        super().__init__(most, Tail.size)

    def get(self, name: Hashable, version: Hashable) -> Tail | None:
        """See `Kept`."""
        tail = super().get(name, version)
        if tail is not None:
            tail.is_searched_again = True
        return tail

    def of(self, source: TailSource, name: Hashable, version: Hashable, state: SetState) -> Tail:
        """The tail of a set that is not kept in this version; from now on it is.

        Args:
            source: the set.
            name: what tells it from all other sets.
            version: what tells its state from all others.
            state: it.

        Raises:
            BrokenChunkError: the terms of a new item are damaged.
        """
        before = self.last(name)
        tail = Tail(state) if before is None else before.next(state, source)
        self.put(name, version, tail)
        return tail


def _is_plain(item: StoredItem) -> bool:
    return (
        type(item.value) is str
        and not item.vector
        and _SCALARS.issuperset(map(type, item.metadata.values()))
    )


def _rows(
    numbers: array[int], halves: Sequence[Buffer], before: Mapping[int, Rows]
) -> Mapping[int, Rows]:
    """Rows by their length, behind others."""
    found = dict(before)
    lengths = set(map(len, halves))
    for length in lengths:
        its, rows = numbers, halves
        if len(lengths) > 1:  # they are of two models
            places = [place for place, half in enumerate(halves) if len(half) == length]
            its = array("Q", [numbers[place] for place in places])
            rows = [halves[place] for place in places]
        known, joined = found.get(length), b"".join(rows)
        found[length] = (
            Rows(its, joined) if known is None else Rows(known.numbers + its, known.halves + joined)
        )
    return found


def _words(numbers: array[int], records: Sequence[Buffer], before: Words | None) -> Words:
    """Terms of items, behind those of others."""
    if before is None:
        return Words(numbers, TailTerms(records))
    return Words(before.numbers + numbers, TailTerms(records, before.terms))
