"""As `flink_agents.integrations.vector_stores.mem0.mem0_vector_store` of Flink Agents."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from threading import RLock
from typing import Any, Final

from pydantic import Field, PrivateAttr

import tamias

from ....api.vector_stores.vector_store import CollectionManageableVectorStore, Document

__all__ = ["Mem0VectorStore"]

_CONTENT: Final = "data"
"""Where Mem0 has the text, among a document's metadata."""


class NoCollectionError(tamias.UsageError, ValueError):
    """A collection that is read does not exist."""


class Mem0VectorStore(CollectionManageableVectorStore):
    """A vector store that Mem0 has a client of, as pgvector, Qdrant and Redis.

    Mem0 has one object for each collection. What only reads never creates a collection.
    """

    provider: str = Field(description="Mem0's name of the store, as 'qdrant'.")
    provider_config: dict[str, Any] = Field(default_factory=dict, repr=False)
    collection: str = Field(default="flink_agents_mem0_vs", description="By default.")

    _stores: dict[str, Any] = PrivateAttr(default_factory=dict)
    _lock: Any = PrivateAttr(default_factory=RLock)

    @classmethod
    def preload(cls, arguments: Mapping[str, Any]) -> None:
        """Check the arguments, and that Mem0 is there."""
        cls(**arguments)
        _factory()

    @property
    def store_kwargs(self) -> dict[str, Any]:
        """None: the arguments of a call are its own."""
        return {}

    # -- collections

    def create_collection_if_not_exists(self, name: str, **kwargs: Any) -> None:  # noqa: ARG002 (of other stores)
        """Create a collection, unless there is one of that name."""
        self._created(name)

    def delete_collection(self, name: str) -> None:  # type: ignore[override]  # since 0.3 it is None
        """Delete the collection of that name, with its documents."""
        self._existing(name).delete_col()
        with self._lock:
            self._stores.pop(name, None)

    def _created(self, name: str | None) -> Any:
        """Mem0's object for a collection, which it creates if there is none."""
        wanted = name or self.collection
        with self._lock:
            if wanted not in self._stores:
                config = {**self.provider_config, "collection_name": wanted}
                self._stores[wanted] = _factory().create(self.provider, config)
            return self._stores[wanted]

    def _existing(self, name: str | None) -> Any:
        wanted = name or self.collection
        with self._lock:
            # One that an earlier process has created is not among the objects of this one.
            if wanted not in self._stores and wanted not in self._names():
                raise NoCollectionError(
                    f"The vector store has no collection {wanted!r}.",
                    hint="Add a document to it, or call create_collection_if_not_exists first.",
                )
            return self._created(wanted)

    def _names(self) -> set[str]:
        """The names of all collections, as far as the store says them."""
        found = self._created(None).list_cols()
        return {str(getattr(each, "name", each)) for each in getattr(found, "collections", found)}

    # -- documents

    def get(
        self,
        ids: str | list[str] | None = None,
        collection_name: str | None = None,
        filters: dict[str, Any] | None = None,
        limit: int | None = 100,
        **kwargs: Any,  # noqa: ARG002 (of other stores)
    ) -> list[Document]:
        """The documents with these ids, or the first ones with these metadata."""
        store = self._existing(collection_name)
        if ids is None:
            return [_document(each) for each in _flat(store.list(filters=filters, limit=limit))]
        found = (store.get(vector_id=each) for each in _several(ids))
        return [_document(each) for each in found if getattr(each, "id", None) is not None]

    def delete(
        self,
        ids: str | list[str] | None = None,
        collection_name: str | None = None,
        filters: dict[str, Any] | None = None,
        **kwargs: Any,  # noqa: ARG002 (of other stores)
    ) -> None:
        """Delete the documents with these ids, or those with these metadata, or all."""
        store = self._existing(collection_name)
        if ids is None:
            ids = [each.id for each in _flat(store.list(filters=filters, limit=None))]
        for each in _several(ids):
            store.delete(vector_id=each)

    def _query_embedding(
        self,
        embedding: list[float],
        limit: int = 10,
        collection_name: str | None = None,
        filters: dict[str, Any] | None = None,
        **kwargs: Any,  # noqa: ARG002 (of other stores)
    ) -> list[Document]:
        store = self._existing(collection_name)
        found = store.search(query="", vectors=[embedding], limit=limit, filters=filters)
        return [_document(each) for each in found]

    def _add_embedding(
        self,
        *,
        documents: Sequence[Document],
        collection_name: str | None = None,
        **kwargs: Any,  # noqa: ARG002 (of other stores)
    ) -> list[str]:
        ids = [document.id or _derived_id(document) for document in documents]
        self._created(collection_name).insert(
            vectors=[document.embedding for document in documents],
            payloads=[_payload(document) for document in documents],
            ids=ids,
        )
        return ids

    def _update_embedding(
        self,
        *,
        documents: Sequence[Document],
        collection_name: str | None = None,
        **kwargs: Any,  # noqa: ARG002 (of other stores)
    ) -> None:
        store = self._existing(collection_name)
        for each in documents:
            store.update(vector_id=each.id, vector=each.embedding, payload=_payload(each))


def _factory() -> Any:
    """What makes Mem0's objects. Raises `MissingExtraError` without Mem0."""
    try:
        return import_module("mem0.utils.factory").VectorStoreFactory
    except ImportError as error:
        msg = f"Mem0VectorStore needs Mem0: {error}."
        raise tamias.MissingExtraError(msg, hint="Install it with: pip install mem0ai") from None


def _payload(document: Document) -> dict[str, Any]:
    return {**document.metadata, _CONTENT: document.content}


def _document(found: Any) -> Document:
    """Return a find of Mem0 as a document."""
    payload = dict(getattr(found, "payload", None) or {})
    content = payload.pop(_CONTENT, None) or ""
    score = getattr(found, "score", None)
    return Document(id=found.id, content=content, metadata=payload, score=score)


def _flat(listed: Any) -> Iterable[Any]:
    """All that a store lists: some have it in a list of its own."""
    found = list(listed or ())
    return found[0] if found and isinstance(found[0], list) else found


def _several(ids: str | Sequence[str]) -> Sequence[str]:
    return [ids] if isinstance(ids, str) else ids


def _derived_id(document: Document) -> str:
    """The same id for the same document: a call that is made again adds nothing."""
    text = json.dumps([document.content, document.metadata], sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
