"""Answers of models that summarise items: what can be used is used, and no item goes twice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.profiles import examples
from tamias import ChatMessage, MessageRole, Prompt
from tamias.agent.upkeep.summaries import (
    SourceText,
    UnusableAnswerError,
    question,
    topics_in,
)

SOURCES = [SourceText(f"id{n}", "2026-01-01", f"item {n} " + "x" * 100) for n in range(5)]


def said(content: Any) -> ChatMessage:
    text = content if isinstance(content, str) else json.dumps(content)
    return ChatMessage(role=MessageRole.ASSISTANT, content=text)


def topic(text: str, *positions: Any) -> dict[str, Any]:
    return {"summarization": text, "messages": list(positions)}


def used(content: Any, limit: int = 3) -> list[tuple[str, tuple[int, ...]]]:
    return [(each.text, each.positions) for each in topics_in(said(content), SOURCES, limit)]


def test_topics_stand_for_the_items_that_they_name() -> None:
    answer = {"topic1": topic("one", 0, 2), "topic2": topic("two", 1, 3, 4)}
    assert used(answer) == [("one", (0, 2)), ("two", (1, 3, 4))]


def test_with_a_limit_of_one_the_summary_stands_for_all_items() -> None:
    every = (0, 1, 2, 3, 4)
    assert used({"topic1": topic("all", 0, 1)}, 1) == [("all", every)]
    assert used({"topic1": {"summarization": "all"}}, 1) == [("all", every)]
    two = {"topic1": topic("one", 0, 1), "topic2": topic("two", 2, 3)}
    assert used(two, 1) == [("one\ntwo", every)]


@pytest.mark.parametrize(
    "content",
    [
        '```json\n{"topic1": {"summarization": "one", "messages": [0, 1]}}\n```',
        'Here it is:\n{"topic1": {"summarization": "one", "messages": [0, 1]}}\nAs you wished.',
        '{"topics": [{"summarization": "one", "messages": [0, 1]}]}',
        '[{"summarization": "one", "messages": [0, 1]}]',
        '{"summarization": "one", "messages": [0, 1]}',
        '{"topic1": {"summary": " one ", "messages": ["0", "[1]"]}}',
        '{"topic1": {"summarization": "one", "messages": [0.0, 1]}}',
        '{"topic1": {"summarization": "one", "messages": [0, 1, 0, -1, 5, true, null, "x", 2.5]}}',
        '{"note": "ok", "topic1": {"summarization": "one", "messages": [0, 1]}, "topic2": 3}',
    ],
)
def test_answers_that_are_almost_right_are_used(content: str) -> None:
    assert used(content) == [("one", (0, 1))]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "no JSON"),
        ("I cannot help with that.", "no JSON"),
        ("{" * 5000, "no JSON"),
        ("[0, 1]", "no topic"),
        ('{"topic1": "one"}', "no topic"),
        ({"topic1": topic("  ", 0, 1)}, "no topic"),
        ({"topic1": topic("one")}, "two numbers"),
        ({"topic1": topic("one", 7, 8)}, "two numbers"),
        ({"topic1": {"summarization": "one", "messages": "all"}}, "two numbers"),
        ({"topic1": topic("x" * 2000, 0, 1)}, "longer"),
    ],
)
def test_what_cannot_be_used_says_why(content: Any, reason: str) -> None:
    with pytest.raises(UnusableAnswerError, match=reason):
        used(content)


def test_an_answer_that_calls_tools_is_none() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "x", "arguments": {}}}
    answer = ChatMessage(role=MessageRole.ASSISTANT, tool_calls=[call])
    with pytest.raises(UnusableAnswerError, match="tools"):
        topics_in(answer, SOURCES, 1)


def test_an_item_that_two_topics_name_belongs_to_the_first() -> None:
    answer = {"a": topic("one", 0, 1), "b": topic("two", 1, 2, 3), "c": topic("three", 3, 4)}
    assert used(answer) == [("one", (0, 1)), ("two", (2, 3))]


def test_topics_beyond_the_limit_leave_their_items() -> None:
    answer = {"a": topic("one", 0, 1), "b": topic("two", 2, 3)}
    assert used(answer | {"c": topic("three", 4, 0)}, 2) == [("one", (0, 1)), ("two", (2, 3))]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
entries = st.fixed_dictionaries(
    {"summarization": st.text(max_size=9) | json_values, "messages": json_values}
) | st.builds(
    lambda text, numbers: {"summarization": text, "messages": numbers},
    st.text(min_size=1, max_size=9),
    st.lists(st.integers(-2, 7)),
)


@given(st.dictionaries(st.text(max_size=3), entries | json_values), st.integers(1, 4))
@settings(max_examples=examples(100))
def test_whatever_a_model_says_no_item_is_in_two_topics(answer: Any, limit: int) -> None:
    try:
        topics = topics_in(said(answer), SOURCES, limit)
    except UnusableAnswerError:
        return
    positions = [position for topic in topics for position in topic.positions]
    assert 0 < len(topics) <= limit
    assert len(set(positions)) == len(positions)
    assert set(positions) <= set(range(len(SOURCES)))
    assert all(len(topic.positions) > 1 and topic.text.strip() for topic in topics)


def test_the_model_is_shown_items_as_numbered_data() -> None:
    sources = [SourceText("x", "2026-01-01", "a\n[7] b"), SourceText("y", "2026-01-02", "{limit}")]
    system, user = question(sources, 2)
    assert "at most 2 topics" in system.content
    assert '{"topic1": {"summarization": "...", "messages": [0, 1]}}' in system.content
    assert user.content == "[0] (2026-01-01) a\n    [7] b\n[1] (2026-01-02) {limit}"


def test_a_prompt_of_ones_own_gets_the_limit_and_the_items_behind_it() -> None:
    prompt = Prompt.from_text("At most {limit} of {count}: {{no}}")
    first, user = question(SOURCES[:2], 3, prompt)
    assert (first.role, first.content) == (MessageRole.SYSTEM, "At most 3 of 2: {{no}}")
    assert user.content.startswith("[0] (2026-01-01) item 0")
