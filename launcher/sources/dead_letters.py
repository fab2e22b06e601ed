"""Dead letters as a source: inputs that were set aside are read again, to be retried.

Only their numbers are kept; a letter's payload is fetched from the store when it is its turn, so a
store full of large letters costs no memory. A letter that is gone by then was revived by the worker
just now, from what an earlier, interrupted retry had left, and is passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...store.records.offsets import retry_number
from ..delivery.source import Position, Record, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...store.state.reader import StoreReader
    from ..delivery.source import Identity


class RetryCandidate(NamedTuple):
    """A dead letter that is to be retried, in the order in which that happens."""

    retries: int
    """How often it was retried before."""
    offset: int
    shard: int

    @property
    def number(self) -> int:
        """Of the retry that is to come."""
        return retry_number(self.offset, self.retries + 1)


class DeadLetterSource(Source):
    """The inputs of dead letters, under the numbers of their next retries.

    Args:
        reader: the store; it stays the caller's.
        letters: which ones.
        codec: how their payloads are encoded.
    """

    def __init__(self, reader: StoreReader, letters: Sequence[RetryCandidate], codec: str) -> None:
        self.codec = codec
        self._reader = reader
        # Ascending by number, which is what a source's records must be.
        self._letters = sorted(letters)
        self._next = 0
        self.exhausted = not letters

    @property
    def position(self) -> Position:
        """The next letter's number; there are no bytes or lines."""
        return Position(self._letters[min(self._next, len(self._letters) - 1)].number)

    def read(self, limit: int) -> list[Record]:
        """As `Source.read`: letters with consecutive numbers, so often only one."""
        records: list[Record] = []
        first = self.position.offset
        while self._next < len(self._letters) and len(records) < limit:
            waiting = self._letters[self._next]
            if waiting.number != first + len(records):
                break
            with self._reader.shard(waiting.shard) as snapshot:
                letter = snapshot.dead_letter(waiting.offset) if snapshot is not None else None
            if letter is None or letter.retries != waiting.retries:
                if records:
                    break
                self._next += 1
                first = self.position.offset
                continue
            records.append((letter.key, letter.payload, None))
            self._next += 1
        self.exhausted = self._next == len(self._letters)
        return records

    def seek(self, position: Position) -> None:
        """Nothing to do: what was retried before is no dead letter any more, or a newer one."""

    def identity(self) -> Identity:
        """The identity of this source: the state directory of the dead letters."""
        return {"kind": "dead-letters"}

    def check(self, identity: Identity) -> None:
        """They are of the job whose store they are in."""

    def fraction(self) -> float | None:
        """As `Source.fraction`."""
        return self._next / len(self._letters) if self._letters else 1.0
