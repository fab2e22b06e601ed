"""The records of one memory set in a transaction, by their kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .index.bitmap import numbers_of
from .index.postings import ChunkLists
from .index.vector_chunk import BrokenChunkError, VectorRows, decode_rows
from .records import DUE, HALVES, LISTS, LIVE, NUMBER_BYTES, SMALL, STATE, SetState

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import lmdb

    Buffer = bytes | memoryview

__all__ = ["SetTable", "due_rest", "number_key"]


def number_key(number: int) -> bytes:
    """A number as addresses have it."""
    return number.to_bytes(NUMBER_BYTES, "big")


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
        with self._transaction.cursor(self._table) as cursor:
            if not cursor.set_range(stem + number_key(after + 1)):
                return
            for key, value in cursor.iternext():
                if key[:size] != stem:
                    return
                yield int.from_bytes(key[size:], "big"), value

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
        value = self.view(LISTS + number_key(first))
        if value is None:
            raise BrokenChunkError("the lists are missing")
        return ChunkLists(value, check=check)

    def rows(self, first: int, *, halves: bool, check: bool = True) -> VectorRows | None:
        """The vectors of a chunk, None if it has none. Raises BrokenChunkError."""
        small = self.view(SMALL + number_key(first))
        if small is None:
            return None
        large = None
        if halves:
            large = self.view(HALVES + number_key(first))
            if large is None:
                raise BrokenChunkError("the rescoring vectors are missing")
        return decode_rows(small, large, check=check)


def live_of(bitmap: bytes) -> int:
    """How many items of a chunk live."""
    return numbers_of(bitmap)[1]
