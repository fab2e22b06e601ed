"""Documents that a program has put into Chroma's memory: its workers begin with them.

In Flink Agents' local execution the agent is in the program's own process. Here workers are
processes of their own, so what Chroma has in memory is written to a file that they read.
"""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import tamias
from tamias.models.stores.chroma import settings_in_memory

__all__ = ["ChromaInMemory", "given_to_workers"]

_VARIABLE: Final = "TAMIAS_FLINK_AGENTS_CHROMA"
_INCLUDED: Final = ["documents", "metadatas", "embeddings"]


@contextmanager
def given_to_workers() -> Iterator[None]:
    """Let workers that start now have what Chroma has in the memory of this process."""
    found = _collections()
    if not found:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="tamias-chroma-") as folder:
        path = Path(folder, "collections")
        path.write_bytes(pickle.dumps(found))
        os.environ[_VARIABLE] = str(path)
        try:
            yield
        finally:
            del os.environ[_VARIABLE]


def _collections() -> list[dict[str, Any]]:
    chromadb: Any = sys.modules.get("chromadb")
    settings = chromadb and settings_in_memory(chromadb)
    if settings is None:
        return []
    client = chromadb.EphemeralClient(settings=settings)
    return [
        {
            "name": each.name,
            "metadata": each.metadata,
            "documents": {"ids": got["ids"], **{name: got[name] for name in _INCLUDED}},
        }
        for each in client.list_collections()
        for got in [each.get(include=_INCLUDED)]
    ]


class ChromaInMemory(tamias.ChromaVectorStore):
    """tamias's, whose memory begins with the program's; several processes may have one folder."""

    def _open_here(self, chromadb: Any, place: dict[str, Any]) -> Any:
        if self.persist_directory is not None:
            return chromadb.PersistentClient(path=self.persist_directory, **place)
        client = super()._open_here(chromadb, place)
        path = os.environ.get(_VARIABLE)
        if path is not None:
            known = {each.name for each in client.list_collections()}
            for each in pickle.loads(Path(path).read_bytes()):
                if each["name"] not in known:
                    made = client.create_collection(
                        each["name"], metadata=each["metadata"], embedding_function=None
                    )
                    if each["documents"]["ids"]:
                        made.upsert(**each["documents"])
        return client
