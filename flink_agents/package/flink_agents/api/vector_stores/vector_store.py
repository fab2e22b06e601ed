"""As `flink_agents.api.vector_stores.vector_store` of Flink Agents.

A class of a program has the methods of its version: those of the other one are made of them.
"""

from __future__ import annotations

from abc import ABC
from typing import Any

from pydantic import Field

import tamias
from tamias import (
    Collection,
    Document,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

__all__ = [
    "BaseVectorStore",
    "Collection",
    "CollectionManageableVectorStore",
    "Document",
    "VectorStoreQuery",
    "VectorStoreQueryMode",
    "VectorStoreQueryResult",
]

Vectors = list[float] | list[list[float]]


class NoEmbeddingModelError(tamias.AgentDefinitionError, TypeError):
    """A store has to embed a text, and was given no embedding model."""


class BaseVectorStore(tamias.BaseVectorStore, ABC):
    """A vector store whose embedding model is asked for one text at a time, if it knows no more."""

    embedding_model: str | None = Field(  # type: ignore[assignment]  # it may be left out here
        default=None, description="Name of the embedding model."
    )
    collection: str | None = Field(default=None, description="The one that is used by default.")

    def size(self, collection_name: str | None = None) -> int:
        """The number of documents."""
        return len(self.get(collection_name=collection_name, limit=None))

    def _embedding_model(self) -> tamias.BaseEmbeddingModelSetup:
        if self.embedding_model is None:
            msg = "No embedding model configured: the vector store cannot embed a text."
            hint = "Give it embedding_model=..., or give the documents embeddings."
            raise NoEmbeddingModelError(msg, hint=hint)
        return super()._embedding_model()

    def _embedded(self, texts: list[str]) -> Vectors:
        model = self._embedding_model()
        if _takes_many(model):
            return model.embed(texts)
        return [_one(model.embed(text)) for text in texts]

    async def _aembedded(self, texts: list[str]) -> Vectors:
        model = self._embedding_model()
        if _takes_many(model):
            return await model.aembed(texts)
        return [_one(await model.aembed(text)) for text in texts]


def _takes_many(model: object) -> bool:
    """Whether a model takes a list of texts: one whose `embed` a program has written may not."""
    return isinstance(model, tamias.BaseEmbeddingModelSetup) and not hasattr(
        type(model).embed, "overridden"
    )


def _one(vector: Any) -> list[float]:
    return [float(number) for number in vector]


class CollectionManageableVectorStore(BaseVectorStore, tamias.CollectionManageableVectorStore, ABC):
    """A vector store that has collections."""

    def create_collection_if_not_exists(self, name: str, **kwargs: Any) -> None:
        """Create a collection, unless there is one of that name; since 0.3."""
        self._check_overridden("get_or_create_collection")
        self.get_or_create_collection(name, kwargs.get("metadata"))

    def get_or_create_collection(
        self, name: str, metadata: dict[str, Any] | None = None
    ) -> Collection:
        """The collection of that name, created if there is none; of 0.2."""
        self._check_overridden("create_collection_if_not_exists")
        self.create_collection_if_not_exists(name, metadata=metadata)
        return Collection(name=name, metadata=metadata)

    def get_collection(self, name: str) -> Collection:
        """The collection of that name; of 0.2."""
        self.get(collection_name=name, limit=1)
        return Collection(name=name)

    def _check_overridden(self, method: str) -> None:
        if getattr(type(self), method) is getattr(CollectionManageableVectorStore, method):
            msg = f"{type(self).__name__} cannot create a collection."
            hint = "Write create_collection_if_not_exists (0.3), or get_or_create_collection (0.2)."
            raise tamias.AgentDefinitionError(msg, hint=hint)
