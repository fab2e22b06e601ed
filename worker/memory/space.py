"""The fields of one memory, in layers: what a run changed over what is committed.

A *space* maps dotted paths to values. Reads look through four layers, nearest first:

1. `delta`: what the action that is running now has written;
2. `overlay`: what the finished actions of the same run have written;
3. `fields`: what is committed, as far as this process has it cached;
4. the store behind `fields`, asked only while `complete` is False.

An action that fails throws its delta away, a run that fails its overlay too, and a run that
succeeds folds both into `fields`. Short-term memory keeps one space per key for as long as the
key is cached; sensory memory makes a new one, complete and empty, for each run.

Values are kept so that nobody can change memory without `set`: immutable values as they are,
everything else pickled (`Frozen`) and unpickled afresh for every reader.

A path is a *leaf* when it holds a value and an *object* when it was made by `new_object` or when
other fields live below it. It cannot be both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, final

from ...agent.errors import MemoryAccessError
from ...store.encoding.values import IMMUTABLE, dumps, loads

if TYPE_CHECKING:
    from collections.abc import Iterable


@final
class Mark:
    """A value that stands for something other than a user's value."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


MISSING: Final = Mark("MISSING")
DELETED: Final = Mark("DELETED")
OBJECT: Final = Mark("OBJECT")

OBJECT_RECORD: Final = b""
"""How an explicit object is written in the store (no pickle is ever empty)."""

_NOT_A_VALUE: Final = (MISSING, DELETED)
_FOR_GOOD: Final = 1 << 40
"""More guards than durable calls will ever take away."""


