"""As `flink_agents.runtime.flink_memory_object` of Flink Agents: a memory in Java."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from tamias import MemoryObject, MemoryRef, MemoryType
from tamias.flink_agents.dialect import dialect

from ..api.memory_object import validate_memory_value

__all__ = ["FlinkMemoryObject", "MemoryObjectError"]

T = TypeVar("T")


class MemoryObjectError(RuntimeError):
    """Java has failed."""


class FlinkMemoryObject(MemoryObject):
    """An object of a memory that Flink Agents' runtime has, in Java."""

    def __init__(self, type: MemoryType, j_memory_object: Any) -> None:
        self._type = type
        self._j_memory_object = j_memory_object

    def get(self, path_or_ref: str | MemoryRef, default: Any = None) -> Any:
        """The value, or the object, at a path; the default where nothing is."""
        path = path_or_ref.path if isinstance(path_or_ref, MemoryRef) else path_or_ref
        found = _asked(lambda: self._j_memory_object.get(path), f"get {path!r}")
        if found is None:
            return default
        return FlinkMemoryObject(self._type, found) if found.isNestedObject() else found.getValue()

    def set(self, path: str, value: Any) -> MemoryRef:
        """Store a value. Since 0.3, raises TypeError if it is no plain data."""
        if dialect() != "0.2":
            validate_memory_value(path, value)
        made = _asked(lambda: self._j_memory_object.set(path, value), f"set {path!r}")
        return MemoryRef.create(self._type, made.getPath())

    def new_object(self, path: str, *, overwrite: bool = False) -> FlinkMemoryObject:
        """Make an object."""
        made = _asked(lambda: self._j_memory_object.newObject(path, overwrite), f"make {path!r}")
        return FlinkMemoryObject(self._type, made)

    def is_exist(self, path: str) -> bool:
        """Whether there is a field at a path."""
        return bool(_asked(lambda: self._j_memory_object.isExist(path), f"look for {path!r}"))

    def get_field_names(self) -> list[str]:
        """The names of its own fields."""
        return list(_asked(self._j_memory_object.getFieldNames, "list fields"))

    def get_fields(self) -> dict[str, Any]:
        """Its own fields: values, and a mark for objects."""
        return dict(_asked(self._j_memory_object.getFields, "list fields"))


def _asked(call: Callable[[], T], what: str) -> T:
    try:
        return call()
    except Exception as error:
        msg = f"Java could not {what}."
        raise MemoryObjectError(msg) from error
