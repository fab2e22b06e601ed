"""Conversations in Anthropic's form, and answers back, whole and in pieces."""

from __future__ import annotations

from typing import Any

import pytest

from tamias import BadRequest, ChatMessage, DocumentBlock, ImageBlock, MessageRole, Tool
from tamias.models.anthropic.answers import AnswerStream, message_of
from tamias.models.anthropic.requests import conversation, request_body, with_answer_tool

SYSTEM, USER, ASSISTANT, TOOL = MessageRole


def call(name: str, original_id: str, **arguments: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": "own", "type": "function", "function": function, "original_id": original_id}


def result(content: str, external_id: str, **more: Any) -> ChatMessage:
    return ChatMessage(role=TOOL, content=content, extra_args={"external_id": external_id, **more})


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "text": content}


def test_the_system_prompt_is_apart_and_turns_alternate() -> None:
    system, turns = conversation(
        [
            ChatMessage(role=SYSTEM, content="One."),
            ChatMessage(role=USER, content="a"),
            ChatMessage(role=USER, content="b"),
            ChatMessage(role=USER, content=""),
            ChatMessage(role=SYSTEM, content="Two."),
            ChatMessage(role=ASSISTANT, content="c"),
            ChatMessage(role=ASSISTANT, content="  "),
            ChatMessage(role=USER, content="d"),
        ]
    )
    assert system == "One.\n\nTwo."
    assert turns == [
        {"role": "user", "content": [text("a"), text("b")]},
        {"role": "assistant", "content": [text("c")]},
        {"role": "user", "content": [text("d")]},
    ]


def test_results_of_parallel_tools_are_one_turn_and_come_first() -> None:
    calls = [call("add", "t1", a=1), call("add", "t2", a=2)]
    _, turns = conversation(
        [
            ChatMessage(role=ASSISTANT, content="Let me see.", tool_calls=calls),
            result("1", "t1"),
            ChatMessage(role=USER, content="Go on."),
            result("boom", "t2", is_error=True),
        ]
    )
    assert turns == [
        {
            "role": "assistant",
            "content": [
                text("Let me see."),
                {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1}},
                {"type": "tool_use", "id": "t2", "name": "add", "input": {"a": 2}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "1"},
                {"type": "tool_result", "tool_use_id": "t2", "content": "boom", "is_error": True},
                text("Go on."),
            ],
        },
    ]


def test_ids_that_another_provider_has_made_are_accepted() -> None:
    _, turns = conversation(
        [ChatMessage(role=ASSISTANT, tool_calls=[call("f", "call:1/a")]), result("x", "call:1/a")]
    )
    assert turns[0]["content"][0]["id"] == turns[1]["content"][0]["tool_use_id"] == "call_1_a"


def test_a_result_without_a_call_is_refused() -> None:
    with pytest.raises(BadRequest, match="which call it belongs to"):
        conversation([ChatMessage(role=TOOL, content="1")])


def test_images_and_documents() -> None:
    parts: list[Any] = [
        "Look:",
        ImageBlock(data=b"\x01\x02"),
        ImageBlock(url="https://x.test/a.png"),
        DocumentBlock(data=b"%PDF", name="a.pdf"),
        DocumentBlock(text="plain"),
        DocumentBlock(url="https://x.test/a.pdf"),
    ]
    _, (turn,) = conversation([ChatMessage(role=USER, content=parts)])
    assert turn["content"] == [
        text("Look:"),
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": "AQI="},
        },
        {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
            "title": "a.pdf",
        },
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "plain"},
        },
        {"type": "document", "source": {"type": "url", "url": "https://x.test/a.pdf"}},
    ]


SIGNED = [
    {"type": "thinking", "thinking": "Hm.", "signature": "s"},
    {"type": "redacted_thinking", "data": "x"},
    text("Yes."),
    {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1}},
]


