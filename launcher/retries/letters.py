"""Dead letters as retries need them, and what has become of one."""

from __future__ import annotations

from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from ...store.records.offsets import is_owned, owned_number, retry_number
from ...store.waiting.records import OwnedHeader

if TYPE_CHECKING:
    from collections.abc import Generator

    from ...store.records.dead_letters import DeadLetter
    from ...store.state.reader import StoreReader

READ_AT_ONCE: Final = 512
"""Letters that are read in a shard before the pool goes on."""


class Letter(NamedTuple):
    """A dead letter, without its payload."""

    offset: int
    shard: int
    key: bytes
    retries: int
    at: float
    cause: str

    @classmethod
    def of(cls, letter: DeadLetter, shard: int) -> Letter:
        """The letter of a shard."""
        return cls(letter.offset, shard, letter.key, letter.retries, letter.at, letter.cause)

    @property
    def number(self) -> int:
        """The number of the run that retries it."""
        if is_owned(self.offset):  # a run without an input, which is put back as it was
            return self.offset
        return owned_number(retry_number(self.offset, self.retries + 1))


class LetterState(Enum):
    """What a retry of a letter has come to."""

    UNCHANGED = "unchanged"
    """The letter is as it was: it is to be sent, or sent again."""
    PUT_BACK = "put back"
    """It was of a run without an input, which is due."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    WAITING = "waiting"
    """Its run has begun, and waits; or it waits behind such a run of its key."""


def state_of(reader: StoreReader, letter: Letter) -> LetterState:
    """Return what has become of a letter, while no worker has its retry."""
    with reader.shard(letter.shard) as snapshot:
        if snapshot is None:
            return LetterState.SUCCEEDED
        found = snapshot.dead_letter(letter.offset)
        record = snapshot.waiting.record(letter.number)
    if found is not None and (found.retries, found.at) != (letter.retries, letter.at):
        return LetterState.FAILED
    if record is not None:
        header = OwnedHeader.decode(record)
        waits = header.begun or header.ticket
        return LetterState.WAITING if waits else LetterState.PUT_BACK
    return LetterState.SUCCEEDED if found is None else LetterState.UNCHANGED


def find_letter(reader: StoreReader, offset: int) -> Letter | None:
    """Return the letter of an input; None if there is none."""
    found = reader.dead_letter(offset)
    return None if found is None else Letter.of(found[1], found[0])


class LetterScan:
    """Goes through the letters of all shards, a part at a time.

    Attributes:
        exhausted: whether all have been read.
    """

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._shard = 0
        self._after = -1
        self.exhausted = False

    def read(self) -> Generator[Letter, None, None]:
        """Yield the next letters; at most `READ_AT_ONCE`, of one shard.

        What is not used before the generator is closed is read again by the next call.
        """
        shard = self._shard
        number = 0
        with self._reader.shard(shard) as snapshot:
            if snapshot is not None:
                for found in islice(snapshot.dead_letters(self._after), READ_AT_ONCE):
                    number += 1
                    self._after = found.offset
                    yield Letter.of(found, shard)
        if number < READ_AT_ONCE:
            self._shard, self._after = shard + 1, -1
            self.exhausted = self._shard == self._reader.view.manifest.shards
