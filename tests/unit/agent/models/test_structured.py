"""Output schemas, what is said of them in words, and reasoning in an answer's text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from tamias import (
    AgentDefinitionError,
    BaseChatModelConnection,
    ChatMessage,
    MessageRole,
    OutputParseError,
    OutputSchema,
    Row,
)
from tamias.agent.models.instructions import forced_schema, read_turn, with_forced_tools
from tamias.agent.models.output_conversation import OutputConversation


class Inner(BaseModel):
    x: int


class Outer(BaseModel):
    inner: Inner
    names: list[str] = []


@dataclass
class Point:
    x: int
    y: int


class RowTypeInfo:
    """A row type as PyFlink has it."""

    def get_field_names(self) -> list[str]:
        return ["id", "name", "score"]

    def get_field_types(self) -> list[str]:
        return ["LONG", "STRING", "BasicArrayTypeInfo<STRING>"]


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        (Inner, '{"x": 1}', Inner(x=1)),
        (Inner, '```json\n{"x": 1}\n```', Inner(x=1)),
        (Inner, '```\n{"x": 1}```', Inner(x=1)),
        (Inner, 'Here it is: {"x": 1}. Good?', Inner(x=1)),
        (Outer, '{"inner": {"x": "2"}}', Outer(inner=Inner(x=2))),
        (Point, '{"x": 1, "y": 2}', Point(1, 2)),
        (list[int], "[1, 2]", [1, 2]),
        (int, "3", 3),
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
        (RowTypeInfo(), '{"name": "n", "id": 1, "score": [], "more": 2}', None),
    ],
)
def test_an_answer_becomes_the_value(schema: Any, text: str, value: Any) -> None:
    found = OutputSchema(schema).parse(text)
    assert found == (Row(id=1, name="n", score=[]) if value is None else value)


@pytest.mark.parametrize(
    ("schema", "text", "match"),
    [
        (Inner, "hello", "no JSON: 'hello'"),
        (Inner, '{"x": "y"}', "x: Input should be a valid integer"),
        (RowTypeInfo(), '{"id": 1}', "lacks 'name', 'score'"),
        (RowTypeInfo(), "[1]", "wanted: an object"),
    ],
)
def test_an_answer_that_does_not_match_says_why(schema: Any, text: str, match: str) -> None:
    with pytest.raises(OutputParseError, match=match):
        OutputSchema(schema).parse(text)


def test_schemas_are_described_and_what_is_none_is_refused() -> None:
    row = OutputSchema(RowTypeInfo()).json_schema
    assert row["properties"]["id"] == {"type": "integer"}
    assert OutputSchema(OutputSchema(Inner)).json_schema["title"] == "Inner"
    with pytest.raises(AgentDefinitionError, match="cannot be described"):
        OutputSchema(object())


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none(), min_size=1))
def test_any_object_is_found_behind_a_fence(value: dict[str, Any]) -> None:
    text = f"```json\n{json.dumps(value)}\n```"
    assert OutputSchema({"type": "object"}).parse(text) == value


def test_definitions_of_several_tools_do_not_meet() -> None:
    tools = [
        {"name": name, "description": "", "parameters": Outer.model_json_schema()}
        for name in ("one", "two")
    ]
    schema = forced_schema(tools, Outer.model_json_schema())
    assert schema["$defs"].keys() == {"one_Inner", "two_Inner", "answer_Inner"}
    first = schema["anyOf"][0]["properties"]["arguments"]["properties"]["inner"]
    assert first == {"$ref": "#/$defs/one_Inner"}


@pytest.mark.parametrize(
    ("said", "content", "name"),
    [
        ('{"tool": "add", "arguments": {"a": 1}}', "", "add"),
        ('```json\n{"tool": "add", "arguments": {}}\n```', "", "add"),
        ('{"answer": "yes"}', "yes", None),
        ('{"answer": {"x": 1}}', '{"x": 1}', None),
        ("just a text", "just a text", None),
        ('{"other": 1}', '{"other": 1}', None),
    ],
)
def test_a_turn_is_a_call_or_an_answer(said: str, content: str, name: str | None) -> None:
    turn = read_turn(ChatMessage(role=MessageRole.ASSISTANT, content=said))
    assert turn.content == content
    assert [call["function"]["name"] for call in turn.tool_calls] == ([name] if name else [])


def test_arguments_that_are_no_object_are_kept_as_text() -> None:
    said = ChatMessage(role=MessageRole.ASSISTANT, content='{"tool": "add", "arguments": [1]}')
    [call] = read_turn(said).tool_calls
    assert call["function"] == {"name": "add", "arguments": {}, "malformed": "[1]"}


def test_calls_and_results_are_texts_for_a_model_without_tools() -> None:
    call = {"id": "c", "original_id": "o", "function": {"name": "add", "arguments": {"a": 1}}}
    messages = [
        ChatMessage(content="x"),
        ChatMessage(role=MessageRole.ASSISTANT, tool_calls=[call]),
        ChatMessage(role=MessageRole.TOOL, content="1", extra_args={"external_id": "o"}),
    ]
    tools = [{"name": "add", "description": "Adds.", "parameters": {}}]
    told = with_forced_tools(messages, tools, forced_schema(tools, None), tell_schema=True)
    assert [str(message) for message in told[1:]] == [
        "user: x",
        'assistant: {"tool": "add", "arguments": {"a": 1}}',
        "user: Result of add: 1",
    ]
    assert messages[2].role is MessageRole.TOOL


def test_an_answer_that_was_cut_off_is_not_asked_for_again() -> None:
    conversation = OutputConversation([], OutputSchema(Inner), attempts=3)
    cut = ChatMessage(
        role=MessageRole.ASSISTANT, content='{"x": ', extra_args={"finish_reason": "length"}
    )
    with pytest.raises(OutputParseError, match="raise max_tokens"):
        conversation.take(cut)


@pytest.mark.parametrize(
    ("text", "answer", "reasoning"),
    [
        ("<think>a</think>b", "b", "a"),
        ("<THINK>\na\n</think>\n\nb", "b", "a"),
        ("<analysis>a</analysis>b", "b", "a"),
        ("<reasoning>a</reasoning>b", "b", "a"),
        ("```think\na\n```\nb", "b", "a"),
        ("Reasoning: a\nand more\n\nb", "b", "a\nand more"),
        ("no thoughts", "no thoughts", None),
    ],
)
def test_reasoning_is_taken_out_of_a_text(text: str, answer: str, reasoning: str | None) -> None:
    assert BaseChatModelConnection._extract_reasoning(text) == (answer, reasoning)


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        (Inner, {"module": __name__, "class": "Inner"}),
        (
            RowTypeInfo(),
            {
                "names": ["id", "name", "score"],
                "types": ["LONG", "STRING", "BasicArrayTypeInfo<STRING>"],
            },
        ),
        ({"type": "object", "title": "Any"}, {"type": "object", "title": "Any"}),
    ],
)
def test_an_output_schema_is_json_as_in_flink_agents(schema: Any, written: Any) -> None:
    output = OutputSchema(schema)
    text = output.model_dump_json()
    assert json.loads(text) == {"output_schema": written}
    again = OutputSchema.model_validate_json(text)
    assert again == output
    assert again.json_schema == output.json_schema


def test_an_output_schema_without_a_name_is_no_json() -> None:
    with pytest.raises(Exception, match="is no class"):
        OutputSchema(list[int]).model_dump_json()
    with pytest.raises(AgentDefinitionError, match="is not found"):
        OutputSchema({"module": "no.such.module", "class": "A"})


def test_a_row_type_of_an_older_pickle_has_types_of_flink() -> None:
    given = OutputSchema(RowTypeInfo()).output_schema
    del given.__dict__["types"]
    assert given.flink_types == ["Long", "String", "String"]
