"""The launcher's checkpoint: what it needs to resume a job, and which outbox records it covers.

A checkpoint has the inputs that are done, the position of the sink with all their outputs, and the
position from which the source has to be read again. It is one small record, saved atomically. All
that it covers may be removed elsewhere, so it also has, for each shard, the outbox record up to
which records are not needed any more. The order of steps makes it safe:

    1. the sink writes a record's outputs, `done` gets its offsets        `delivered`, `received`
    2. the sink is flushed; the state is captured                         `Sink.flush`, `capture`
    3. the state is saved                                                 `ProgressLog.save`
    4. only now the outbox records that step 2 covered may be removed     `saved`, `acknowledged`

After a crash before 3 there is the old checkpoint: the sink is cut back to it, and the outboxes
still have all that is missing. After a crash after 3 some outbox records come again; their offsets
are done already.

This module does no I/O; `checkpointed` calls it in this order.
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from .done_offsets import DoneOffsets
from .sink import CLOSED
from .source import Position

if TYPE_CHECKING:
    from collections.abc import Sequence

_MARKS = 2048


@dataclass(slots=True)
class Totals:
    """Counts over all lives of a job, exact at each checkpoint.

    `events` inputs are done, failed ones included, but not those that are suspended; `outputs` were
    delivered.
    """

    events: int = 0
    outputs: int = 0


def closed(record: dict[str, Any]) -> dict[str, Any]:
    """What `capture` has returned, of a life that has ended and writes nothing more."""
    return {**record, "sink": {**record["sink"], CLOSED: True}}


class Checkpoint:
    """The state of a running job, from which checkpoints are made.

    Attributes:
        done: the inputs that are done and delivered.
        totals: counts; `delivered` counts `events`, the caller sets `outputs`.
        sink: the sink's position in the last checkpoint; None in a new job.
        read: the source's `read_so_far`, if it has one.
    """

    def __init__(self) -> None:
        self.done = DoneOffsets()
        self.totals = Totals()
        self.sink: dict[str, object] | None = None
        self.read: dict[str, object] | None = None
        self._marks: deque[Position] = deque([Position(0)])
        # Per shard: (sequence, `waits_for`), ascending.
        self._pending: dict[int, deque[tuple[int, int]]] = {}
        self._captured: dict[int, int] = {}
        self._acknowledged: dict[int, int] = {}
        self._retried: dict[int, int] = {}

    def mark(self, position: Position) -> None:
        """Record the position at which a batch begins; in reading order."""
        marks = self._marks
        if position.offset <= marks[-1].offset:
            return
        marks.append(position)
        if len(marks) > _MARKS:
            self._drop_marks()
            if len(marks) > _MARKS // 2:
                # One input takes long: keep half of the marks, at the price of reading a little
                # more again.
                self._marks = deque(list(marks)[::2])

    def delivered(self, offsets: Sequence[int], suspended: int = 0) -> None:
        """Record inputs that need not be read again; the sink has all their outputs.

        So many of them are suspended: they count when the owned run of each has ended.
        """
        self.done.add(offsets)
        self.totals.events += len(offsets) - suspended

    def received(self, shard: int, sequence: int, waits_for: int = 0) -> None:
        """Record that the sink has an outbox record, which may be removed once it is delivered.

        That is now, or, if the sink holds some of it back, when all offsets below `waits_for` are
        done. Records of one shard come in ascending sequence; those that come again after a crash
        are ignored.
        """
        pending = self._pending.get(shard)
        if pending is None:
            pending = self._pending[shard] = deque()
        newest = pending[-1][0] if pending else self._acknowledged.get(shard, -1)
        if sequence > newest:
            pending.append((sequence, waits_for))

    def is_new_retry(self, shard: int, sequence: int) -> bool:
        """Whether an outbox record of retried inputs or owned runs is new; records it as delivered.

        The record's sequence decides that, because the offsets have been done since the inputs
        failed, or were suspended. Records of one shard come in ascending sequence.
        """
        if sequence <= self._retried.get(shard, -1):
            return False
        self._retried[shard] = sequence
        return True

    def position(self) -> Position:
        """The position from which to read again: at or before the first input that is not done."""
        self._drop_marks()
        return self._marks[0]

    def capture(self, sink: dict[str, object]) -> dict[str, Any]:
        """The state to save, given the sink's position after its `flush`; a JSON object."""
        self.sink = sink
        self._captured = {}
        low = self.done.low
        for shard, pending in self._pending.items():
            done = None
            for sequence, below in pending:
                if below > low:
                    break
                done = sequence
            if done is not None:
                self._captured[shard] = done
        return {
            "watermark": self.done.to_json(),
            "source": list(self.position()),
            "read": self.read,
            "sink": sink,
            "totals": asdict(self.totals),
            "trims": {
                str(shard): level
                for shard, level in {**self._acknowledged, **self._captured}.items()
            },
            "retried": {str(shard): level for shard, level in self._retried.items()},
        }

    def saved(self) -> dict[int, int]:
        """Record that the last `capture` is saved; return the new acknowledged levels by shard."""
        captured, self._captured = self._captured, {}
        for shard, level in captured.items():
            pending = self._pending[shard]
            while pending and pending[0][0] <= level:
                pending.popleft()
            self._acknowledged[shard] = level
        return captured

    @property
    def acknowledged(self) -> dict[int, int]:
        """By shard, the sequence up to which outbox records may be removed."""
        return self._acknowledged

    @classmethod
    def load(cls, record: dict[str, Any]) -> Checkpoint:
        """The state that `capture` returned in an earlier life.

        It has the same `done`, `totals`, `sink` and `position`.
        """
        checkpoint = cls()
        checkpoint.done = DoneOffsets.from_json(record["watermark"])
        checkpoint.sink = record["sink"]
        checkpoint.read = record.get("read")
        known = {field.name for field in fields(Totals)}
        checkpoint.totals = Totals(**{k: v for k, v in record["totals"].items() if k in known})
        checkpoint._marks = deque([Position(*record["source"])])
        checkpoint._acknowledged = {int(shard): level for shard, level in record["trims"].items()}
        checkpoint._retried = {
            int(shard): level for shard, level in record.get("retried", {}).items()
        }
        return checkpoint

    def _drop_marks(self) -> None:
        marks, low = self._marks, self.done.low
        while len(marks) > 1 and marks[1].offset <= low:
            marks.popleft()
