"""As `flink_agents.plan.actions.action` of Flink Agents: an action as plans have it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, StrictStr, field_serializer, model_validator

from tamias import Event, RunnerContext
from tamias.agent.event import class_type
from tamias.flink_agents.dialect import dialect

from .._places import peer_name, peer_path
from ..function import JavaFunction, PythonFunction

__all__ = ["Action"]

_KIND: Final = "__config_type__"
_MODEL: Final = "__pydantic_model__"
_PLACES: Final = 3
"""Module, class and value, as which 0.2 and 0.3 write a model."""


class BaseAction(BaseModel):
    """A name, a function of (event, ctx), and settings."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: str
    exec: PythonFunction | JavaFunction
    config: dict[str, Any] | None = None

    @property
    def listens(self) -> list[str]:
        """Return what the action listens to."""
        raise NotImplementedError

    def model_post_init(self, _context: Any, /) -> None:
        """Raise TypeError unless the function takes an event and a context."""
        self.exec.check_signature(Event, RunnerContext)

    @field_serializer("config")
    def _write_config(self, config: dict[str, Any] | None) -> dict[str, Any] | None:
        if config is None:
            return None
        return {_KIND: "python", **{name: _written(value) for name, value in config.items()}}

    @model_validator(mode="before")
    @classmethod
    def _read_config(cls, data: Any) -> Any:
        config = data.get("config") if isinstance(data, Mapping) else None
        if config is None or _KIND not in config:
            return data
        read = _of_java if config[_KIND] == "java" else _read
        values = {name: read(value) for name, value in config.items() if name != _KIND}
        return {**data, "config": values}


class ListeningAction(BaseAction):
    """An action in 0.2, which listens to classes of events by path, and in 0.3, to types."""

    listen_event_types: list[str]

    @property
    def listens(self) -> list[str]:
        """Return what the action listens to."""
        return self.listen_event_types

    @field_serializer("listen_event_types")
    def _write_types(self, types: list[str]) -> list[str]:
        return [peer_path(each) for each in types]


class TriggeredAction(BaseAction):
    """An action in 0.4, which listens to types of events and has conditions."""

    trigger_conditions: list[StrictStr]

    @property
    def listens(self) -> list[str]:
        """Return what the action listens to."""
        return self.trigger_conditions

    def model_post_init(self, context: Any, /) -> None:
        """Raise ValueError unless it listens to something; TypeError as `BaseAction`."""
        if not self.trigger_conditions:
            msg = f"The action {self.name!r} must have at least one trigger condition."
            raise ValueError(msg)
        for number, each in enumerate(self.trigger_conditions, 1):
            if not each.strip():
                msg = f"Invalid trigger condition #{number} of the action {self.name!r}: {each!r}."
                raise ValueError(msg)
        super().model_post_init(context)
        self.exec.warn_if_returns_value(self.name)


def _written(value: Any) -> Any:
    """A setting as plans have it: a model with its class."""
    if not isinstance(value, BaseModel):
        return value
    module, name = peer_name(type(value).__module__, type(value).__qualname__)
    if dialect() == "0.4":
        return {_MODEL: True, "module": module, "class": name, "value": value}
    return [module, name, value]


def _read(value: Any) -> Any:
    """A setting of a plan of Python.

    Raises ImportError or AttributeError in 0.4 if the class of a model is not found. Earlier plans
    do not tell a model from a list of three.
    """
    if dialect() == "0.4":
        is_model = isinstance(value, Mapping) and value.get(_MODEL)
        return _model(value["module"], value["class"], value["value"]) if is_model else value
    if isinstance(value, (list, tuple)) and len(value) == _PLACES:
        try:
            return _model(*value)
        except Exception:  # noqa: BLE001 (it is a list then)
            return value
    return value


def _model(module: str, name: str, value: Any) -> Any:
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found.model_validate(value)


def _of_java(value: Any) -> Any:
    is_wrapped = isinstance(value, Mapping) and {"@class", "value"} <= value.keys()
    return value["value"] if is_wrapped else value


if TYPE_CHECKING:
    Action = BaseAction
else:
    Action = type(
        "Action",
        (TriggeredAction if dialect() == "0.4" else ListeningAction,),
        {"__module__": __name__, "__doc__": "An action of this process's dialect."},
    )


def built_in(name: str, function: Callable[..., Any], *events: type[Event]) -> Action:
    """An action that each agent of Flink Agents has."""
    kind = dialect()
    listens = [
        f"{each.__module__}.{each.__qualname__}" if kind == "0.2" else class_type(each)
        for each in events
    ]
    field = "trigger_conditions" if kind == "0.4" else "listen_event_types"
    given: dict[str, Any] = {field: listens}
    return Action(name=name, exec=PythonFunction.from_callable(function), **given)
