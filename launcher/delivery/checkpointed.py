"""Delivery to a sink, with checkpoints of the launcher.

Uses the sink and the checkpoint in the only order in which no output is lost or repeated. Inputs
of a record are new if their offsets are not in the checkpoint's `done`.

Outputs of retried dead letters are handled apart: their offsets have been done since the input
failed, so the record's sequence in the outbox decides whether it was delivered before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ...store.crashpoints import reach
from ...store.records.offsets import retries_of
from .checkpoint import Checkpoint
from .delivery import Delivery

if TYPE_CHECKING:
    from ...store.records.outbox import Outputs
    from .delivery import ShardRecord
    from .done_offsets import DoneOffsets
    from .sink import Sink
    from .source import Position, Source


class Progress(Protocol):
    """The storage of checkpoints: see `ProgressLog`."""

    def load(self) -> dict[str, Any] | None:
        """The last checkpoint; None if there is none."""

    def save(self, record: dict[str, Any]) -> None:
        """Replace the checkpoint, atomically."""


class CheckpointedDelivery(Delivery):
    """Writes outputs to a sink and saves checkpoints.

    Args:
        sink: not yet opened.
        progress: the storage of checkpoints; this life begins from the last one.
        source: the source, whose `read_so_far` goes into checkpoints; None if the inputs are not
            those of the job.

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
        """Open the sink at the position of the checkpoint, and save a first checkpoint.

        The first checkpoint records that the output belongs to this job: after a crash before the
        second one the sink knows that it may cut the file back.
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

    def accept(self, record: ShardRecord) -> None:
        """As `Delivery.accept`."""
        shard, sequence, _, outputs = record
        self._changed = True
        if outputs.offsets and retries_of(outputs.offsets[0]):  # then all of them are retries
            self._accept_retried(shard, sequence, outputs)
            return
        fresh = self._done.filter(outputs.offsets)
        if fresh:
            delivered = self.sink.write(outputs, fresh)
            if delivered:
                self.checkpoint.delivered(delivered)
        waits_for = max(fresh) + 1 if self.sink.ordered and fresh else 0
        self.checkpoint.received(shard, sequence, waits_for)

    def _accept_retried(self, shard: int, sequence: int, outputs: Outputs) -> None:
        if self.checkpoint.is_new_retry(shard, sequence):
            self.sink.append(outputs)
        self.checkpoint.received(shard, sequence)

    @property
    def is_saved(self) -> bool:
        """Whether nothing has changed since the last checkpoint."""
        return not self._changed

    def save(self) -> dict[int, int]:
        """Save a checkpoint if anything has changed since the last."""
        if not self._changed:
            return {}
        self.sink.flush()
        self.checkpoint.totals.outputs = self.sink.outputs
        if self._source is not None:
            self.checkpoint.read = self._source.read_so_far()
        state = self.checkpoint.capture(self.sink.position())
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
