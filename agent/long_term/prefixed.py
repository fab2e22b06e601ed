"""Memory sets under names that begin with a prefix: those of a sub-agent in its caller's key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .memory_set import LongTermMemory

if TYPE_CHECKING:
    from .memory_set import MemorySet

__all__ = ["PrefixedMemory"]


class PrefixedMemory(LongTermMemory):
    """The sets of another memory whose names begin with a prefix. Shared sets have none."""

    def __init__(self, memory: LongTermMemory, prefix: str) -> None:
        self._memory = memory
        self._prefix = prefix

    def get_memory_set(self, name: str, *, shared: bool = False, **settings: Any) -> MemorySet:
        """See `LongTermMemory.get_memory_set`."""
        return self._memory.get_memory_set(self._full(name, shared), shared=shared, **settings)

    def delete_memory_set(self, name: str, *, shared: bool = False) -> bool:
        """See `LongTermMemory.delete_memory_set`."""
        return self._memory.delete_memory_set(self._full(name, shared), shared=shared)

    def memory_set_names(self, *, shared: bool = False) -> list[str]:
        """See `LongTermMemory.memory_set_names`."""
        names = self._memory.memory_set_names(shared=shared)
        if shared:
            return names
        return [name[len(self._prefix) :] for name in names if name.startswith(self._prefix)]

    def with_models_of(self, context: Any) -> LongTermMemory:
        """See `LongTermMemory.with_models_of`."""
        return PrefixedMemory(self._memory.with_models_of(context), self._prefix)

    def _full(self, name: str, shared: bool) -> str:  # noqa: FBT001 (private)
        return name if shared or not name else self._prefix + name
