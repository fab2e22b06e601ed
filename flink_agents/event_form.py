"""Events in the form of a version of Flink Agents: what they refuse, their ids, their JSON.

tamias's events take what can be pickled and write their fields side by side. Flink Agents' events
take what can be JSON, and write what they carry below ``attributes`` since 0.3. So the package
`flink_agents` has the classes changed in each process that imports it. Others pay nothing for this.

Events that tamias itself makes are not checked: inputs and outputs, for example, which are many.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from ..agent.chat.events import ChatRequestEvent, ChatResponseEvent, ToolResponseEvent
from ..agent.event import Event
from ..agent.memory import MemoryRef
from .dialect import dialect

__all__ = ["use_event_form"]

_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_LATER: Final[dict[str, dict[type[Event], set[str]]]] = {
    "0.2": {
        ChatRequestEvent: {"prompt_args"},
        ChatResponseEvent: {"retry_count", "total_retry_wait_sec"},
        ToolResponseEvent: {"messages", "success", "error"},
    },
    "0.3": {ToolResponseEvent: {"messages", "success", "error"}},
    "0.4": {ToolResponseEvent: {"messages"}},
}
"""Fields of tamias's events that those of a version do not have."""
_UPSTREAM: Final = {
    "upstream_event_id": "upstreamEventId",
    "upstream_action_name": "upstreamActionName",
}
"""What an event of 0.4 says of its origin, and how JSON calls it."""
_NAMES_OF_ALIASES: Final = {alias: name for name, alias in _UPSTREAM.items()}

_form = ""
_plain_init = Event.__init__
_plain_setattr: Callable[..., None] = Event.__setattr__
_plain_from_event: Any = Event.from_event.__func__  # type: ignore[attr-defined]
_plain_from_json: Any = Event.from_json.__func__  # type: ignore[attr-defined]
_plain_id: Any = Event.__dict__["id"]


def use_event_form() -> None:
    """From now on, have all events of this process in the form of its dialect."""
    global _form  # noqa: PLW0603 (one for the process)
    if _form:
        return
    _form = dialect()
    changed: dict[str, Any] = {
        "__init__": _init,
        "__setattr__": _setattr,
        "model_dump": _model_dump,
        "model_dump_json": _model_dump_json,
        "from_event": classmethod(_from_event),
        "from_json": classmethod(_from_json),
    }
    if _form == "0.4":
        changed |= {name: _upstream(name) for name in _UPSTREAM}
        changed["__identity__"] = (*Event.__identity__, *("_" + name for name in _UPSTREAM))
    else:
        changed["id"] = property(_plain_id.fget, _set_id)
    for name, value in changed.items():
        setattr(Event, name, value)
    for clazz, names in _LATER[_form].items():
        clazz.__no_attributes__ = clazz.__no_attributes__ | names


# -- what is refused ------------------------------------------------------------------------------


def _init(self: Event, /, **data: Any) -> None:
    clazz = self.__class__
    if clazz is not Event and _is_own(clazz):
        _plain_init(self, **data)
        return
    upstream = _taken(data) if _form == "0.4" else {}
    if "id" in data and isinstance(data["id"], str):
        data["id"] = UUID(data["id"])
    if clazz is Event and _form != "0.2" and not isinstance(data.get("type"), str):
        kind = "string_type" if "type" in data else "missing"
        wrong = {"type": kind, "loc": ("type",), "input": data.get("type", data)}
        raise ValidationError.from_exception_data("Event", [wrong])  # type: ignore[list-item]
    _plain_init(self, **data)
    for name, value in upstream.items():
        setattr(self, name, value)
    state, extra = self.__dict__, self.__pydantic_extra__
    if state:
        _check(clazz, state)
    if extra:
        _check(clazz, extra)


def _check(clazz: type[Event], values: dict[str, Any]) -> None:
    """Make sure that these can be JSON.

    Raises:
        ValidationError: one cannot.
    """
    for name, value in values.items():
        kind = value.__class__
        if kind in _SCALARS or name.startswith("_"):
            continue
        if kind is dict and _SCALARS.issuperset(map(type, value.values())):
            continue
        try:
            to_json(value, fallback=_plain_row)
        except ValueError as error:
            wrong = {"type": "value_error", "loc": (name,), "input": value, "ctx": {"error": error}}
            lines: Any = [wrong]
            raise ValidationError.from_exception_data(clazz.__qualname__, lines) from None


def _taken(data: dict[str, Any]) -> dict[str, Any]:
    """Take what an event says of its origin out of the arguments of its constructor."""
    found = {}
    for name, alias in _UPSTREAM.items():
        values = [data.pop(given) for given in (name, alias) if given in data]
        if values and values[0] is not None:
            found[name] = values[0]
    return found


def _setattr(self: Event, name: str, value: Any) -> None:
    if name == "id" and _form == "0.4":
        wrong: Any = [{"type": "frozen_field", "loc": ("id",), "input": value}]
        raise ValidationError.from_exception_data(type(self).__qualname__, wrong)
    _plain_setattr(self, name, value)
    if value.__class__ not in _SCALARS and not name.startswith("_"):
        to_json(value, fallback=_plain_row)


# -- identity -------------------------------------------------------------------------------------


