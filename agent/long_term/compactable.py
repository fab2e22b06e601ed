"""What compactions need of a memory set, besides what every program may use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

from .memory_set import MemorySet

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from .memory_set import MemorySetItem

__all__ = ["CompactableSet", "Summary"]


class Summary(NamedTuple):
    """An item that takes the place of several."""

    value: Any
    """Of the set's type."""
    sources: tuple[MemorySetItem, ...]
    """The items that it stands for: they are removed."""
    metadata: dict[str, Any]


class CompactableSet(MemorySet, ABC):
    """A memory set whose items a summary can replace."""

    @property
    @abstractmethod
    def is_full(self) -> bool:
        """Whether it has as much as its bounds allow, or more."""

    @property
    @abstractmethod
    def was_full(self) -> bool:
        """Whether it had that before this run has changed anything."""

    @abstractmethod
    def own_items(self) -> list[MemorySetItem]:
        """All items; of a shared set, those that runs of this key have added."""

    @abstractmethod
    def replace(self, summaries: Sequence[Summary]) -> list[str]:
        """Put summaries in the place of their sources, and return their ids.

        A summary is as old as its sources, from the first to the last. It expires with the last of
        them.
        """

    @abstractmethod
    async def areplace(self, summaries: Sequence[Summary]) -> list[str]:
        """The awaitable form of `replace`."""

    @property
    @abstractmethod
    def lock(self) -> asyncio.Lock:
        """Held by the task of this run that compacts the set."""
