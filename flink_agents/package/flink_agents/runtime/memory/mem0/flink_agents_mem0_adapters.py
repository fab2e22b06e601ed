"""As `flink_agents.runtime.memory.mem0.flink_agents_mem0_adapters` of Flink Agents.

With this module imported, a configuration of Mem0 may name the provider ``flink_agents`` for its
model, its embeddings and its store, and give those of an agent.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple

os.environ.setdefault("MEM0_TELEMETRY", "False")  # read by the imports below

from mem0.configs.llms.base import BaseLlmConfig
from mem0.embeddings.base import EmbeddingBase
from mem0.llms.base import LLMBase
from mem0.utils.factory import EmbedderFactory, LlmFactory, VectorStoreFactory
from mem0.vector_stores.base import VectorStoreBase

from tamias import ChatMessage, MessageRole

from ....api.vector_stores.vector_store import Document

__all__ = [
    "PROVIDER",
    "FlinkAgentsEmbedding",
    "FlinkAgentsLLM",
    "FlinkAgentsLlmConfig",
    "FlinkAgentsMem0VectorStore",
    "FlinkAgentsProviderConfig",
]

PROVIDER: Final = "flink_agents"
_CONTENT: Final = "data"
"""Where Mem0 has the text, among a document's metadata."""


class FlinkAgentsEmbedding(EmbeddingBase):  # type: ignore[misc]  # Mem0 has no types
    """An embedding model of an agent, for Mem0: the configuration has it as its model."""

    def embed(self, text: str, memory_action: str | None = None) -> Any:  # noqa: ARG002 (Mem0's)
        """The vector of a text."""
        return self.config.model.embed(text)


