"""Dead letters as a source: inputs that were set aside are read again, to be retried.

Only their numbers are kept in memory; a letter's payload is read from the store when it is needed,
so many large letters cost no memory. A letter that no longer exists then is skipped: a worker has
just retried it, from what an earlier, interrupted retry had left.
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
    """A dead letter that is to be retried; candidates sort in the order of their retries."""

    retries: int
    """The number of earlier retries."""
    offset: int
    shard: int

    @property
    def number(self) -> int:
        """The number of the retry."""
        return retry_number(self.offset, self.retries + 1)


class DeadLetterSource(Source):
    """The inputs of dead letters, under the numbers of their next retries.

    Args:
        reader: the store; the caller closes it.
        letters: the letters to retry.
        codec: the encoding of their payloads.
    """

    def __init__(self, reader: StoreReader, letters: Sequence[RetryCandidate], codec: str) -> None:
        self.codec = codec
        self._reader = reader
        # A source's records must be ascending by number.
        self._candidates = sorted(letters)
        self._next = 0
        self.exhausted = not letters

    @property
    def position(self) -> Position:
        """The next letter's number, without bytes or lines."""
        return Position(self._candidates[min(self._next, len(self._candidates) - 1)].number)

    def read(self, limit: int) -> list[Record]:
        """As `Source.read`: letters with consecutive numbers, so often only one."""
        records: list[Record] = []
        first = self.position.offset
        while self._next < len(self._candidates) and len(records) < limit:
            waiting = self._candidates[self._next]
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
        self.exhausted = self._next == len(self._candidates)
        return records

    def seek(self, position: Position) -> None:
        """Do nothing: what was retried before is no dead letter now, or a newer one."""

    def identity(self) -> Identity:
        """The identity of this source: the state directory of the dead letters."""
        return {"kind": "dead-letters"}

    def check(self, identity: Identity) -> None:
        """Accept any: the letters are in the store of their job."""

    def fraction(self) -> float | None:
        """As `Source.fraction`."""
        return self._next / len(self._candidates) if self._candidates else 1.0
