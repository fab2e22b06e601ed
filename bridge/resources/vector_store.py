"""Vector stores whose class is a Java class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...agent.models.vector_store import (
    BaseVectorStore,
    Collection,
    CollectionManageableVectorStore,
    Document,
    VectorStoreQuery,
    VectorStoreQueryResult,
)
from ...agent.naming.public import public
from . import convert
from .java_resource import JavaResource


@public
class JavaVectorStore(JavaResource, BaseVectorStore):
    """A vector store that lives in Java, and finds its embedding model there or here.

    All methods raise as `tamias.bridge.resources.calls.JavaCalls.call`.
    """

    embedding_model: str = ""

    @property
    def store_kwargs(self) -> dict[str, Any]:
        """Empty: only Java knows the arguments."""
        return {}

    def add(
        self,
        documents: Document | list[Document],
        collection_name: str | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Add documents, and return their ids."""
        ids: list[str] = self.java_call("add", **_added(documents, collection_name, kwargs))
        return ids

    def query(self, query: VectorStoreQuery) -> VectorStoreQueryResult:
        """Find documents."""
        return convert.result(self.java_call("query", query=_asked(query)))

    def size(self, collection_name: str | None = None) -> int:
        """The number of documents."""
        return int(self.java_call("size", collection_name=collection_name))

    def get(
        self, ids: str | list[str] | None = None, collection_name: str | None = None, **kwargs: Any
    ) -> list[Document]:
        """The documents with these ids; all, without ids."""
        return convert.documents(self.java_call("get", **_named(ids, collection_name, kwargs)))

    def delete(
        self, ids: str | list[str] | None = None, collection_name: str | None = None, **kwargs: Any
    ) -> None:
        """Delete the documents with these ids; all, without ids."""
        self.java_call("delete", **_named(ids, collection_name, kwargs))

    async def aadd(
        self,
        documents: Document | list[Document],
        collection_name: str | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """The awaitable form of `add`."""
        args = _added(documents, collection_name, kwargs)
        ids: list[str] = await self.java_acall("add", **args)
        return ids

    async def aquery(self, query: VectorStoreQuery) -> VectorStoreQueryResult:
        """The awaitable form of `query`."""
        return convert.result(await self.java_acall("query", query=_asked(query)))

    async def asize(self, collection_name: str | None = None) -> int:
        """The awaitable form of `size`."""
        return int(await self.java_acall("size", collection_name=collection_name))

    async def aget(
        self, ids: str | list[str] | None = None, collection_name: str | None = None, **kwargs: Any
    ) -> list[Document]:
        """The awaitable form of `get`."""
        args = _named(ids, collection_name, kwargs)
        return convert.documents(await self.java_acall("get", **args))

    async def adelete(
        self, ids: str | list[str] | None = None, collection_name: str | None = None, **kwargs: Any
    ) -> None:
        """The awaitable form of `delete`."""
        await self.java_acall("delete", **_named(ids, collection_name, kwargs))

    def _query_embedding(
        self,
        embedding: list[float],
        limit: int = 10,
        collection_name: str | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        args = {"collection_name": collection_name, "kwargs": kwargs}
        found = self.java_call("query_embedding", embedding=embedding, limit=limit, **args)
        return convert.documents(found)

    def _add_embedding(
        self, *, documents: Sequence[Document], collection_name: str | None = None, **kwargs: Any
    ) -> list[str]:
        return self.add(list(documents), collection_name, **kwargs)


@public
class JavaCollectionManageableVectorStore(JavaVectorStore, CollectionManageableVectorStore):
    """A vector store that lives in Java, and has collections."""

    def get_or_create_collection(
        self, name: str, metadata: dict[str, Any] | None = None
    ) -> Collection:
        """The collection of that name, created if there is none."""
        args = {"name": name, "metadata": metadata or {}}
        return convert.collection(self.java_call("get_or_create_collection", **args))

    def get_collection(self, name: str) -> Collection:
        """The collection of that name."""
        return convert.collection(self.java_call("get_collection", name=name))

    def delete_collection(self, name: str) -> Collection:
        """Delete the collection of that name, and return what it was."""
        return convert.collection(self.java_call("delete_collection", name=name))


def _asked(query: VectorStoreQuery) -> VectorStoreQuery:
    """A query as Java knows it: filters are among the store's own arguments."""
    if query.filters is None:
        return query
    arguments = {**query.extra_args, "filters": query.filters}
    return query.model_copy(update={"filters": None, "extra_args": arguments})


def _added(
    documents: Document | list[Document], collection_name: str | None, kwargs: dict[str, Any]
) -> dict[str, Any]:
    given = documents if isinstance(documents, list) else [documents]
    return {"documents": given, "collection_name": collection_name, "kwargs": kwargs}


def _named(
    ids: str | list[str] | None, collection_name: str | None, kwargs: dict[str, Any]
) -> dict[str, Any]:
    given = [ids] if isinstance(ids, str) else ids
    return {"ids": given, "collection_name": collection_name, "kwargs": kwargs}
