"""As `flink_agents.api.memory.long_term_memory` of Flink Agents.

The memory that a run has is `tamias.LongTermMemory`, which passes for `BaseLongTermMemory` here.
The classes of this module are for memories of a program's own, and for sets as plain data.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator

import tamias
from tamias import (
    ChatMessage,
    CompactionConfig,
    DatetimeRange,
    LongTermMemoryBackend,
    LongTermMemoryOptions,
    MemorySetItem,
)

__all__ = [
    "BaseLongTermMemory",
    "CompactionConfig",
    "DatetimeRange",
    "ItemType",
    "LongTermMemoryBackend",
    "LongTermMemoryOptions",
    "MemorySet",
    "MemorySetItem",
]

ItemType: TypeAlias = str | ChatMessage
Ids: TypeAlias = str | list[str] | None
Metadatas: TypeAlias = dict[str, Any] | list[dict[str, Any]] | None


class _AlsoTamias(type(BaseModel)):  # type: ignore[misc]  # whose name is pydantic's own
    """Lets what a run has pass for the class of Flink Agents."""

    def __instancecheck__(cls, instance: Any) -> bool:
        own = getattr(cls, "_own", None)
        return super().__instancecheck__(instance) or (
            isinstance(own, type) and cls.__module__ == __name__ and isinstance(instance, own)
        )


class MemorySet(BaseModel, metaclass=_AlsoTamias):
    """A memory set as plain data, and what is done with it by the memory that it belongs to."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    _own: ClassVar[type] = tamias.MemorySet

    name: str
    item_type: type = str
    capacity: int | None = None
    compaction_config: CompactionConfig | None = None
    ltm: Any = Field(default=None, exclude=True, repr=False)

    @field_serializer("item_type")
    def _named(self, item_type: type) -> dict[str, str]:
        return {"module": item_type.__module__, "name": item_type.__name__}

    @field_validator("item_type", mode="before")
    @classmethod
    def _found(cls, value: Any) -> Any:
        """Find a type by its name. Raises ValueError for one that a set cannot have."""
        if isinstance(value, Mapping):
            known = {"str": str, "object": object, "ChatMessage": ChatMessage}
            found = known.get(value["name"])
            return found or getattr(import_module(value["module"]), value["name"])
        return value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MemorySet) or not isinstance(other, BaseModel):
            return NotImplemented
        return self.model_dump() == other.model_dump()

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def size(self) -> int:
        """The number of items."""
        found: int = self.ltm.size(memory_set=self)
        return found

    def add(
        self, items: Any, ids: Any = None, metadatas: Metadatas = None, **kwargs: Any
    ) -> list[str]:
        """Add items, and return their ids; metadata may stand in the place of ids, as in 0.3."""
        if metadatas is None and _are_metadata(ids):
            ids, metadatas = None, ids
        given = {name: value for name, value in (("ids", ids), ("metadatas", metadatas)) if value}
        added: list[str] = self.ltm.add(memory_set=self, memory_items=items, **given, **kwargs)
        return added

    def get(self, ids: Ids = None, **kwargs: Any) -> list[MemorySetItem]:
        """The items with these ids, or without ids the first ones, as far as ``filters`` hold."""
        found: list[MemorySetItem] = self.ltm.get(memory_set=self, ids=ids, **kwargs)
        return found

    def search(self, query: str, limit: int, **kwargs: Any) -> list[MemorySetItem]:
        """The items that fit a text best."""
        found: list[MemorySetItem] = self.ltm.search(
            memory_set=self, query=query, limit=limit, **kwargs
        )
        return found

    def delete(self, ids: Ids = None) -> None:
        """Remove the items with these ids, or all."""
        self.ltm.delete(memory_set=self, ids=ids)


def _are_metadata(given: Any) -> bool:
    first = given[0] if isinstance(given, list) and given else given
    return isinstance(first, Mapping)


class BaseLongTermMemory(BaseModel, ABC, metaclass=_AlsoTamias):
    """A long-term memory that a program has written."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    _own: ClassVar[type] = tamias.LongTermMemory

    @abstractmethod
    def get_memory_set(self, name: str) -> MemorySet:
        """The set of that name."""

    @abstractmethod
    def delete_memory_set(self, name: str) -> bool:
        """Remove a set with all its items."""

    @abstractmethod
    def add(
        self, memory_set: MemorySet, memory_items: Any, metadatas: Metadatas = None
    ) -> list[str]:
        """Add items to a set, and return their ids."""

    @abstractmethod
    def get(self, memory_set: MemorySet, ids: Ids = None) -> list[MemorySetItem]:
        """Items of a set."""

    @abstractmethod
    def delete(self, memory_set: MemorySet, ids: Ids = None) -> None:
        """Remove items of a set."""

    @abstractmethod
    def search(
        self, memory_set: MemorySet, query: str, limit: int, **kwargs: Any
    ) -> list[MemorySetItem]:
        """The items of a set that fit a text best."""

    @abstractmethod
    def close(self) -> None:
        """Release what the memory holds; called when the job ends."""
