"""A lane: the state of a key that is in use, with its runs in strict order.

One lane runs one run at a time; further inputs of the key wait in its queue. Lanes of different
keys are independent and interleave on the event loop. A lane is opened with one read of the store,
which for most keys gets all of their fields; `lanes` keeps it for as long as there is room.

Where keys have one field, the same for all, a lane is opened by looking for that field. This takes
a third of the time of reading all fields of a key. What else the key may have is read when it is
asked for (`fill`), and then lanes are opened with all fields again, for a while.

With many keys a lane is opened for nearly every input, so this is done with few objects: what few
lanes need are class attributes until they are first written, and layers without changes are shared.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

from ...agent.memory import MemoryType
from ...store.encoding.keys import decode_key, key_prefix
from ...store.encoding.paths import LONGEST_END, SHORT_ENDS, encode_path
from ...store.encoding.values import IMMUTABLE, dumps
from ...store.sets.changes import SetName
from ..memory.expiring_fields import ExpiringFields, ExpiringMemory
from ..memory.fields import (
    FIELD_BYTES,
    SHORT_RECORD,
    MemoryFields,
    from_record,
    long_bytes,
    to_record,
)
from ..memory.memory import WorkerMemory
from ..memory.moment import RunMoment
from ..memory.set_layers import SetLayers, Unchanged

if TYPE_CHECKING:
    from asyncio import Task

    from ...store.sets.records import SetSettings
    from ...store.shard.batch import Batch
    from ...store.shard.field_ttl import FieldTtl
    from .group_commit import ShardWriter


Waiting = tuple[int, bytes, "dict[str, Any] | None"]
"""An input in a lane's queue: its offset, payload and, if it must not be run, rejection."""

_UNKNOWN: Final = object()
_SHORT_TERM: Final = MemoryType.SHORT_TERM

LANE_BYTES: Final = 640
"""What the objects of a lane take in the process, without its key and its fields: measured."""

PREFETCH_FIELDS: Final = 64
"""A key with no more fields than this is cached whole when its lane opens."""

# What `ShardWriter.usual` becomes; it is raised by 1 by each key that has the usual field alone.
_SURE: Final = 8
"""At most, so that a few keys without fields have lanes look for all fields."""
_SEVERAL: Final = -8
"""By a key with several fields."""
_OTHERS_WANTED: Final = -64
"""By a lane where the usual field was not all: it was read twice."""


class CurrentRun(Protocol):
    """The run that a lane is busy with, as far as lanes know it."""

    task: Task[None] | None
    """The task of its asynchronous action, if it performs one."""


