"""`MemoryVectorStore`: documents in the long-term memory of the agent itself.

A collection is a memory set of texts, by the same name: what an action adds to it, or removes, is
part of the commit of its run, and what it finds in a set that all keys share is on record. Nothing
has to be started, and nothing else has to be backed up.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple, NoReturn

from pydantic import Field, PrivateAttr, field_validator

from ...agent.config.values import parse_duration
from ...agent.errors import AgentDefinitionError, MemoryAccessError, MemorySetError
from ...agent.models.durable_resource import own_durability
from ...agent.models.vector_store import (
    Collection,
    CollectionManageableVectorStore,
    Document,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)
from ...agent.naming.public import public
from ..shared.arguments import check_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...agent.config.configuration import Configuration
    from ...agent.long_term.memory_set import LongTermMemory, MemorySet, MemorySetItem, SearchMode

__all__ = ["MemoryVectorStore"]

_COLLECTIONS: Final = ".collections"
"""The memory set that has what is known of collections: an item for each."""
_MODES: Final[dict[VectorStoreQueryMode, SearchMode]] = {
    VectorStoreQueryMode.SEMANTIC: "vector",
    VectorStoreQueryMode.KEYWORD: "text",
    VectorStoreQueryMode.HYBRID: "auto",
}


class _Search(NamedTuple):
    """A search of a memory set: the set, and the arguments."""

    documents: MemorySet
    text: str
    arguments: dict[str, Any]


@public
class MemoryVectorStore(CollectionManageableVectorStore):
    """A vector store in the agent's long-term memory, without a server.

    It can be used in actions alone, since its documents are part of the state. With the scope
    ``shared`` all keys find what one has added; a document is changed and removed by runs of the
    key that has added it. With the scope ``key`` each key has documents of its own.

    A query goes by vectors and by words, unless its mode says otherwise. Without an embedding model
    all go by words. Documents come without their vectors.
    """

    is_part_of_run: ClassVar[bool] = True
    """Its methods are no durable calls, also where they are given to `ctx.durable_execute`."""

    embedding_model: str = Field(default="", description="Its name; empty: words alone.")
    collection: str | None = Field(
        default=None, description="Of calls that name none; if None, it has the store's name."
    )
    scope: Literal["shared", "key"] = "shared"
    mode: VectorStoreQueryMode | None = Field(
        default=None, description="Of queries that say none; if None, by all that there is."
    )
    capacity: int | None = Field(default=None, ge=1, description="Of documents in a collection.")
    ttl: float | None = Field(default=None, description="How long a document lives.")
    half_life: float | None = Field(
        default=None, description="The time in which the weight of a document halves in queries."
    )

    _name: str = PrivateAttr(default="documents")

    @field_validator("ttl", "half_life", mode="before")
    @classmethod
    def _seconds(cls, value: Any) -> float | None:
        if isinstance(value, timedelta):
            value = value.total_seconds()
        return None if value is None else parse_duration(value)

    @classmethod
    def preload(cls, arguments: Mapping[str, Any]) -> None:
        """Check the arguments."""
        check_arguments(cls, arguments)

    @classmethod
    def references(cls, arguments: Mapping[str, Any]) -> list[Any]:
        """The embedding model, if it is to have one."""
        return super().references(arguments) if arguments.get("embedding_model") else []

    def provided(self, name: str, config: Configuration) -> None:
        """Remember the name in the agent."""
        super().provided(name, config)
        self._name = name

    @property
    def store_kwargs(self) -> dict[str, Any]:
        """None: the arguments of a call are its own."""
        return {}

    # -- documents ----------------------------------------------------------------------------

    @own_durability
    def add(
        self,
        documents: Document | list[Document],
        collection_name: str | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Keep documents, and return their ids; one with the id of another takes its place.

        Without an id, it gets one that is the same when the run is repeated.
        """
        _refuse(kwargs)
        texts, arguments = _parts(documents)
        return self._set(collection_name).add(texts, **arguments)

    @own_durability
    async def aadd(
        self,
        documents: Document | list[Document],
        collection_name: str | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """The awaitable form of `add`."""
        _refuse(kwargs)
        texts, arguments = _parts(documents)
        return await self._set(collection_name).aadd(texts, **arguments)

    @own_durability
    def update(
        self,
        documents: Document | list[Document],
        collection_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Put documents in the place of those with their ids.

        Raises `MemorySetError` if there is none with one of them.
        """
        _refuse(kwargs)
        found = self._set(collection_name)
        names = _ids_of(documents)
        _check_that_all_are_there(names, found.get(names), found)
        self.add(documents, collection_name)

    @own_durability
    async def aupdate(
        self,
        documents: Document | list[Document],
        collection_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        """The awaitable form of `update`."""
        _refuse(kwargs)
        found = self._set(collection_name)
        names = _ids_of(documents)
        _check_that_all_are_there(names, await found.aget(names), found)
        await self.aadd(documents, collection_name)

    @own_durability
    def query(self, query: VectorStoreQuery) -> VectorStoreQueryResult:
        """Find documents; the score is the similarity, or the rank if words count as well."""
        found = self._search(query)
        return _result(found.documents.search(found.text, **found.arguments))

    @own_durability
    async def aquery(self, query: VectorStoreQuery) -> VectorStoreQueryResult:
        """The awaitable form of `query`."""
        found = self._search(query)
        return _result(await found.documents.asearch(found.text, **found.arguments))

    @own_durability
    def size(self, collection_name: str | None = None) -> int:
        """The number of documents in a collection."""
        return self._set(collection_name).size

    @own_durability
    async def asize(self, collection_name: str | None = None) -> int:
        """The awaitable form of `size`."""
        return await self._set(collection_name).asize()

    @own_durability
    def get(
        self,
        ids: str | list[str] | None = None,
        collection_name: str | None = None,
        filters: dict[str, Any] | None = None,
        limit: int | None = 100,
        **kwargs: Any,
    ) -> list[Document]:
        """The documents with these ids, or without ids the first ones; with no limit, all.

        ``filters`` are values that their metadata must have.
        """
        _refuse(kwargs)
        return _documents(self._set(collection_name).get(ids, filters, limit))

    @own_durability
    async def aget(
        self,
        ids: str | list[str] | None = None,
        collection_name: str | None = None,
        filters: dict[str, Any] | None = None,
        limit: int | None = 100,
        **kwargs: Any,
    ) -> list[Document]:
        """The awaitable form of `get`."""
        _refuse(kwargs)
        return _documents(await self._set(collection_name).aget(ids, filters, limit))

    @own_durability
    def delete(
        self,
        ids: str | list[str] | None = None,
        collection_name: str | None = None,
        filters: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Remove the documents with these ids, or those that filters fit, or all."""
        _refuse(kwargs)
        found = self._set(collection_name)
        if filters:
            ids = [item.id for item in found.get(ids, filters, None)]
        found.delete(ids)

    @own_durability
    async def adelete(
        self,
        ids: str | list[str] | None = None,
        collection_name: str | None = None,
        filters: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """The awaitable form of `delete`."""
        _refuse(kwargs)
        found = self._set(collection_name)
        if filters:
            ids = [item.id for item in await found.aget(ids, filters, None)]
        await found.adelete(ids)

    # -- collections --------------------------------------------------------------------------

    def create_collection_if_not_exists(self, name: str, **kwargs: Any) -> None:
        """Lay down a collection; ``metadata`` is what there is to know of it."""
        metadata = kwargs.pop("metadata", None)
        _refuse(kwargs)
        self.get_or_create_collection(name, metadata)

    def get_or_create_collection(
        self, name: str, metadata: dict[str, Any] | None = None
    ) -> Collection:
        """The collection of that name, laid down if there is none."""
        known = self._find(name)
        if known is not None:
            return known
        self._set(name)
        self._known().add({"metadata": metadata}, name)
        return Collection(name=name, metadata=metadata)

    def get_collection(self, name: str) -> Collection:
        """The collection of that name. Raises `MemorySetError` if there is none."""
        known = self._find(name)
        if known is None:
            raise MemorySetError(f"The vector store {self._name!r} has no collection {name!r}.")
        return known

    def delete_collection(self, name: str) -> Collection:
        """Remove a collection with its documents, and return what it was.

        Of a shared one, a run can remove the documents that runs of its key have added.
        """
        known = self.get_collection(name)
        self._known().delete(name)
        self._memory().delete_memory_set(name, shared=self._is_shared)
        return known

    def _find(self, name: str) -> Collection | None:
        if not name or not isinstance(name, str):
            raise MemorySetError(f"{name!r} is no name of a collection: give a text.")
        known = self._known().get(name)
        if known:
            return Collection(name=name, metadata=known[0].value["metadata"])
        names = self._memory().memory_set_names(shared=self._is_shared)
        return Collection(name=name) if name in names else None

    # -- memory sets --------------------------------------------------------------------------

    @property
    def _is_shared(self) -> bool:
        return self.scope == "shared"

    def _memory(self) -> LongTermMemory:
        if self._context is None:
            raise MemoryAccessError(
                f"The vector store {self._name!r} is part of the memory of an agent, and can be"
                " used in an action alone.",
                hint="Ask for it there: ctx.get_resource(name, ResourceType.VECTOR_STORE). Other"
                " programs read memory with tamias.open_memory.",
            )
        memory: LongTermMemory = self._context.long_term_memory
        return memory

    def _set(self, collection: str | None) -> MemorySet:
        name = collection or self.collection or self._name
        if name == _COLLECTIONS:
            raise MemorySetError(f"{name!r} is what the vector store itself keeps: name another.")
        return self._memory().get_memory_set(
            name,
            item_type=str,
            shared=self._is_shared,
            embedding=self.embedding_model,
            capacity=self.capacity,
            ttl=self.ttl,
            half_life=self.half_life,
        )

    def _known(self) -> MemorySet:
        return self._memory().get_memory_set(
            _COLLECTIONS, item_type=object, shared=self._is_shared, embedding=""
        )

    def _search(self, query: VectorStoreQuery) -> _Search:
        if not isinstance(query, VectorStoreQuery):
            msg = f"MemoryVectorStore was asked with a {type(query).__name__}."
            raise AgentDefinitionError(msg, hint="Give VectorStoreQuery(query_text=...).")
        given = dict(query.extra_args)
        filters = {**(given.pop("filters", None) or {}), **(query.filters or {})}
        half_life = given.pop("half_life", None)
        _refuse(given)
        mode = query.mode if "mode" in query.model_fields_set else self.mode
        arguments = {
            "limit": query.limit,
            "filters": filters or None,
            "half_life": half_life,
            "mode": "auto" if mode is None else _MODES[mode],
        }
        return _Search(self._set(query.collection_name), query.query_text, arguments)

    # -- what the base does with vectors ------------------------------------------------------

    def _query_embedding(
        self,
        embedding: list[float],
        limit: int = 10,
        collection_name: str | None = None,
        **kwargs: Any,
    ) -> NoReturn:
        """Refuse: a search needs the text. Raises `AgentDefinitionError`."""
        del embedding, limit, collection_name, kwargs
        msg = "MemoryVectorStore is searched by a text, not by a vector: call query."
        raise AgentDefinitionError(msg)

    def _add_embedding(
        self, *, documents: Sequence[Document], collection_name: str | None = None, **kwargs: Any
    ) -> list[str]:
        """As `add`."""
        return self.add(list(documents), collection_name, **kwargs)


def _parts(documents: Document | list[Document]) -> tuple[list[str], dict[str, Any]]:
    """Documents as texts for a memory set, and the further arguments."""
    given = _given(documents)
    return [document.content for document in given], {
        "ids": [document.id for document in given],
        "metadatas": [document.metadata for document in given],
        "vectors": [document.embedding for document in given],
    }


def _given(documents: Document | list[Document]) -> list[Document]:
    given = list(documents) if isinstance(documents, (list, tuple)) else [documents]
    for each in given:
        if not isinstance(each, Document):
            msg = f"MemoryVectorStore has documents, and was given a {type(each).__name__}."
            raise AgentDefinitionError(msg, hint="Give Document(content=...), or a list of them.")
    return given


def _ids_of(documents: Document | list[Document]) -> list[str]:
    given = _given(documents)
    ids = [document.id for document in given if document.id is not None]
    if len(ids) < len(given):
        msg = "A document without an id cannot be updated."
        raise AgentDefinitionError(msg, hint="Add it, or give its id.")
    return ids


def _check_that_all_are_there(
    ids: Sequence[str], found: Sequence[MemorySetItem], where: MemorySet
) -> None:
    missing = set(ids) - {item.id for item in found}
    if missing:
        raise MemorySetError(f"The collection {where.name!r} has no document {min(missing)!r}.")


def _documents(found: Sequence[MemorySetItem]) -> list[Document]:
    return [
        Document(content=item.value, metadata=item.metadata, id=item.id, score=item.score)
        for item in found
    ]


def _result(found: Sequence[MemorySetItem]) -> VectorStoreQueryResult:
    return VectorStoreQueryResult(documents=_documents(found))


def _refuse(given: Mapping[str, Any]) -> None:
    if given:
        msg = f"MemoryVectorStore takes no argument {', '.join(sorted(given))}."
        raise AgentDefinitionError(msg)
