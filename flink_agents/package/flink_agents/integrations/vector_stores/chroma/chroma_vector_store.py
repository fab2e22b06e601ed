"""As `flink_agents.integrations.vector_stores.chroma.chroma_vector_store` of Flink Agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import Field, PrivateAttr, model_validator

import tamias
from tamias.flink_agents.dialect import dialect

from ....api.vector_stores.vector_store import (
    Collection,
    CollectionManageableVectorStore,
    Document,
)
from .in_memory import ChromaInMemory

__all__ = ["DEFAULT_COLLECTION", "ChromaVectorStore"]

DEFAULT_COLLECTION: Final = "flink_agents_chroma_collection"
_LIMIT: Final = None if dialect() == "0.2" else 100
"""How many documents `get` returns, if it is not told."""
_CONDITIONS: Final = ("where", "where_document")


class ChromaVectorStore(CollectionManageableVectorStore):
    """Documents in Chroma: `tamias.ChromaVectorStore` with the arguments of Flink Agents."""

    persist_directory: str | None = None
    host: str | None = None
    port: int | None = 8000
    api_key: str | None = Field(default=None, repr=False)
    client_settings: Any = None
    tenant: str = "default_tenant"
    database: str = "default_database"
    collection: str = DEFAULT_COLLECTION
    collection_metadata: dict[str, Any] | None = None
    auto_create_collection: bool = True

    _store: tamias.ChromaVectorStore = PrivateAttr()

    @model_validator(mode="before")
    @classmethod
    def _named_as_now(cls, value: Any) -> Any:
        """Take the name that an argument has had in 0.2."""
        if isinstance(value, dict) and "create_collection_if_not_exists" in value:
            given = {**value}
            given["auto_create_collection"] = given.pop("create_collection_if_not_exists")
            return given
        return value

    def model_post_init(self, context: Any) -> None:
        """Make the store that has the client; it is opened at the first use."""
        super().model_post_init(context)
        self._store = ChromaInMemory(**self._arguments())

    def _arguments(self) -> dict[str, Any]:
        # The first of these says where documents are.
        places = ("api_key", "host", "persist_directory")
        place = next((name for name in places if getattr(self, name) is not None), None)
        given = {} if place is None else {place: getattr(self, place)}
        return {
            **given,
            "embedding_model": self.embedding_model or "",
            "port": self.port or 8000,
            "client_settings": self.client_settings,
            "tenant": self.tenant,
            "database": self.database,
            "collection": self.collection,
            "collection_metadata": self.collection_metadata or None,
            "create_collection_if_not_exists": self.auto_create_collection,
        }

    @classmethod
    def preload(cls, arguments: Mapping[str, Any]) -> None:
        """Check the arguments, and that Chroma is there."""
        store = cls(**arguments)
        tamias.ChromaVectorStore.preload(store._arguments())

    @property
    def client(self) -> Any:
        """Chroma's client, made at the first use."""
        return self._store._opened()  # noqa: SLF001 (a part of this)

    @property
    def store_kwargs(self) -> dict[str, Any]:
        """None: the arguments of a call are its own."""
        return {}

    def close(self) -> None:
        """Close the client."""
        self._store.close()

    # -- collections

    def create_collection_if_not_exists(self, name: str, **kwargs: Any) -> None:
        """Create a collection, unless there is one of that name."""
        self._store.get_or_create_collection(name, kwargs.get("metadata"))

    def get_or_create_collection(
        self, name: str, metadata: dict[str, Any] | None = None
    ) -> Collection:
        """The collection of that name, created if there is none."""
        return self._store.get_or_create_collection(name, metadata)

    def get_collection(self, name: str) -> Collection:
        """The collection of that name; Chroma's ``NotFoundError`` if there is none."""
        return self._store.get_collection(name)

    def delete_collection(self, name: str) -> Collection:
        """Delete the collection of that name."""
        return self._store.delete_collection(name)

    # -- documents

    def size(self, collection_name: str | None = None) -> int:
        """The number of documents in a collection."""
        return self._store.size(collection_name)

    def get(
        self,
        ids: str | list[str] | None = None,
        collection_name: str | None = None,
        filters: dict[str, Any] | None = None,
        limit: int | None = _LIMIT,
        **kwargs: Any,
    ) -> list[Document]:
        """The documents with these ids, or the first ones for which conditions hold."""
        conditions = _conditions(filters, kwargs)
        if ids is None:
            conditions.update(limit=limit, offset=kwargs.get("offset"))
        found = self._store.get(ids, collection_name, **conditions)
        return [_without_embedding(document) for document in found]

    def delete(
        self,
        ids: str | list[str] | None = None,
        collection_name: str | None = None,
        filters: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Delete the documents with these ids, or those for which conditions hold, or all."""
        self._store.delete(ids, collection_name, **_conditions(filters, kwargs))

    def _query_embedding(
        self,
        embedding: list[float],
        limit: int = 10,
        collection_name: str | None = None,
        filters: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        conditions = _conditions(filters, kwargs)
        self._ensure(collection_name, kwargs)
        found = self._store._query_embedding(  # noqa: SLF001 (a part of this)
            embedding, limit, collection_name, **conditions
        )
        return [_without_embedding(document) for document in found]

    def _add_embedding(
        self, *, documents: Sequence[Document], collection_name: str | None = None, **kwargs: Any
    ) -> list[str]:
        self._ensure(collection_name, kwargs)
        return self._store._add_embedding(  # noqa: SLF001 (a part of this)
            documents=documents, collection_name=collection_name
        )

    def _update_embedding(
        self,
        *,
        documents: Sequence[Document],
        collection_name: str | None = None,
        **kwargs: Any,  # noqa: ARG002 (those of others)
    ) -> None:
        self._store._update_embedding(  # noqa: SLF001 (a part of this)
            documents=documents, collection_name=collection_name
        )

    def _ensure(self, name: str | None, kwargs: Mapping[str, Any]) -> None:
        """Create a collection that is written to or searched, if that is wanted."""
        creates = kwargs.get("auto_create_collection", self.auto_create_collection)
        if creates and name is not None and name != self.collection:
            metadata = kwargs.get("collection_metadata", self.collection_metadata)
            self._store.get_or_create_collection(name, metadata)


def _conditions(filters: dict[str, Any] | None, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Chroma's own conditions, unless there are the ones that all stores know."""
    given = {name: kwargs[name] for name in _CONDITIONS if kwargs.get(name) is not None}
    if filters is not None:
        given["where"] = _translate_filters_to_chroma_where(filters)
    return given


def _translate_filters_to_chroma_where(filters: dict[str, Any] | None) -> dict[str, Any] | None:
    """The values that metadata must have, as Chroma takes them.

    Raises NotImplementedError for a condition that is more than that.
    """
    if not filters:
        return None
    if any(name.startswith("$") or isinstance(value, dict) for name, value in filters.items()):
        msg = "filters are equality shorthand: names and values. Give Chroma's own ones as where=."
        raise NotImplementedError(msg)
    equal = [{name: value} for name, value in filters.items()]
    return equal[0] if len(equal) == 1 else {"$and": equal}


def _without_embedding(document: Document) -> Document:
    return document.model_copy(update={"embedding": None})
