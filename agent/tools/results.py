"""What a model is told of a tool's result: text, and blocks that are none; bounded."""

from __future__ import annotations

import pickle
import re
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import to_json

from ..failures.error_text import one_line
from ..naming.public import public
from ..resources.chat_message import ChatMessage, MessageRole
from ..resources.content import DocumentBlock, ImageBlock, TextBlock

__all__ = ["ToolResult", "ToolResults", "bounded", "error_text", "recordable", "result_of"]

_MODULE: Final = re.compile(r"^(\w+\.)+(?=\w+(:|$))")
_LONGEST_ERROR: Final = 1000
_BLOCKS: Final = (TextBlock, ImageBlock, DocumentBlock)
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


@public
@dataclass(frozen=True)
class ToolResult:
    """What has come of one call of a tool.

    Attributes:
        id: that of the call.
        name: that of the tool.
        content: the text for the model: the result, or what went wrong.
        value: what the tool has returned; None if it has failed.
        error: what went wrong; None if nothing did.
        blocks: images and other parts of the result that are no text, for the model.
        external_id: the service's own id of the call.
    """

    id: str
    name: str
    content: str
    value: Any = None
    error: str | None = None
    blocks: list[Any] = field(default_factory=list)
    external_id: str | None = None

    @property
    def success(self) -> bool:
        """Whether the tool has done its work."""
        return self.error is None

    def message(self) -> ChatMessage:
        """The message that tells the model."""
        extra = {"external_id": self.external_id if self.external_id is not None else self.id}
        if self.blocks:
            parts = [TextBlock(text=self.content)] if self.content else []
            return ChatMessage(
                role=MessageRole.TOOL, content=[*parts, *self.blocks], extra_args=extra
            )
        return ChatMessage(role=MessageRole.TOOL, content=self.content, extra_args=extra)


@public
@dataclass(frozen=True)
class ToolResults:
    """What has come of the calls of one turn, in their order."""

    results: list[ToolResult]

    def messages(self) -> list[ChatMessage]:
        """The messages that tell the model, one per call."""
        return [result.message() for result in self.results]

    @property
    def responses(self) -> dict[str, Any]:
        """By the id of the call, what the tool has returned, or the text of its error."""
        return {
            each.id: each.value if each.error is None else each.content for each in self.results
        }

    @property
    def success(self) -> dict[str, bool]:
        """By the id of the call, whether the tool has done its work."""
        return {each.id: each.success for each in self.results}

    @property
    def error(self) -> dict[str, str]:
        """By the id of the call, what went wrong; only of calls of which something did."""
        return {each.id: each.error for each in self.results if each.error is not None}

    @property
    def external_ids(self) -> dict[str, str | None]:
        """By the id of the call, the service's own id of it."""
        return {each.id: each.external_id for each in self.results}


def result_of(value: Any) -> tuple[str, list[Any]]:
    """Return a result as a text, and as blocks that are no text."""
    if isinstance(value, str):
        return value, []
    if isinstance(value, ChatMessage):
        return value.content, [part for part in value.parts if not isinstance(part, TextBlock)]
    if isinstance(value, _BLOCKS):
        value = [value]
    if isinstance(value, (list, tuple)) and any(isinstance(item, _BLOCKS) for item in value):
        texts = [item.text for item in value if isinstance(item, TextBlock)]
        media = [item for item in value if isinstance(item, (ImageBlock, DocumentBlock))]
        texts += [result_of(item)[0] for item in value if not isinstance(item, _BLOCKS)]
        return "\n".join(texts), media
    if type(value) in _PLAIN:
        return _str(value), []
    if isinstance(value, (dict, list, tuple, set, frozenset, BaseModel)) or hasattr(
        value, "__dataclass_fields__"
    ):
        try:
            return to_json(value, fallback=str, inf_nan_mode="constants").decode(), []
        except Exception:  # noqa: BLE001 (a value's own code may raise anything)
            return _str(value), []
    return _str(value), []


def _str(value: object) -> str:
    """The text of a value; of one that has none, as an integer of many digits, what it is."""
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 (a value's own code may raise anything)
        return f"<{type(value).__name__} without a text: {one_line(error)}>"


def recordable(value: Any) -> Any:
    """Return a result as it can be put on record: itself, or, if it cannot be pickled, its text."""
    if type(value) in _PLAIN or isinstance(value, (BaseModel, bytes)):
        return value
    try:
        pickle.loads(pickle.dumps(value))
    except Exception:  # noqa: BLE001 (a value's own code may raise anything)
        return result_of(value)[0]
    return value


def bounded(text: str, longest: int) -> str:
    """Return a text without its middle, if it is too long; a mark says what was left out."""
    if len(text) <= longest:
        return text
    mark = "\n[... {} characters of {} left out ...]\n"
    room = max(0, longest - len(mark.format(len(text), len(text))))
    head = room - room // 4
    tail = room - head
    left_out = len(text) - head - tail
    return text[:head] + mark.format(left_out, len(text)) + text[len(text) - tail :]


def error_text(name: str, error: BaseException) -> str:
    """Return what a model is told of a tool's exception."""
    text = _MODULE.sub("", one_line(error))  # the model needs no module
    return f"Tool `{name}` execute failed: {bounded(text, _LONGEST_ERROR)}"
