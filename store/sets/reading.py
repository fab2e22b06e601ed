"""A memory set in one snapshot of a shard."""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar
from weakref import ref

from ...agent.errors import StoreCorruptError
from ..records.due_keys import due_of
from .index.bitmap import is_sound, numbers_of
from .index.matrix import MatrixChunk
from .index.postings import ChunkLists, numbers_in
from .index.vector_chunk import BrokenChunkError, decode_rows, halves_in_piece
from .kept.matrices import Matrices
from .kept.tails import Tail, Tails
from .naming import set_label
from .records import (
    HALVES,
    ITEM,
    LISTS,
    NUMBER_OF_ID,
    SETTINGS,
    SMALL,
    STATE,
    TERMS,
    VECTOR,
    ItemHead,
    SetSettings,
    SetState,
    StoredItem,
    Totals,
    id_digest,
    set_address,
)
from .table import SetTable, number_in, number_key

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

    import lmdb

    from .changes import SetName
    from .index.vector_chunk import VectorRows
    from .kept.matrices import KeptMatrix
    from .kept.tails import Records, Rows, Words

    Buffer = bytes | memoryview

__all__ = ["StoredSet", "forget_checks"]

_T = TypeVar("_T")
_Decoded_co = TypeVar("_Decoded_co", covariant=True)

_CHECKED: set[int] = set()
"""Chunks whose checksums this process has compared, by address and checksum."""
_SUM_BEFORE: Final = 24
"""The checksum of a value is in front of this byte."""
_PIECES: Final = 5
"""So many pieces has a chunk of vectors of 256 dimensions."""
_MOST_CHECKED: Final = 1 << 16
_TAILS: Final = Tails(16 << 20)
"""Tails, by environment and address; vectors of 256 dimensions have 64 KiB in one, in the mean."""
_NEVER: Final = 1 << 63
"""A moment that does not come, in milliseconds."""
_MATRICES: Final = Matrices(32 << 20)
"""Vectors of chunks of sets that are not large, by environment and address."""


class _Decode(Protocol[_Decoded_co]):
    """Makes of the bytes of a chunk what searches read."""

    def __call__(self, pieces: Sequence[Buffer], /, *, check: bool) -> _Decoded_co: ...


class _ReadChunk(NamedTuple):
    """A chunk that was read for one vector, and probably has the next one, too."""

    first: int
    lists: ChunkLists
    rows: VectorRows | None

    def may_have(self, number: int) -> bool:
        """Whether a number is in its range."""
        return self.first <= number <= self.lists.seqs[-1]

    def row_of(self, number: int) -> int | None:
        """The row of an item's vector, None if it has none in the chunk."""
        place = self.lists.place_of(number)
        if place is None or self.rows is None:
            return None
        row = bisect_left(self.rows.places, place)
        return row if row < len(self.rows.places) and self.rows.places[row] == place else None


