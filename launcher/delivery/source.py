"""What the pool asks of a place where inputs come from.

A source is read in short batches, by the pool's own thread, whenever there is room for more. Its
records are numbered from 0 in the order of the source: that number, the offset, is an input's
identity through all of the job's lives. So a source must give the same records in the same order
when it is read again, and says so clearly when it cannot.

A record that is malformed is a record all the same: it has an offset, a made-up key, its raw bytes
as payload, and a `fault` that says what is wrong. The pool sets it aside and goes on.
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
"""``(key, payload, fault)``: the encoded key, the value in the source's codec, and what is wrong
with the record, or None. A plain tuple, because one is made for every input."""


class Position(NamedTuple):
    """Where reading can go on. JSON keeps it as a list: ``Position(*record)`` brings it back."""

    offset: int
    """Of the next record."""
    byte: int = 0
    """Of the next record's beginning, in the uncompressed file; 0 where there are no bytes."""
    line: int = 0
    """Lines before the next record."""


class Source(ABC):
    """Where the inputs of a job come from. Used by one thread."""

    codec: str
    """How payloads are encoded: see `store.encoding.json_text.make_decoder`."""

    exhausted: bool = False
    """Whether `read` has returned all there is."""

    step: int = 1
    """From the offset of one record of a batch to that of the next."""

    def receive(self) -> None:
        """Receive what has arrived, where inputs come over a connection. Never waits.

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

        Fewer than `limit` is no sign of the end.

        Never waits for a pipe or terminal. An empty list means that the source is `exhausted`, or
        else that nothing has arrived yet: then wait until `fileno` is readable.

        Raises:
            InputError: the source as a whole cannot be read on.
        """

    def fileno(self) -> int | None:
        """What to wait for, if the last `read` found that no more has arrived yet.

        None when there is no need to wait: the next `read` has something, or finds the end.
        """
        return None

    @abstractmethod
    def seek(self, position: Position) -> None:
        """Go on at a `position` of an earlier life. Only before the first `read`.

        Raises:
            InputError: there is no such position any more.
        """

    @abstractmethod
    def identity(self) -> Identity:
        """What tells this input from another, as a JSON object for the job's manifest."""

    @abstractmethod
    def check(self, identity: Identity) -> None:
        """Make sure that this is the input whose `identity` was recorded. It may have grown.

        Raises:
            InputError: it is another one.
        """

    def read_so_far(self) -> Identity | None:
        """What tells the part that has been read from another, as JSON; None if nothing can.

        It goes into every checkpoint, and is never about less than `expect` was given.
        """
        return None

    def expect(self, read: Identity) -> None:
        """Make sure that the part an earlier life has read is still the same. Before `seek`.

        Raises:
            InputError: it is not; where inputs can be read once only, `read` raises it.
        """
        del read

    @property
    def left(self) -> str:
        """Why the end of the input was left for the next life; empty if it was not."""
        return ""

    def fraction(self) -> float | None:
        """How much of the input has been read, from 0 to 1; None if unknown."""
        return None

    def close(self) -> None:
        """Close what the source has open; harmless when repeated."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def generated_key(offset: int) -> bytes:
    """The encoded key of a record that has none: the same whenever the record is read."""
    return encode_key(f"input#{offset}")