class Frozen:
    """A value that could be changed in place, kept as its encoding."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class FieldStore(Protocol):
    """Where a space looks for committed fields that it has not cached."""

    def field(self, path: str) -> bytes | None:
        """The encoded value at `path`, or None."""

    def scan(self, under: str) -> Iterable[tuple[str, bytes]]:
        """All `(path, encoded value)` at and below `under` (all of them for "")."""


def thaw_record(record: bytes) -> Any:
    """The form in which a space keeps an encoded value from the store."""
    return OBJECT if record == OBJECT_RECORD else Frozen(record)


def to_record(value: Any) -> bytes | None:
    """What the store keeps for a value of a space; None deletes."""
    if value.__class__ is Frozen:
        data: bytes = value.data
        return data
    if value is OBJECT:
        return OBJECT_RECORD
    if value is DELETED:
        return None
    return dumps(value)


class Space:
    """One memory's fields (see the module's text). Not safe for concurrent use."""

    __slots__ = (
        "_deletes",
        "_objects",
        "complete",
        "delta",
        "ended",
        "fields",
        "guards",
        "overlay",
        "store",
    )

    def __init__(self, store: FieldStore | None = None) -> None:
        self.delta: dict[str, Any] = {}
        self.overlay: dict[str, Any] = {}
        self.fields: dict[str, Any] = {}
        self.store = store
        self.complete = store is None
        self.guards = 0
        """Durable calls under way: above zero, each access is checked for coming from one."""
        self._deletes = False
        """Whether delta or overlay may hold DELETED."""
        self._objects: set[str] | None = None
        """All paths that are above a field of any layer, or were; None until someone asks."""
        self.ended = False
        """Whether another space has taken this one's place; `guards` then stay up for good."""

    # -- reading ------------------------------------------------------------------------------

    def below_delta(self, path: str) -> Any:
        """The kept value at `path` from every layer but the first; MISSING if there is none."""
        value = self.overlay.get(path, MISSING)
        if value is MISSING:
            value = self.fields.get(path, MISSING)
            if value is MISSING and not self.complete:
                record = self.store.field(path) if self.store is not None else None
                if record is not None:
                    value = self.fields[path] = thaw_record(record)
        return value

    def kept(self, path: str) -> Any:
        """The kept value at `path`: immutable, `Frozen`, OBJECT, DELETED or MISSING."""
        value = self.delta.get(path, MISSING)
        return self.below_delta(path) if value is MISSING else value

    def thaw(self, path: str, value: Frozen) -> Any:
        """The user's value of a frozen one; an immutable one is cached as itself."""
        result = loads(value.data)
        if result.__class__ in IMMUTABLE and self.fields.get(path) is value:
            self.fields[path] = result
        return result

    def is_leaf(self, path: str) -> bool:
        """Whether `path` holds a value."""
        value = self.kept(path)
        return value is not OBJECT and value not in _NOT_A_VALUE

    def is_object(self, path: str) -> bool:
        """Whether `path` is an object: the root, an explicit one, or one with fields below."""
        if not path or self.kept(path) is OBJECT:
            return True
        if path not in self._known_objects():
            if self.complete or self.store is None:
                return False
            if not any(found != path for found, _ in self.store.scan(path)):
                return False
        return any(found != path for found in self.under(path))

    def _known_objects(self) -> set[str]:
        """Where there may be objects: asked first, this spares most walks over all fields."""
        if self._objects is None:
            self._objects = set()
            for layer in (self.fields, self.overlay, self.delta):
                for path in layer:
                    self._note_objects(path)
        return self._objects

    def _note_objects(self, path: str) -> None:
        if self._objects is not None:
            end = path.rfind(".")
            while end > 0 and path[:end] not in self._objects:
                self._objects.add(path[:end])
                end = path.rfind(".", 0, end)

    def under(self, path: str) -> dict[str, Any]:
        """All live `path -> kept value` at and below `path`, over all layers."""
        found: dict[str, Any] = {}
        if not self.complete and self.store is not None:
            found.update((name, thaw_record(record)) for name, record in self.store.scan(path))
        prefix = f"{path}."
        for layer in (self.fields, self.overlay, self.delta):
            if path:
                found.update(
                    (name, value)
                    for name, value in layer.items()
                    if name == path or name.startswith(prefix)
                )
            else:
                found.update(layer)
        return {name: value for name, value in found.items() if value is not DELETED}

    # -- writing ------------------------------------------------------------------------------

    def put(self, path: str, value: Any) -> None:
        """Write a leaf.

        Raises:
            MemoryAccessError: `path` is an object, or something above it is a leaf.
            UnserializableError: `value` cannot be pickled.
        """
        if path not in self.delta or self.delta[path] in (DELETED, OBJECT):
            self._check_leaf_position(path)
            self._note_objects(path)
        self.delta[path] = value if value.__class__ in IMMUTABLE else Frozen(dumps(value))

    def put_object(self, path: str, *, overwrite: bool) -> None:
        """Make `path` an object; with `overwrite` an empty one, whatever was there.

        Raises:
            MemoryAccessError: `path` holds a value and `overwrite` is False, or something above
                it is a leaf.
        """
        self._check_ancestors(path)
        if overwrite:
            self._deletes = True
            for name in self.under(path):
                self.delta[name] = DELETED
        elif self.is_leaf(path):
            raise MemoryAccessError(
                f"memory field {path!r} holds a value and cannot become an object; "
                "call new_object(path, overwrite=True) to replace it"
            )
        self.delta[path] = OBJECT
        self._note_objects(path)

    def _check_leaf_position(self, path: str) -> None:
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
            self.overlay.update(delta)
            self.delta = {}
        return delta

    def replay(self, changes: dict[str, Any]) -> None:
        """Apply the changes of a finished action that are in the journal."""
        self._deletes = self._deletes or DELETED in changes.values()
        self._objects = None
        self.overlay.update(changes)

    def commit(self) -> dict[str, Any]:
        """Fold everything into the committed fields and return what changed."""
        changes = self.delta
        if self.overlay:
            changes = self.overlay
            changes.update(self.delta)
            self.overlay = {}
        if changes:
            self.delta = {}
            self.fields.update(changes)
            if self._deletes:
                self._deletes = False
                if self.complete:
                    for path, value in changes.items():
                        if value is DELETED:
                            del self.fields[path]
        return changes

    def roll_back(self) -> None:
        """Forget all that the run has changed."""
        self.delta = {}
        self.overlay = {}

    def succeed(self) -> Space:
        """A space with all that this one holds; this one is of no more use.

        For an action that may have left tasks or threads running: what they still do to memory
        must not get into the next action's, nor into the next run's.
        """
        successor = Space(self.store)
        successor.complete = self.complete
        successor._deletes = self._deletes
        successor._objects, self._objects = self._objects, None
        successor.delta = self.delta.copy()  # a thread may just be writing to the original
        successor.overlay = self.overlay
        successor.fields = self.fields
        self.delta, self.overlay, self.fields, self.store = {}, {}, {}, None
        self.complete = True
        self.ended = True
        self.guards += _FOR_GOOD
        return successor


def check_path(path: object) -> None:
    """Raise MemoryAccessError unless `path` is dotted names, none of them empty."""
    if not isinstance(path, str) or not path or not all(path.split(".")):
        raise MemoryAccessError(
            f"{path!r} is not a memory path: give names joined by dots, such as 'plane.legs'"
        )
