"""The values of the API as JSON trees, and back: Python's side of `Convert.java`.

| value | tree |
|---|---|
| chat message | ``{"role", "content", "tool_calls", "extra_args"}`` |
| document | ``{"content", "metadata", "id", "embedding"}`` |
| query | ``{"mode", "query_text", "limit", "collection_name", "extra_args"}`` |
| result of a query | ``{"documents": [...]}`` |
| collection | ``{"name", "metadata"}`` |
| tool | ``{"name", "description", "schema"}``, the latter a JSON schema |
| local prompt | ``{"template": text or messages}`` |

Everything else (``extra_args``, ``metadata``, keyword arguments) must be of types that JSON knows.
Texts, integers of any size and floats, NaN and infinities included, arrive unchanged. Tuples
become lists; keys of mappings, and UUIDs, become texts. Embeddings are 32-bit floats in Java, so
numbers in them are rounded to these.
"""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import BaseModel

from ...agent.errors import UnserializableError
from ...agent.models.vector_store import (
    Collection,
    Document,
    VectorStoreQuery,
    VectorStoreQueryResult,
)
from ...agent.resources.chat_message import ChatMessage
from ...agent.resources.prompt import LocalPrompt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...agent.tools.tool import Tool


# ------------------------------------------------------------------ trees and text


def to_text(tree: Any) -> str:
    """The JSON of a tree, in ASCII; it may contain values of the API.

    Raises:
        UnserializableError: it has a value of another type.
    """
    try:
        return json.dumps(tree, default=to_tree)
    except (TypeError, ValueError, RecursionError) as error:
        raise UnserializableError(
            f"This cannot go to Java: {error}.",
            hint="Use texts, numbers, booleans, None, lists and dictionaries.",
        ) from None


def from_text(text: str) -> Any:
    """The tree of a JSON text."""
    return json.loads(text)


def to_tree(value: Any) -> Any:
    """The tree of a value that JSON does not know.

    Raises:
        TypeError: it is not a value of the API.
    """
    if isinstance(value, LocalPrompt):
        return {"template": value.template}
    if isinstance(value, BaseModel):
        # Not by `model_dump`, which would also convert the values in fields of type Any.
        return {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"a value of type {type(value).__name__} is not what JSON knows")


# ------------------------------------------------------------------ values


def message(tree: dict[str, Any]) -> ChatMessage:
    """A chat message, of which Java may leave parts empty."""
    return ChatMessage(
        role=tree["role"],
        content=tree["content"] or "",
        tool_calls=tree["tool_calls"] or [],
        extra_args=tree["extra_args"] or {},
    )


def messages(tree: Sequence[dict[str, Any]]) -> list[ChatMessage]:
    """Several chat messages."""
    return [message(each) for each in tree]


def documents(tree: Sequence[dict[str, Any]]) -> list[Document]:
    """Documents."""
    return [
        Document(
            content=each["content"] or "",
            metadata=each["metadata"] or {},
            id=each["id"],
            embedding=each["embedding"],
        )
        for each in tree
    ]


def query(tree: dict[str, Any]) -> VectorStoreQuery:
    """A query."""
    return VectorStoreQuery(**{**tree, "extra_args": tree["extra_args"] or {}})


def result(tree: dict[str, Any]) -> VectorStoreQueryResult:
    """The result of a query."""
    return VectorStoreQueryResult(documents=documents(tree["documents"]))


def collection(tree: dict[str, Any]) -> Collection:
    """A collection."""
    return Collection(**tree)


def prompt(tree: dict[str, Any]) -> LocalPrompt:
    """A local prompt."""
    template = tree["template"]
    return LocalPrompt(template=template if isinstance(template, str) else messages(template))


def tool_tree(tool: Tool) -> dict[str, Any]:
    """The description of a tool for a model."""
    return {"name": tool.name, "description": tool.description, "schema": tool.parameters}