def test_thinking_goes_back_as_it_came() -> None:
    answer = message_of(SIGNED, {"input_tokens": 1}, "tool_use")
    assert (answer.content, answer.reasoning) == ("Yes.", "Hm.")
    answer.tool_calls[0]["id"] = "the loop's own"
    copied = ChatMessage.model_validate_json(answer.model_dump_json())
    _, turns = conversation([copied, result("2", "t1")])
    assert turns[0]["content"] == SIGNED
    copied.content = "No."
    _, turns = conversation([copied, result("2", "t1")])
    assert turns[0]["content"] == [text("No."), SIGNED[3]]
    foreign = ChatMessage(role=ASSISTANT, content="Yes.", raw={"provider": "x", "blocks": [1]})
    assert conversation([foreign])[1] == [{"role": "assistant", "content": [text("Yes.")]}]


def test_nothing_is_kept_twice() -> None:
    assert message_of([text("Yes."), SIGNED[3]], {}, "tool_use").raw is None


def test_usage_counts_the_cache_as_part_of_the_prompt() -> None:
    counted = {
        "input_tokens": 5,
        "cache_read_input_tokens": 70,
        "cache_creation_input_tokens": 25,
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 4},
    }
    usage = message_of([text("a")], counted, None).usage
    assert usage is not None
    assert usage.model_dump() == {
        "prompt_tokens": 100,
        "completion_tokens": 9,
        "cached_tokens": 70,
        "reasoning_tokens": 4,
    }
    empty = message_of([text("a")], {"input_tokens": None}, None).usage
    assert empty is not None
    assert empty.total == 0


def test_parameters_that_are_not_set_are_not_sent() -> None:
    hello = [ChatMessage(content="a")]
    kwargs = {"model": "m", "max_tokens": 5, "temperature": None, "thinking": 2048, "effort": "low"}
    assert request_body(hello, None, kwargs) == {
        "model": "m",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": [text("a")]}],
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "output_config": {"effort": "low"},
    }
    assert request_body(hello, None, {"thinking": True})["thinking"] == {"type": "adaptive"}
    assert "thinking" not in request_body(hello, None, {"thinking": False})
    between = {"type": "between_tools"}
    assert request_body(hello, None, {"thinking": between})["thinking"] == between


def test_the_setup_of_another_provider_can_be_sent() -> None:
    others = {"model": "m", "strict": True, "reasoning_effort": "low", "num_ctx": 5, "think": True}
    assert request_body([ChatMessage(content="a")], None, others).keys() == {
        "model",
        "max_tokens",
        "messages",
    }


def nothing() -> None:
    """Do nothing."""


def test_an_answer_by_a_tool_is_asked_for_as_far_as_the_service_lets_us() -> None:
    schema = {"properties": {"a": {"type": "integer"}}}
    hello = [ChatMessage(content="a")]
    alone = with_answer_tool(request_body(hello, None, {}), schema)
    assert alone["tool_choice"] == {"type": "tool", "name": "give_answer"}
    assert alone["tools"][0]["input_schema"]["type"] == "object"
    tools = [Tool.from_callable(nothing)]
    beside = with_answer_tool(request_body(hello, tools, {}), schema)
    assert beside["tool_choice"] == {"type": "any"}
    assert [tool["name"] for tool in beside["tools"]] == ["nothing", "give_answer"]
    thinking = with_answer_tool(request_body(hello, None, {"thinking": True}), schema)
    assert "tool_choice" not in thinking
    assert "give_answer" in thinking["system"]


def test_an_answer_by_a_tool_is_the_content() -> None:
    answer = {"type": "tool_use", "id": "t2", "name": "give_answer", "input": {"a": 1}}
    message = message_of([text("Well."), answer], {}, "tool_use", answer_tool="give_answer")
    assert (message.content, message.tool_calls) == ('{"a": 1}', [])
    early = message_of([*SIGNED, answer], {}, "tool_use", answer_tool="give_answer")
    assert [each["original_id"] for each in early.tool_calls] == ["t1"]
    assert early.raw is not None
    assert early.raw["blocks"] == SIGNED


