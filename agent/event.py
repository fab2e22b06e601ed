"""Events: what inputs arrive as, what actions send each other, what outputs leave as.

An event is a pydantic model that takes extra fields, so ``Event(type="order", amount=3)`` and a
subclass with declared fields both work. Building one costs about half a microsecond and checks only
the declared fields: that everything inside can be serialised is checked where an event is written,
not here, because most events never leave the worker that made them.

Identity. A crash may make an action run again, and then each event it sends must be recognisable
as the one sent before. So an id comes from *where* the event was sent, its origin ``(key, input
offset, action, index)``, and never from a clock, a random source, or the content (two equal events
of one action are two events). The worker notes the origin when the event is sent, which costs one
store into ``__dict__``; the UUID is only computed by those who read it. The origin is no pydantic
field: it takes no part in equality, dumps and schemas, but it does travel with a pickle.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from .errors import AgentDefinitionError
from .naming.public import public

__all__ = [
    "ORIGIN",
    "EndOfInputEvent",
    "Event",
    "InputEvent",
    "Origin",
    "OutputEvent",
    "event_id",
    "input_event",
]

Origin = tuple[bytes, int, int, int]
"""Where an event was sent: (encoded key, offset of the input, index of the action's execution
within the run, index of the event within that execution)."""

ORIGIN = "_origin"
"""The name under which the worker stores an `Origin` in ``event.__dict__``."""

_CACHED_ID = "_origin_id"

_VERSION_AND_VARIANT = ~((0xF << 76) | (0x3 << 62))
_UUID8 = (0x8 << 76) | (0x2 << 62)


def event_id(origin: Origin) -> UUID:
    """The id of the event sent at ``origin``: a UUID of version 8 (RFC 9562, section 5.8).

    The numbers come first, each ended by a colon, so that no two origins spell the same bytes.
    """
    key, offset, action, index = origin
    digest = blake2b(b"%d:%d:%d:" % (offset, action, index) + key, digest_size=16).digest()
    return UUID(int=int.from_bytes(digest, "big") & _VERSION_AND_VARIANT | _UUID8)


_ON_DEMAND: Final[dict[str, Callable[[BaseModel], Any]]] = {
    "__pydantic_fields_set__": lambda event: set(type(event).model_fields),
    "__pydantic_extra__": lambda _: {},
    "__pydantic_private__": lambda _: None,
}


@public
class Event(BaseModel):
    """Base of all events. Takes extra fields; fields may be of any type.

    An event is routed to the actions that listen to its exact class, and, when it carries a string
    ``type`` (as an extra field, a declared field or a class attribute), to those that listen to
    that string.
    """

    model_config = ConfigDict(extra="allow", arbitrary_types_allowed=True)

    if TYPE_CHECKING:
        # Extra fields are part of the contract, so a type checker has to let them pass.
        def __init__(self, **data: Any) -> None: ...
        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    else:

        def __getattr__(self, name: str) -> Any:
            """What pydantic keeps about an instance, for one that was filled without it."""
            make = _ON_DEMAND.get(name)
            if make is None:
                return super().__getattr__(name)
            value = make(self)
            object.__setattr__(self, name, value)
            return value

    @property
    def id(self) -> UUID | None:
        """The deterministic id, or ``None`` before the event was sent.

        A copy keeps the id of its original until it is sent itself. An ``id`` given to the
        constructor is an extra field of the user's own and is returned as it is.
        """
        extra = self.__pydantic_extra__
        if extra and "id" in extra:
            return cast("UUID | None", extra["id"])
        state = self.__dict__
        origin: Origin | None = state.get(ORIGIN)
        if origin is None:
            return None
        # Kept together with its origin: an event that is sent on gets a new origin, and a new id.
        cached: tuple[Origin, UUID] | None = state.get(_CACHED_ID)
        if cached is not None and cached[0] is origin:
            return cached[1]
        identity = event_id(origin)
        state[_CACHED_ID] = (origin, identity)
        return identity

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "id" in cls.model_fields:
            msg = f"{cls.__qualname__} declares a field named 'id', which every event already has."
            hint = "Give the field another name, such as 'order_id'."
            raise AgentDefinitionError(msg, hint=hint)


# One of each of the following is made for every input, and their only field takes anything: there
# is nothing for pydantic to check. So the value is put where pydantic keeps it, and what else its
# constructor makes is made by `Event.__getattr__` for those who ask.
_MISSING: Final = object()
_new: Final = object.__new__


@public
class InputEvent(Event):
    """The event an input arrives as: its value is in ``input``."""

    EVENT_TYPE: ClassVar[str] = "_input_event"

    input: Any


def input_event(value: Any, origin: Origin) -> InputEvent:
    """What ``InputEvent(input=value)`` makes, with its origin, in less time."""
    event = _new(InputEvent)
    state = event.__dict__
    state["input"] = value
    state[ORIGIN] = origin
    return event


@public
class OutputEvent(Event):
    """Sent by an action to emit ``output`` as a result of the agent."""

    EVENT_TYPE: ClassVar[str] = "_output_event"

    output: Any

    if not TYPE_CHECKING:

        def __init__(self, *, output: Any = _MISSING, **extra: Any) -> None:
            """As pydantic's, which takes over for whatever is out of the ordinary."""
            if extra or output is _MISSING or self.__class__ is not OutputEvent:
                if output is not _MISSING:
                    extra["output"] = output
                super().__init__(**extra)
                return
            self.__dict__["output"] = output


@public
class EndOfInputEvent(Event):
    """Sent to an agent that listens to it, once for each key, when a bounded input has ended.

    All inputs of the key are done then. If an action does not listen to it, nothing is sent.
    """

    EVENT_TYPE: ClassVar[str] = "_end_of_input_event"
