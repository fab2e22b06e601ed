"""Sends events that say what is in memory, where an action listens to them.

The plan of an agent without such an action is as it would be without this module. With one, what
sends the events is part of the actions: they are sent, put on record and executed again as all
other events are.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ..action import Action
from ..config.agent_options import AgentExecutionOptions
from ..config.memory_options import MemoryEventOptions
from ..event import InputEvent, class_type
from ..events.triggers import event_type_in
from ..memory import MemoryObject
from .events import AgentRunBeginEvent, MemoryEvent, SensoryWriteEvent, ShortTermWriteEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..config.configuration import Configuration
    from ..config.option import ConfigOption
    from ..context import RunnerContext
    from ..event import Event

__all__ = ["with_observations"]

_BEGIN: Final = "agent_run_begin_action"
_WRITES: Final[tuple[tuple[type[MemoryEvent], str, ConfigOption[bool | None]], ...]] = (
    (ShortTermWriteEvent, "short_term_memory", MemoryEventOptions.SHORT_TERM_WRITE),
    (SensoryWriteEvent, "sensory_memory", MemoryEventOptions.SENSORY_WRITE),
)

_Observed = tuple[type[MemoryEvent], str]


def with_observations(
    actions: dict[str, Action], config: Configuration | None
) -> dict[str, Action]:
    """Return the actions, with what sends the events about memory that they listen to."""
    if not any(_is_listened_to(kind, actions) for kind in _KINDS):
        return actions
    begins = config is not None and config.get(AgentExecutionOptions.AGENT_RUN_BEGIN_EVENT)
    if begins and _BEGIN not in actions and _is_listened_to(AgentRunBeginEvent, actions):
        actions = {_BEGIN: Action.of(_BEGIN, _begin, (InputEvent,), {}), **actions}
    observed = tuple(
        (kind, memory)
        for kind, memory, option in _WRITES
        if _is_listened_to(kind, actions) and _is_on(option, config)
    )
    if not observed:
        return actions
    return {name: _observing(action, observed) for name, action in actions.items()}


_KINDS: Final[tuple[type[Event], ...]] = (AgentRunBeginEvent, *(kind for kind, _, _ in _WRITES))


def _is_listened_to(kind: type[Event], actions: Mapping[str, Action]) -> bool:
    """Whether an action listens to such events, by itself or in a condition that names them."""
    type_ = class_type(kind)
    names = (type_, f"EventType.{kind.__name__}")
    for action in actions.values():
        for entry in action.listens:
            if not isinstance(entry, str):
                if entry is kind:
                    return True
                continue
            named = event_type_in(entry)
            if named == type_ or (named is None and any(name in entry for name in names)):
                return True
    return False


def _is_on(option: ConfigOption[bool | None], config: Configuration | None) -> bool:
    if config is None:
        return True
    for each in (option, MemoryEventOptions.MEMORY_GENERATE_EVENT):
        value = config.get(each)
        if value is not None:
            return value
    return True


def _begin(event: Event, ctx: RunnerContext) -> None:  # noqa: ARG001 (an action)
    """Send what short-term memory has of the key."""
    ctx.send_event(AgentRunBeginEvent(key=str(ctx.key), value=_fields(ctx.short_term_memory)))


def _fields(memory: MemoryObject, path: str = "") -> dict[str, Any]:
    """All values below an object, by path, that can be JSON."""
    found: dict[str, Any] = {}
    for name in memory.get_field_names():
        value = memory.get(name)
        if isinstance(value, MemoryObject):
            found.update(_fields(value, f"{path}{name}."))
        elif _is_json(value):
            found[path + name] = value
    return found


def _observing(action: Action, observed: tuple[_Observed, ...]) -> Action:
    perform: Any = _perform_async if action.is_async else _perform
    return replace(action, fn=partial(perform, action, observed))


def _perform(
    action: Action, observed: tuple[_Observed, ...], event: Event, ctx: RunnerContext
) -> Any:
    result = action.fn(event, ctx)
    _send(observed, event, ctx)
    return result


async def _perform_async(
    action: Action, observed: tuple[_Observed, ...], event: Event, ctx: RunnerContext
) -> Any:
    result = await action.fn(event, ctx)
    _send(observed, event, ctx)
    return result


def _send(observed: tuple[_Observed, ...], event: Event, ctx: RunnerContext) -> None:
    """Send what the action has written; what such events set off sends none."""
    if MemoryEvent.is_memory_type(event.get_type()):
        return
    for kind, memory in observed:
        changes = getattr(ctx, memory).changes()
        value = {path: each for path, each in changes.items() if _is_json(each)}
        if value:
            ctx.send_event(kind(key=str(ctx.key), value=value))


def _is_json(value: Any) -> bool:
    if value.__class__ in (str, int, bool, type(None), bytes):
        return True
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
