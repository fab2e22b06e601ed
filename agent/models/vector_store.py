"""Vector stores: documents that are found by what they are about.

A store embeds texts with an embedding model of the agent; a class of one's own sees vectors only.
Some stores keep several collections, and let one manage them. Each method has an awaitable form,
with an ``a`` in front of its name, by default in a thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from pydantic import BaseModel, Field, SerializerFunctionWrapHandler, model_serializer

from ..errors import AgentDefinitionError
from ..limits.limited_call import Route
from ..naming.public import public
from ..resources.resource import ResourceType
from ..waiting.threads import call_in_thread
from .durable_resource import DurableResource, ResourceCall, own_durability

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..resources.recording import CallRecorder
    from .embedding_model import BaseEmbeddingModelSetup, Vectors

__all__ = [
    "BaseVectorStore",
    "Collection",
    "CollectionManageableVectorStore",
    "Document",
    "VectorStoreQuery",
    "VectorStoreQueryMode",
    "VectorStoreQueryResult",
]

_SHOWN = 50


class _Grown(BaseModel):
    """A class that has got fields since its objects were pickled first.

    An object without them is pickled, and dumped, as it was then: what is on record of a durable
    call that has it as an argument is recognised, and lines of outputs do not change.
    """

    _LATER: ClassVar[frozenset[str]] = frozenset()
    """Fields that are None in objects of older versions."""

    @model_serializer(mode="wrap")
    def _without_new(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped: dict[str, Any] = serialize(self)
        return {name: value for name, value in dumped.items() if not self._is_new_and_empty(name)}

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        fields = state["__dict__"]
        kept = {name: fields[name] for name in fields if not self._is_new_and_empty(name)}
        return {**state, "__dict__": kept}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        fields = {**dict.fromkeys(self._LATER), **(state.get("__dict__") or {})}
        super().__setstate__({**state, "__dict__": fields})

    def _is_new_and_empty(self, name: str) -> bool:
        return name in self._LATER and getattr(self, name) is None


@public
class VectorStoreQueryMode(str, Enum):
    """How to search.

    ``SEMANTIC``: by the distance of vectors. ``KEYWORD``: by words. ``HYBRID``: by both. Stores
    other than `MemoryVectorStore` know the first alone.
    """

    SEMANTIC = "semantic"
    KEYWORD = "keyword"
    HYBRID = "hybrid"


@public
class VectorStoreQuery(_Grown):
    """What to search for.

    ``filters`` are values that documents must have in their metadata; ``extra_args`` are the
    store's own.
    """

    _LATER: ClassVar[frozenset[str]] = frozenset({"filters"})

    mode: VectorStoreQueryMode = VectorStoreQueryMode.SEMANTIC
    query_text: str
    limit: int = 10
    collection_name: str | None = None
    filters: dict[str, Any] | None = None
    extra_args: dict[str, Any] = Field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.mode.value} query: {self.query_text!r} (limit={self.limit})"


@public
class Document(_Grown):
    """A text with what is known of it. Without an ``id`` the store gives it one.

    ``score`` is how well it fits a query, as its store reckons; not all stores say so.
    """

    _LATER: ClassVar[frozenset[str]] = frozenset({"score"})

    content: str
    metadata: dict[str, Any] = Field(default_factory=dict)
    id: str | None = None
    embedding: list[float] | None = None
    score: float | None = None

    def __str__(self) -> str:
        more = "..." if len(self.content) > _SHOWN else ""
        return f"Document: {self.content[:_SHOWN]}{more}"


@public
class VectorStoreQueryResult(BaseModel):
    """The documents that were found, the nearest first."""

    documents: list[Document]

    def __str__(self) -> str:
        return f"QueryResult: {len(self.documents)} documents"


@public
class Collection(BaseModel):
    """A named part of a store."""

    name: str
    metadata: dict[str, Any] | None = None


@public
class BaseVectorStore(DurableResource, ABC):
    """Base of all vector stores.

    In an action, each method is a durable call; those that embed texts make another one for that.
    """

    _DURABLE: ClassVar[dict[str, str]] = {
        name: f"a{name}" for name in ("add", "query", "size", "get", "delete")
    }

    embedding_model: str = Field(description="Name of the embedding model.")

    @classmethod
    def resource_type(cls) -> ResourceType:
        """`ResourceType.VECTOR_STORE`."""
        return ResourceType.VECTOR_STORE

    @classmethod
    def references(cls, arguments: Mapping[str, Any]) -> list[tuple[ResourceType, str]]:
        """The embedding model."""
        name = arguments.get("embedding_model")
        return [(ResourceType.EMBEDDING_MODEL, name)] if isinstance(name, str) else []

    @property
    @abstractmethod
    def store_kwargs(self) -> dict[str, Any]:
        """The store's own parameters for adding and searching; those of a call take precedence."""

    # -------------------------------------------------------------- what users call

    @own_durability
    def add(
        self,
        documents: Document | list[Document],
        collection_name: str | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Keep documents, and return their ids. Those without an embedding are embedded, together.

        Raises `AgentDefinitionError` when the agent has no such embedding model.
        """
        given, bare = _split(documents)
        if bare:
            _give(bare, self._embedded([document.content for document in bare]))
        ids: list[str] = self._make(self._adding(given, collection_name, kwargs))
        return ids

    @own_durability
    def update(
        self,
        documents: Document | list[Document],
        collection_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Put documents in the place of those with their ids.

        Raises `AgentDefinitionError` as `add`, and for a document without an id.
        """
        given, bare = _split(documents)
        _check_ids(given)
        if bare:
            _give(bare, self._embedded([document.content for document in bare]))
        self._make(self._adding(given, collection_name, kwargs, "_update_embedding"))

    @own_durability
    def query(self, query: VectorStoreQuery) -> VectorStoreQueryResult:
        """Find documents.

        Raises `AgentDefinitionError` when the agent has no such embedding model, or the store does
        not know the mode of the query.
        """
        vector = self._embedding_model().embed(query.query_text)
        return VectorStoreQueryResult(documents=self._make(self._finding(vector, query)))

    @abstractmethod
    def size(self, collection_name: str | None = None) -> int:
        """The number of documents."""

    @abstractmethod
    def get(
        self, ids: str | list[str] | None = None, collection_name: str | None = None, **kwargs: Any
    ) -> list[Document]:
        """The documents with these ids, or without ids all."""

    @abstractmethod
    def delete(
        self, ids: str | list[str] | None = None, collection_name: str | None = None, **kwargs: Any
    ) -> None:
        """Forget the documents with these ids, or without ids all."""

    # -------------------------------------------------------------- awaitable forms

    @own_durability
    async def aadd(
        self,
        documents: Document | list[Document],
        collection_name: str | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """The awaitable form of `add`."""
        given, bare = _split(documents)
        if bare:
            _give(bare, await self._aembedded([document.content for document in bare]))
        ids: list[str] = await self._amake(self._adding(given, collection_name, kwargs))
        return ids

    @own_durability
    async def aupdate(
        self,
        documents: Document | list[Document],
        collection_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        """The awaitable form of `update`."""
        given, bare = _split(documents)
        _check_ids(given)
        if bare:
            _give(bare, await self._aembedded([document.content for document in bare]))
        await self._amake(self._adding(given, collection_name, kwargs, "_update_embedding"))

    @own_durability
    async def aquery(self, query: VectorStoreQuery) -> VectorStoreQueryResult:
        """The awaitable form of `query`."""
        vector = await self._embedding_model().aembed(query.query_text)
        return VectorStoreQueryResult(documents=await self._amake(self._finding(vector, query)))

    @own_durability
    async def asize(self, collection_name: str | None = None) -> int:
        """The awaitable form of `size`."""
        return await call_in_thread(partial(self.size, collection_name))

    @own_durability
    async def aget(
        self, ids: str | list[str] | None = None, collection_name: str | None = None, **kwargs: Any
    ) -> list[Document]:
        """The awaitable form of `get`."""
        return await call_in_thread(partial(self.get, ids, collection_name, **kwargs))

    @own_durability
    async def adelete(
        self, ids: str | list[str] | None = None, collection_name: str | None = None, **kwargs: Any
    ) -> None:
        """The awaitable form of `delete`."""
        await call_in_thread(partial(self.delete, ids, collection_name, **kwargs))

    def recorded_by(self, recorder: CallRecorder) -> None:
        """Nothing: a store is no model."""

    def _adding(
        self,
        documents: list[Document],
        collection_name: str | None,
        kwargs: dict[str, Any],
        method: str = "_add_embedding",
    ) -> StoreCall:
        merged = {**self.store_kwargs, **kwargs}
        arguments = {"documents": documents, "collection_name": collection_name, **merged}
        return StoreCall(self, method, arguments)

    def _finding(self, vector: Vectors, query: VectorStoreQuery) -> StoreCall:
        if query.mode is not VectorStoreQueryMode.SEMANTIC:
            msg = f"{type(self).__name__} cannot search by {query.mode.value}: by vectors alone."
            raise AgentDefinitionError(msg, hint="Leave the mode of the query out.")
        merged = {**self.store_kwargs, **query.extra_args}
        if query.filters is not None:
            merged["filters"] = query.filters
        where = {"limit": query.limit, "collection_name": query.collection_name}
        return StoreCall(self, "_query_embedding", {"embedding": vector, **where, **merged})

    # -------------------------------------------------------------- what a class of one's own does

    @abstractmethod
    def _query_embedding(
        self,
        embedding: list[float],
        limit: int = 10,
        collection_name: str | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """The ``limit`` documents that are nearest to a vector."""

    @abstractmethod
    def _add_embedding(
        self, *, documents: Sequence[Document], collection_name: str | None = None, **kwargs: Any
    ) -> list[str]:
        """Keep documents that have embeddings, and return their ids."""

    def _update_embedding(
        self, *, documents: Sequence[Document], collection_name: str | None = None, **kwargs: Any
    ) -> None:
        """Put documents that have embeddings in the place of those with their ids.

        Raises `AgentDefinitionError` where a class does not say how.
        """
        del documents, collection_name, kwargs
        msg = f"{type(self).__name__} cannot update documents."
        raise AgentDefinitionError(msg, hint="Delete them, and add the new ones.")

    def _embedded(self, texts: list[str]) -> Vectors:
        """The vectors of texts, asked for together."""
        return self._embedding_model().embed(texts)

    async def _aembedded(self, texts: list[str]) -> Vectors:
        """The awaitable form of `_embedded`."""
        return await self._embedding_model().aembed(texts)

    def _embedding_model(self) -> BaseEmbeddingModelSetup:
        if self.get_resource is None:
            msg = f"The vector store needs {self.embedding_model!r}, and belongs to no agent."
            hint = "Declare it as a resource of an agent, and ask the context for it."
            raise AgentDefinitionError(msg, hint=hint)
        found = self.get_resource(self.embedding_model, ResourceType.EMBEDDING_MODEL)
        model = cast("BaseEmbeddingModelSetup", found)
        if self._context is None or self.metric_group is None:
            return model
        return model.bound(self._context, self.metric_group)


class StoreCall(ResourceCall):
    """A call of what a store's own class does, which blocks."""

    def __init__(self, store: BaseVectorStore, method: str, arguments: dict[str, Any]) -> None:
        function = getattr(type(store), method)
        super().__init__(function, (arguments,), (Route(type(store).__name__),))
        self._call = partial(function, store.unbound, **arguments)

    async def perform(self, route: int) -> Any:  # noqa: ARG002 (there is one)
        """Make the call in a thread."""
        return await call_in_thread(self._call)

    def perform_now(self, route: int) -> Any:  # noqa: ARG002 (there is one)
        """Make the call."""
        return self._call()


def _split(documents: Document | list[Document]) -> tuple[list[Document], list[Document]]:
    """All documents, and those without an embedding."""
    given = documents if isinstance(documents, list) else [documents]
    return given, [document for document in given if document.embedding is None]


def _check_ids(documents: list[Document]) -> None:
    if any(document.id is None for document in documents):
        msg = "A document without an id cannot be updated."
        raise AgentDefinitionError(msg, hint="Add it, or give its id.")


def _give(documents: list[Document], vectors: Vectors) -> None:
    for document, vector in zip(documents, cast("list[list[float]]", vectors), strict=True):
        document.embedding = vector


@public
class CollectionManageableVectorStore(BaseVectorStore, ABC):
    """A vector store that has collections."""

    @abstractmethod
    def get_or_create_collection(
        self, name: str, metadata: dict[str, Any] | None = None
    ) -> Collection:
        """The collection of that name, created if there is none."""

    @abstractmethod
    def get_collection(self, name: str) -> Collection:
        """The collection of that name; an exception if there is none."""

    @abstractmethod
    def delete_collection(self, name: str) -> Collection:
        """Delete the collection of that name, and return what it was."""
