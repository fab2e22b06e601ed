"""The contract between a delivery and the place where outputs go.

A sink gets outbox records as the workers wrote them: outputs are encoded in the sink's `codec`, and
those of a record are joined, so usually a record is one write. The sink filters and orders: it is
passed the inputs that were not delivered before, and `write` returns the inputs that it now has.
Only those go into the checkpoint: outputs that a sink holds back to keep the order must come again
from the outbox after a crash.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from ...agent.errors import StoreCorruptError
from ...store.records.outbox import Outputs

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from .done_offsets import DoneOffsets

    Position = dict[str, object]


class Sink(ABC):
    """The place where the outputs of a job go; used by one thread.

    A life: `open` once (new, or at a position), then `write` and `append` in any order, `flush` and
    `position` for each checkpoint, `close`.
    """

    codec: str
    """The encoder that workers use: see `store.encoding.codec.make_encoder`."""

    ordered: bool = False
    """Whether outputs are written in the order of their inputs."""

    outputs: int = 0
    """How many outputs have been delivered, in all of the job's lives."""

    @abstractmethod
    def open(self, position: Position | None, delivered: DoneOffsets) -> None:
        """Begin at the checkpoint's `position`; None: begin empty.

        The sink drops all that it has beyond `position`. `delivered` are the inputs whose outputs
        it has up to there.
        """

    @abstractmethod
    def write(self, outputs: Outputs, fresh: Sequence[int]) -> Sequence[int]:
        """Write a record, and return the numbers of runs whose outputs are now delivered.

        Most numbers are offsets of inputs. Others (`store.records.offsets`) are only passed to a
        sink that is not `ordered`; their outputs are where they are in the record.

        Args:
            outputs: the record. Its blob is not kept beyond the call unless the sink copies it.
            fresh: those of its offsets that were not delivered before, in their order; the same
                object as ``outputs.offsets`` when that is all of them. The others are ignored.
        """

    @abstractmethod
    def append(self, outputs: Outputs) -> None:
        """Write outputs that have no place in an order: of retried dead letters, of owned runs."""

    @property
    def backlog(self) -> int:
        """Bytes held back to keep the order; the pool stops reading when there are too many."""
        return 0

    @abstractmethod
    def flush(self) -> None:
        """Make written outputs as safe as the durability demands."""

    @abstractmethod
    def position(self) -> Position:
        """The present position, as a JSON object for `open` in a later life."""

    @abstractmethod
    def close(self) -> None:
        """Close the sink; may be called again."""


CLOSED: Final = "closed"
"""In a recorded position: the life that recorded it has ended, and wrote nothing behind it."""


def recorded(position: Position, name: str) -> int | None:
    """A number in a recorded position.

    Raises:
        StoreCorruptError: it is not a number.
    """
    number = position.get(name)
    if number is not None and not isinstance(number, int):
        raise StoreCorruptError(
            f"The checkpoint's {name} of the output is {number!r}, not a number.",
            hint="Begin anew with an empty state directory.",
        )
    return number


def part_of(outputs: Outputs, wanted: Container[int]) -> Outputs:
    """Return the part of a record that belongs to the `wanted` runs."""
    kept = [(offset, values) for offset, values in outputs.each() if offset in wanted]
    return Outputs(
        [offset for offset, _ in kept],
        [len(values) for _, values in kept],
        [len(output) for _, values in kept for output in values],
        memoryview(b"".join(output for _, values in kept for output in values)),
        outputs.generation,
        [offset for offset in outputs.failed if offset in wanted],
        [offset for offset in outputs.suspended if offset in wanted],
    )
