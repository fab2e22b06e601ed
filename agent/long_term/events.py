"""The event by which a full memory set is made smaller, in a run of its own."""

from __future__ import annotations

from typing import ClassVar

from ..event import Event
from ..naming.public import public

__all__ = ["MemoryCompactionEvent"]


@public
class MemoryCompactionEvent(Event):
    """A memory set of this key is full: a built-in action has a chat model summarise its items.

    It arrives as a timer does, in a run of the key, after the run that has filled the set.
    """

    EVENT_TYPE: ClassVar[str] = "_memory_compaction_event"

    memory_set: str
    """The name of the set."""
    shared: bool = False
    """Whether it is one that all keys share."""
