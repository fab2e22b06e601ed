"""`ChatMessage`: one message of a conversation with a chat model, and its role."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from pydantic import (
    BaseModel,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from ..naming.public import public
from .content import ContentBlock, TextBlock, blocks_of, sound_text, text_of
from .usage import TokenUsage  # noqa: TC001 (pydantic needs it, for a field)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ChatDelta", "ChatMessage", "MessageRole", "find_first_system_message"]


@public
class MessageRole(str, Enum):
    """Who says a message: the instructions, the user, the model, or a tool that it has called."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@public
class ChatMessage(BaseModel):
    """One message of a conversation.

    ``content`` is its text. A list in its place, of texts and of blocks, is kept in ``blocks``, and
    ``content`` is the text in it; `parts` gives all of a message in order.

    ``tool_calls`` are those that a model asks for: mappings with an ``id``, a ``type`` and a
    ``function`` that has a ``name`` and ``arguments``. ``extra_args`` holds everything
    else: values for a prompt, the ``external_id`` of the tool call that a result belongs to.

    Of a model's answer: ``reasoning`` is what it has thought, apart from the answer; ``usage`` are
    its tokens; ``raw`` is what its service wants back in the next turn, with the service's name.
    """

    role: MessageRole = MessageRole.USER
    content: str = ""
    tool_calls: list[dict[str, Any]] = Field(default_factory=list)
    extra_args: dict[str, Any] = Field(default_factory=dict)
    blocks: list[ContentBlock] = Field(default_factory=list)
    reasoning: str | None = None
    raw: dict[str, Any] | None = None
    usage: TokenUsage | None = None

    if TYPE_CHECKING:

        def __init__(  # noqa: PLR0917 (fields; given by name)
            self,
            role: MessageRole | str = ...,
            content: str | Sequence[str | ContentBlock | dict[str, Any]] = ...,
            tool_calls: list[dict[str, Any]] = ...,
            extra_args: dict[str, Any] = ...,
            blocks: list[ContentBlock] = ...,
            reasoning: str | None = ...,
            raw: dict[str, Any] | None = ...,
            usage: TokenUsage | None = ...,
        ) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        """Put a content that is a list into the blocks."""
        if isinstance(value, dict) and isinstance(value.get("content"), (list, tuple)):
            return {**value, "content": "", "blocks": blocks_of(list(value["content"]))}
        return value

    @field_validator("content", mode="after")
    @classmethod
    def _sound(cls, value: str) -> str:
        return sound_text(value)

    @model_validator(mode="after")
    def _with_text(self) -> ChatMessage:
        if self.blocks and not self.content:
            self.content = text_of(self.blocks)
        return self

    @property
    def parts(self) -> list[TextBlock | Any]:
        """All of the message in order: the text, and the blocks that are none."""
        blocks: list[Any] = list(self.blocks)
        if not self.content or any(isinstance(block, TextBlock) for block in blocks):
            return blocks
        return [TextBlock(text=self.content), *blocks]

    def with_text(self, change: Any) -> ChatMessage:
        """A copy whose texts are what ``change`` makes of them; it takes and returns a text."""
        blocks = [
            TextBlock(text=change(block.text)) if isinstance(block, TextBlock) else block
            for block in self.blocks
        ]
        return self.model_copy(update={"content": change(self.content), "blocks": blocks})

    def __str__(self) -> str:
        return f"{self.role.value}: {self.content}"

    @model_serializer(mode="wrap")
    def _without_empty(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out of dumps what `__getstate__` leaves out."""
        dumped: dict[str, Any] = serialize(self)
        return {name: value for name, value in dumped.items() if value or name not in _LATER_FIELDS}

    def __getstate__(self) -> dict[Any, Any]:
        """Leave out what is empty and was no field at first.

        So an ordinary message is pickled, and told from others, as older versions did.
        """
        state = super().__getstate__()
        fields = {
            name: value
            for name, value in state["__dict__"].items()
            if value or name not in _LATER_FIELDS
        }
        return {**state, "__dict__": fields}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        fields = state.get("__dict__") or {}
        if not fields.keys() >= _LATER_FIELDS:
            state = {**state, "__dict__": {**fields, **_later_fields(fields)}}
        super().__setstate__(state)


_LATER_FIELDS: Final = frozenset({"blocks", "reasoning", "raw", "usage"})
"""The fields that messages of older versions have not."""


def _later_fields(given: dict[str, Any]) -> dict[str, Any]:
    """Those of them that are not given, in the order of the class."""
    empty: dict[str, Any] = {"blocks": [], "reasoning": None, "raw": None, "usage": None}
    return {name: given.get(name, value) for name, value in empty.items()}


@public
class ChatDelta(BaseModel):
    """A piece of an answer that comes bit by bit.

    The last one has ``message``, the whole answer, and may have a text itself; ``message.content``
    is the sum of all texts.
    """

    text: str = ""
    reasoning: str = ""
    message: ChatMessage | None = None


def find_first_system_message(messages: Sequence[ChatMessage]) -> int:
    """The position of the first message with the role ``SYSTEM``; -1 if there is none."""
    for position, message in enumerate(messages):
        if message.role is MessageRole.SYSTEM:
            return position
    return -1
