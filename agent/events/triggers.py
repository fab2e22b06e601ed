"""What an entry of ``@action(...)`` means if it is a string: an event type, or a condition.

The rule is that of Flink Agents: an identifier, also with dots and dashes, is an event type, and so
is a quoted text. Everything else is a condition in CEL (`agent/events/conditions.py`).
"""

from __future__ import annotations

import re
from typing import Final

from ..naming.public import public

__all__ = ["EventType", "event_type_in", "event_types"]

_TYPE: Final = re.compile(
    r"""(?P<bare>[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)"""
    r"""|(?P<quote>['"])(?P<quoted>[^\s'"\\\x00-\x1f\x7f]+)(?P=quote)""",
    re.ASCII,
)
_LITERALS: Final = frozenset({"true", "false", "null"})


@public
class EventType:
    """The types of built-in events: ``@action(EventType.InputEvent)``.

    In a condition, as in ``"type == EventType.InputEvent && input.amount > 3"``, too. Events of
    memory are those of Flink Agents; of these tamias sends those of writes, and of the begin of a
    run.
    """

    InputEvent = "_input_event"
    OutputEvent = "_output_event"
    EndOfInputEvent = "_end_of_input_event"
    ChatRequestEvent = "_chat_request_event"
    ChatResponseEvent = "_chat_response_event"
    ChatErrorEvent = "_chat_error_event"
    ToolRequestEvent = "_tool_request_event"
    ToolResponseEvent = "_tool_response_event"
    ContextRetrievalRequestEvent = "_context_retrieval_request_event"
    ContextRetrievalResponseEvent = "_context_retrieval_response_event"
    ShortTermWriteEvent = "_short_term_write_event"
    ShortTermReadEvent = "_short_term_read_event"
    SensoryWriteEvent = "_sensory_write_event"
    SensoryReadEvent = "_sensory_read_event"
    LongTermUpdateEvent = "_long_term_update_event"
    LongTermGetEvent = "_long_term_get_event"
    LongTermSearchEvent = "_long_term_search_event"
    AgentRunBeginEvent = "_agent_run_begin_event"


def event_types() -> dict[str, str]:
    """The constants of `EventType` by name."""
    return {name: kind for name, kind in vars(EventType).items() if not name.startswith("_")}


def event_type_in(entry: str) -> str | None:
    """The event type that an entry names; None if it is a condition."""
    found = _TYPE.fullmatch(entry.strip())
    if found is None:
        return None
    bare: str | None = found["bare"]
    if bare is None:
        return found["quoted"]
    return None if bare in _LITERALS or bare.startswith("EventType.") else bare
