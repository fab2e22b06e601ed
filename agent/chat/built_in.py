"""The built-in actions of an agent: those that serve requests to its models, tools and stores.

They come behind the agent's own actions, and only where it has what they are for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..action import Action
from ..event import class_type
from ..long_term.events import MemoryCompactionEvent
from ..resources.resource import ResourceType
from .events import (
    ChatErrorEvent,
    ChatRequestEvent,
    ContextRetrievalRequestEvent,
    ToolRequestEvent,
    ToolResponseEvent,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ..context import RunnerContext
    from ..event import Event

__all__ = ["built_in_actions"]

_HAS_TOOLS = (ResourceType.CHAT_MODEL, ResourceType.TOOL, ResourceType.MCP_SERVER)


# The modules that the following import bring all of the models along, which few agents need.


async def chat_model_action(event: Event, ctx: RunnerContext) -> None:
    """Ask a chat model."""
    from .chat_action import chat_model_action as action  # noqa: PLC0415 (see above)

    await action(event, ctx)


async def tool_call_action(event: Event, ctx: RunnerContext) -> None:
    """Call tools."""
    from .tool_action import tool_call_action as action  # noqa: PLC0415 (see above)

    await action(event, ctx)


async def context_retrieval_action(event: Event, ctx: RunnerContext) -> None:
    """Look up documents."""
    from .retrieval_action import context_retrieval_action as action  # noqa: PLC0415 (see above)

    await action(event, ctx)


async def memory_compaction_action(event: Event, ctx: RunnerContext) -> None:
    """Make a full memory set smaller."""
    from ..upkeep.compaction import compact_on_event  # noqa: PLC0415 (see above)

    await compact_on_event(event, ctx)


def built_in_actions(
    own: Mapping[str, Action], resources: Mapping[ResourceType, Collection[str]]
) -> dict[str, Action]:
    """The built-in actions for an agent with these actions and resources.

    An action of the agent that has the name of a built-in one takes its place.
    """
    made: list[Action] = []
    if resources.get(ResourceType.CHAT_MODEL):
        listens = (ChatRequestEvent, ToolResponseEvent)
        settings = {"reports_errors": _is_listened_to(own)}
        made.append(Action.of("chat_model_action", chat_model_action, listens, settings))
        full = (MemoryCompactionEvent,)
        made.append(Action.of("memory_compaction_action", memory_compaction_action, full, {}))
    if any(resources.get(kind) for kind in _HAS_TOOLS):
        made.append(Action.of("tool_call_action", tool_call_action, (ToolRequestEvent,), {}))
    if resources.get(ResourceType.VECTOR_STORE):
        listened = (ContextRetrievalRequestEvent,)
        made.append(Action.of("context_retrieval_action", context_retrieval_action, listened, {}))
    return {action.name: action for action in made if action.name not in own}


def _is_listened_to(actions: Mapping[str, Action]) -> bool:
    """Whether an action wants to know of failures, by itself or in a condition that names them."""
    names = (class_type(ChatErrorEvent), "EventType.ChatErrorEvent")
    return any(
        listened is ChatErrorEvent
        or (isinstance(listened, str) and any(name in listened for name in names))
        for action in actions.values()
        for listened in action.listens
    )
