"""From the workers' outbox records to the task, and what the task is done with back to the workers.

The task knows which inputs it has no outcome of yet, and takes nothing else; so nothing is filtered
here, and no checkpoint of the launcher's own is kept. A record may be dropped from its outbox when
the task has emitted what is in it and says so. Until then it comes again from whoever finds it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ...launcher.checkpoint import Checkpoint
from ...launcher.delivery import Delivery
from ...launcher.sinks.base import Sink
from ...store.outbox import decode_outputs
from . import frames

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...launcher.sinks.base import Position
    from ...launcher.sources.base import Position as SourcePosition
    from ...launcher.watermark import Watermark
    from ...store.outbox import Outputs
    from .pipe import Pipe


class TaskSink(Sink):
    """Stands for the task in the pool's books; what is written goes by `TaskDelivery`."""

    def __init__(self, codec: str) -> None:
        """`codec` is one of `worker.encoding.make_encoder`'s that encode an output alone."""
        self.codec = codec

    def open(self, position: Position | None, delivered: Watermark) -> None:
        """Nothing to open."""

    def write(self, outputs: Outputs, fresh: Sequence[int]) -> Sequence[int]:
        """Count what has been handed on."""
        self.outputs += len(outputs.lengths)
        return fresh

    def append(self, outputs: Outputs) -> None:
        """Count what has been handed on."""
        self.outputs += len(outputs.lengths)

    def flush(self) -> None:
        """Nothing is held back."""

    def position(self) -> Position:
        """Nowhere: the task knows."""
        return {}

    def close(self) -> None:
        """Nothing to close."""


class _Unmarked(Checkpoint):
    """A checkpoint that is never saved, and needs no marks of where to read again."""

    def mark(self, position: SourcePosition) -> None:
        """The task sends again what has to be."""


class TaskDelivery(Delivery):
    """Hands outbox records to the task."""

    def __init__(self, sink: TaskSink, pipe: Pipe) -> None:
        super().__init__(sink, _Unmarked(), lambda _: None)
        self._pipe = pipe
        self._number = 0
        self._sent: deque[tuple[int, int, int]] = deque()
        self._trims: dict[int, int] = {}

    def open(self) -> None:
        """Nothing to open."""

    def accept(self, shard: int, sequence: int, data: bytes | memoryview) -> Outputs:
        """Hand a record to the task, and return it decoded."""
        outputs = decode_outputs(data)
        self._number += 1
        self._sent.append((self._number, shard, sequence))
        self._pipe.send(frames.pack(frames.OUTPUTS, frames.pack_number(self._number), data))
        self.sink.write(outputs, outputs.offsets)
        self.checkpoint.totals.events += len(outputs.offsets)
        return outputs

    def acknowledge(self, number: int) -> None:
        """The task is done with all records up to this one."""
        sent, trims = self._sent, self._trims
        while sent and sent[0][0] <= number:
            _, shard, sequence = sent.popleft()
            trims[shard] = max(sequence, trims.get(shard, 0))

    @property
    def is_saved(self) -> bool:
        """Whether the workers have been told all that they may drop."""
        return not self._trims

    def save(self) -> dict[int, int]:
        """By shard, the outbox sequence up to which records may be dropped; only what is new."""
        trims, self._trims = self._trims, {}
        self.checkpoint.trims.update(trims)
        return trims
