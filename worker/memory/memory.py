"""The memory object that an action holds: a cursor into a `Space`.

This is the hottest code that users call, so `get` and `set` do the common case (a leaf of the
current layers) inline and leave everything else to the space.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...agent.errors import MemoryAccessError
from ...agent.memory import MemoryObject, MemoryRef, MemoryType
from ...store.encoding.values import IMMUTABLE
from ..durable.call_log import inside_durable_call
from .space import MISSING, OBJECT, Frozen, Mark, Space, check_path

if TYPE_CHECKING:
    from typing import Final

_REFERENCES: Final[dict[MemoryType, dict[str, MemoryRef]]] = {kind: {} for kind in MemoryType}
"""References by path: they are immutable, and `set` is rarely called with a new path."""
_REFERENCES_KEPT: Final = 1024

_NESTED: Final = "NestedObject"
"""What `get_fields` shows for a nested object, as Flink Agents does."""


class SpaceMemory(MemoryObject):
    """A memory object at one place (the root or a nested object) of a space."""

    __slots__ = ("_base", "_kind", "_references", "_space")

    def __init__(self, space: Space, kind: MemoryType, base: str = "") -> None:
        """`base` is empty for the root, else the object's path and a dot."""
        self._space = space
        self._kind = kind
        self._base = base
        self._references = _REFERENCES[kind]

    def get(self, path_or_ref: str | MemoryRef) -> Any:
        """The value at a path or reference: a copy, a nested object, or None."""
        space = self._space
        if space.guards:
            refuse_access(space)
        if path_or_ref.__class__ is str:
            path = self._base + path_or_ref if self._base else path_or_ref
        else:
            path = self._referred(path_or_ref)
        value = space.delta.get(path, MISSING)
        if value is MISSING:
            value = MISSING if space.overlay else space.fields.get(path, MISSING)
            if value is MISSING:
                value = space.below_delta(path)
        if value.__class__ in IMMUTABLE:
            return value
        return self._present(path, value)

    def set(self, path: str, value: Any) -> MemoryRef:
        """Write a leaf; objects above it come into being as needed.

        Raises:
            MemoryAccessError: the path is an object, runs through a leaf or is malformed, or the
                value is a memory object.
            UnserializableError: the value cannot be pickled.
        """
        space = self._space
        if space.guards:
            refuse_access(space)
        if self._base:
            path = self._base + path
        held = space.delta.get(path)
        if held is None and not space.overlay:
            held = space.fields.get(path)
        if held is not None and held.__class__ is not Mark and value.__class__ in IMMUTABLE:
            space.delta[path] = value  # known to be a leaf, and still one
        elif isinstance(value, MemoryObject):
            raise MemoryAccessError(
                f"a memory object cannot be stored at {path!r}; make a nested one there with "
                "new_object() and set its fields"
            )
        else:
            space.put(path, value)
        references = self._references
        reference = references.get(path)
        if reference is None:
            if len(references) >= _REFERENCES_KEPT:
                references.clear()
            reference = references[path] = MemoryRef(path, self._kind)
        return reference

    def new_object(self, path: str, *, overwrite: bool = False) -> SpaceMemory:
        """Make (or, if it is there already, return) the nested object at `path`.

        With `overwrite` whatever was there, value or object, is replaced by an empty object.

        Raises:
            MemoryAccessError: the path holds a value and `overwrite` is False, runs through a
                leaf, or is malformed.
        """
        self._guard()
        path = self._base + path
        self._space.put_object(path, overwrite=overwrite)
        return SpaceMemory(self._space, self._kind, path + ".")

    def is_exist(self, path: str) -> bool:
        """Whether `path` is a value or an object."""
        self._guard()
        path = self._base + path
        return self._space.is_leaf(path) or self._space.is_object(path)

    def get_field_names(self) -> list[str]:
        """Names directly below this object, sorted."""
        return sorted(self._children())

    def get_fields(self) -> dict[str, Any]:
        """Fields directly below this object; nested objects show as "NestedObject"."""
        children = self._children()
        return {name: self.get(name) if children[name] else _NESTED for name in sorted(children)}

    def _children(self) -> dict[str, bool]:
        """Direct names, each with whether it is a leaf."""
        self._guard()
        base = self._base
        children: dict[str, bool] = {}
        for path, value in self._space.under(base[:-1]).items():
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

    def _present(self, path: str, value: Any) -> Any:
        if value.__class__ is Frozen:
            return self._space.thaw(path, value)
        if self._space.is_object(path):
            return SpaceMemory(self._space, self._kind, f"{path}." if path else "")
        check_path(path)
        return None

    def _guard(self) -> None:
        if self._space.guards:
            refuse_access(self._space)


def refuse_access(space: Space) -> None:
    """Raise MemoryAccessError inside a durable function, and when the space's action has ended."""
    if space.ended:
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
