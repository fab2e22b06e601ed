"""Events as they were when their sender ended, until it is known whether that goes on record.

The action that receives an event may change it. What goes on record later must not show that. Most
events hold nothing but numbers and texts: for those a copy of their dicts is enough, and costs a
tenth of a pickle. All others are pickled when their sender ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...agent.event import Event
from ...agent.events.identity import ORIGIN
from ...store.encoding.values import IMMUTABLE, dumps

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["EventSnapshot", "encode_snapshot", "take_snapshot"]

_OVERRIDABLE: Final = ("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__")
"""Methods by which a class may decide what its pickle has."""
_PLAIN_CLASSES: Final[dict[type, bool]] = {}
"""Whether the pickle of an event of a class has what its dicts have."""


class _State(NamedTuple):
    """The content of an event whose values cannot be changed."""

    event: Event
    fields: dict[str, Any]
    origin: Any
    extra: dict[str, Any] | None
    fields_set: set[str]


EventSnapshot = bytes | Exception | list[_State]
"""The events of an action: pickled, why they cannot be, or their contents."""


def take_snapshot(events: Sequence[Event]) -> EventSnapshot:
    """Keep what the events are now, whatever is changed in them later."""
    states = []
    for event in events:
        state = _state_of(event)
        if state is None:
            try:
                return dumps(events)
            except Exception as error:  # noqa: BLE001 (raised where it must be recorded)
                return error
        states.append(state)
    return states


def encode_snapshot(snapshot: EventSnapshot) -> bytes:
    """The pickle of the events as they were.

    Raises:
        UnserializableError: they cannot be pickled.
    """
    if isinstance(snapshot, bytes):
        return snapshot
    if isinstance(snapshot, Exception):
        raise snapshot
    made = {id(state.event): _restored(state) for state in snapshot}
    return dumps([made[id(state.event)] for state in snapshot])  # one that was sent twice is one


def _state_of(event: Event) -> _State | None:
    """The content of an event; None if parts of it may be changed in place."""
    kind = event.__class__
    is_plain = _PLAIN_CLASSES.get(kind)
    if is_plain is None:
        is_plain = _PLAIN_CLASSES[kind] = _is_plain(kind)
    if not is_plain or event.__pydantic_private__ is not None:
        return None
    fields = event.__dict__.copy()
    origin = fields.pop(ORIGIN, None)
    extra = event.__pydantic_extra__
    if not IMMUTABLE.issuperset(map(type, fields.values())):
        return None
    if extra:
        if not IMMUTABLE.issuperset(map(type, extra.values())):
            return None
        extra = extra.copy()
    return _State(event, fields, origin, extra, event.__pydantic_fields_set__.copy())


def _is_plain(kind: type[Event]) -> bool:
    overridden = any(
        getattr(kind, name, None) is not getattr(Event, name, None) for name in _OVERRIDABLE
    )
    return not overridden and not any(
        vars(base).get("__slots__") for base in kind.__mro__[: kind.__mro__.index(Event)]
    )


def _restored(state: _State) -> Event:
    """An event with this content."""
    event: Event = object.__new__(state.event.__class__)
    fields = state.fields if state.origin is None else {**state.fields, ORIGIN: state.origin}
    extra = {} if state.extra is not None and not state.extra else state.extra
    for name, value in (
        ("__dict__", fields),
        ("__pydantic_fields_set__", state.fields_set),
        ("__pydantic_extra__", extra),
        ("__pydantic_private__", None),
    ):
        object.__setattr__(event, name, value)
    return event
