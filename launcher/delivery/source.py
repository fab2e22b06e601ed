"""The contract between a pool and the place where inputs come from.

The pool's thread reads a source in short batches, when there is room for more. Records are numbered
from 0 in the order of the source: that number, the offset, identifies an input in all lives of the
job. So a source must return the same records in the same order when it is read again, and raise an
error when it cannot.

A malformed record is a record, too: it has an offset, a generated key, its raw bytes as payload,
and a `fault` that describes the error. It becomes a dead letter, and the pool goes on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

from ...store.encoding.keys import encode_key

if TYPE_CHECKING:
    from typing import TypeAlias

    from typing_extensions import Self

    Identity = dict[str, object]

Record: TypeAlias = "tuple[bytes, bytes, str | None]"
"""``(key, payload, fault)``: the encoded key, the value in the source's codec, and the fault of a
malformed record, else None. A plain tuple, because one is made for every input."""


class Position(NamedTuple):
    """A position in a source. In JSON it is a list; ``Position(*record)`` is the inverse."""

    offset: int
    """The offset of the next record."""
    byte: int = 0
    """Where the next record begins in the uncompressed file; 0 if the source has no bytes."""
    line: int = 0
    """Lines before the next record."""


class Source(ABC):
    """The place where the inputs of a job come from; used by one thread."""

    codec: str
    """How payloads are encoded: see `store.encoding.codec.make_decoder`."""

    exhausted: bool = False
    """Whether `read` has returned all records."""

    step: int = 1
    """The distance between the offsets of two records of a batch."""

    listens: bool = False
    """Whether `receive` has something to do also when no inputs are wanted, or `exhausted`."""

    def receive(self) -> None:
        """Receive inputs that have arrived, if they come over a connection. Never waits.

        The pool calls it before it asks for `position` and reads.
        """
        return

    @property
    @abstractmethod
    def position(self) -> Position:
        """Where the next `read` begins."""

    @abstractmethod
    def read(self, limit: int) -> list[Record]:
        """Return up to `limit` records, numbered from ``position.offset``.

        Fewer than `limit` does not mean the end.

        Never waits for a pipe or terminal. An empty list means that the source is `exhausted`, or
        else that nothing has arrived yet: then wait until `fileno` is readable.

        Raises:
            InputError: the source as a whole cannot be read on.
        """

    def fileno(self) -> int | None:
        """The descriptor to wait for, if the last `read` found that no more has arrived yet.

        None if the next `read` returns records or finds the end.
        """
        return None

    @abstractmethod
    def seek(self, position: Position) -> None:
        """Go on at a `position` of an earlier life; only before the first `read`.

        Raises:
            InputError: the source does not have that position any more.
        """

    @abstractmethod
    def identity(self) -> Identity:
        """The identity of this input, as a JSON object for the job's manifest."""

    @abstractmethod
    def check(self, identity: Identity) -> None:
        """Check that this is the input with the recorded `identity`; it may have grown.

        Raises:
            InputError: it is another one.
        """

    def read_so_far(self) -> Identity | None:
        """The identity of the part that has been read, as JSON; None if it has none.

        It goes into every checkpoint, and never covers less than the one given to `expect`.
        """
        return None

    def expect(self, read: Identity) -> None:
        """Check that the part that an earlier life has read is unchanged; before `seek`.

        Raises:
            InputError: it is not; where inputs can be read once only, `read` raises it.
        """
        del read

    @property
    def left(self) -> str:
        """Why the end of the input was left to the next life; empty if it was not."""
        return ""

    def fraction(self) -> float | None:
        """How much of the input has been read, from 0 to 1; None if unknown."""
        return None

    def close(self) -> None:
        """Close the source; may be called again."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def generated_key(offset: int) -> bytes:
    """The encoded key of a record without one; the same each time the record is read."""
    return encode_key(f"input#{offset}")