class FlinkAgentsLlmConfig(BaseLlmConfig):  # type: ignore[misc]  # as above
    """Mem0's configuration of a model, with a queue that the tokens of its answers go to."""

    def __init__(self, metric_records: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.metric_records = metric_records


class FlinkAgentsLLM(LLMBase):  # type: ignore[misc]  # as above
    """A chat model of an agent, for Mem0: the configuration has it as its model."""

    def generate_response(
        self,
        messages: Sequence[Mapping[str, str]],
        tools: Any = None,  # noqa: ARG002 (Mem0 gives none)
        tool_choice: str = "auto",  # noqa: ARG002 (as above)
        **kwargs: Any,  # noqa: ARG002 (the model's own parameters hold)
    ) -> str:
        """The text of the model's answer."""
        asked = [
            ChatMessage(role=MessageRole(each["role"]), content=each["content"])
            for each in messages
        ]
        answer: ChatMessage = self.config.model.chat(messages=asked)
        records = getattr(self.config, "metric_records", None)
        if records is not None and answer.extra_args:
            records.put(answer.extra_args)
        return answer.content


class Found(NamedTuple):
    """A document as Mem0 takes it."""

    id: str | None
    score: float | None
    payload: dict[str, Any] | None


class FlinkAgentsMem0VectorStore(VectorStoreBase):  # type: ignore[misc]  # as above
    """A vector store of an agent, for Mem0, which gives it vectors that it has made itself."""

    DEFAULT_COLLECTION: ClassVar[str] = "flink_agents_mem0_ltm"

    def __init__(self, vector_store: Any, **_: Any) -> None:
        self._store = vector_store
        self._collection = vector_store.collection or self.DEFAULT_COLLECTION
        self._store.create_collection_if_not_exists(self._collection)

    # -- collections

    def create_col(self, name: str, vector_size: Any = None, distance: Any = None) -> None:
        """Use another collection, which is created if there is none."""
        self._collection = name
        given = {"vector_size": vector_size, "distance": distance}
        self._store.create_collection_if_not_exists(name, **given)

    def list_cols(self) -> list[str]:
        """The collection that is used."""
        return [self._collection]

    def col_info(self) -> dict[str, Any]:
        """Its name."""
        return {"name": self._collection}

    def delete_col(self) -> None:
        """Delete the collection that is used."""
        self._store.delete_collection(self._collection)

    def reset(self) -> None:
        """Make it empty."""
        self.delete_col()
        self._store.create_collection_if_not_exists(self._collection)

    # -- documents

    def insert(
        self,
        vectors: Sequence[list[float]],
        payloads: Sequence[dict[str, Any]] | None = None,
        ids: Sequence[str] | None = None,
    ) -> None:
        """Keep vectors with what is known of them."""
        some_ids = ids or [str(uuid.uuid4()) for _ in vectors]
        some_payloads = payloads or [{} for _ in vectors]
        documents = [
            _document(*each) for each in zip(some_ids, vectors, some_payloads, strict=True)
        ]
        self._store._add_embedding(  # noqa: SLF001 (what takes vectors)
            documents=documents, collection_name=self._collection, **self._store.store_kwargs
        )

    def search(
        self,
        query: str,  # noqa: ARG002 (Mem0 has made its vector)
        vectors: Any,
        limit: int = 5,
        filters: dict[str, Any] | None = None,
    ) -> list[Found]:
        """The documents that are nearest to a vector."""
        is_nested = bool(vectors) and isinstance(vectors[0], list)
        found = self._store._query_embedding(  # noqa: SLF001 (what takes vectors)
            embedding=vectors[0] if is_nested else vectors,
            limit=limit,
            collection_name=self._collection,
            filters=filters,
            **self._store.store_kwargs,
        )
        return [_found(each) for each in found]

    def update(
        self,
        vector_id: str,
        vector: list[float] | None = None,
        payload: dict[str, Any] | None = None,
    ) -> None:
        """Change a document. Raises ValueError if there is none with this id."""
        if vector is None or payload is None:
            known = self._store.get(ids=[vector_id], collection_name=self._collection)
            if not known:
                msg = f"There is no document {vector_id!r} in {self._collection!r}."
                raise ValueError(msg)
            vector = known[0].embedding if vector is None else vector
            payload = _payload(known[0]) if payload is None else payload
        self._store._update_embedding(  # noqa: SLF001 (what takes vectors)
            documents=[_document(vector_id, vector, payload)],
            collection_name=self._collection,
            **self._store.store_kwargs,
        )

    def delete(self, vector_id: str) -> None:
        """Delete a document."""
        self._store.delete(ids=[vector_id], collection_name=self._collection)

    def get(self, vector_id: str) -> Found:
        """The document with this id; an empty one if there is none."""
        known = self._store.get(ids=[vector_id], collection_name=self._collection)
        return _found(known[0]) if known else Found(None, None, None)

    def list(
        self, filters: dict[str, Any] | None = None, limit: int | None = None
    ) -> list[list[Found]]:
        """The documents with these metadata, in a list of its own as Mem0 has it."""
        known = self._store.get(collection_name=self._collection, filters=filters, limit=limit)
        return [[_found(each) for each in known]]


class FlinkAgentsProviderConfig:
    """Where a vector store of an agent is, as Mem0 asks for it."""

    def __init__(self, vector_store: Any, **_: Any) -> None:
        self.vector_store = vector_store

    @property
    def collection_name(self) -> str:
        """The collection that is used."""
        name: str | None = self.vector_store.collection
        return name or FlinkAgentsMem0VectorStore.DEFAULT_COLLECTION

    def model_dump(self) -> dict[str, Any]:
        """The arguments of `FlinkAgentsMem0VectorStore`."""
        return {"vector_store": self.vector_store}


def _document(id_: str, vector: list[float] | None, payload: dict[str, Any]) -> Document:
    return Document(id=id_, content=payload.get(_CONTENT) or "", metadata=payload, embedding=vector)


def _payload(document: Document) -> dict[str, Any]:
    return {_CONTENT: document.content, **document.metadata}


def _found(document: Document) -> Found:
    return Found(document.id, document.score, _payload(document))


for _factory, _class in (
    (EmbedderFactory, FlinkAgentsEmbedding),
    (VectorStoreFactory, FlinkAgentsMem0VectorStore),
):
    _factory.provider_to_class[PROVIDER] = f"{__name__}.{_class.__name__}"
LlmFactory.register_provider(PROVIDER, f"{__name__}.FlinkAgentsLLM", FlinkAgentsLlmConfig)