def events(*blocks: tuple[dict[str, Any], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"usage": {"input_tokens": 3, "output_tokens": 1}}}
    ]
    for index, (begun, deltas) in enumerate(blocks):
        found.append({"type": "content_block_start", "index": index, "content_block": begun})
        found += [
            {"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas
        ]
        found.append({"type": "content_block_stop", "index": index})
    usage = {"output_tokens": 7, "input_tokens": None}
    found.append({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage})
    return [*found, {"type": "message_stop"}]


def begun_call(id_: str, name: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": id_, "name": name, "input": {}}


def pieces(*parts: str, kind: str = "text_delta", name: str = "text") -> list[dict[str, Any]]:
    return [{"type": kind, name: part} for part in parts]


def json_pieces(*parts: str) -> list[dict[str, Any]]:
    return pieces(*parts, kind="input_json_delta", name="partial_json")


def test_a_stream_gives_what_the_whole_answer_gives() -> None:
    stream = AnswerStream()
    cited = {"type": "citations_delta", "citation": {"cited_text": "x"}}
    deltas = [
        stream.add(event)
        for event in events(
            (
                {"type": "thinking", "thinking": "", "signature": ""},
                [
                    *pieces("H", "m.", kind="thinking_delta", name="thinking"),
                    {"type": "signature_delta", "signature": "s"},
                ],
            ),
            ({"type": "redacted_thinking", "data": "x"}, []),
            (text(""), [*pieces("Y", "es."), cited]),
            (
                {"type": "tool_use", "id": "t1", "name": "add", "input": {}},
                json_pieces('{"a"', ": 1}"),
            ),
            ({"type": "tool_use", "id": "t2", "name": "now", "input": {}}, []),
            ({"type": "tool_use", "id": "t3", "name": "add", "input": {}}, json_pieces('{"a": ')),
        )
    ]
    last = stream.end()
    assert stream.is_complete
    assert "".join(each.text for each in [*deltas, last] if each) == "Yes."
    assert "".join(each.reasoning for each in deltas if each) == "Hm."
    message = last.message
    assert message is not None
    assert (message.content, message.reasoning) == ("Yes.", "Hm.")
    assert [each["function"] for each in message.tool_calls] == [
        {"name": "add", "arguments": {"a": 1}},
        {"name": "now", "arguments": {}},
        {"name": "add", "arguments": {}, "malformed": '{"a": '},
    ]
    assert message.raw is not None
    assert message.raw["blocks"][:2] == SIGNED[:2]
    assert message.raw["blocks"][2]["citations"] == [{"cited_text": "x"}]
    assert "malformed" not in message.raw["blocks"][5]
    assert message.usage is not None
    assert (message.usage.prompt_tokens, message.usage.completion_tokens) == (3, 7)
    assert message.extra_args == {"finish_reason": "end_turn"}


@pytest.mark.parametrize("has_other_tools", [False, True])
def test_an_answer_by_a_tool_is_streamed_where_it_is_known_to_be_one(
    *, has_other_tools: bool
) -> None:
    stream = AnswerStream(answer_tool="give_answer", has_other_tools=has_other_tools)
    begun = begun_call("t", "give_answer")
    deltas = [
        stream.add(each)
        for each in events((text(""), pieces("Well.")), (begun, json_pieces('{"a":', "1}")))
    ]
    last = stream.end()
    streamed = [each.text for each in deltas if each and each.text]
    assert streamed == ([] if has_other_tools else ['{"a":', "1}"])
    assert last.message is not None
    assert last.message.content == '{"a":1}' == "".join([*streamed, last.text])
    assert last.message.tool_calls == []


def test_what_was_put_into_the_models_mouth_is_part_of_the_answer() -> None:
    stream = AnswerStream(prefix="{")
    deltas = [stream.add(each) for each in events((text(""), pieces('"a"', ": 1}")))]
    last = stream.end()
    assert [each.text for each in deltas if each] == ['{"a"', ": 1}"]
    assert last.message is not None
    assert last.message.content == '{"a": 1}'
