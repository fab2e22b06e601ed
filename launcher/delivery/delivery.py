"""The contract between a pool and the receiver of its outputs.

A pool passes each outbox record of its workers to a delivery, and from time to time acknowledges to
the workers the records that they may remove. The delivery decides where outputs go: to a sink, with
checkpoints of the launcher (`checkpointed`), or to a Flink task, which has checkpoints of its own.

A record may come more than once, if a worker or the launcher died before the record was removed. A
delivery passes on only the new outputs in it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

from ...store.records.outbox import Outputs, decode_outputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .done_offsets import DoneOffsets
    from .source import Position


class ShardRecord(NamedTuple):
    """An outbox record of a shard, as a worker has sent it and decoded."""

    shard: int
    sequence: int
    data: bytes | memoryview
    outputs: Outputs

    @classmethod
    def decode(cls, shard: int, sequence: int, data: bytes | memoryview) -> ShardRecord:
        """Decode a record; raises as `decode_outputs`."""
        return cls(shard, sequence, data, decode_outputs(data))


class Delivery(ABC):
    """The receiver of the outputs of one life of a job; used by one thread.

    A life: `open` once, then `reading` for each batch that is read and `accept` for each outbox
    record, in any order, `save` from time to time, `close`.
    """

    codec: str
    """Names the encoder that workers use: see `store.encoding.codec.make_encoder`."""
    accepts_retries = False
    """Whether it delivers what retried dead letters put out beside the inputs of the job."""

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
        """Open the receiver, and return the position from which to read the source again.

        None: the source is at the right position already.

        Raises:
            TamiasError: the outputs cannot be delivered there.
        """

    @abstractmethod
    def reading(self, position: Position) -> DoneOffsets | None:
        """Record the position at which a batch of inputs begins; batches come in reading order.

        Returns:
            The offsets done in earlier lives; None if none of the batch can be among them.
        """

    @abstractmethod
    def accept(self, record: ShardRecord) -> None:
        """Deliver an outbox record of a shard.

        Raises:
            StoreFullError, OutputClosedError, ...: nothing of the record counts as delivered; the
                job can be resumed from its last checkpoint.
        """

    def due(self, runs: Sequence[tuple[int, bytes]]) -> None:
        """Owned runs (number, encoded key) are about to go on; called before they can have begun.

        They may change the memory of their keys.
        """
        del runs

    @property
    @abstractmethod
    def is_saved(self) -> bool:
        """Whether `save` has nothing to do."""

    @abstractmethod
    def save(self) -> dict[int, int]:
        """Save which outputs have been delivered.

        Returns:
            By shard, the sequence up to which the worker may remove its outbox records; only shards
            where it has changed.
        """

    @abstractmethod
    def acknowledged(self, shard: int) -> int | None:
        """The highest sequence that `save` has returned for a shard, in this life or before it."""

    @abstractmethod
    def close(self) -> None:
        """Close the receiver, without saving, because the caller may be failing."""
