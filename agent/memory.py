"""Memory as an action sees it: objects addressed by dotted paths, and references to their fields.

A memory is a tree. ``memory.set("plane.legs", 3)`` stores a value at a *direct* field and creates
the object ``plane`` on the way; ``memory.get("plane")`` gives that object back as another
`MemoryObject`. Sensory memory lives for one run, short-term memory for as long as its key.

`MemoryRef` is made by every ``set``, so it is built for speed: two slots filled through their
descriptors (0.2 microseconds, half of a pydantic model). It is immutable all the same, hashable,
picklable, and a valid type for a field of an event.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from pydantic_core import core_schema

from .errors import MemoryAccessError
from .naming.public import public

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

__all__ = ["NESTED_OBJECT", "MemoryObject", "MemoryRef", "MemoryType"]

NESTED_OBJECT = "NestedObject"
"""What `MemoryObject.get_fields` gives for a field that holds an object (as Flink Agents does)."""


@public
class MemoryType(Enum):
    """The memories that are trees of `MemoryObject`."""

    SENSORY = "sensory"
    """Cleared before each run."""
    SHORT_TERM = "short_term"
    """Kept per key, from run to run."""


class HasMemory(Protocol):
    """What a reference is resolved against: a `RunnerContext`."""

    @property
    def sensory_memory(self) -> MemoryObject:
        """The root of the sensory memory."""

    @property
    def short_term_memory(self) -> MemoryObject:
        """The root of the short-term memory."""


@public
class MemoryRef:
    """A reference to one field of a memory: small enough to send in an event instead of the value.

    ``path`` is absolute, dotted, from the root of the memory that ``memory_type`` names.
    """

    __slots__ = ("memory_type", "path")

    if TYPE_CHECKING:
        memory_type: MemoryType
        path: str

    def __init__(self, path: str, memory_type: MemoryType = MemoryType.SHORT_TERM) -> None:
        _set_path(self, path)
        _set_memory_type(self, memory_type)

    @staticmethod
    def create(memory_type: MemoryType, path: str) -> MemoryRef:
        """A reference to the field at the absolute ``path`` of the memory ``memory_type``."""
        return MemoryRef(path, memory_type)

    def resolve(self, ctx: HasMemory) -> Any:
        """What the field holds now, for the key that ``ctx`` is running; ``None`` if nothing."""
        if self.memory_type is MemoryType.SENSORY:
            return ctx.sensory_memory.get(self)
        return ctx.short_term_memory.get(self)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        msg = f"A MemoryRef cannot be changed: {name!r} was about to be set on {self!r}."
        raise MemoryAccessError(msg, hint="Make a new one with MemoryRef.create().")

    def __delattr__(self, name: str) -> NoReturn:
        msg = f"A MemoryRef cannot be changed: {name!r} was about to be deleted from {self!r}."
        raise MemoryAccessError(msg)

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not MemoryRef:
            return NotImplemented
        return self.path == other.path and self.memory_type is other.memory_type

    def __hash__(self) -> int:
        return hash((self.memory_type.value, self.path))

    def __repr__(self) -> str:
        return f"MemoryRef({self.memory_type.value}:{self.path})"

    def __reduce__(self) -> tuple[type[MemoryRef], tuple[str, MemoryType]]:
        return MemoryRef, (self.path, self.memory_type)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: object, _handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _validated, serialization=core_schema.plain_serializer_function_ser_schema(_dumped)
        )


# The class refuses to be assigned to, its slots do not.
_set_path = vars(MemoryRef)["path"].__set__
_set_memory_type = vars(MemoryRef)["memory_type"].__set__


def _validated(value: object) -> MemoryRef:
    """For pydantic: a reference as it is, or the mapping that a dump made of one."""
    if isinstance(value, MemoryRef):
        return value
    if isinstance(value, Mapping) and isinstance(value.get("path"), str):
        return MemoryRef(value["path"], MemoryType(value.get("memory_type", "short_term")))
    msg = f"expected a MemoryRef, got {type(value).__name__}"
    raise ValueError(msg)


def _dumped(ref: MemoryRef) -> dict[str, str]:
    return {"memory_type": ref.memory_type.value, "path": ref.path}


@public
class MemoryObject(ABC):
    """One object of a memory: fields that hold values, and fields that hold further objects.

    Paths are relative to this object, their parts joined by dots. A field that holds a value is a
    *direct* field; one that holds an object is an *indirect* field.
    """

    __slots__ = ()

    @abstractmethod
    def get(self, path_or_ref: str | MemoryRef, default: Any = None) -> Any:
        """Return the value at a path, or the value that a reference points at.

        A value for a direct field, a `MemoryObject` for an indirect one, ``default`` where nothing
        is. A stored ``None`` is a value.
        """

    @abstractmethod
    def set(self, path: str, value: Any) -> MemoryRef:
        """Store ``value`` at ``path``, creating the objects on the way, and return a reference.

        Raises `MemoryAccessError` when a part of the path holds a value instead of an object, or
        when the field holds an object.
        """

    @abstractmethod
    def new_object(self, path: str, *, overwrite: bool = False) -> MemoryObject:
        """Create an empty object at ``path``, and the objects on the way, and return it.

        An object that is there already is returned as it is. Raises `MemoryAccessError` when the
        field holds a value, unless ``overwrite`` is set.
        """

    @abstractmethod
    def is_exist(self, path: str) -> bool:
        """Whether there is a field, direct or indirect, at ``path``."""

    @abstractmethod
    def get_field_names(self) -> list[str]:
        """The names of this object's own fields, direct and indirect."""

    @abstractmethod
    def get_fields(self) -> dict[str, Any]:
        """This object's own fields: name to value, and to `NESTED_OBJECT` for an indirect field."""

    def changes(self) -> dict[str, Any]:
        """What the current action has written below this object so far, by path from here.

        None for an object that it has made, and for a field that it has removed.
        """
        return {}
