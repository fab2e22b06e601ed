"""Delivery to the Flink task: outbox records go out, the task's acknowledgements come back.

The task knows which inputs have no outcome yet, and which records of each shard it has emitted, and
ignores the rest. So nothing is filtered here, and the launcher has no checkpoint of its own. A
worker may remove a record when the task has emitted its outputs and acknowledged it. Until then the
next worker of the shard sends it again.

An input that is suspended has its outcome for the task: the shard has it, and so have checkpoints.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ...launcher.delivery.delivery import Delivery
from ...store.records.offsets import RunKind, is_owned, kind_of
from . import frames

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...launcher.delivery.delivery import ShardRecord
    from ...launcher.delivery.source import Position
    from .checkpoints import ChangedKeys
    from .pipe import Pipe


class TaskDelivery(Delivery):
    """Sends outbox records to the task."""

    def __init__(self, codec: str, pipe: Pipe, changed: ChangedKeys) -> None:
        """`codec` is one of those of `make_encoder` that encode each output by itself.

        `changed` gets the keys of owned runs.
        """
        self.codec = codec
        self._changed = changed
        self._pipe = pipe
        self._number = 0
        self._sent: deque[tuple[int, int, int]] = deque()
        self._new: dict[int, int] = {}
        self._acknowledged: dict[int, int] = {}
        self._events = 0
        self._outputs = 0

    @property
    def events(self) -> int:
        """As `Delivery.events`, in this life."""
        return self._events

    @property
    def outputs(self) -> int:
        """As `Delivery.outputs`, in this life."""
        return self._outputs

    def open(self) -> Position | None:
        """Nothing to open: the task sends again what has to be read again."""
        return None

    def reading(self, position: Position) -> None:
        """As `Delivery.reading`: the task sends only what is not done."""
        del position

    def accept(self, record: ShardRecord) -> None:
        """Send a record to the task.

        Raises:
            TaskEndedError: the task is gone.
        """
        shard, sequence, data, outputs = record
        self._number += 1
        self._sent.append((self._number, shard, sequence))
        place = frames.pack_number(self._number) + frames.pack_place(shard, sequence)
        self._pipe.send(frames.pack(frames.OUTPUTS, place, data))
        owned = [number for number in outputs.offsets if is_owned(number)]
        if owned or outputs.suspended:
            self._changed.over(owned)
            ended = set(outputs.offsets).difference(outputs.suspended)
            self._events += sum(1 for number in ended if kind_of(number) == RunKind.INPUT)
        else:
            self._events += len(outputs.offsets)
        self._outputs += len(outputs.lengths)

    def due(self, runs: Sequence[tuple[int, bytes]]) -> None:
        """As `Delivery.due`."""
        self._changed.announced(runs)

    def acknowledge(self, number: int) -> None:
        """Mark all records up to this number as emitted by the task."""
        sent, new = self._sent, self._new
        while sent and sent[0][0] <= number:
            _, shard, sequence = sent.popleft()
            new[shard] = max(sequence, new.get(shard, 0))

    @property
    def is_saved(self) -> bool:
        """Whether all acknowledgements have been passed on to the workers."""
        return not self._new

    def save(self) -> dict[int, int]:
        """As `Delivery.save`; the checkpoint itself is the task's."""
        new, self._new = self._new, {}
        self._acknowledged.update(new)
        return new

    def acknowledged(self, shard: int) -> int | None:
        """As `Delivery.acknowledged`, in this life."""
        return self._acknowledged.get(shard)

    def close(self) -> None:
        """Nothing to close."""
