"""What the pool asks of a place where outputs go.

A sink gets outbox records as the workers wrote them: each output is already encoded in the sink's
`codec`, and all of a record's outputs lie one after another, so the usual case is one write of a
whole record. The pool drops nothing and orders nothing itself; it tells the sink which inputs were
delivered before, and learns from `write` which inputs the sink now has. Only those go into the
checkpoint: what a sink holds back to put it in order must come again from the outbox after a crash.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from ...agent.errors import StoreCorruptError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...store.records.outbox import Outputs
    from .done_offsets import DoneOffsets

    Position = dict[str, object]


class Sink(ABC):
    """Where the outputs of a job go. Used by one thread.

    A life: `open` once (new, or at a position), then `write` and `append` in any order, `flush` and
    `position` for each checkpoint, `close`.
    """

    codec: str
    """Names the encoder that workers use: see `store.encoding.json_text.make_encoder`."""

    ordered: bool = False
    """Whether outputs leave in the order of their inputs."""

    outputs: int = 0
    """How many outputs have been delivered, in all of the job's lives."""

    @abstractmethod
    def open(self, position: Position | None, delivered: DoneOffsets) -> None:
        """Begin, anew if `position` is None, or else at what the checkpoint recorded.

        Anything that the sink has beyond `position` is dropped. `delivered` is the checkpoint's:
        the inputs whose outputs are in the sink up to `position`.
        """

    @abstractmethod
    def write(self, outputs: Outputs, fresh: Sequence[int]) -> Sequence[int]:
        """Take a record in, and return the offsets whose outputs are now delivered.

        Args:
            outputs: the record. Its blob is not kept beyond the call unless the sink copies it.
            fresh: those of its offsets that were not delivered before, in their order; the same
                object as ``outputs.offsets`` when that is all of them. The others are ignored.
        """

    @abstractmethod
    def append(self, outputs: Outputs) -> None:
        """Take in outputs of inputs that were retried out of the dead letters: in no order."""

    @property
    def backlog(self) -> int:
        """Bytes held back for the sake of the order; the pool stops reading when it is too much."""
        return 0

    @abstractmethod
    def flush(self) -> None:
        """Make what was delivered as safe as the durability level asks."""

    @abstractmethod
    def position(self) -> Position:
        """What `open` needs, as a JSON object, to come back to what is delivered now."""

    @abstractmethod
    def close(self) -> None:
        """Close what the sink has open; harmless when repeated."""


def recorded(position: Position, name: str) -> int | None:
    """A number of a recorded position.

    Raises:
        StoreCorruptError: it is something else.
    """
    number = position.get(name)
    if number is not None and not isinstance(number, int):
        raise StoreCorruptError(
            f"The checkpoint's {name} of the output is {number!r}, not a number.",
            hint="Begin anew with an empty state directory.",
        )
    return number
