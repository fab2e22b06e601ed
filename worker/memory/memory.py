"""The memory object that an action holds: a place in its `MemoryFields`.

This is the hottest code that users call, so `get` and `set` do the common case (a leaf of the
current layers) inline and leave everything else to `MemoryFields`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...agent.errors import MemoryAccessError
from ...agent.memory import MemoryObject, MemoryRef, MemoryType
from ...store.encoding.values import IMMUTABLE
from ..durable.call_log import inside_durable_call
from .fields import MISSING, NO_CHANGES, OBJECT, MemoryFields, Pickled, Sentinel, check_path

if TYPE_CHECKING:
    from typing import Final

_REFERENCES: Final[dict[str, MemoryRef]] = {}
"""References to short-term memory by path: they are immutable, and `set` is rarely called with a
new path."""
_SENSORY_REFERENCES: Final[dict[str, MemoryRef]] = {}
"""The same to sensory memory."""
_SHORT_TERM: Final = MemoryType.SHORT_TERM
_REFERENCES_KEPT: Final = 1024

_NESTED: Final = "NestedObject"
"""What `get_fields` shows for a nested object, as Flink Agents does."""


class WorkerMemory(MemoryObject):
    """A memory object at one place (the root or a nested object) of a `MemoryFields`."""

    __slots__ = ("_base", "_fields", "_kind", "_references")

    def __init__(self, fields: MemoryFields, kind: MemoryType, base: str = "") -> None:
        """`base` is empty for the root, else the object's path and a dot."""
        self._fields = fields
        self._kind = kind
        self._base = base
        self._references = _REFERENCES if kind is _SHORT_TERM else _SENSORY_REFERENCES

    def get(self, path_or_ref: str | MemoryRef, default: Any = None) -> Any:
        """Return the value at a path or reference: a copy, a nested object, or the default."""
        fields = self._fields
        if fields.is_guarded:
            refuse_access(fields)
        if path_or_ref.__class__ is str:
            path = self._base + path_or_ref if self._base else path_or_ref
        else:
            path = self._referred(path_or_ref)
        value = fields.delta.get(path, MISSING)
        if value is MISSING:
            value = MISSING if fields.overlay else fields.committed.get(path, MISSING)
            if value is MISSING:
                value = fields.below_delta(path)
        if value.__class__ in IMMUTABLE:
            return value
        return self._present(path, value, default)

    def set(self, path: str, value: Any) -> MemoryRef:
        """Write a leaf; objects above it come into being as needed.

        Raises:
            MemoryAccessError: the path is an object, runs through a leaf or is malformed, or the
                value is a memory object.
            UnserializableError: the value cannot be pickled.
        """
        fields = self._fields
        if fields.is_guarded:
            refuse_access(fields)
        if self._base:
            path = self._base + path
        held = fields.delta.get(path)
        if held is None and not fields.overlay:
            held = fields.committed.get(path)
        is_plain = value.__class__ in IMMUTABLE
        if is_plain and held is not None and held.__class__ is not Sentinel:
            # Known to be a leaf, and still one.
            if fields.delta is NO_CHANGES:
                fields.delta = {path: value}
            else:
                fields.delta[path] = value
        elif not is_plain and isinstance(value, MemoryObject):
            raise MemoryAccessError(
                f"a memory object cannot be stored at {path!r}; make a nested one there with "
                "new_object() and set its fields"
            )
        else:
            fields.put(path, value)
        references = self._references
        reference = references.get(path)
        if reference is None:
            if len(references) >= _REFERENCES_KEPT:
                references.clear()
            reference = references[path] = MemoryRef(path, self._kind)
        return reference

    def new_object(self, path: str, *, overwrite: bool = False) -> WorkerMemory:
        """Make (or, if it is there already, return) the nested object at `path`.

        With `overwrite` a value or an object that is there is replaced by an empty object.

        Raises:
            MemoryAccessError: the path holds a value and `overwrite` is False, runs through a
                leaf, or is malformed.
        """
        self._guard()
        path = self._base + path
        self._fields.put_object(path, overwrite=overwrite)
        return self.__class__(self._fields, self._kind, path + ".")

    def is_exist(self, path: str) -> bool:
        """Whether `path` is a value or an object."""
        self._guard()
        path = self._base + path
        return self._fields.is_leaf(path) or self._fields.is_object(path)

    def get_field_names(self) -> list[str]:
        """Names directly below this object, sorted."""
        return sorted(self._children())

    def get_fields(self) -> dict[str, Any]:
        """Fields directly below this object; nested objects show as "NestedObject"."""
        children = self._children()
        return {name: self.get(name) if children[name] else _NESTED for name in sorted(children)}

    def changes(self) -> dict[str, Any]:
        """What the current action has written below this object so far, by path from here."""
        self._guard()
        fields, base = self._fields, self._base
        found: dict[str, Any] = {}
        for path, value in fields.delta.items():
            if path.startswith(base):
                if value.__class__ is Pickled:
                    value = fields.unpickle(path, value)  # noqa: PLW2901 (the same value)
                found[path[len(base) :]] = None if value.__class__ is Sentinel else value
        return found

    def _children(self) -> dict[str, bool]:
        """Direct names, each with whether it is a leaf."""
        self._guard()
        base = self._base
        children: dict[str, bool] = {}
        for path, value in self._fields.under(base[:-1]).items():
            if path.startswith(base) and len(path) > len(base):
                name, dot, _ = path[len(base) :].partition(".")
                children[name] = not dot and value is not OBJECT
        return children

    def _referred(self, reference: object) -> str:
        if not isinstance(reference, MemoryRef):
            raise MemoryAccessError(
                f"memory is read by a path or a MemoryRef, not by {type(reference).__name__}"
            )
        if reference.memory_type is not self._kind:
            raise MemoryAccessError(
                f"{reference!r} refers to {reference.memory_type.name.lower()} memory; resolve it "
                "with reference.resolve(ctx)"
            )
        return reference.path

    def _present(self, path: str, value: Any, default: Any) -> Any:
        if value.__class__ is Pickled:
            return self._fields.unpickle(path, value)
        if self._fields.is_object(path):
            return self.__class__(self._fields, self._kind, f"{path}." if path else "")
        check_path(path)
        return default

    def _guard(self) -> None:
        if self._fields.is_guarded:
            refuse_access(self._fields)


def refuse_access(fields: MemoryFields) -> None:
    """Raise MemoryAccessError inside a durable function, and after the end of the action."""
    if fields.ended:
        raise MemoryAccessError(
            "memory was used after the end of the action that it was given to, by a task or thread "
            "that the action had started: await everything that uses memory"
        )
    if inside_durable_call():
        raise MemoryAccessError(
            "memory cannot be used inside a durable function: its result alone is on record, so "
            "a replay would lose what it did to memory; read before the call, pass values as "
            "arguments, and write after it"
        )