class Lane:
    """One key's memory, queue and current run."""

    __slots__ = (
        "__dict__",
        "added",
        "changes",
        "counted",
        "fields",
        "group",
        "held",
        "is_layered",
        "is_partial",
        "key_bytes",
        "memory",
        "prefix",
        "queue",
        "run",
        "weight",
        "writer",
    )

    wants_end: bool | None = None
    """Whether it is on record that the key wants to know the end of the input; None if that has not
    been read."""
    timers: dict[str, int | None] | None = None
    """Timers that uncommitted runs have set, by id; None for cancelled ones."""
    removed: set[int] | None = None
    """Timers that uncommitted runs have cancelled."""
    sets: SetLayers | None = None
    """Changes of memory sets; None if the key has used none."""
    moment: RunMoment | None = None
    """The moment of the current run; None if the key has nothing that expires."""
    _key: Any = _UNKNOWN

    def __init__(self, key_bytes: bytes, writer: ShardWriter) -> None:
        """Open the lane of `key_bytes` on the shard behind `writer`."""
        self.key_bytes = key_bytes
        self.writer = writer
        self.prefix = key_prefix(key_bytes)
        self.queue: deque[Waiting] | None = None
        self.run: CurrentRun | None = None
        self.changes: dict[str, Any] | None = None
        """Fields that committed runs have changed and the open group will write."""
        self.group = 0
        """Number of the commit group that holds this lane's latest changes."""
        self.held = writer.may_have_queues and self._has_queue()
        """Whether runs of the key are in its queue in the store (`owned_runs`)."""
        self.is_layered = False
        """Whether a commit has more to do than to write the delta of `fields`."""
        self.is_partial = False
        """Whether only the usual field has been read."""
        self.fields: MemoryFields
        self.memory: WorkerMemory
        self.counted = 1
        """How many fields are in the weight."""
        self.added = 0
        """Bytes of long values added since it was weighed: it may be lighter by so many."""
        self.weight = LANE_BYTES + FIELD_BYTES + 2 * len(key_bytes)
        """About how many bytes it takes in the process, or more: see `weigh`."""
        if writer.usual > 0:
            record = writer.shard.reader.record(self.prefix + writer.usual_end)
            if record is not None:
                self.is_partial = True
                if writer.usual < _SURE:
                    writer.usual += 1
                if len(record) > SHORT_RECORD:
                    self.weight += len(record)
                self.fields = MemoryFields(self, {writer.usual_path: from_record(record)})
                self.memory = WorkerMemory(self.fields, _SHORT_TERM)
                return
            writer.usual -= 2
        self._open()

    def _open(self) -> None:
        """Read all fields, unless they are many."""
        writer = self.writer
        shard = writer.shard
        records, complete = shard.fields(self.prefix, PREFETCH_FIELDS)
        self.counted = len(records)
        self.weight += FIELD_BYTES * (len(records) - 1)
        if shard.field_ttl is not None:
            self._open_expiring(records, shard.field_ttl, complete=complete)
            return
        if records:
            self._learn(records)
        committed: dict[str, Any] = records
        for path, record in records.items():
            if len(record) > SHORT_RECORD:
                self.weight += len(record)
            committed[path] = from_record(record)
        self.fields = MemoryFields(None if complete else self, committed)
        self.memory = WorkerMemory(self.fields, _SHORT_TERM)

    def _learn(self, records: dict[str, bytes]) -> None:
        """Take notice of which fields a key has."""
        writer = self.writer
        if len(records) > 1:
            writer.usual = min(writer.usual, _SEVERAL)
            return
        for path in records:
            if path != writer.usual_path:
                end = encode_path(path)
                if len(end) > LONGEST_END:
                    return
                writer.usual_path, writer.usual_end = path, end
                writer.usual = min(writer.usual, 0)
            if writer.usual < _SURE:
                writer.usual += 1

    def fill(self) -> None:
        """Read the fields that were not read when the lane was opened; called by any thread."""
        if not self.is_partial:
            return
        writer = self.writer
        records, complete = writer.shard.fields(self.prefix, PREFETCH_FIELDS)
        for path in self.fields.fill(records, complete=complete):
            writer.fetched.append((self, records[path]))
        self.is_partial = False
        writer.usual = _OTHERS_WANTED

    def _open_expiring(self, records: dict[str, bytes], ttl: FieldTtl, *, complete: bool) -> None:
        fields = ExpiringFields(None if complete else self, ttl, self.run_moment())
        fields.take(records)
        for record in records.values():
            if len(record) > SHORT_RECORD:
                self.weight += len(record)
        self.fields = fields
        self.memory = ExpiringMemory(fields, _SHORT_TERM)

    def run_moment(self) -> RunMoment:
        """The moment of the current run, by which it judges what has expired."""
        if self.moment is None:
            self.moment = RunMoment(self.writer.shard)
            self.is_layered = True
        return self.moment

    def _has_queue(self) -> bool:
        first = self.writer.shard.read_waiting(lambda view: view.first_in_queue(self.key_bytes))
        return first is not None

    @property
    def key(self) -> Any:
        """The decoded key."""
        if self._key is _UNKNOWN:
            self._key = decode_key(self.key_bytes)
        return self._key

    def wait(self, offset: int, payload: bytes, rejection: dict[str, Any] | None) -> None:
        """Queue an input behind the run that is under way."""
        if self.queue is None:
            self.queue = deque()
        self.queue.append((offset, payload, rejection))

    def renew_memory(self) -> None:
        """Take memory away from tasks and threads that the action has left running."""
        self.fields = self.fields.transfer()
        self.memory = self.memory.__class__(self.fields, _SHORT_TERM)
        if self.sets is not None:
            self.sets.renew()

    def weigh(self) -> int:
        """Find the weight anew, from what the lane has; return by how much it has grown."""
        committed = self.fields.committed
        before = self.weight
        self.counted = len(committed)
        self.added = 0
        self.weight = LANE_BYTES + 2 * len(self.key_bytes) + FIELD_BYTES * len(committed)
        for value in committed.values():
            self.weight += long_bytes(value)
        return self.weight - before

    def keep_record(self, record: bytes) -> None:
        """Add what was read after the lane was opened to its weight."""
        self._grow(1, len(record) if len(record) > SHORT_RECORD else 0)

    def _grow(self, fields: int, added: int) -> None:
        growth = FIELD_BYTES * fields + added
        self.counted += fields
        self.added += added
        self.weight += growth
        self.writer.grown += growth

    def commit(self) -> None:
        """Fold the run's changes into the key's memory, and have the open group write them."""
        changes = self.fields.commit()
        if self.is_layered:
            self._commit_layers()
        if not changes:
            return
        if self.changes is None:
            self.changes = changes  # `fields` has started a new dictionary
            self.writer.changed.append(self)
        else:
            self.changes.update(changes)

    def _commit_layers(self) -> None:
        if self.sets is not None:
            if self.moment is not None and (elapsed := self.moment.elapsed()):
                self.sets.live_from(self.moment.milliseconds() / 1000, elapsed / 1000)
            if self.sets.commit():
                self.writer.changed.append(self)  # possibly for the second time, which does no harm
        if self.moment is not None:
            self.moment.end()

    def write_changes(self, batch: Batch) -> None:
        """Move the changes since the last group into `batch`: the latest values only."""
        changes = self.changes
        if changes is not None:
            self.changes = None
            added = 0
            if self.fields.__class__ is ExpiringFields:
                self.fields.write(batch, self.prefix, changes)
                for value in changes.values():
                    added += long_bytes(value)
            else:
                memory, prefix = batch.memory, self.prefix
                for path, value in changes.items():
                    record = dumps(value) if value.__class__ in IMMUTABLE else to_record(value)
                    if record is not None and len(record) > SHORT_RECORD:
                        added += len(record)
                    end = SHORT_ENDS.get(path)
                    if end is None:
                        batch.put_field(prefix, path, record)
                    else:
                        memory[prefix + end] = record
            fields = len(self.fields.committed) - self.counted
            if fields or added:
                self._grow(fields, added)
        if self.is_layered and self.sets is not None:
            self.sets.write(batch)

    def roll_back(self) -> None:
        """Drop all changes of the run."""
        self.fields.roll_back()
        if self.moment is not None:
            self.moment.end()
        if self.sets is not None:
            self.sets.roll_back()

    @property
    def has_changes(self) -> bool:
        """Whether the run has changed the key's memory."""
        return self.fields.has_changes or (self.sets is not None and self.sets.has_changes)

    def set_layers(self) -> SetLayers:
        """The changes of memory sets, made at the first use."""
        if self.sets is None:
            self.sets = SetLayers()
            self.is_layered = True
        return self.sets

    def read_set_settings(self, name: SetName) -> SetSettings | None:
        """What is laid down for a memory set; None if there is no such set."""
        if self.sets is not None:
            changed = self.sets.settings(name)
            if not isinstance(changed, Unchanged):
                return changed
        return self.writer.shard.read(lambda snapshot: snapshot.set(name).settings())

    def read_set_names(self, owner: bytes) -> list[str]:
        """The names of an owner's memory sets."""
        stored = self.writer.shard.read(lambda snapshot: list(snapshot.sets(owner)))
        names = {found.name for found in stored}
        for name in self.sets.names() if self.sets is not None else ():
            if name.owner == owner:
                names.add(name.name)
        return sorted(
            name for name in names if self.read_set_settings(SetName(owner, name)) is not None
        )

    def field(self, path: str) -> bytes | None:
        """One committed field (see `FieldStore`)."""
        self.fill()
        record = self.writer.shard.field(self.prefix, path)
        if record is not None:
            self.writer.fetched.append((self, record))  # counted later: this may be any thread
        return record

    def scan(self, under: str) -> list[tuple[str, bytes]]:
        """Committed fields at and below a path (see `FieldStore`)."""
        self.fill()
        return self.writer.shard.scan(self.prefix, under)