def _set_id(self: Event, value: UUID) -> None:
    extra = self.__pydantic_extra__
    if extra is not None:
        extra["id"] = value


def _upstream(name: str) -> property:
    place = "_" + name

    def found(self: Event) -> Any:
        return self.__dict__.get(place)

    def keep(self: Event, value: Any) -> None:
        is_id = name == "upstream_event_id" and isinstance(value, str)
        self.__dict__[place] = UUID(value) if is_id else value

    return property(found, keep)


def _from_event(cls: type[Event], event: Event) -> Event:
    if isinstance(event, cls):
        return event
    made: Event = _plain_from_event(cls, event)
    if _is_own(cls) and made.__pydantic_extra__:
        made.__pydantic_extra__.pop("attributes", None)  # what is no field of the class
    return made


def _from_json(cls: type[Event], json_str: str | bytes) -> Event:
    event: Event = _plain_from_json(cls, json_str)
    rows = getattr(sys.modules.get("pyflink.common"), "Row", None)
    if rows is not None:
        for name, value in list(event.attributes.items()):
            if value.__class__ not in _SCALARS:
                event.attributes[name] = _with_rows(value, rows)
    return event


def _with_rows(value: Any, rows: Any) -> Any:
    """Make rows of PyFlink of those dicts that were written of one."""
    if isinstance(value, list):
        return [_with_rows(each, rows) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") == "Row" and isinstance(value.get("values"), list):
        fields = value.get("fields")
        values = value["values"]
        return rows(**dict(zip(fields, values))) if fields else rows(*values)  # noqa: B905 (3.9)
    return {name: _with_rows(each, rows) for name, each in value.items()}


# -- JSON -----------------------------------------------------------------------------------------


def _model_dump(self: Event, *, mode: str = "python", **settings: Any) -> dict[str, Any]:
    include, exclude = settings.pop("include", None), settings.pop("exclude", None)
    own = BaseModel.model_dump(self, mode=mode, **settings)
    own.pop("id", None)
    for name in _LATER[_form].get(type(self), ()):
        own.pop(name, None)
    is_json = mode == "json"
    shown: dict[str, Any] = {"id": str(self.id) if is_json else self.id}
    if _form != "0.2":
        own.pop("type", None)
        given = own.pop("attributes", {})
        inner = {name: own.pop(name) for name in _inner_fields(type(self)) if name in own}
        if inner.get("prompt_args", 0) is None:
            inner["prompt_args"] = {}
        for each in inner.get("documents", ()):
            if isinstance(each, dict):
                each.setdefault("score", None)
        shown["type"] = self.get_type()
        shown["attributes"] = {**inner, **given} if isinstance(given, dict) else given
    shown.update(own)
    if _form == "0.4":
        for name, alias in _UPSTREAM.items():
            value = getattr(self, name)
            if value is not None:
                shown[alias] = str(value) if is_json else value
    return _picked(shown, include, exclude)


def _picked(shown: dict[str, Any], include: Any, exclude: Any) -> dict[str, Any]:
    """Return what is included and not excluded, as pydantic says it."""
    picked = {}
    for key, value in shown.items():
        name = _NAMES_OF_ALIASES.get(key, key)
        wanted = True if include is None else _part(include, name)
        unwanted = _part(exclude, name)
        if wanted is None or unwanted is True:
            continue
        is_whole = wanted is True and unwanted is None
        if is_whole or not isinstance(value, dict):
            picked[key] = value
        else:
            picked[key] = _picked(value, None if wanted is True else wanted, unwanted)
    return picked


def _part(names: Any, name: str) -> Any:
    """What a set, or a mapping of sets, says of a name: nothing (None), all (True), or some."""
    if names is None or name not in names:
        return None
    inner = names[name] if isinstance(names, Mapping) else True
    return True if inner is ... else inner


def _model_dump_json(
    self: Event, *, indent: int | None = None, ensure_ascii: bool = False, **settings: Any
) -> str:
    settings.setdefault("fallback", _plain_row)
    shown = self.model_dump(mode="json", **settings)
    if ensure_ascii:
        return json.dumps(shown, indent=indent)
    return to_json(shown, indent=indent).decode()


def _plain_row(value: Any) -> dict[str, Any]:
    """What JSON has of a row of PyFlink, or of a reference to memory.

    Raises:
        PydanticSerializationError: it is neither.
    """
    if isinstance(value, MemoryRef):
        return {"memory_type": value.memory_type.value, "path": value.path}
    values = getattr(value, "_values", None)
    if type(value).__name__ != "Row" or values is None:
        msg = f"Unable to serialize unknown type: {type(value)}"
        raise PydanticSerializationError(msg)
    fields = getattr(value, "_fields", None)
    shown = {"type": "Row", "values": values}
    return {**shown, "fields": list(fields)} if fields and _form != "0.2" else shown


@cache
def _is_own(clazz: type) -> bool:
    return clazz.__module__.partition(".")[0] == "tamias"


@cache
def _inner_fields(clazz: type[Event]) -> tuple[str, ...]:
    """Fields that tamias declares: those of a user's own are no attributes to Flink Agents."""
    theirs = [each for each in clazz.__mro__ if not _is_own(each)]
    own = {name for each in theirs for name in vars(each).get("__annotations__", {})}
    return tuple(name for name in clazz.model_fields if name not in own)
