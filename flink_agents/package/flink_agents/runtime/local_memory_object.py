"""As `flink_agents.runtime.local_memory_object` of Flink Agents: a memory in a dict."""

from __future__ import annotations

from typing import Any, Final

from tamias import MemoryAccessError, MemoryObject, MemoryRef, MemoryType
from tamias.agent.memory import NESTED_OBJECT
from tamias.flink_agents.dialect import dialect

from ..api.memory_object import validate_memory_value

__all__ = ["LocalMemoryObject"]


class _Object:
    """What is in the dict at the path of an object."""


_OBJECT: Final = _Object()


class LocalMemoryObject(MemoryObject):
    """An object of a memory whose fields are in a dict by their whole paths."""

    def __init__(self, type: MemoryType, store: dict[str, Any], prefix: str = "") -> None:
        self._type = type
        self._store = store
        self._prefix = prefix

    def get(self, path_or_ref: str | MemoryRef, default: Any = None) -> Any:
        """The value, or the object, at a path; the default where nothing is."""
        is_ref = isinstance(path_or_ref, MemoryRef)
        path = path_or_ref.path if is_ref else self._path(path_or_ref)  # type: ignore[union-attr, arg-type]
        if path not in self._store:
            return default
        found = self._store[path]
        return self._at(path) if isinstance(found, _Object) else found

    def set(self, path: str, value: Any) -> MemoryRef:
        """Store a value, and make the objects on the way.

        Raises:
            MemoryAccessError: there is an object, or a value on the way.
            TypeError: since 0.3, the value is no plain data.
        """
        if dialect() != "0.2":
            validate_memory_value(path, value)
        whole = self._path(path)
        self._make_parents(whole)
        if isinstance(self._store.get(whole), _Object):
            msg = f"There is an object at {whole!r}, which a value would replace."
            raise MemoryAccessError(msg, hint="Set the fields of the object.")
        self._store[whole] = value
        return MemoryRef.create(self._type, whole)

    def new_object(self, path: str, *, overwrite: bool = False) -> LocalMemoryObject:
        """Make an object, and those on the way.

        Raises:
            MemoryAccessError: there is a value, and it is not to be overwritten.
        """
        whole = self._path(path)
        self._make_parents(whole)
        is_value = whole in self._store and not isinstance(self._store[whole], _Object)
        if is_value and not overwrite:
            msg = f"There is a value at {whole!r}, which an object would replace."
            raise MemoryAccessError(msg, hint="Give overwrite=True.")
        self._store[whole] = _OBJECT
        return self._at(whole)

    def is_exist(self, path: str) -> bool:
        """Whether there is a field at a path."""
        return self._path(path) in self._store

    def get_field_names(self) -> list[str]:
        """The names of its own fields."""
        return list(self.get_fields())

    def get_fields(self) -> dict[str, Any]:
        """Its own fields: values, and a mark for objects."""
        start = f"{self._prefix}." if self._prefix else ""
        return {
            path[len(start) :]: NESTED_OBJECT if isinstance(value, _Object) else value
            for path, value in self._store.items()
            if path.startswith(start) and "." not in path[len(start) :]
        }

    def _path(self, path: str) -> str:
        return f"{self._prefix}.{path}" if self._prefix else path

    def _at(self, path: str) -> LocalMemoryObject:
        return type(self)(self._type, self._store, path)

    def _make_parents(self, path: str) -> None:
        names = path.split(".")
        for count in range(1, len(names)):
            parent = ".".join(names[:count])
            if not isinstance(self._store.setdefault(parent, _OBJECT), _Object):
                msg = f"There is a value at {parent!r}, on the way to {path!r}."
                raise MemoryAccessError(msg, hint="Use another path.")
