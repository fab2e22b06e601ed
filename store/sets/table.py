"""The records of one memory set in a transaction, by their kinds."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, Final

from .index.postings import ChunkLists, place_in
from .index.vector_chunk import VectorRows, decode_rows
from .records import (
    DUE,
    HALVES,
    LISTS,
    LIVE,
    NUMBER_BYTES,
    NUMBER_OF_ID,
    SMALL,
    STATE,
    SetState,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    import lmdb

    Buffer = bytes | memoryview

__all__ = ["SetTable", "due_rest", "number_in", "number_key"]

_LISTS_PIECE: Final = 16 * 4096 - 16
"""Bytes: whole pages, as in `vector_chunk`. The numbers of all items fit into the first one."""
_INDEX_BYTES: Final = 2
"""Of the index of a piece, at the end of its address."""
_BEHIND_NUMBERS: Final = b"\xff" * (NUMBER_BYTES + 1)
"""Sorts behind all numbers."""


def number_key(number: int) -> bytes:
    """A number as addresses have it."""
    return number.to_bytes(NUMBER_BYTES, "big")


def number_in(value: Buffer) -> int:
    """The number in a record that has one alone; 0 for what is damaged."""
    return int.from_bytes(value, "big") if len(value) == NUMBER_BYTES else 0


def due_rest(due: int, number: int) -> bytes:
    """What the address of an item that expires has behind that of its set, in the list of those."""
    return DUE + number_key(due) + number_key(number)


class SetTable:
    """The records of a set; of a transaction that gives buffers or bytes.

    Attributes:
        address: that of the set.
    """

    __slots__ = ("_table", "_transaction", "address")

    def __init__(self, transaction: lmdb.Transaction[Any], table: Any, address: bytes) -> None:
        self._transaction = transaction
        self._table = table
        self.address = address

    def get(self, rest: bytes) -> bytes | None:
        """A copy of a record, None if it is not there."""
        found = self._transaction.get(self.address + rest, None, self._table)
        return None if found is None else bytes(found)

    def view(self, rest: bytes) -> Buffer | None:
        """A record, which may lie in the database: valid as long as the transaction is open."""
        found: Buffer | None = self._transaction.get(self.address + rest, None, self._table)
        return found

    def put(self, rest: bytes, value: bytes) -> None:
        """Write a record."""
        self._transaction.put(self.address + rest, value, db=self._table)

    def delete(self, rest: bytes) -> bool:
        """Remove a record; whether it was there."""
        removed: bool = self._transaction.delete(self.address + rest, db=self._table)
        return removed

    def scan(self, kind: bytes, after: int = 0) -> Generator[tuple[int, Buffer], None, None]:
        """Yield numbers and records of a kind, in the order of their numbers, behind a number."""
        stem = self.address + kind
        size = len(stem)
        number_of = int.from_bytes
        with self._transaction.cursor(self._table) as cursor:
            if not cursor.set_range(stem + number_key(after + 1)):
                return
            for view, value in cursor.iternext():
                key = bytes(view)  # views are slow to compare
                if not key.startswith(stem):
                    return
                yield number_of(key[size:], "big"), value

    def columns(self, kind: bytes, after: int, likely: int) -> tuple[array[int], Sequence[Buffer]]:
        """The numbers and records that `scan` yields; quick if `likely` is how many they are."""
        found = self._range(kind, after, likely)
        numbers = array("Q", b"".join([key[-NUMBER_BYTES:] for key, _ in found]))
        numbers.byteswap()  # they are big-endian, and this machine is not: see `postings`
        return numbers, [value for _, value in found]

    def _range(self, kind: bytes, after: int, likely: int) -> list[tuple[Buffer, Buffer]]:
        """Keys and records of a kind, behind a number, in a few calls; see `columns`."""
        stem = self.address + kind
        found: list[tuple[Any, Buffer]] = []
        with self._transaction.cursor(self._table) as cursor:
            if cursor.set_range(stem + number_key(after + 1)):
                entries = cursor.iternext()
                while block := list(islice(entries, likely + 1)):
                    found += block
                    if not bytes(block[-1][0]).startswith(stem):
                        break
        del found[bisect_left(found, stem + _BEHIND_NUMBERS, key=_key_of) :]
        return found

    def numbers(self, kind: bytes, after: int = 0) -> Generator[int, None, None]:
        """Yield the numbers that `scan` yields, without reading the records."""
        stem = self.address + kind
        size = len(stem)
        with self._transaction.cursor(self._table) as cursor:
            if not cursor.set_range(stem + number_key(after + 1)):
                return
            for key in cursor.iternext(values=False):
                if key[:size] != stem:
                    return
                yield int.from_bytes(key[size:], "big")

    def put_pieces(self, kind: bytes, first: int, pieces: Sequence[bytes]) -> None:
        """Write a value of a chunk in pieces."""
        for index, piece in enumerate(pieces):
            self.put(kind + _piece_key(first, index), piece)

    def delete_ids(self, floor: int) -> None:
        """Remove what is left of ids and moments of items up to a number, which are not there."""
        with self._transaction.cursor(self._table) as cursor:
            for kind in (NUMBER_OF_ID, DUE):
                stem = self.address + kind
                present = cursor.set_range(stem)
                while present and bytes(cursor.key()).startswith(stem):
                    found = cursor.value() if kind == NUMBER_OF_ID else cursor.key()[-NUMBER_BYTES:]
                    if number_in(found) <= floor:
                        present = cursor.delete() and bool(cursor.key())
                    else:
                        present = cursor.next()

    def pieces(self, kind: bytes, first: int) -> list[Buffer]:
        """The pieces of a value of a chunk; none if it is not there."""
        found = next(self.scan_pieces(kind, first - 1), None)
        return found[1] if found is not None and found[0] == first else []

    def piece(self, kind: bytes, first: int, index: int) -> Buffer | None:
        """One of the pieces, None if it is not there."""
        return self.view(kind + _piece_key(first, index))

    def some_pieces(self, kind: bytes, first: int, indices: Iterable[int]) -> list[Buffer | None]:
        """What `piece` returns for some indices."""
        get, table, stem = self._transaction.get, self._table, self.address + kind
        stem += number_key(first)
        return [get(stem + index.to_bytes(_INDEX_BYTES, "big"), None, table) for index in indices]

    def scan_pieces(
        self, kind: bytes, after: int
    ) -> Generator[tuple[int, list[Buffer]], None, None]:
        """Yield first numbers and pieces of a kind, behind a number."""
        stem = self.address + kind
        size = len(stem)
        end = size + NUMBER_BYTES
        with self._transaction.cursor(self._table) as cursor:
            if not cursor.set_range(stem + number_key(after + 1)):
                return
            last = b""
            found: list[Buffer] = []
            for view, value in cursor.iternext():
                key = bytes(view[:end])
                if key != last:
                    if found:
                        yield int.from_bytes(last[size:], "big"), found
                    if not key.startswith(stem):
                        return
                    last, found = key, []
                found.append(value)
            yield int.from_bytes(last[size:], "big"), found

    def all_pieces(
        self, kind: bytes, after: int, likely: int
    ) -> Generator[tuple[int, list[Buffer]], None, None]:
        """Yield what `scan_pieces` yields; quick if `likely` is how many pieces there are."""
        found = self._range(kind, after, likely)
        if not found:
            return
        starts = [at for at, (key, _) in enumerate(found) if not (key[-1] or key[-2])]
        if starts[:1] != [0]:
            starts.insert(0, 0)  # the first piece is missing, which its reader sees
        for start, end in pairwise([*starts, len(found)]):
            number = bytes(found[start][0][-NUMBER_BYTES - _INDEX_BYTES : -_INDEX_BYTES])
            yield int.from_bytes(number, "big"), [value for _, value in found[start:end]]

    def delete_pieces(self, kind: bytes, first: int) -> None:
        """Remove all pieces of a value."""
        self.delete_up_to(kind, first, 1 << 16, after=first - 1)

    def delete_up_to(self, kind: bytes, number: int, limit: int, after: int = 0) -> int:
        """Remove some records of a kind, with numbers behind one and up to another; how many."""
        stem = self.address + kind
        end = stem + number_key(number + 1)
        with self._transaction.cursor(self._table) as cursor:
            present = cursor.set_range(stem + number_key(after + 1))
            for removed in range(limit):
                if not present or not stem <= bytes(cursor.key()) < end:
                    return removed
                present = cursor.delete() and bool(cursor.key())
        return limit

    def scan_back(self, kind: bytes, up_to: int) -> Generator[tuple[int, Buffer], None, None]:
        """Yield numbers and records of a kind from a number on, in descending order."""
        stem = self.address + kind
        size = len(stem)
        with self._transaction.cursor(self._table) as cursor:
            start = stem + number_key(up_to)
            if cursor.set_range(start):
                present = bytes(cursor.key()) == start or cursor.prev()
            else:
                present = cursor.last()
            if not present:
                return
            for key, value in cursor.iterprev():
                if key[:size] != stem:
                    return
                yield int.from_bytes(key[size:], "big"), value

    def due(self, until: int) -> Generator[int, None, None]:
        """Yield the numbers of items that expire by a moment, in milliseconds."""
        stem = self.address + DUE
        size = len(stem)
        with self._transaction.cursor(self._table) as cursor:
            if not cursor.set_range(stem):
                return
            for key in cursor.iternext(values=False):
                moment = int.from_bytes(key[size : size + NUMBER_BYTES], "big")
                if key[:size] != stem or moment > until:
                    return
                yield int.from_bytes(key[size + NUMBER_BYTES :], "big")

    def first_due(self) -> int | None:
        """The moment when the first item expires, in milliseconds; None if none does."""
        stem = self.address + DUE
        size = len(stem)
        with self._transaction.cursor(self._table) as cursor:
            key = bytes(cursor.key()) if cursor.set_range(stem) else b""
        if not key.startswith(stem):
            return None
        return int.from_bytes(key[size : size + NUMBER_BYTES], "big")

    def state(self) -> SetState:
        """What is counted of the set."""
        data = self.get(STATE)
        return SetState() if data is None else SetState.decode(data)

    # -- chunks -------------------------------------------------------------------------------

    def bitmaps(self, floor: int) -> Iterator[tuple[int, bytes]]:
        """Yield the first number of each chunk, and which of its items live."""
        for first, bitmap in self.scan(LIVE, floor):
            yield first, bytes(bitmap)

    def chunk_of(self, number: int, floor: int) -> tuple[int, bytes] | None:
        """The chunk that a number would be in: its first number, and its bitmap."""
        for first, bitmap in self.scan_back(LIVE, number):
            return (first, bytes(bitmap)) if first > floor else None
        return None

    def lists(self, first: int, *, check: bool = True) -> ChunkLists:
        """The lists of a chunk. Raises BrokenChunkError."""
        return ChunkLists(self.pieces(LISTS, first), check=check)

    def place_of(self, first: int, number: int) -> int | None:
        """The place of an item in a chunk, None if it is not in it. Raises BrokenChunkError."""
        return place_in(self.piece(LISTS, first, 0) or b"", number)

    def rows(self, first: int, *, halves: bool, check: bool = True) -> VectorRows | None:
        """The vectors of a chunk, None if it has none. Raises BrokenChunkError."""
        small = self.pieces(SMALL, first)
        if not small:
            return None
        return decode_rows(small, self.pieces(HALVES, first) if halves else None, check=check)


def pieces_of_lists(value: bytes) -> list[bytes]:
    """What `ChunkLists` reads; numbers of items are in the first one."""
    return [value[start : start + _LISTS_PIECE] for start in range(0, len(value), _LISTS_PIECE)]


def _key_of(entry: tuple[Buffer, Buffer]) -> bytes:
    return bytes(entry[0])


def _piece_key(first: int, index: int) -> bytes:
    return number_key(first) + index.to_bytes(_INDEX_BYTES, "big")
