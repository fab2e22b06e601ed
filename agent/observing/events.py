"""Events that say what is in memory: what a run begins with, what an action has written.

They are Flink Agents', as JSON, too. tamias sends those that an action listens to, see
`agent/observing`.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import Field

from ..event import Event
from ..naming.public import public

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "AgentRunBeginEvent",
    "LongTermGetEvent",
    "LongTermSearchEvent",
    "LongTermUpdateEvent",
    "MemoryEvent",
    "SensoryReadEvent",
    "SensoryWriteEvent",
    "ShortTermReadEvent",
    "ShortTermWriteEvent",
]


class _Observation(Event):
    """Base of events with a key as text, and plain data."""

    key: str
    value: dict[str, Any]

    if not TYPE_CHECKING:

        def __init__(self, /, **data: Any) -> None:
            """Take a copy of the value, as JSON has it; bytes are written in base64.

            Raises:
                TypeError: a part is missing, or of another type.
                ValueError: the value cannot be JSON.
            """
            if "attributes" in data:
                data = {**data.pop("attributes"), **data}
            for name, kind in (("key", str), ("value", dict)):
                given = data.get(name)
                if not isinstance(given, kind):
                    own = type(self).__name__
                    msg = f"The {name!r} of a {own} is {given!r}, wanted: a {kind.__name__}."
                    raise TypeError(msg)
            data["value"] = _plain(data["value"])
            super().__init__(**data)

    @classmethod
    def from_event(cls, event: Event) -> Self:
        """The same event as one of this class.

        Raises:
            TypeError: a part is missing, or of another type.
        """
        return cls.made_of(event)

    @classmethod
    def made_of(cls, event: Event, **more: Any) -> Self:
        """Another form of an event, with these fields besides."""
        made = cls(key=event.get_attr("key"), value=event.get_attr("value"), **more)
        return made.reconstruct_from(event)


def _plain(value: dict[str, Any]) -> Any:
    try:
        return json.loads(json.dumps(value, allow_nan=False, default=_of_bytes))
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"What is observed of memory is not JSON serializable: {error}."
        raise ValueError(msg) from error


def _of_bytes(value: Any) -> str:
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    msg = f"it has a {type(value).__name__}"
    raise TypeError(msg)


@public
class AgentRunBeginEvent(_Observation):
    """A run has begun: ``value`` is what short-term memory has of its key, by dotted path.

    Sent where an action listens to it and the option ``agent-run.begin-event`` is set.
    """

    EVENT_TYPE: ClassVar[str] = "_agent_run_begin_event"


@public
class MemoryEvent(_Observation):
    """Base of events that say what an action has done with memory."""

    EVENT_TYPE: ClassVar[str] = ""

    if not TYPE_CHECKING:

        def __init__(self, /, **data: Any) -> None:
            """Raises TypeError for the base itself, too."""
            if type(self) is MemoryEvent:
                msg = "MemoryEvent is abstract: make one of its subclasses."
                raise TypeError(msg)
            super().__init__(**data)

    @classmethod
    def is_memory_type(cls, type: str | None) -> bool:
        """Whether events of this type are memory events."""
        return type in _CLASSES

    @classmethod
    def from_event(cls, event: Event) -> Any:
        """The same event as one of the class of its type.

        Raises:
            ValueError: it is no memory event.
            TypeError: a part is missing, or of another type.
        """
        kind = event.get_type()
        if kind == Event.__name__ and cls is not MemoryEvent:
            kind = cls.EVENT_TYPE  # it has no type: JSON that a class has written
        found = _CLASSES.get(kind)
        if found is None:
            msg = f"Not a memory event type: {kind!r}."
            raise ValueError(msg)
        if found is LongTermUpdateEvent:
            return found.made_of(event, cleared_sets=event.get_attr("cleared_sets"))
        return found.made_of(event)


class ShortTermWriteEvent(MemoryEvent):
    """What an action has written to short-term memory, by dotted path; None for an object."""

    EVENT_TYPE: ClassVar[str] = "_short_term_write_event"


class ShortTermReadEvent(MemoryEvent):
    """What an action has read of short-term memory; tamias sends none."""

    EVENT_TYPE: ClassVar[str] = "_short_term_read_event"


class SensoryWriteEvent(MemoryEvent):
    """What an action has written to sensory memory, by dotted path; None for an object."""

    EVENT_TYPE: ClassVar[str] = "_sensory_write_event"


class SensoryReadEvent(MemoryEvent):
    """What an action has read of sensory memory; tamias sends none."""

    EVENT_TYPE: ClassVar[str] = "_sensory_read_event"


class LongTermUpdateEvent(MemoryEvent):
    """What an action has changed in memory sets, and which it has cleared; tamias sends none."""

    EVENT_TYPE: ClassVar[str] = "_long_term_update_event"

    cleared_sets: list[str] = Field(default_factory=list)

    if not TYPE_CHECKING:

        def __init__(self, /, *, cleared_sets: list[str] | None = None, **data: Any) -> None:
            """Raises TypeError also if `cleared_sets` is no list of strings."""
            if "cleared_sets" in data.get("attributes", ()) and cleared_sets is None:
                data["attributes"] = dict(data["attributes"])
                cleared_sets = data["attributes"].pop("cleared_sets")
            cleared = [] if cleared_sets is None else cleared_sets
            if not isinstance(cleared, list):
                msg = f"'cleared_sets' must be a list, not {cleared!r}."
                raise TypeError(msg)
            if not all(isinstance(each, str) for each in cleared):
                msg = f"'cleared_sets' must have only strings, not {cleared!r}."
                raise TypeError(msg)
            super().__init__(cleared_sets=list(cleared), **data)


class LongTermGetEvent(MemoryEvent):
    """What an action has got out of memory sets; tamias sends none."""

    EVENT_TYPE: ClassVar[str] = "_long_term_get_event"


class LongTermSearchEvent(MemoryEvent):
    """What an action has found in memory sets; tamias sends none."""

    EVENT_TYPE: ClassVar[str] = "_long_term_search_event"

    @property
    def results(self) -> dict[str, dict[str, list[dict[str, Any]]]]:
        """What was found, by memory set and query."""
        return self.value


_CLASSES: Final[dict[str, type[MemoryEvent]]] = {
    each.EVENT_TYPE: each
    for each in (
        ShortTermWriteEvent,
        ShortTermReadEvent,
        SensoryWriteEvent,
        SensoryReadEvent,
        LongTermUpdateEvent,
        LongTermGetEvent,
        LongTermSearchEvent,
    )
}
