"""The events by which actions talk to models, tools and stores."""

from __future__ import annotations

import pickle
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from tamias import (
    ChatMessage,
    ChatRequestEvent,
    ChatResponseEvent,
    ContextRetrievalRequestEvent,
    ContextRetrievalResponseEvent,
    Document,
    Event,
    MessageRole,
    ToolRequestEvent,
    ToolResponseEvent,
)

REQUEST = uuid4()
HELLO = ChatMessage(role=MessageRole.ASSISTANT, content="hello")
EVENTS: list[Any] = [
    ChatRequestEvent(model="m", messages=[HELLO]),
    ChatResponseEvent(request_id=REQUEST, response=HELLO),
    ToolRequestEvent(model="m", tool_calls=[{"id": "1", "function": {"name": "f"}}]),
    ToolResponseEvent(request_id=REQUEST, responses={"1": 3}, success={"1": True}),
    ContextRetrievalRequestEvent(query="q", vector_store="s"),
    ContextRetrievalResponseEvent(request_id=REQUEST, query="q", documents=[]),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_all_forms_are_the_same_event(event: Any) -> None:
    plain = Event(type=event.EVENT_TYPE, attributes=dict(event.attributes))
    assert type(event).from_event(plain) == event
    assert type(event).from_json(event.model_dump_json()) == event
    assert pickle.loads(pickle.dumps(event)) == event
    assert event.get_type() == event.type == type(event).EVENT_TYPE


def test_fields_may_be_given_in_order() -> None:
    event: Any = ChatRequestEvent
    assert event("m", [HELLO]) == EVENTS[0]
    with pytest.raises(TypeError, match="has the fields query, vector_store, max_results"):
        ContextRetrievalRequestEvent("q", "s", 3, 4)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="twice"):
        event("m", model="m")


def test_what_is_missing_is_an_error() -> None:
    with pytest.raises(ValidationError):
        ChatRequestEvent(model="m")  # type: ignore[call-arg]


def test_a_tool_response_says_which_calls_have_succeeded() -> None:
    made = ToolResponseEvent(
        request_id=REQUEST, responses={"1": 3, "2": "no"}, error={"2": "broken"}
    )
    assert made.success == {"1": True, "2": False}
    given = ToolResponseEvent(request_id=REQUEST, responses={"1": 3}, success={"1": False})
    assert given.success == {"1": False}


def test_documents_may_be_dicts() -> None:
    made = ContextRetrievalResponseEvent(
        request_id=REQUEST, query="q", documents=[{"content": "c"}, "of my own"]
    )
    assert made.documents == [Document(content="c"), "of my own"]
