"""`ChromaVectorStore`: documents in Chroma, on a server or in a folder."""

from __future__ import annotations

import hashlib
import json
import logging
from importlib.util import find_spec
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from pydantic import Field, PrivateAttr, SecretStr, model_validator

from ...agent.errors import AgentDefinitionError
from ...agent.models.vector_store import (
    Collection,
    CollectionManageableVectorStore,
    Document,
)
from ...agent.naming.public import public
from ..shared.arguments import check_arguments
from ..shared.extras import import_sdk
from .folder_lock import FolderLock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["ChromaVectorStore"]

logger = logging.getLogger(__name__)

_CLOUD_HOST = "api.trychroma.com"
_KNOWN = frozenset(("where", "where_document", "filters", "limit", "offset"))


@public
class ChromaVectorStore(CollectionManageableVectorStore):
    """A vector store in Chroma: a server, its cloud, or a folder.

    A folder can be used by one process at a time: by a pool with one worker, or by a test. Several
    workers need a server (``chroma run --path FOLDER``). With no place given, each worker has a
    store of its own in its memory, which ends with it.

    Documents without an id get one that is made of their content and metadata, so that adding them
    again, as a call that is made again does, adds nothing.

    For searching and getting, ``filters`` (values that metadata must have), ``where``
    and ``where_document`` (Chroma's own conditions) are known, also in ``extra_args`` of a query.
    The ``score`` of what is found is Chroma's distance: less is nearer.
    """

    persist_directory: str | None = Field(default=None, description="A folder.")
    host: str | None = Field(default=None, description="A server.")
    port: int = 8000
    ssl: bool = False
    timeout: float = Field(default=60, gt=0, description="Seconds, for each request to a server.")
    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    api_key: SecretStr | None = Field(default=None, description="For Chroma's cloud.")
    tenant: str = "default_tenant"
    database: str = "default_database"
    client_settings: Any = Field(default=None, description="chromadb.config.Settings")
    collection: str = "tamias"
    collection_metadata: dict[str, Any] | None = None
    create_collection_if_not_exists: bool = True

    _client: Any = PrivateAttr(default=None)
    _folder_lock: FolderLock | None = PrivateAttr(default=None)
    # Two calls in threads at the same time make one client.
    _lock: Any = PrivateAttr(default_factory=RLock)

    @model_validator(mode="after")
    def _has_one_place(self) -> ChromaVectorStore:
        places = [name for name in ("persist_directory", "host", "api_key") if getattr(self, name)]
        if "persist_directory" in places and len(places) > 1:
            msg = f"ChromaVectorStore is given {' and '.join(places)}: documents have one place."
            hint = "Give persist_directory, or host, or api_key, or host with api_key."
            raise AgentDefinitionError(msg, hint=hint)
        return self

    @classmethod
    def preload(cls, arguments: Mapping[str, Any]) -> None:
        """Check the arguments, and that Chroma is there.

        It is not imported: it starts threads, which must not be before a fork.
        """
        check_arguments(cls, arguments)
        if find_spec("chromadb") is None:
            import_sdk("chromadb", "chroma")

    @property
    def store_kwargs(self) -> dict[str, Any]:
        """None: the arguments of a call are its own."""
        return {}

    # -------------------------------------------------------------- documents

    def size(self, collection_name: str | None = None) -> int:
        """The number of documents in a collection."""
        return int(self._collection(collection_name).count())

    def get(
        self, ids: str | list[str] | None = None, collection_name: str | None = None, **kwargs: Any
    ) -> list[Document]:
        """The documents with these ids, or all, as far as conditions (see the class) hold."""
        found = self._collection(collection_name).get(
            ids=[ids] if isinstance(ids, str) else ids,
            include=["documents", "metadatas", "embeddings"],
            **_conditions(kwargs),
        )
        return _documents(found["ids"], found)

    def delete(
        self, ids: str | list[str] | None = None, collection_name: str | None = None, **kwargs: Any
    ) -> None:
        """Delete the documents with these ids, or those for which conditions hold, or all."""
        collection = self._collection(collection_name)
        conditions = _conditions(kwargs)
        if ids is None and not conditions:
            ids = collection.get(include=[])["ids"]
        if ids is None:
            collection.delete(**conditions)
            return
        ids = [ids] if isinstance(ids, str) else ids
        for some in self._batches(ids):
            collection.delete(ids=some, **conditions)

    def _query_embedding(
        self,
        embedding: list[float],
        limit: int = 10,
        collection_name: str | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        found = self._collection(collection_name).query(
            query_embeddings=[embedding],
            n_results=limit,
            include=["documents", "metadatas", "embeddings", "distances"],
            **_conditions(kwargs),
        )
        first = {name: values[0] for name, values in found.items() if _is_filled(values)}
        return _documents(first.get("ids", ()), first)

    def _add_embedding(
        self, *, documents: Sequence[Document], collection_name: str | None = None, **kwargs: Any
    ) -> list[str]:
        if kwargs:
            msg = f"ChromaVectorStore.add takes no argument {', '.join(sorted(kwargs))}."
            raise AgentDefinitionError(msg)
        ids = [document.id or _derived_id(document) for document in documents]
        # Chroma refuses the same id twice in one call; the last one counts, as in calls one by one.
        by_id = dict(zip(ids, documents, strict=True))
        collection = self._collection(collection_name)
        for some in self._batches(list(by_id)):
            chosen = [by_id[each] for each in some]
            collection.upsert(
                ids=some,
                documents=[document.content for document in chosen],
                embeddings=[document.embedding for document in chosen],
                # Chroma knows no empty metadata.
                metadatas=[document.metadata or None for document in chosen],
            )
        return ids

    def _update_embedding(
        self, *, documents: Sequence[Document], collection_name: str | None = None, **kwargs: Any
    ) -> None:
        self._add_embedding(documents=documents, collection_name=collection_name, **kwargs)

    # -------------------------------------------------------------- collections

    def get_or_create_collection(
        self, name: str, metadata: dict[str, Any] | None = None
    ) -> Collection:
        """The collection of that name, created if there is none."""
        found = self._opened().get_or_create_collection(
            name, metadata=metadata or None, embedding_function=None
        )
        return Collection(name=found.name, metadata=found.metadata)

    def get_collection(self, name: str) -> Collection:
        """The collection of that name; Chroma's ``NotFoundError`` if there is none."""
        found = self._opened().get_collection(name, embedding_function=None)
        return Collection(name=found.name, metadata=found.metadata)

    def delete_collection(self, name: str) -> Collection:
        """Delete the collection of that name, and return what it was."""
        collection = self.get_collection(name)
        self._opened().delete_collection(name)
        return collection

    def _collection(self, name: str | None) -> Any:
        name = name or self.collection
        if name == self.collection and self.create_collection_if_not_exists:
            return self._opened().get_or_create_collection(
                name, metadata=self.collection_metadata or None, embedding_function=None
            )
        return self._opened().get_collection(name, embedding_function=None)

    # -------------------------------------------------------------- the client

    def _opened(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._open()
            return self._client

    def _open(self) -> Any:
        chromadb = import_sdk("chromadb", "chroma", major=1)
        settings = self.client_settings or chromadb.config.Settings(anonymized_telemetry=False)
        place = {"tenant": self.tenant, "database": self.database, "settings": settings}
        if self.api_key is not None:
            key = self.api_key.get_secret_value()
            host = self.host or _CLOUD_HOST
            client = chromadb.CloudClient(**place, api_key=key, cloud_host=host)
        elif self.host is not None:
            client = chromadb.HttpClient(
                host=self.host, port=self.port, ssl=self.ssl, headers=self.headers or None, **place
            )
        else:
            return self._open_here(chromadb, place)
        for session in _sessions(client):
            session.timeout = self.timeout
        return client

    def _open_here(self, chromadb: Any, place: dict[str, Any]) -> Any:
        if self.persist_directory is not None:
            folder = Path(self.persist_directory).expanduser().absolute()
            hint = (
                "One process at a time can use it: let the pool have one worker, or start a server"
                f" (chroma run --path {folder}) and give its host and port."
            )
            self._folder_lock = FolderLock(folder, "Chroma's folder", hint)
            return chromadb.PersistentClient(path=str(folder), **place)
        logger.warning(
            "Documents of this ChromaVectorStore are in the memory of one worker, and end with it:"
            " give persist_directory or host."
        )
        if self.client_settings is None:
            place["settings"] = settings_in_memory(chromadb) or place["settings"]
        return chromadb.EphemeralClient(**place)

    def _batches(self, ids: list[str]) -> Iterator[list[str]]:
        size = int(self._opened().get_max_batch_size())
        for begin in range(0, len(ids), size):
            yield ids[begin : begin + size]

    def close(self) -> None:
        """Close the client; another process may have the folder from now on."""
        with self._lock:
            client, self._client = self._client, None
            if client is not None:
                sessions = _sessions(client)
                client.close()
                for session in sessions:
                    session.close()
            if self._folder_lock is not None:
                self._folder_lock.release()
                self._folder_lock = None


def settings_in_memory(chromadb: Any) -> Any:
    """Return the settings of what Chroma has in the memory of this process; None if it has nothing.

    A process has one such memory, which refuses clients with other settings.
    """
    systems = getattr(chromadb.api.shared_system_client, "SharedSystemClient", None)
    found = getattr(systems, "_identifier_to_system", {}).get("ephemeral")
    return getattr(found, "settings", None)


def _sessions(client: Any) -> list[Any]:
    """The HTTP clients of a client: Chroma gives them no timeout, and does not close them."""
    parts = (client, getattr(client, "_admin_client", None))
    found = [getattr(getattr(part, "_server", None), "_session", None) for part in parts]
    return [session for session in found if session is not None]


def _conditions(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments for Chroma: those that it knows, and ``filters`` in its words."""
    unknown = sorted(set(given) - _KNOWN)
    if unknown:
        msg = f"ChromaVectorStore takes no argument {', '.join(unknown)}."
        raise AgentDefinitionError(msg, hint=f"Known: {', '.join(sorted(_KNOWN))}.")
    conditions = {name: value for name, value in given.items() if value is not None}
    equal = [{name: value} for name, value in (conditions.pop("filters", None) or {}).items()]
    if equal:
        if "where" in conditions:
            equal.append(conditions["where"])
        conditions["where"] = equal[0] if len(equal) == 1 else {"$and": equal}
    return conditions


def _is_filled(values: Any) -> bool:
    return values is not None and len(values) > 0


def _documents(ids: Sequence[str], found: dict[str, Any]) -> list[Document]:
    def column(name: str) -> Any:
        values = found.get(name)
        return values if values is not None else [None] * len(ids)

    names = ("documents", "metadatas", "embeddings", "distances")
    rows = zip(ids, *map(column, names), strict=True)
    return [
        Document(
            id=id_,
            content=content or "",
            metadata=dict(metadata or {}),
            embedding=None if embedding is None else [float(number) for number in embedding],
            score=None if distance is None else float(distance),
        )
        for id_, content, metadata, embedding, distance in rows
    ]


def _derived_id(document: Document) -> str:
    text = json.dumps(
        [document.content, document.metadata], sort_keys=True, default=str, ensure_ascii=False
    )
    return hashlib.sha256(text.encode()).hexdigest()[:32]
