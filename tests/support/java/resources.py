"""Resources for tests of Java: Python's, which Java calls, and Java's, which Python calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from tamias import (
    BaseChatModelConnection,
    BaseChatModelSetup,
    BaseEmbeddingModelConnection,
    BaseEmbeddingModelSetup,
    ChatMessage,
    Collection,
    CollectionManageableVectorStore,
    Document,
    JavaChatModelConnection,
    MessageRole,
    Prompt,
    ResourceDescriptor,
    ResourceType,
    Tool,
)


def echo(**more: Any) -> ResourceDescriptor:
    """Java's connection that does as it is told: see `java/trials/Echo.java`."""
    return ResourceDescriptor(clazz=JavaChatModelConnection, java_clazz="trials.Echo", **more)


def said(text: str) -> list[ChatMessage]:
    """A conversation of one message."""
    return [ChatMessage(content=text)]


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def refuse(a: int, b: int) -> int:
    """Raise, whatever is given."""
    raise LookupError(f"no sum of {a} and {b}")


class PythonConnection(BaseChatModelConnection):
    """Says what it was given."""

    def chat(
        self, messages: Sequence[ChatMessage], tools: list[Tool] | None = None, **kwargs: Any
    ) -> ChatMessage:
        extra = {
            "kwargs": kwargs,
            "tools": [(tool.name, tool.parameters) for tool in tools or ()],
            "results": [tool.call(a=1, b=2) for tool in tools or ()],
        }
        text = " | ".join(map(str, messages))
        return ChatMessage(role=MessageRole.ASSISTANT, content=text, extra_args=extra)


class PythonSetup(BaseChatModelSetup):
    """A plain setup."""

    @property
    def model_kwargs(self) -> dict[str, Any]:
        return {"model": "python"}


class PythonVectors(BaseEmbeddingModelConnection):
    """Embeds a text as its length and its number of words."""

    def embed(self, text: str | Sequence[str], **kwargs: Any) -> list[float] | list[list[float]]:
        if isinstance(text, str):
            return [float(len(text)), float(len(text.split()))]
        return [[float(len(each)), float(len(each.split()))] for each in text]


class PythonVectorsSetup(BaseEmbeddingModelSetup):
    """A plain setup."""

    @property
    def model_kwargs(self) -> dict[str, Any]:
        return {"model": self.model}


class PythonShelf(CollectionManageableVectorStore):
    """A vector store in memory."""

    kept: dict[str | None, dict[str, Document]] = Field(default_factory=dict)
    named: dict[str, Collection] = Field(default_factory=dict)

    @property
    def store_kwargs(self) -> dict[str, Any]:
        return {}

    def _of(self, name: str | None) -> dict[str, Document]:
        return self.kept.setdefault(name, {})

    def size(self, collection_name: str | None = None) -> int:
        return len(self._of(collection_name))

    def get(
        self, ids: str | list[str] | None = None, collection_name: str | None = None, **kwargs: Any
    ) -> list[Document]:
        wanted = [ids] if isinstance(ids, str) else ids
        everything = self._of(collection_name).values()
        return [each for each in everything if wanted is None or each.id in wanted]

    def delete(
        self, ids: str | list[str] | None = None, collection_name: str | None = None, **kwargs: Any
    ) -> None:
        for each in self.get(ids, collection_name):
            del self._of(collection_name)[each.id or ""]

    def _query_embedding(
        self,
        embedding: list[float],
        limit: int = 10,
        collection_name: str | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        def distance(document: Document) -> float:
            pairs = zip(document.embedding or (), embedding, strict=True)
            return sum((one - other) ** 2 for one, other in pairs)

        return sorted(self._of(collection_name).values(), key=distance)[:limit]

    def _add_embedding(
        self, *, documents: Sequence[Document], collection_name: str | None = None, **kwargs: Any
    ) -> list[str]:
        self._of(collection_name).update({each.id or "": each for each in documents})
        return [each.id or "" for each in documents]

    def get_or_create_collection(
        self, name: str, metadata: dict[str, Any] | None = None
    ) -> Collection:
        return self.named.setdefault(name, Collection(name=name, metadata=metadata))

    def get_collection(self, name: str) -> Collection:
        return self.named[name]

    def delete_collection(self, name: str) -> Collection:
        return self.named.pop(name)


class LoudPrompt(Prompt):
    """A prompt that is more than a template."""

    def format_string(self, **values: object) -> str:
        return f"HEY {values['name']}"

    def format_messages(
        self, role: MessageRole = MessageRole.SYSTEM, **values: object
    ) -> list[ChatMessage]:
        return [ChatMessage(role=role, content=self.format_string(**values))]


PYTHON: dict[ResourceType, dict[str, Any]] = {
    ResourceType.CHAT_MODEL_CONNECTION: {
        "here": ResourceDescriptor(clazz=PythonConnection),
        "echo": echo(greeting={"a": [1, 2.5, None]}),
    },
    ResourceType.CHAT_MODEL: {
        "python over java": ResourceDescriptor(clazz=PythonSetup, connection="echo"),
    },
    ResourceType.EMBEDDING_MODEL_CONNECTION: {"here": ResourceDescriptor(clazz=PythonVectors)},
    ResourceType.EMBEDDING_MODEL: {
        "here": ResourceDescriptor(clazz=PythonVectorsSetup, connection="here", model="m"),
    },
    ResourceType.VECTOR_STORE: {
        "here": ResourceDescriptor(clazz=PythonShelf, embedding_model="here"),
    },
    ResourceType.TOOL: {"add": add, "refuse": refuse},
    ResourceType.PROMPT: {
        "text": Prompt.from_text("You are {name}. {unknown}"),
        "loud": LoudPrompt(),
    },
}
"""Resources of Python's, of every type."""
