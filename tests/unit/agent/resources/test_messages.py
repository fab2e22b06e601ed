"""Messages: texts and blocks, and how they are stored."""

from __future__ import annotations

import base64
import pickle
from typing import Any

import pytest
from pydantic import ValidationError

from tamias import (
    ChatMessage,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    Prompt,
    TextBlock,
    TokenUsage,
    find_first_system_message,
)


def test_a_list_as_content_is_kept_as_blocks_and_its_text_is_the_content() -> None:
    image = ImageBlock(data=b"abc")
    message = ChatMessage(content=["one", image, {"type": "text", "text": "two"}])
    assert message.content == "one\ntwo"
    assert message.parts == [TextBlock(text="one"), image, TextBlock(text="two")]
    assert image.data is not None
    assert (base64.b64decode(image.data), image.media_type) == (b"abc", "image/png")


def test_a_text_and_blocks_are_parts_in_that_order() -> None:
    message = ChatMessage(content="look", blocks=[ImageBlock(url="https://x/y.png")])
    assert message.parts == [TextBlock(text="look"), ImageBlock(url="https://x/y.png")]
    assert ChatMessage(content="x").parts == [TextBlock(text="x")]
    assert ChatMessage().parts == []


def test_a_data_url_is_content() -> None:
    image = ImageBlock(url="data:image/jpeg;base64,QUJD")
    assert (image.data, image.media_type, image.url) == ("QUJD", "image/jpeg", None)


@pytest.mark.parametrize(
    "wrong", [{"type": "image"}, {"type": "document", "text": "x", "url": "y"}, {"type": "sound"}]
)
def test_a_block_is_one_thing(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ChatMessage(content=[wrong])


def test_messages_go_through_json_and_pickles() -> None:
    message = ChatMessage(
        role=MessageRole.ASSISTANT,
        content=["x", DocumentBlock(text="y", name="z")],
        reasoning="hm",
        raw={"provider": "p", "blocks": []},
        usage=TokenUsage(prompt_tokens=3),
    )
    assert ChatMessage.model_validate_json(message.model_dump_json()) == message
    assert pickle.loads(pickle.dumps(message)) == message


def test_a_message_of_an_older_version_is_read_and_is_equal_to_a_new_one() -> None:
    old = (
        b"\x80\x04\x95\xcf\x00\x00\x00\x00\x00\x00\x00\x8c\x06tamias\x94\x8c\x0bChatMessage\x94\x93"
        b"\x94)\x81\x94}\x94(\x8c\x08__dict__\x94}\x94(\x8c\x04role\x94h\x00\x8c\x0bMessageRole\x94"
        b"\x93\x94\x8c\x04user\x94\x85\x94R\x94\x8c\x07content\x94\x8c\x01x\x94\x8c\ntool_calls\x94]"
        b"\x94\x8c\nextra_args\x94}\x94u\x8c\x12__pydantic_extra__\x94N\x8c\x17__pydantic_fields_set"
        b"__\x94\x8f\x94(h\r\x90\x8c\x14__pydantic_private__\x94Nub."
    )
    message = pickle.loads(old)
    assert message == ChatMessage(content="x")
    assert (message.blocks, message.reasoning) == ([], None)
    assert pickle.dumps(ChatMessage(content="x")) == old


def test_a_prompt_fills_the_texts_of_blocks() -> None:
    image = ImageBlock(url="https://x/y.png")
    prompt = Prompt.from_messages([ChatMessage(content=["see {what}", image])])
    assert prompt.format_messages(what="this")[0].parts == [TextBlock(text="see this"), image]


def test_the_first_system_message_is_found_by_its_position() -> None:
    messages = [ChatMessage(content="x"), ChatMessage(role=MessageRole.SYSTEM, content="y")]
    assert find_first_system_message(messages) == 1
    assert find_first_system_message(messages[:1]) == -1
