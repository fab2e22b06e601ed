"""From the workers' outbox records to the sink, each input's outputs once, and on to a checkpoint.

Joins the sink and the checkpoint in the only order that loses and doubles nothing. A record may
come several times (a worker died, or the launcher did, before the record was dropped); the
watermark tells which of its inputs are new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..store.crashpoints import reach
from ..store.offsets import retries_of
from ..store.outbox import decode_outputs

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..store.outbox import Outputs
    from .checkpoint import Checkpoint
    from .sinks.base import Sink


class Delivery:
    """Hands outputs to a sink and takes checkpoints.

    Args:
        sink: not yet opened.
        checkpoint: a new one, or the one of the job's earlier life.
        save: writes a checkpoint (a JSON object) atomically, as durably as the job asks.
    """

    def __init__(
        self, sink: Sink, checkpoint: Checkpoint, save: Callable[[dict[str, Any]], None]
    ) -> None:
        self.sink = sink
        self.checkpoint = checkpoint
        self._save = save
        self._watermark = checkpoint.watermark
        self._changed = False

    def open(self) -> None:
        """Open the sink where the checkpoint left it, and save a first checkpoint.

        The first checkpoint is what makes the output this job's own: after a crash before the
        second the sink knows that it may cut the file back.
        """
        self.sink.open(self.checkpoint.sink, self._watermark)
        self._changed = True
        self.save()

    def accept(self, shard: int, sequence: int, data: bytes | memoryview) -> Outputs:
        """Take in an outbox record of a shard, and return it decoded.

        Raises:
            StoreFullError, OutputClosedError, ...: as `Sink.write`. Nothing of the record counts as
                delivered then; the job can be resumed from its last checkpoint.
        """
        outputs = decode_outputs(data)
        if outputs.offsets and retries_of(outputs.offsets[0]):
            # A worker that revives dead letters does nothing else: all of a record is of one kind.
            if self.checkpoint.is_new_retry(shard, sequence):
                self.sink.append(outputs)
            self.checkpoint.received(shard, sequence)
            self._changed = True
            return outputs
        fresh = self._watermark.filter(outputs.offsets)
        if fresh:
            delivered = self.sink.write(outputs, fresh)
            if delivered:
                self.checkpoint.delivered(delivered)
        waits_for = max(fresh) + 1 if self.sink.ordered and fresh else 0
        self.checkpoint.received(shard, sequence, waits_for)
        self._changed = True
        return outputs

    @property
    def is_saved(self) -> bool:
        """Whether the last checkpoint has all that there is."""
        return not self._changed

    def save(self) -> dict[int, int]:
        """Save a checkpoint if anything has changed since the last.

        Returns:
            By shard, the outbox sequence up to which records may be dropped; only what is new.
        """
        if not self._changed:
            return {}
        self.sink.flush()
        self.checkpoint.totals.outputs = self.sink.outputs
        state = self.checkpoint.take(self.sink.position())
        reach("checkpoint.before")
        self._save(state)
        reach("checkpoint.after")
        self._changed = False
        return self.checkpoint.saved()

    def close(self) -> None:
        """Close the sink; without a checkpoint, since the caller may be failing."""
        self.sink.close()
