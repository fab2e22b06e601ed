"""The fields of one memory, in layers: what a run changed over what is committed.

`MemoryFields` maps dotted paths to values. Reads look through four layers, nearest first:

1. `delta`: what the action that is running now has written;
2. `overlay`: what the finished actions of the same run have written;
3. `committed`: what is committed, as far as this process has it cached;
4. the store behind `committed`, asked only while `complete` is False.

A failed action loses its delta, a failed run its overlay too, and a run that succeeds folds both
into `committed`. Short-term memory has one `MemoryFields` per key, kept as long as the key is
cached; sensory memory has a new one, complete and empty, for each run.

Memory changes by `set` only: immutable values are kept as they are, all others as their pickle
(`Pickled`), which is unpickled anew for every reader.

A path is a *leaf* when it holds a value and an *object* when it was made by `new_object` or when
other fields live below it. It cannot be both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, final

from ...agent.errors import MemoryAccessError
from ...store.encoding.short_values import LONG, loads_short
from ...store.encoding.stamps import STAMPED, split
from ...store.encoding.values import IMMUTABLE, dumps, dumps_checked, loads

if TYPE_CHECKING:
    from collections.abc import Iterable


@final
class Sentinel:
    """A value that stands for something other than a user's value."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


MISSING: Final = Sentinel("MISSING")
DELETED: Final = Sentinel("DELETED")
OBJECT: Final = Sentinel("OBJECT")

NO_CHANGES: Final[dict[str, Any]] = {}
"""The delta and the overlay of all fields without changes: it stays empty (`changed_delta`)."""

OBJECT_RECORD: Final = b""
"""An explicit object as the store has it; no pickle is empty."""

_NOT_A_VALUE: Final = (MISSING, DELETED)


class Pickled:
    """A value of a mutable type, kept as its pickle."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class FieldStore(Protocol):
    """The store behind a memory: its committed fields."""

    def field(self, path: str) -> bytes | None:
        """The encoded value at `path`, or None."""

    def scan(self, under: str) -> Iterable[tuple[str, bytes]]:
        """All `(path, encoded value)` at and below `under` (all of them for "")."""


def from_record(record: bytes) -> Any:
    """The kept form of a record of the store."""
    if not record:
        return OBJECT
    if record[0] == STAMPED:  # fields have expired here before, and do not expire now
        return from_record(split(record)[1])
    value = loads_short(record)
    return Pickled(record) if value is LONG else value


FIELD_BYTES: Final = 164
"""What each field takes in the process, with a value of a short record."""

SHORT_RECORD: Final = 16
"""So many bytes of a value, or of its record, are counted in `FIELD_BYTES`."""


def long_bytes(value: Any) -> int:
    """How many bytes a kept value takes beyond `FIELD_BYTES`: never more than its record has."""
    kind = value.__class__
    if kind is str or kind is bytes:
        length = len(value)
    elif kind is Pickled:
        length = len(value.data)
    else:
        return 0
    return length if length > SHORT_RECORD else 0


def to_record(value: Any) -> bytes | None:
    """The store's record of a kept value; None deletes."""
    if value.__class__ is Pickled:
        data: bytes = value.data
        return data
    if value is OBJECT:
        return OBJECT_RECORD
    if value is DELETED:
        return None
    return dumps(value)


