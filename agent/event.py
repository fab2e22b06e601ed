"""Events: what inputs arrive as, what actions send each other, what outputs leave as.

An event is a pydantic model that takes extra fields. Its data may be in declared fields, in extra
fields, or in a dict of attributes, as Flink Agents has it since 0.3::

    Order(amount=3)
    Event(type="order", amount=3)
    Event(type="order", attributes={"amount": 3})

To readers these are the same: ``event.amount``, ``event.get_attr("amount")`` and
``event.attributes["amount"]`` work with each of them. Each event has a type, by which it can be
routed: the one that it was given, or its class's (`class_type`).

Building an event costs about half a microsecond and checks only the declared fields: that
everything inside can be serialised is checked where an event is written, not here, because most
events never leave the worker that made them.

Identity. A crash may make an action run again, and then each event it sends must be recognisable
as the one sent before. So an id comes from the event's origin (`agent/events/identity.py`), and
never from the content (two equal events of one action are two events). The worker notes the origin
when the event is sent, which costs one store into ``__dict__``; the UUID is only computed by those
who read it. The origin is no pydantic field: it takes no part in equality, dumps and schemas, but
it does travel with a pickle.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import AgentDefinitionError
from .events.attributes import ATTRIBUTES, NO_ATTRIBUTES, EventAttributes
from .events.identity import ORIGIN, EarlyOrigin, Origin, early_origin, event_id
from .naming.public import public

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "EndOfInputEvent",
    "Event",
    "InputEvent",
    "OutputEvent",
    "class_type",
    "input_event",
    "is_output",
]

_CACHED_ID: Final = "_origin_id"
_MISSING: Final = object()

_ON_DEMAND: Final[dict[str, Callable[[BaseModel], Any]]] = {
    "__pydantic_fields_set__": lambda event: set(type(event).model_fields),
    "__pydantic_extra__": lambda _: {},
    "__pydantic_private__": lambda _: None,
}


@public
class Event(BaseModel):
    """Base of all events: ``Event(type="order", attributes={"amount": 3})``, or a subclass.

    A subclass may declare fields, or hand a dict to ``super().__init__(type=..., attributes=...)``.
    Both may be of any type, and extra fields are taken. ``event.attributes`` is all that the event
    carries, as a dict; what is changed in it is changed in the event.

    An event is routed to the actions that listen to its exact class, and to those that listen to
    its type: a string, given as ``type``, or that of its class: what the class has as ``type`` or
    ``EVENT_TYPE``, or else its name. A plain `Event` of such a type also reaches the actions that
    listen to the class.
    """

    model_config = ConfigDict(extra="allow", arbitrary_types_allowed=True)

    __is_output__: ClassVar[bool] = False
    """Whether events of the class are outputs, by their type."""
    __no_attributes__: ClassVar[frozenset[str]] = NO_ATTRIBUTES
    """Names of fields that are no attributes."""
    __identity__: ClassVar[tuple[str, ...]] = (ORIGIN, _CACHED_ID)
    """What another form of an event has of it, by names in ``__dict__``."""

    if TYPE_CHECKING:
        # Extra fields are part of the contract, so a type checker has to let them pass.
        def __init__(self, **data: Any) -> None: ...
        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

        @property
        def attributes(self) -> Any:
            """All that the event carries, by name, without its type and id."""

    else:

        def __init__(self, /, **data: Any) -> None:
            """As pydantic's; attributes that are declared fields become those fields."""
            if ATTRIBUTES in data:
                _distribute(self.__class__, data)
            self.__pydantic_validator__.validate_python(data, self_instance=self)

        def __getattr__(self, name: str) -> Any:
            """What is no declared field: an extra field, an attribute, the type of the class.

            Also what pydantic keeps about an instance, for one that was filled without it.
            """
            make = _ON_DEMAND.get(name)
            if make is not None:
                value = make(self)
                object.__setattr__(self, name, value)
                return value
            if name == ATTRIBUTES:
                return _attributes(self)
            try:
                return super().__getattr__(name)
            except AttributeError:
                own = _own_attributes(self)
                if own is not None and name in own:
                    return own[name]
                if name == "type":
                    return class_type(type(self))
                raise

        def __setattr__(self, name: str, value: Any) -> None:
            """As pydantic's; an attribute that the event has is changed there."""
            own = _own_attributes(self)
            is_own = own is not None and name in own and name not in NO_ATTRIBUTES
            if is_own and name not in type(self).model_fields:
                own[name] = value
            else:
                super().__setattr__(name, value)

    def __copy__(self) -> Self:
        """As pydantic's; the copy has a dict of attributes of its own."""
        made = super().__copy__()
        own = _own_attributes(made)
        if own is not None:
            cast("dict[str, Any]", made.__pydantic_extra__)[ATTRIBUTES] = dict(own)
        return made

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As pydantic's; attributes can be updated by their names, too."""
        own = _own_attributes(self) or {}
        names = (
            (own.keys() & (update or {}).keys()) - NO_ATTRIBUTES - type(self).model_fields.keys()
        )
        others = {name: value for name, value in (update or {}).items() if name not in names}
        made = super().model_copy(update=others, deep=deep)
        for name in names:
            made.set_attr(name, update[name])  # type: ignore[index]
        return made

    @property
    def id(self) -> UUID:
        """The id: unique, and the same in each replay of the action that sends the event.

        It may be read before the event is sent, and stays what it is then. If it was not, the event
        gets it when it is sent. A copy keeps the id of its original until it is sent itself; so
        does an event that was received. An ``id`` given to the constructor is an extra field
        of the user's own and is returned as it is, unless it is None.
        """
        extra = self.__pydantic_extra__
        if extra:
            given = extra.get("id")
            if given is not None:
                return cast("UUID", given)
        state = self.__dict__
        origin: Origin | EarlyOrigin | None = state.get(ORIGIN)
        if origin is None:
            origin = state[ORIGIN] = early_origin()
        # Kept together with its origin: an event that is sent on gets a new origin, and a new id.
        cached: tuple[Origin | EarlyOrigin, UUID] | None = state.get(_CACHED_ID)
        if cached is not None and cached[0] is origin:
            return cached[1]
        identity = event_id(origin)
        state[_CACHED_ID] = (origin, identity)
        return identity

    def get_type(self) -> str:
        """The type that the event is routed by."""
        kind = _given_type(self) or self.type
        return kind if isinstance(kind, str) and kind else class_type(type(self))

    def get_attr(self, name: str) -> Any:
        """The attribute, or field, of that name; None if there is none."""
        own = _own_attributes(self)
        if own is not None and name in own:
            return own[name]
        if name in NO_ATTRIBUTES:
            return None
        if name in type(self).model_fields:
            return self.__dict__.get(name)
        extra = self.__pydantic_extra__
        return extra.get(name) if extra else None

    def set_attr(self, name: str, value: Any) -> None:
        """Set the attribute, or field, of that name; a new one becomes an attribute."""
        extra = self.__pydantic_extra__
        known = name in type(self).model_fields or (extra is not None and name in extra)
        if known and name not in NO_ATTRIBUTES:
            setattr(self, name, value)
            return
        if extra is None:
            msg = f"{type(self).__qualname__} takes no further fields, so it has no {name!r}."
            raise AttributeError(msg)
        own = _own_attributes(self)
        if own is None:
            own = extra[ATTRIBUTES] = {}
        own[name] = value

    def remove_attr(self, name: str) -> None:
        """Remove an attribute, or an extra field; a declared field cannot be removed."""
        own = _own_attributes(self)
        if own is not None and name in own:
            del own[name]
        elif name in type(self).model_fields:
            msg = f"{name!r} is a field of {type(self).__qualname__}, which cannot be removed."
            raise TypeError(msg)
        else:
            delattr(self, name)

    @classmethod
    def from_event(cls, event: Event) -> Self:
        """The same event as one of this class: its attributes become the declared fields.

        One that is of this class already is returned as it is. The other one has the same id.

        Raises:
            ValidationError: a declared field is missing, or of another type (a ValueError).
        """
        if isinstance(event, cls):
            return event
        if not isinstance(event, Event):
            msg = f"from_event takes an Event, not {type(event).__name__}"
            raise TypeError(msg)
        data: dict[str, Any] = {ATTRIBUTES: dict(event.attributes)}
        kind = _given_type(event)
        fields = cls.model_fields
        if not fields and kind is None:
            kind = class_type(cls)  # as `super().__init__(type=EVENT_TYPE, ...)` leaves it
        if kind is not None and not (fields and kind == class_type(cls)):
            data["type"] = kind
        made = cls.__new__(cls)
        # Not the constructor of a subclass: it takes whatever that class has chosen.
        Event.__init__(made, **data)
        _share_identity(made, event)
        return made

    def reconstruct_from(self, source: Event) -> Self:
        """A copy of this event with the id of `source`, of which it is another form."""
        made = self.model_copy()
        _share_identity(made, source)
        return made

    @classmethod
    def from_json(cls, json_str: str | bytes) -> Self:
        """The event that `model_dump_json` has written, or other JSON of the same form.

        Raises:
            ValueError: it is no JSON object, it has no type (which a plain `Event` must have), or
                it does not fit this class.
        """
        data = json.loads(json_str)
        if not isinstance(data, dict):
            msg = f"The JSON of an event is an object, not {type(data).__name__}."
            raise ValueError(msg)  # noqa: TRY004 (the value is wrong, not the caller's type)
        kind = data.get("type")
        if cls is Event and not (isinstance(kind, str) and kind):
            msg = "The JSON of an event needs a non-empty 'type'."
            raise ValueError(msg)
        if "id" in data:
            data["id"] = _uuid(data["id"])
        return cls.from_event(Event(**data))

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "id" in cls.model_fields:
            msg = f"{cls.__qualname__} declares a field named 'id', which every event already has."
            hint = "Give the field another name, such as 'order_id'."
            raise AgentDefinitionError(msg, hint=hint)
        cls.__is_output__ = class_type(cls) == "_output_event"


