"""Parts of a message that are more than one text: texts, images and documents, in order."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ..naming.public import public

__all__ = [
    "ContentBlock",
    "DocumentBlock",
    "ImageBlock",
    "TextBlock",
    "blocks_of",
    "sound_text",
    "text_of",
]

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+)*;base64,(.*)", re.DOTALL)


class _Block(BaseModel):
    """What all blocks have in common."""

    model_config = ConfigDict(extra="forbid")


@public
class TextBlock(_Block):
    """A part of a message that is text."""

    type: Literal["text"] = "text"
    text: str

    @field_validator("text", mode="after")
    @classmethod
    def _sound(cls, value: str) -> str:
        return sound_text(value)


class _Media(_Block):
    """A part of a message that is no text: its content in base64, or where it is."""

    data: str | None = None
    url: str | None = None
    media_type: str = ""

    @field_validator("data", mode="before")
    @classmethod
    def _encoded(cls, value: Any) -> Any:
        return base64.b64encode(value).decode() if isinstance(value, (bytes, bytearray)) else value

    @model_validator(mode="before")
    @classmethod
    def _without_data_url(cls, value: Any) -> Any:
        """Take the content out of a ``data:`` URL."""
        url = value.get("url") if isinstance(value, dict) else None
        found = _DATA_URL.fullmatch(url) if isinstance(url, str) else None
        if found is None:
            return value
        given = {name: item for name, item in value.items() if name != "url"}
        return {"media_type": found.group(1) or "", **given, "data": found.group(2)}


@public
class ImageBlock(_Media):
    """An image: ``data`` (bytes, or their base64) or ``url``, and its ``media_type``.

    The media type of ``data`` is PNG unless it is given.
    """

    type: Literal["image"] = "image"

    if TYPE_CHECKING:

        def __init__(self, *, data: str | bytes | None = None, **fields: Any) -> None: ...

    @model_validator(mode="after")
    def _complete(self) -> ImageBlock:
        if (self.data is None) == (self.url is None):
            raise ValueError("an ImageBlock has either data or a url")
        if self.data is not None and not self.media_type:
            self.media_type = "image/png"
        return self


@public
class DocumentBlock(_Media):
    """A document: ``data`` (bytes, or their base64), ``url`` or ``text``, with a ``name``.

    The media type of ``data`` is PDF unless it is given.
    """

    type: Literal["document"] = "document"
    text: str | None = None
    name: str = ""

    if TYPE_CHECKING:

        def __init__(self, *, data: str | bytes | None = None, **fields: Any) -> None: ...

    @model_validator(mode="after")
    def _complete(self) -> DocumentBlock:
        if [self.data, self.url, self.text].count(None) != 2:
            raise ValueError("a DocumentBlock has one of data, url and text")
        if not self.media_type and self.url is None:
            self.media_type = "application/pdf" if self.text is None else "text/plain"
        return self


ContentBlock = Annotated[TextBlock | ImageBlock | DocumentBlock, Field(discriminator="type")]
"""One part of a message."""


def blocks_of(parts: list[Any]) -> list[Any]:
    """The blocks, or what describes them, of a content that was given as a list."""
    return [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]


def sound_text(text: str) -> str:
    """A text as UTF-8 can hold it: U+FFFD stands for each half of a pair of surrogates.

    Names of files have such halves, and answers of models that were cut. No service takes them.
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def text_of(blocks: list[Any]) -> str:
    """The texts among blocks, a line or more for each."""
    return "\n".join(block.text for block in blocks if isinstance(block, TextBlock))
