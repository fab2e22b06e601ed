"""Delivery to a sink, with checkpoints of the launcher.

Uses the sink and the checkpoint in the only order in which no output is lost or repeated. Inputs
of a record are new if their offsets are not in the checkpoint's `done`.

Retried dead letters and owned runs are handled apart: the offsets of their inputs have been done
since these failed or were suspended, and some have no input. So the record's sequence in the outbox
decides whether their outputs were delivered before.

An input that is suspended is done for the source, which need not read it again; it is counted when
its owned run ends. In an ordered sink it gives up its place: what it puts out later is appended.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from ...agent.errors import TamiasError
from ...store.crashpoints import reach
from ...store.records.offsets import LARGEST_OFFSET, RunKind, is_owned, kind_of, retries_of
from .checkpoint import Checkpoint, closed
from .delivery import Delivery
from .sink import part_of

if TYPE_CHECKING:
    from collections.abc import Sequence

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

    accepts_retries = True

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
        self._saved: dict[str, Any] | None = None
        """The last checkpoint of this life."""
        self._suspended: set[int] = set()
        """Suspended inputs whose records the sink has, and whose turn in the order has not come."""

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
        if outputs.offsets and max(outputs.offsets) > LARGEST_OFFSET:
            fresh = self._accept_numbered(shard, sequence, outputs)
        else:
            fresh = self._done.filter(outputs.offsets)
            if fresh:
                self._deliver(outputs, fresh, fresh)
        waits_for = max(fresh) + 1 if self.sink.ordered and fresh else 0
        self.checkpoint.received(shard, sequence, waits_for)

    def _accept_numbered(self, shard: int, sequence: int, outputs: Outputs) -> Sequence[int]:
        """Deliver a record with retries or owned runs in it; return the new ones of its inputs."""
        offsets = outputs.offsets
        inputs = [number for number in offsets if number <= LARGEST_OFFSET]
        fresh = self._done.filter(inputs)
        others: set[int] = set()
        if self.checkpoint.is_new_retry(shard, sequence):
            others = {number for number in offsets if number > LARGEST_OFFSET}
            ended = filter(_ends_input, others.difference(outputs.suspended))
            self.checkpoint.totals.events += sum(1 for _ in ended)
        if self.sink.ordered or not any(map(is_owned, others)):
            if others:
                self.sink.append(part_of(outputs, others))
            if fresh:
                self._deliver(outputs, fresh, fresh)
        else:
            wanted = others.union(fresh)
            self._deliver(outputs, [n for n in offsets if n in wanted], fresh)
        return fresh

    def _deliver(self, outputs: Outputs, wanted: Sequence[int], fresh: Sequence[int]) -> None:
        """Pass on the `wanted` runs of a record; `fresh` are the inputs among them."""
        if outputs.suspended:
            self._suspended.update(set(outputs.suspended).intersection(fresh))
        delivered = self.sink.write(outputs, wanted)
        if wanted is not fresh:
            delivered = [number for number in delivered if number <= LARGEST_OFFSET]
        if delivered:
            waiting = self._suspended.intersection(delivered) if self._suspended else ()
            self._suspended.difference_update(waiting)
            self.checkpoint.delivered(delivered, len(waiting))

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
        self._saved = state
        return self.checkpoint.saved()

    def acknowledged(self, shard: int) -> int | None:
        """As `Delivery.acknowledged`."""
        return self.checkpoint.acknowledged.get(shard)

    def close(self) -> None:
        """Close the sink; without a checkpoint.

        If the last one covers all that was written, it is marked: what is found behind it later was
        written by another.
        """
        if self._saved is not None and self.is_saved:
            with suppress(TamiasError):  # the checkpoint without the mark is right, too
                self._progress.save(closed(self._saved))
            self._saved = None
        self.sink.close()


def _ends_input(number: int) -> bool:
    """Whether the end of an owned run is that of an input, which was not counted before."""
    return is_owned(number) and kind_of(number) == RunKind.INPUT and not retries_of(number)
