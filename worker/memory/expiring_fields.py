"""The fields of a memory that expires, and the object that an action uses then.

`ExpiringFields` are `MemoryFields` that know when each field was last used. What has expired at the
moment of a run (`moment`) is dropped once, when the run first uses memory: it is then as if it had
been deleted before the run. So reads and writes have nothing to check, and are those of
`MemoryFields`. The run's commit deletes what was dropped from the store.

Writes count as of the commit of their run, reads as of the moment of their run. The time of a read
is kept only where the recorded one is older by `FieldTtl.grain`, so that reading costs a write of
the field now and then, and not each time.

An object lives as long as a field below it. One without fields lives as long as a field does that
was written when the object was made, or when a field below it was written last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

from ...store import clock
from ...store.encoding.stamps import UNSTAMPED, split, stamped
from .fields import DELETED, OBJECT, FieldStore, MemoryFields, from_record, to_record
from .memory import WorkerMemory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...agent.memory import MemoryRef, MemoryType
    from ...store.shard.batch import Batch
    from ...store.shard.field_ttl import FieldTtl
    from .moment import RunMoment

_NEVER: Final = 1 << 62


@final
class ExpiringFields(MemoryFields):
    """The fields of a key's memory, in layers, with the time of each.

    Attributes:
        has_begun: whether what has expired at the moment of the run is dropped.
        reading_counts: whether the time of a read is kept.
        times: when each committed field that is known was last used; `UNSTAMPED` if it has no time.
        stale_before: the time of a read is kept where the known one is not later than this.
    """

    __slots__ = (
        "_dropped",
        "_first_due",
        "_grain",
        "_moment",
        "_now",
        "_read",
        "_read_before",
        "_stored",
        "_ttl",
        "_unlisted",
        "has_begun",
        "reading_counts",
        "stale_before",
        "times",
    )

    def __init__(self, stored: FieldStore | None, ttl: FieldTtl, moment: RunMoment) -> None:
        """`stored` are the committed fields; None if `take` gets all of them."""
        super().__init__(None if stored is None else self)
        self._stored = stored
        self._ttl = ttl
        self._moment = moment
        self.times: dict[str, int] = {}
        self._first_due = _NEVER
        """When the first of these expires, or earlier."""
        self._dropped: set[str] = set()
        """What has expired and is to be deleted from the store by the next commit."""
        self._unlisted: set[str] = set()
        """What the table `expiring` does not list, as far as is known."""
        self._read: dict[str, None] = {}
        """What the running action has read, and is to be kept as read."""
        self._read_before: dict[str, None] = {}
        """The same of the finished actions of the run."""
        self._grain = ttl.grain
        self._now = 0
        self.stale_before = 0
        self.has_begun = False
        self.reading_counts = ttl.reading_counts

    def take(self, records: dict[str, bytes]) -> None:
        """Take committed fields out of the store."""
        for path, record in records.items():
            time, bare = split(record)
            self.times[path] = time
            self._first_due = min(self._first_due, self._ttl.due(time))
            self.committed[path] = from_record(bare)

    # -- expiry -------------------------------------------------------------------------------

    def begin(self) -> None:
        """Drop what has expired at the moment of the run."""
        if self.ended:
            return
        self.has_begun = True
        seen_at = self._now = self._moment.milliseconds()
        self.stale_before = self._now - self._grain
        if self._ttl.shows_expired:
            seen_at = self._moment.for_fields(self._ttl)
        if seen_at < self._first_due:
            return
        due = {path: self._ttl.due(time) for path, time in self.times.items()}
        for path in [path for path, moment in due.items() if moment <= seen_at]:
            del due[path], self.times[path]
            self._drop(path)
            if self.complete:
                self.committed.pop(path, None)
            else:
                self.committed[path] = DELETED
        self._first_due = min(due.values(), default=_NEVER)

    def _drop(self, path: str) -> None:
        self._dropped.add(path)
        self._unlisted.discard(path)

    def keep_as_read(self, path: str) -> None:
        """Keep the time of a read, if it differs enough from the recorded one (`stale_before`)."""
        time = self.times.get(path)
        # What has expired and is shown nevertheless does not come back to life.
        if time is not None and time <= self.stale_before and self._ttl.due(time) > self._now:
            self._read[path] = None

    def _used(self, path: str, time: int) -> None:
        known = self.times.get(path)
        if not known or time < known:  # else it is listed, for that time or an earlier one
            self._unlisted.add(path)
            self._first_due = min(self._first_due, self._ttl.due(time))
        self.times[path] = time

    # -- the store, without what has expired -----------------------------------------------------

    def field(self, path: str) -> bytes | None:
        """One committed field (see `FieldStore`)."""
        record = None if self._stored is None else self._stored.field(path)
        return None if record is None else self._alive(path, record)

    def scan(self, under: str) -> Iterable[tuple[str, bytes]]:
        """Committed fields at and below a path (see `FieldStore`)."""
        for path, record in () if self._stored is None else self._stored.scan(under):
            # What is known here may be newer than the store's.
            bare = split(record)[1] if path in self.committed else self._alive(path, record)
            if bare is not None:
                yield path, bare

    def _alive(self, path: str, record: bytes) -> bytes | None:
        time, bare = split(record)
        due = self._ttl.due(time)
        if due <= self._moment.for_fields(self._ttl):
            self._drop(path)
            return None
        self.times[path] = time
        self._first_due = min(self._first_due, due)
        return bare

    # -- the life of a run --------------------------------------------------------------------

    def end_reads(self) -> list[str]:
        """What the action has read that is to be kept as read."""
        read = self._read
        if not read:
            return []
        self._read_before.update(read)
        self._read = {}
        return list(read)

    def replay_reads(self, paths: Iterable[str]) -> None:
        """Take what a finished action has read from the journal."""
        self._read_before.update(dict.fromkeys(paths))

    @property
    def has_changes(self) -> bool:
        """Whether the run has changed something, or found something expired."""
        return bool(self.delta or self.overlay or self._dropped)

    def commit(self) -> dict[str, Any]:
        """Fold everything into the committed fields and return what the store has to change."""
        if not self.has_begun:  # what has expired is deleted, whether the run used memory or not
            self.begin()
        changes = super().commit() or {}
        moment = self._moment.milliseconds()
        now = max(clock.milliseconds(), moment)
        for path, value in list(changes.items()):
            if value is DELETED:
                self.times.pop(path, None)
                self._unlisted.discard(path)
            else:
                self._used(path, now)
                if "." in path:
                    self._use_objects_above(path, now, changes)
        for path in (*self._read_before, *self._read):
            if path not in changes and self.times.get(path, moment) < moment:
                self._used(path, moment)
                changes[path] = self.committed[path]
        for path in self._dropped:
            changes.setdefault(path, DELETED)
        self._dropped = set()
        self._forget_run()
        return changes

    def _use_objects_above(self, path: str, now: int, changes: dict[str, Any]) -> None:
        end = path.rfind(".")
        while end > 0:
            above = path[:end]
            if (
                above not in changes
                and self.lookup(above) is OBJECT
                and now - self.times.get(above, UNSTAMPED) >= self._ttl.grain
            ):
                self._used(above, now)
                changes[above] = OBJECT
            end = path.rfind(".", 0, end)

    def roll_back(self) -> None:
        """Drop all changes of the run."""
        super().roll_back()
        self._forget_run()

    def _forget_run(self) -> None:
        self._read = {}
        self._read_before = {}
        self.has_begun = False

    def write(self, batch: Batch, prefix: bytes, changes: dict[str, Any]) -> None:
        """Put committed changes into a batch, each with its time."""
        records: dict[str, bytes | None] = {}
        for path, value in changes.items():
            time = self.times.get(path)
            # Without a time it has expired since it was committed.
            record = None if time is None else to_record(value)
            records[path] = None if record is None or time is None else stamped(record, time)
            if time is not None and path in self._unlisted:
                batch.expire_field(prefix, path, self._ttl.due(time))
        self._unlisted = set()
        batch.put_fields(prefix, records)

    def _successor(self) -> MemoryFields:
        successor = ExpiringFields(self._stored, self._ttl, self._moment)
        successor.times = self.times
        successor._first_due = self._first_due
        successor._dropped = self._dropped
        successor._unlisted = self._unlisted
        successor._read = self._read.copy()
        successor._read_before = self._read_before
        successor._now, successor.stale_before = self._now, self.stale_before
        successor.has_begun = self.has_begun
        self.times, self._dropped, self._unlisted = {}, set(), set()
        self._read_before = {}
        return successor


class ExpiringMemory(WorkerMemory):
    """A memory object at one place of `ExpiringFields`."""

    __slots__ = ("_expiring",)

    def __init__(self, fields: ExpiringFields, kind: MemoryType, base: str = "") -> None:
        super().__init__(fields, kind, base)
        self._expiring = fields

    def get(self, path_or_ref: str | MemoryRef, default: Any = None) -> Any:
        """Return the value at a path or reference: a copy, a nested object, or the default."""
        fields = self._expiring
        if not fields.has_begun:
            fields.begin()
        value = super().get(path_or_ref, default)
        if fields.reading_counts:
            path = self._base + path_or_ref if isinstance(path_or_ref, str) else path_or_ref.path
            if fields.times.get(path, _NEVER) <= fields.stale_before:
                fields.keep_as_read(path)
        return value

    def set(self, path: str, value: Any) -> MemoryRef:
        """Write a leaf; see `WorkerMemory.set`."""
        if not self._expiring.has_begun:
            self._expiring.begin()
        return super().set(path, value)

    def is_exist(self, path: str) -> bool:
        """Whether `path` is a value or an object."""
        found = super().is_exist(path)
        if self._expiring.reading_counts:
            self._expiring.keep_as_read(self._base + path)
        return found

    def _children(self) -> dict[str, bool]:
        children = super()._children()
        if self._expiring.reading_counts and self._base:
            self._expiring.keep_as_read(self._base[:-1])
        return children

    def _guard(self) -> None:
        super()._guard()
        if not self._expiring.has_begun:
            self._expiring.begin()