class StoredSet:
    """A set as of one commit; for as long as its transaction is open.

    Attributes:
        name: the set.
    """

    __slots__ = ("_bitmaps", "_last_chunk", "_records", "_source", "_state", "_tail", "name")

    def __init__(
        self, transaction: lmdb.Transaction[Any], table: Any, name: SetName, source: Any = None
    ) -> None:
        """Read a set.

        Args:
            transaction: see the class.
            table: None in a store that was only written by a version without sets.
            name: the set.
            source: what the transaction is of, if it sees only commits; what searches read is kept
                from one to the next then.
        """
        self.name = name
        self._source = None if source is None else ref(source)
        self._records = None if table is None else SetTable(transaction, table, set_address(*name))
        self._state: SetState | None = None
        self._last_chunk: _ReadChunk | None = None
        self._bitmaps: dict[int, bytes] | None = None
        self._tail: Tail | None = None
        """What is kept, as soon as it is searched."""

    def settings(self) -> SetSettings | None:
        """Its settings; None if there is no such set."""
        data = None if self._records is None else self._records.get(SETTINGS)
        try:
            return None if data is None else SetSettings.decode(data)
        except ValueError as error:
            raise self.damaged("settings", error) from error

    def totals(self) -> Totals:
        """What its items are together, those that have expired and are not yet removed included."""
        return self._counted().totals

    def live_totals(self, now: float) -> Totals:
        """What the items are together that have not expired at a moment."""
        totals = self.totals()
        for _, head in self.expired(now):
            totals = totals.plus(head.totals, -1)
        return totals

    def has_expired(self, now: float) -> bool:
        """Whether `expired` may yield something."""
        tail = self.tail()
        if tail.first_due is None:
            due = None if self._records is None else self._records.first_due()
            tail.first_due = _NEVER if due is None else due
        return tail.first_due <= due_of(now)

    def expired(self, now: float) -> Iterator[tuple[int, ItemHead]]:
        """Yield the items that have expired at a moment, and are not yet removed."""
        if self._records is None:
            return
        floor = self._counted().floor
        for number in self._records.due(due_of(now)):
            head = self.head(number) if number > floor else None
            if head is not None and head.expires <= now:
                yield number, head

    def number_of(self, item_id: str) -> int | None:
        """The number of an item; None if there is none with this id."""
        if self._records is None:
            return None
        found = self._records.get(NUMBER_OF_ID + id_digest(item_id))
        number = 0 if found is None else number_in(found)
        return number if number > self._counted().floor else None

    def item(self, number: int, *, with_vector: bool = False) -> StoredItem | None:
        """The item of a number, None if there is none."""
        record = self._item_record(number)
        if record is None:
            return None
        return self._decoded(number, record, self.vector(number) if with_vector else b"")

    def found_item(self, number: int) -> StoredItem | None:
        """What `item` returns; of a number that the index of this set has.

        Its metadata is not to be changed: it may be shown again.
        """
        tail = self._tail or self.tail()
        kept = tail.items.get(number)
        if kept is not None:
            return kept
        record = self._item_record(number)
        if record is None:
            return None
        item = self._decoded(number, record, b"")
        if self._source is not None and tail.keep(number, item, len(record)):
            self._count_anew(tail)
        return item

    def created(self, number: int) -> float | None:
        """When an item was created, the last of several; as `found_item`."""
        if self.tail().is_small:
            item = self.found_item(number)
            return None if item is None else item.created_until
        head = self.head(number)
        return None if head is None else head.created_until

    def head(self, number: int) -> ItemHead | None:
        """What can be read quickly of the item of a number; None if there is none."""
        record = self._item_record(number)
        if record is None:
            return None
        return self._guarded(lambda: ItemHead.decode(record), f"item {number}")

    def vector(self, number: int) -> bytes:
        """The vector of an item, in float16; empty if it has none."""
        if self._records is None or number <= self._counted().floor:
            return b""
        if self._last_chunk is None or not self._last_chunk.may_have(number):
            key = number_key(number)
            found = self._records.get(VECTOR + key)
            if found is not None or self._records.view(TERMS + key) is not None:
                return found or b""
            chunk = self._records.chunk_of(number, self._counted().floor)
            if chunk is None:
                return b""
            first = chunk[0]
            self._last_chunk = _ReadChunk(first, self.lists(first), self.rows(first))
        first, _, rows = self._last_chunk
        row = self._last_chunk.row_of(number)
        if rows is None or row is None:
            return self._records.get(VECTOR + number_key(number)) or b""
        return bytes(self.halves(first, rows, [row])[0])

    def items(
        self, after: int = 0, *, with_vectors: bool = False
    ) -> Iterator[tuple[int, StoredItem]]:
        """Yield numbers and items, in the order in which they were added, behind a number.

        Items that have expired and are not yet removed are included.
        """
        if self._records is None:
            return
        for number, record in self._records.scan(ITEM, max(after, self._counted().floor)):
            vector = self.vector(number) if with_vectors else b""
            yield number, self._decoded(number, record, vector)

    def _decoded(self, number: int, record: Buffer, vector: bytes) -> StoredItem:
        try:  # not `_guarded`, as it is done for each item that is found
            return StoredItem.decode(record, vector)
        except (ValueError, struct.error) as error:
            raise self.damaged(f"item {number}", error) from error

    # -- the index, for searches --------------------------------------------------------------

    def bitmaps(self) -> Mapping[int, bytes]:
        """By the first number of each chunk, ascending: which of its items live.

        Empty if none lives in a chunk. Raises StoreCorruptError if not as many live as are counted.
        """
        if self._bitmaps is None:
            records, state = self._records, self._counted()
            found: dict[int, bytes] = {}
            if records is not None and state.tail < state.totals.items:
                found.update(records.bitmaps(state.floor))
                counted = state.totals.items - state.tail
                for first, bitmap in found.items():
                    if not is_sound(bitmap):
                        raise self.damaged(f"chunk {first}", "its bitmap")
                    counted -= numbers_of(bitmap)[1]
                if counted:
                    raise self.damaged("chunks", f"{abs(counted)} items are missing, or too many")
            self._bitmaps = found
        return self._bitmaps

    def lists(self, first: int) -> ChunkLists:
        """The inverted lists of a chunk. Raises StoreCorruptError."""
        pieces = self._required().pieces(LISTS, first)
        if not pieces:
            raise self.damaged(f"chunk {first}", "the lists are missing")
        return self._checked(ChunkLists, LISTS, first, pieces)

    def numbers_at(self, first: int, places: Iterable[int]) -> list[int]:
        """The numbers of some items of a chunk. Raises StoreCorruptError."""
        piece = self._required().piece(LISTS, first, 0)
        if piece is None or self._mark(LISTS, first, piece) not in _CHECKED:
            return list(map(self.lists(first).seqs.__getitem__, places))
        return list(map(numbers_in(piece).__getitem__, places))

    def all_lists(self) -> Iterator[tuple[int, ChunkLists]]:
        """Yield the first number and the inverted lists of each chunk, as `lists` returns them."""
        if self._records is not None:
            for first, pieces in self._records.scan_pieces(LISTS, self._counted().floor):
                yield first, self._checked(ChunkLists, LISTS, first, pieces)

    def rows(self, first: int) -> VectorRows | None:
        """The vectors of a chunk, None if it has none. Raises StoreCorruptError."""
        pieces = self._required().pieces(SMALL, first)
        return self._checked(decode_rows, SMALL, first, pieces) if pieces else None

    def all_rows(self, firsts: Sequence[int]) -> Iterator[tuple[int, VectorRows]]:
        """Yield the first number and the vectors of each chunk that has some, as `rows` does.

        It is quick if `firsts` are the first numbers of all chunks.
        """
        if self._records is None or not firsts:
            return
        found = self._records.all_pieces(SMALL, self._counted().floor, len(firsts) * _PIECES)
        for first, pieces in found:
            yield first, self._checked(decode_rows, SMALL, first, pieces)

    def matrix(self) -> KeptMatrix | None:
        """The vectors of all chunks in one piece, if this process keeps them.

        Raises:
            StoreCorruptError: what is copied now is damaged.
        """
        state = self._counted()
        if self._records is None or self._source is None or not state.written:
            return None
        return _MATRICES.of(self, (self._source, self._records.address), state)

    def mark_of_chunk(self, first: int) -> tuple[bytes, bytes]:
        """What tells a chunk from others in its place: the heads of its vectors and of its lists.

        The first one is empty if it has no vectors. The other one has the sum of the numbers of
        its items: a text that is added again has the same vector, and another number.
        """
        heads = [self._required().piece(kind, first, 0) or b"" for kind in (SMALL, LISTS)]
        vectors, lists = (bytes(head[:_SUM_BEFORE]) for head in heads)
        return vectors, lists

    def all_of_chunk(self, first: int) -> MatrixChunk:
        """A chunk that has vectors, all its checksums compared. Raises StoreCorruptError."""
        numbers, records = self.lists(first).seqs, self._required()
        rows = self._guarded(lambda: records.rows(first, halves=True), f"chunk {first}")
        if rows is None or rows.items != len(numbers):
            raise self.damaged(f"chunk {first}", "its vectors are not of its items")
        return MatrixChunk(first, numbers, rows)

    def halves(self, first: int, rows: VectorRows, picked: Iterable[int]) -> list[Buffer]:
        """Some vectors of a chunk, in float16, as they lie there. Raises StoreCorruptError."""
        size = 2 * rows.dims
        in_piece = halves_in_piece(rows.dims)
        places = [divmod(row, in_piece) for row in picked]
        pieces = self._required().some_pieces(HALVES, first, [index + 1 for index, _ in places])
        found = []
        for piece, (_, place) in zip(pieces, places, strict=True):
            half = b"" if piece is None else piece[place * size : (place + 1) * size]
            if len(half) != size:
                raise self.damaged(f"chunk {first}", "rescoring vectors are missing")
            found.append(half)
        return found

    def check_halves(self, first: int) -> None:
        """Compare the checksums of the vectors of a chunk. Raises StoreCorruptError."""
        records = self._required()
        self._guarded(lambda: records.rows(first, halves=True), f"chunk {first}")

    def check_chunks(self) -> None:
        """Compare all checksums of all chunks. Raises StoreCorruptError."""
        for first in self.bitmaps():
            self._guarded(partial(self._required().lists, first), f"chunk {first}")
            self.check_halves(first)

    # -- what is in no chunk ------------------------------------------------------------------

    def tail(self) -> Tail:
        """What is kept of the tail, to be filled by this set."""
        if self._tail is None:
            records = self._records
            version = None if records is None or self._source is None else records.get(STATE)
            if version is None or records is None:
                self._tail = Tail(self._counted())
            else:
                name = self._source, records.address
                self._tail = _TAILS.get(name, version) or self._new_tail(name, version)
                self._state = self._tail.state
        return self._tail

    def _new_tail(self, name: Hashable, version: bytes) -> Tail:
        state = self._counted()
        if not state.written:
            return Tail(state)
        return self._guarded(lambda: _TAILS.of(self, name, version, state), "new items")

    def words_of_tail(self) -> Words:
        """The terms of the items that are in no chunk. Raises StoreCorruptError."""
        tail = self.tail()
        words = tail.words
        if words is None:
            words = self._guarded(partial(tail.load_words, self), "new items")
            if len(words.numbers) != tail.state.tail:
                tail.words = None
                reason = f"{len(words.numbers)} are there of {tail.state.tail}"
                raise self.damaged("new items", reason)
            self._count_anew(tail)
        return words

    def rows_of_tail(self, dims: int) -> Rows | None:
        """The vectors of the items that are in no chunk, or have no vector there."""
        tail = self.tail()
        rows = tail.rows
        if rows is None:
            rows = tail.load_rows(self)
            self._count_anew(tail)
        return rows.get(2 * dims)

    def _count_anew(self, tail: Tail) -> None:
        if self._records is not None:
            _TAILS.grown((self._source, self._records.address), tail)

    def terms_behind(self, number: int, likely: int) -> Records:
        """See `TailSource`."""
        return self._behind(TERMS, number, likely)

    def vectors_behind(self, number: int, likely: int) -> Records:
        """See `TailSource`."""
        return self._behind(VECTOR, number, likely)

    def _behind(self, kind: bytes, number: int, likely: int) -> Records:
        if self._records is None:
            return array("Q"), ()
        return self._records.columns(kind, number, likely)

    def damaged(self, what: str, reason: object) -> StoreCorruptError:
        """The error for a record that cannot be read."""
        return StoreCorruptError(
            f"{set_label(self.name)} is damaged: {what}: {reason}.",
            hint="Other sets are not concerned. `tamias doctor --deep` lists what is damaged; "
            "restore the state directory from a copy, or delete the set.",
        )

    def _checked(
        self, decode: _Decode[_T], kind: bytes, first: int, pieces: Sequence[Buffer]
    ) -> _T:
        """Read a chunk; its checksum is compared when this process reads it for the first time."""
        mark = self._mark(kind, first, pieces[0])
        try:
            found = decode(pieces, check=mark not in _CHECKED)
        except (BrokenChunkError, ValueError, struct.error) as error:
            raise self.damaged(f"chunk {first}", error) from error
        if len(_CHECKED) >= _MOST_CHECKED:
            _CHECKED.clear()
        _CHECKED.add(mark)
        return found

    def _mark(self, kind: bytes, first: int, head: Buffer) -> int:
        """What stands for a value in `_CHECKED`; `head` is its first piece."""
        return hash((self._required().address, kind, first, bytes(head[:_SUM_BEFORE])))

    def _guarded(self, read: Callable[[], _T], what: str) -> _T:
        try:
            return read()
        except (BrokenChunkError, ValueError, struct.error) as error:
            raise self.damaged(what, error) from error

    def _item_record(self, number: int) -> Buffer | None:
        records, state = self._records, self._state or self._counted()
        if records is None or number <= state.floor:
            return None
        return records.view(ITEM + number_key(number))

    def _counted(self) -> SetState:
        if self._state is None:
            records = self._records
            self._state = SetState() if records is None else self._guarded(records.state, "counts")
        return self._state

    def _required(self) -> SetTable:
        if self._records is None:
            raise ValueError("no table")
        return self._records


def forget_checks() -> None:
    """Have all checksums compared again when records are read."""
    _CHECKED.clear()
    _MATRICES.clear()
    _TAILS.clear()
