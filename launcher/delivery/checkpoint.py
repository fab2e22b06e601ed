"""What the launcher must know to carry a job on, and when it may let the workers forget.

A checkpoint says: these inputs are done, their outputs are in the sink up to this
position, and reading may begin again here. It is one small record, saved atomically, and everything
that it covers can be dropped elsewhere: so it also says up to which record each shard's outbox is
no longer needed. The order is what makes it safe:

    1. the sink takes a record's outputs, `done` gets its offsets       `delivered`, `received`
    2. the sink is flushed; the state is taken                            `Sink.flush`, `take`
    3. the state is saved                                                 `ProgressLog.save`
    4. only now the outboxes may be trimmed to what step 2 covered        `saved`, `acknowledged`

A crash before 3 finds the old checkpoint, cuts the sink back to it, and gets from the outboxes
again all that is missing. A crash after 3 finds that some outbox records come once more; their
offsets are known to be done.

No I/O here: `delivery` calls in this order.
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from .done_offsets import DoneOffsets
from .source import Position

if TYPE_CHECKING:
    from collections.abc import Sequence

_MARKS = 2048


@dataclass(slots=True)
class Totals:
    """Counts over all lives of a job, exact at each checkpoint.

    `events` inputs are done, in whatever way; `outputs` were delivered.
    """

    events: int = 0
    outputs: int = 0


class Checkpoint:
    """The state of a running job, from which checkpoints are taken.

    Attributes:
        done: the inputs that are done and delivered.
        totals: counts; `events` follows `delivered`, `outputs` is set from outside.
        sink: the sink's position that was last taken, or loaded; None in a new job.
        read: what the source says of the part that it has read; None if it says nothing.
    """

    def __init__(self) -> None:
        self.done = DoneOffsets()
        self.totals = Totals()
        self.sink: dict[str, object] | None = None
        self.read: dict[str, object] | None = None
        self._marks: deque[Position] = deque([Position(0)])
        # Per shard: (sequence, `waits_for`), ascending.
        self._pending: dict[int, deque[tuple[int, int]]] = {}
        self._taken: dict[int, int] = {}
        self._acknowledged: dict[int, int] = {}
        self._retried: dict[int, int] = {}

    def mark(self, position: Position) -> None:
        """Remember that a batch read from the source began here; in reading order."""
        marks = self._marks
        if position.offset <= marks[-1].offset:
            return
        marks.append(position)
        if len(marks) > _MARKS:
            self._drop_marks()
            if len(marks) > _MARKS // 2:
                # One input holds everything up: half the marks serve as well, at the price of
                # reading a little more again.
                self._marks = deque(list(marks)[::2])

    def delivered(self, offsets: Sequence[int]) -> None:
        """Inputs are done, which were not before, and the sink has all their outputs."""
        self.done.add(offsets)
        self.totals.events += len(offsets)

    def received(self, shard: int, sequence: int, waits_for: int = 0) -> None:
        """The sink has taken in an outbox record, which can be dropped once it is delivered.

        That is now, or, if the sink holds some of it back, when all offsets below `waits_for` are
        done. Records of one shard come in ascending sequence; those that come again after a crash
        are passed over.
        """
        pending = self._pending.get(shard)
        if pending is None:
            pending = self._pending[shard] = deque()
        newest = pending[-1][0] if pending else self._acknowledged.get(shard, -1)
        if sequence > newest:
            pending.append((sequence, waits_for))

    def is_new_retry(self, shard: int, sequence: int) -> bool:
        """Whether an outbox record of retried inputs has not been delivered before; now it is.

        They are delivered as they come, in no order, so their record's number tells; their
        offsets are done since from their first life.
        """
        if sequence <= self._retried.get(shard, -1):
            return False
        self._retried[shard] = sequence
        return True

    def position(self) -> Position:
        """Where the source must be read again from: at or before the first input not done."""
        self._drop_marks()
        return self._marks[0]

    def take(self, sink: dict[str, object]) -> dict[str, Any]:
        """The state to save, given the sink's position after its `flush`; a JSON object."""
        self.sink = sink
        self._taken = {}
        low = self.done.low
        for shard, pending in self._pending.items():
            done = None
            for sequence, below in pending:
                if below > low:
                    break
                done = sequence
            if done is not None:
                self._taken[shard] = done
        return {
            "watermark": self.done.to_json(),
            "source": list(self.position()),
            "read": self.read,
            "sink": sink,
            "totals": asdict(self.totals),
            "trims": {
                str(shard): level for shard, level in {**self._acknowledged, **self._taken}.items()
            },
            "retried": {str(shard): level for shard, level in self._retried.items()},
        }

    def saved(self) -> dict[int, int]:
        """What was taken last has been saved: returns the trim levels that are new, by shard."""
        taken, self._taken = self._taken, {}
        for shard, level in taken.items():
            pending = self._pending[shard]
            while pending and pending[0][0] <= level:
                pending.popleft()
            self._acknowledged[shard] = level
        return taken

    @property
    def acknowledged(self) -> dict[int, int]:
        """By shard, the outbox sequence up to which records may be dropped."""
        return self._acknowledged

    @classmethod
    def load(cls, record: dict[str, Any]) -> Checkpoint:
        """The state that `take` returned in an earlier life.

        `done`, `totals`, `sink` and `position` are as they were.
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
