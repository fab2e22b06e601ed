"""The contract between a pool and what takes its outputs.

A pool hands each outbox record of its workers to a delivery, and tells the workers from time to
time which records they may forget. Whether outputs go into a sink with checkpoints of the
launcher's own (`checkpointed`), or to a Flink task that has checkpoints itself, is the delivery's
business.

Any record may come more than once: a worker died, or the launcher did, before the record was
forgotten. A delivery passes on what is new in it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...store.records.outbox import Outputs
    from .done_offsets import DoneOffsets
    from .source import Position


class Delivery(ABC):
    """Takes the outputs of one life of a job. Used by one thread.

    A life: `open` once, then `reading` for each batch that is read and `accept` for each outbox
    record, in any order, `save` from time to time, `close`.
    """

    codec: str
    """Names the encoder that workers use: see `store.encoding.json_text.make_encoder`."""

    @property
    @abstractmethod
    def events(self) -> int:
        """How many inputs are done, in all of the job's lives."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """How many outputs have been delivered, in all of the job's lives."""

    @property
    def backlog(self) -> int:
        """Bytes that are held back to keep an order; the pool stops reading when it is too much."""
        return 0

    @abstractmethod
    def open(self) -> Position | None:
        """Open what outputs go to, and return where the source has to be read again from.

        None: the source stands where it should.

        Raises:
            TamiasError: the outputs cannot be delivered there.
        """

    @abstractmethod
    def reading(self, position: Position) -> DoneOffsets | None:
        """Note that a batch of inputs is read from here; batches come in reading order.

        Returns:
            The offsets that an earlier life has done; None if none of the batch can be among them.
        """

    @abstractmethod
    def accept(self, shard: int, sequence: int, data: bytes | memoryview) -> Outputs:
        """Take in an outbox record of a shard, and return it decoded.

        Raises:
            StoreFullError, OutputClosedError, ...: nothing of the record counts as delivered; the
                job can be resumed from its last checkpoint.
        """

    @property
    @abstractmethod
    def is_saved(self) -> bool:
        """Whether `save` has nothing to do."""

    @abstractmethod
    def save(self) -> dict[int, int]:
        """Make safe what was delivered.

        Returns:
            By shard, the outbox sequence up to which the worker may forget its records; only what
            is new.
        """

    @abstractmethod
    def acknowledged(self, shard: int) -> int | None:
        """The highest sequence that `save` has returned for a shard, in this life or before it."""

    @abstractmethod
    def close(self) -> None:
        """Close what is open, without saving, because the caller may be failing."""