class MemoryFields:
    """The fields of one memory, in layers (see the module's text). Not for concurrent use."""

    __slots__ = (
        "__dict__",
        "_deletes",
        "committed",
        "complete",
        "delta",
        "is_guarded",
        "overlay",
        "store",
    )

    ended: bool = False
    """Whether `transfer` has moved everything to a successor: all accesses are errors."""
    _objects: set[str] | None = None
    """All paths that are or were above a field of any layer; None until first needed."""

    def __init__(
        self, store: FieldStore | None = None, committed: dict[str, Any] | None = None
    ) -> None:
        """`store` has committed fields that are not in `committed`; None if there are none."""
        self.delta: dict[str, Any] = NO_CHANGES
        self.overlay: dict[str, Any] = NO_CHANGES
        self.committed: dict[str, Any] = {} if committed is None else committed
        self.store = store
        self.complete = store is None
        self.is_guarded = False
        """Whether accesses have to be checked: the action has made a durable call, or `ended`."""
        self._deletes = False
        """Whether delta or overlay may hold DELETED."""

    # -- reading ------------------------------------------------------------------------------

    def below_delta(self, path: str) -> Any:
        """The kept value at `path` in the layers below the delta, or MISSING."""
        value = self.overlay.get(path, MISSING)
        if value is MISSING:
            value = self.committed.get(path, MISSING)
            if value is MISSING and not self.complete:
                record = self.store.field(path) if self.store is not None else None
                if record is not None:
                    value = self.committed[path] = from_record(record)
        return value

    @property
    def is_empty(self) -> bool:
        """Whether there is no field; where it is not known without the store, there may be one."""
        return self.complete and not (self.committed or self.delta or self.overlay)

    def lookup(self, path: str) -> Any:
        """The kept value at `path`: immutable, `Pickled`, OBJECT, DELETED or MISSING."""
        value = self.delta.get(path, MISSING)
        return self.below_delta(path) if value is MISSING else value

    def unpickle(self, path: str, value: Pickled) -> Any:
        """Unpickle a value; an immutable one then replaces its pickle in the cache."""
        result = loads(value.data)
        if result.__class__ in IMMUTABLE and self.committed.get(path) is value:
            self.committed[path] = result
        return result

    def is_leaf(self, path: str) -> bool:
        """Whether `path` holds a value."""
        value = self.lookup(path)
        return value is not OBJECT and value not in _NOT_A_VALUE

    def is_object(self, path: str) -> bool:
        """Whether `path` is an object: the root, an explicit one, or one with fields below."""
        if not path:
            return True
        if self.is_empty:
            return False
        if self.lookup(path) is OBJECT:
            return True
        if path not in self._known_objects():
            if self.complete or self.store is None:
                return False
            if not any(found != path for found, _ in self.store.scan(path)):
                return False
        return any(found != path for found in self.under(path))

    def _known_objects(self) -> set[str]:
        """Paths that may be objects; asking here first avoids most walks over all fields."""
        if self._objects is None:
            self._objects = set()
            for layer in (self.committed, self.overlay, self.delta):
                for path in layer:
                    self._add_objects(path)
        return self._objects

    def _add_objects(self, path: str) -> None:
        if self._objects is not None:
            end = path.rfind(".")
            while end > 0 and path[:end] not in self._objects:
                self._objects.add(path[:end])
                end = path.rfind(".", 0, end)

    def under(self, path: str) -> dict[str, Any]:
        """All live `path -> kept value` at and below `path`, over all layers."""
        found: dict[str, Any] = {}
        if not self.complete and self.store is not None:
            found.update((name, from_record(record)) for name, record in self.store.scan(path))
        prefix = f"{path}."
        for layer in (self.committed, self.overlay, self.delta):
            if path:
                found.update(
                    (name, value)
                    for name, value in layer.items()
                    if name == path or name.startswith(prefix)
                )
            else:
                found.update(layer)
        return {name: value for name, value in found.items() if value is not DELETED}

    def fill(self, records: dict[str, bytes], *, complete: bool) -> list[str]:
        """Take committed fields out of the store; return the paths of those that were not known."""
        committed = self.committed
        new = [path for path in records if path not in committed]
        for path in new:
            committed.setdefault(path, from_record(records[path]))
        self._objects = None
        self.complete = complete
        return new

    # -- writing ------------------------------------------------------------------------------

    def changed_delta(self) -> dict[str, Any]:
        """The delta, to be written to."""
        if self.delta is NO_CHANGES:
            self.delta = {}
        return self.delta

    def put(self, path: str, value: Any) -> None:
        """Write a leaf.

        Raises:
            MemoryAccessError: `path` is an object, or something above it is a leaf.
            UnserializableError: `value` cannot be pickled, or not be read back.
        """
        if path not in self.delta or self.delta[path] in (DELETED, OBJECT):
            self._check_leaf_position(path)
            self._add_objects(path)
        kept = value if value.__class__ in IMMUTABLE else Pickled(dumps_checked(value))
        self.changed_delta()[path] = kept

    def put_object(self, path: str, *, overwrite: bool) -> None:
        """Make `path` an object; with `overwrite`, an empty one that replaces a value or an object.

        Raises:
            MemoryAccessError: `path` holds a value and `overwrite` is False, or something above
                it is a leaf.
        """
        self._check_ancestors(path)
        if overwrite:
            self._deletes = True
            for name in self.under(path):
                self.changed_delta()[name] = DELETED
        elif self.is_leaf(path):
            raise MemoryAccessError(
                f"memory field {path!r} holds a value and cannot become an object; "
                "call new_object(path, overwrite=True) to replace it"
            )
        self.changed_delta()[path] = OBJECT
        self._add_objects(path)

    def _check_leaf_position(self, path: str) -> None:
        if self.is_empty:  # as that of a new key, of which there may be many
            check_path(path)
            return
        value = self.below_delta(path) if path not in self.delta else self.delta[path]
        if value is not OBJECT and value not in _NOT_A_VALUE:
            return
        check_path(path)
        if value is OBJECT or self.is_object(path):
            raise MemoryAccessError(
                f"memory field {path!r} is an object and cannot hold a value; set a field below "
                "it, or replace it with new_object(path, overwrite=True)"
            )
        self._check_ancestors(path)

    def _check_ancestors(self, path: str) -> None:
        check_path(path)
        end = path.rfind(".")
        while end > 0:
            above = path[:end]
            if self.is_leaf(above):
                raise MemoryAccessError(
                    f"memory field {above!r} holds a value, so {path!r} cannot live below it; "
                    f"replace it with new_object({above!r}, overwrite=True) first"
                )
            end = path.rfind(".", 0, end)

    # -- the life of a run --------------------------------------------------------------------

    def end_action(self) -> dict[str, Any]:
        """Fold the delta into the overlay and return it (what the action changed)."""
        delta = self.delta
        if delta:
            self._add_to_overlay(delta)
            self.delta = NO_CHANGES
        return delta

    def replay(self, changes: dict[str, Any]) -> None:
        """Apply the changes of a finished action that are in the journal."""
        self._deletes = self._deletes or DELETED in changes.values()
        self._objects = None
        self._add_to_overlay(changes)

    def _add_to_overlay(self, changes: dict[str, Any]) -> None:
        if self.overlay is NO_CHANGES:
            self.overlay = {}
        self.overlay.update(changes)

    @property
    def has_changes(self) -> bool:
        """Whether the run has changed something."""
        return bool(self.delta or self.overlay)

    def commit(self) -> dict[str, Any]:
        """Fold everything into the committed fields and return what changed."""
        changes = self.delta
        if self.overlay:
            changes = self.overlay
            changes.update(self.delta)
            self.overlay = NO_CHANGES
        if changes:
            self.delta = NO_CHANGES
            self.committed.update(changes)
            if self._deletes:
                self._deletes = False
                if self.complete:
                    for path, value in changes.items():
                        if value is DELETED:
                            del self.committed[path]
        return changes

    def roll_back(self) -> None:
        """Drop all changes of the run."""
        self.delta = NO_CHANGES
        self.overlay = NO_CHANGES

    def guard(self) -> None:
        """Check accesses until the end of the action: they may come from inside a durable call.

        The check outlasts the call, since the function may have left tasks or threads running.
        """
        self.is_guarded = True

    def transfer(self) -> MemoryFields:
        """Move everything to a new object, and refuse all further accesses to this one.

        For an action that may have left tasks or threads running: their changes must not get into
        the next action's memory, nor into the next run's.
        """
        successor = self._successor()
        successor.complete = self.complete
        successor._deletes = self._deletes  # noqa: SLF001 (of the same class)
        successor._objects, self._objects = self._objects, None  # noqa: SLF001
        if self.delta:
            successor.delta = self.delta.copy()  # a thread may be writing to the original
        successor.overlay = self.overlay
        successor.committed = self.committed
        self.delta, self.overlay, self.committed, self.store = NO_CHANGES, NO_CHANGES, {}, None
        self.complete = True
        self.ended = True
        self.is_guarded = True
        return successor

    def _successor(self) -> MemoryFields:
        return MemoryFields(self.store)

    # -- for memory that expires (`expiring_fields`) ----------------------------------------------

    def end_reads(self) -> list[str]:
        """What the action has read, as far as that counts: here it does not."""
        return []

    def replay_reads(self, paths: Iterable[str]) -> None:
        """Take what a finished action has read from the journal."""


_PATHS: Final[set[str]] = set()
"""Some of the paths that were found to be such: agents have few."""
_PATHS_KEPT: Final = 1024
_LONGEST_KEPT: Final = 256


def check_path(path: object) -> None:
    """Raise MemoryAccessError unless `path` is dotted names, none of them empty."""
    if path.__class__ is str and path in _PATHS:
        return
    if not isinstance(path, str) or not path or not all(path.split(".")):
        raise MemoryAccessError(
            f"{path!r} is not a memory path: give names joined by dots, such as 'plane.legs'"
        )
    if len(_PATHS) < _PATHS_KEPT and len(path) <= _LONGEST_KEPT:
        _PATHS.add(str(path))