def class_type(clazz: type[Event]) -> str:
    """The type of a class's events: its ``type`` or ``EVENT_TYPE``, or else its name."""
    declared = getattr(clazz, "type", None)
    if declared is None and "type" in clazz.model_fields:
        declared = clazz.model_fields["type"].default
    for kind in (declared, getattr(clazz, "EVENT_TYPE", None)):
        if isinstance(kind, str) and kind:
            return kind
    return clazz.__name__


def is_output(event: Event) -> bool:
    """Whether an event that is no `OutputEvent` has the type of one, and so is an output."""
    extra = event.__pydantic_extra__
    if extra and "type" in extra:
        return bool(extra["type"] == OutputEvent.EVENT_TYPE)
    return event.__class__.__is_output__


def _given_type(event: Event) -> str | None:
    """The type that an event has of its own, and not by its class."""
    extra = event.__pydantic_extra__
    kind = event.__dict__.get("type") or (extra.get("type") if extra else None)
    return kind if isinstance(kind, str) else None


def _own_attributes(event: Event) -> dict[str, Any] | None:
    """The dict of attributes that an event was given; None for none."""
    extra = event.__pydantic_extra__
    own = extra.get(ATTRIBUTES) if extra else None
    return own if isinstance(own, dict) else None


def _attributes(event: Event) -> Any:
    extra = event.__pydantic_extra__ or {}
    fields = type(event).model_fields
    own = extra.get(ATTRIBUTES)
    if own is not None and not isinstance(own, dict):
        return own  # of an older version, which took anything
    if own is not None and not fields and set(extra) <= NO_ATTRIBUTES:
        return own
    state = event.__dict__
    no = event.__no_attributes__
    values = {name: state[name] for name in fields if name in state and name not in no}
    values.update((name, extra[name]) for name in extra if name not in no)
    return EventAttributes(event, {**values, **(own or {})})


