"""Delivery to a sink, with checkpoints of the launcher's own.

Joins the sink and the checkpoint in the only order that loses and doubles nothing. The checkpoint's
`done` tells which inputs of a record are new.

Outputs of retried dead letters take a way of their own: their offsets have been done since the
input was set aside, so the record's place in the outbox tells whether it was delivered before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ...store.crashpoints import reach
from ...store.records.offsets import retries_of
from ...store.records.outbox import decode_outputs
from .checkpoint import Checkpoint
from .delivery import Delivery

if TYPE_CHECKING:
    from ...store.records.outbox import Outputs
    from .done_offsets import DoneOffsets
    from .sink import Sink
    from .source import Position, Source


class Progress(Protocol):
    """Where checkpoints are kept: see `ProgressLog`."""

    def load(self) -> dict[str, Any] | None:
        """The last checkpoint; None if there is none."""

    def save(self, record: dict[str, Any]) -> None:
        """Replace the checkpoint, atomically."""


class CheckpointedDelivery(Delivery):
    """Hands outputs to a sink and saves checkpoints.

    Args:
        sink: not yet opened.
        progress: where checkpoints are kept; the last one is what this life begins from.
        source: is told what earlier lives have read of it, and says what this one has; None where
            the inputs are others than the job's own.

    Attributes:
        sink: the sink.
        checkpoint: what is done and delivered.
    """

    def __init__(self, sink: Sink, progress: Progress, source: Source | None = None) -> None:
        record = progress.load()
        self.codec = sink.codec
        self.sink = sink
        self._progress = progress
        self._source = source
        self._is_new = record is None
        self.checkpoint = Checkpoint() if record is None else Checkpoint.load(record)
        self._done = self.checkpoint.done
        self._changed = False

    @property
    def events(self) -> int:
        """As `Delivery.events`."""
        return self.checkpoint.totals.events

    @property
    def outputs(self) -> int:
        """As `Delivery.outputs`."""
        return self.sink.outputs

    @property
    def backlog(self) -> int:
        """As `Delivery.backlog`."""
        return self.sink.backlog

    def open(self) -> Position | None:
        """Open the sink where the checkpoint left it, and save a first checkpoint.

        The first checkpoint makes the output this job's own: after a crash before the second one
        the sink knows that it may cut the file back.
        """
        if self._source is not None and self.checkpoint.read is not None:
            self._source.expect(self.checkpoint.read)
        self.sink.open(self.checkpoint.sink, self._done)
        self._changed = True
        self.save()
        return None if self._is_new else self.checkpoint.position()

    def reading(self, position: Position) -> DoneOffsets | None:
        """As `Delivery.reading`."""
        self.checkpoint.mark(position)
        return self._done if position.offset < self._done.high else None

    def accept(self, shard: int, sequence: int, data: bytes | memoryview) -> Outputs:
        """As `Delivery.accept`."""
        outputs = decode_outputs(data)
        self._changed = True
        if outputs.offsets and retries_of(outputs.offsets[0]):  # all of a record are of one kind
            self._accept_retried(shard, sequence, outputs)
            return outputs
        fresh = self._done.filter(outputs.offsets)
        if fresh:
            delivered = self.sink.write(outputs, fresh)
            if delivered:
                self.checkpoint.delivered(delivered)
        waits_for = max(fresh) + 1 if self.sink.ordered and fresh else 0
        self.checkpoint.received(shard, sequence, waits_for)
        return outputs

    def _accept_retried(self, shard: int, sequence: int, outputs: Outputs) -> None:
        if self.checkpoint.is_new_retry(shard, sequence):
            self.sink.append(outputs)
        self.checkpoint.received(shard, sequence)

    @property
    def is_saved(self) -> bool:
        """Whether the last checkpoint has all that there is."""
        return not self._changed

    def save(self) -> dict[int, int]:
        """Save a checkpoint if anything has changed since the last."""
        if not self._changed:
            return {}
        self.sink.flush()
        self.checkpoint.totals.outputs = self.sink.outputs
        if self._source is not None:
            self.checkpoint.read = self._source.read_so_far()
        state = self.checkpoint.take(self.sink.position())
        reach("checkpoint.before")
        self._progress.save(state)
        reach("checkpoint.after")
        self._changed = False
        return self.checkpoint.saved()

    def acknowledged(self, shard: int) -> int | None:
        """As `Delivery.acknowledged`."""
        return self.checkpoint.acknowledged.get(shard)

    def close(self) -> None:
        """Close the sink; without a checkpoint."""
        self.sink.close()