def _distribute(clazz: type[Event], data: dict[str, Any]) -> None:
    """Make fields of those attributes in the constructor's arguments that are declared."""
    fields = clazz.model_fields
    if ATTRIBUTES in fields:
        return  # a field of the user's own
    given = data[ATTRIBUTES]
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise ValidationError.from_exception_data(
            clazz.__qualname__, [{"type": "dict_type", "loc": (ATTRIBUTES,), "input": given}]
        )
    own = dict(given)
    for name, field in fields.items():
        if name in own and name not in NO_ATTRIBUTES:
            alias = field.validation_alias
            data.setdefault(alias if isinstance(alias, str) else name, own.pop(name))
    if own or not fields:
        data[ATTRIBUTES] = own
    else:
        del data[ATTRIBUTES]


def _share_identity(made: Event, source: Event) -> None:
    """Give an event the id of another form of it."""
    identity = source.id  # from now on it has one
    given, own = source.__pydantic_extra__ or {}, made.__pydantic_extra__
    if own is not None and given.get("id") is not None:
        own["id"] = identity
    elif own:
        own.pop("id", None)
    for name in source.__identity__:
        made.__dict__.pop(name, None)
        if name in source.__dict__:
            made.__dict__[name] = source.__dict__[name]


def _uuid(value: Any) -> Any:
    """A UUID, if this is the text of one."""
    try:
        return UUID(value)
    except (ValueError, TypeError, AttributeError):
        return value


# One of each of the following is made for every input, and their only field takes anything: there
# is nothing for pydantic to check. So the value is put where pydantic keeps it, and what else its
# constructor makes is made by `Event.__getattr__` for those who ask.
_new: Final = object.__new__


@public
class InputEvent(Event):
    """The event an input arrives as: its value is in ``input``."""

    EVENT_TYPE: ClassVar[str] = "_input_event"

    input: Any

    if TYPE_CHECKING:

        def __init__(self, input: Any, **extra: Any) -> None: ...

    else:

        def __init__(self, input: Any = _MISSING, **extra: Any) -> None:
            """Also with the input as the only argument, without its name."""
            if input is not _MISSING:
                extra["input"] = input
            super().__init__(**extra)


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

    if TYPE_CHECKING:

        def __init__(self, output: Any, **extra: Any) -> None: ...

    else:

        def __init__(self, output: Any = _MISSING, **extra: Any) -> None:
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
