"""What long-term memory is compared with: numpy, usearch and Chroma, each with one thread."""

from __future__ import annotations

import tempfile
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

BATCH = 1000


class Peer(Protocol):
    """Something that finds vectors."""

    name: str

    def add(self, first: int, texts: list[str], vectors: Floats) -> None:
        """Add items, numbered from `first` on."""

    def search(self, vector: Floats) -> list[int]:
        """The ten nearest, the nearest first."""

    def close(self) -> None:
        """Delete everything."""


class NumpyScan:
    """All vectors in one matrix in memory."""

    name = "numpy, f32 in memory"

    def __init__(self, items: int, dimensions: int) -> None:
        self._matrix: Floats = np.zeros((items, dimensions), np.float32)

    def add(self, first: int, texts: list[str], vectors: Floats) -> None:
        """See `Peer.add`."""
        self._matrix[first : first + len(texts)] = vectors

    @classmethod
    def saved(cls, file: str) -> NumpyScan:
        """One that searches what numpy has saved."""
        scan = cls(0, 0)
        scan._matrix = np.load(file)
        return scan

    def search(self, vector: Floats) -> list[int]:
        """See `Peer.search`."""
        scores = self._matrix @ vector
        keep = min(10, len(scores))
        best = np.argpartition(scores, len(scores) - keep)[-keep:]
        found: list[int] = best[np.argsort(-scores[best], kind="stable")].tolist()
        return found

    def close(self) -> None:
        """See `Peer.close`."""


class UsearchScan:
    """usearch's exact search over a matrix of i8 in memory."""

    name = "usearch, i8, exact"

    def __init__(self, items: int, dimensions: int) -> None:
        self._matrix = np.zeros((items, dimensions), np.int8)

    def add(self, first: int, texts: list[str], vectors: Floats) -> None:
        """See `Peer.add`."""
        self._matrix[first : first + len(texts)] = _small(vectors)

    def search(self, vector: Floats) -> list[int]:
        """See `Peer.search`."""
        from usearch.index import MetricKind, search  # noqa: PLC0415 (only where it is installed)

        keep = min(10, len(self._matrix))
        query = _small(vector[np.newaxis])[0]
        best = search(self._matrix, query, keep, MetricKind.Cos, exact=True, threads=1)
        found: list[int] = best.keys.tolist()
        return found

    def close(self) -> None:
        """See `Peer.close`."""


def _small(vectors: Floats) -> NDArray[np.int8]:
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    small: NDArray[np.int8] = np.rint(vectors * (127 / largest)).astype(np.int8)
    return small


class UsearchGraph:
    """usearch's index in memory, i8: a graph, which finds most of the nearest."""

    name = "usearch, i8, HNSW"

    def __init__(self, dimensions: int) -> None:
        from usearch.index import Index  # noqa: PLC0415 (only where it is installed)

        self._index: Any = Index(ndim=dimensions, metric="cos", dtype="i8")

    def add(self, first: int, texts: list[str], vectors: Floats) -> None:
        """See `Peer.add`."""
        self._index.add(np.arange(first, first + len(texts)), vectors, threads=1)

    def search(self, vector: Floats) -> list[int]:
        """See `Peer.search`."""
        found: list[int] = self._index.search(vector, 10, threads=1).keys.tolist()
        return found

    def close(self) -> None:
        """See `Peer.close`."""
        self._index.reset()


class Chroma:
    """Chroma in a folder."""

    name = "Chroma, in a folder"

    def __init__(self) -> None:
        import chromadb  # noqa: PLC0415 (only where it is installed)
        from chromadb.config import Settings  # noqa: PLC0415

        self._folder = tempfile.TemporaryDirectory(
            prefix="tamias-bench-", ignore_cleanup_errors=True
        )
        settings = Settings(anonymized_telemetry=False)
        self._client: Any = chromadb.PersistentClient(self._folder.name, settings)
        self._collection: Any = self._client.create_collection(
            "notes", metadata={"hnsw:space": "cosine", "hnsw:num_threads": 1}
        )

    def add(self, first: int, texts: list[str], vectors: Floats) -> None:
        """See `Peer.add`."""
        ids = [str(first + place) for place in range(len(texts))]
        self._collection.add(ids=ids, documents=texts, embeddings=vectors)

    def search(self, vector: Floats) -> list[int]:
        """See `Peer.search`."""
        found = self._collection.query(query_embeddings=[vector], n_results=10)
        return [int(name) for name in found["ids"][0]]

    def close(self) -> None:
        """See `Peer.close`."""
        self._folder.cleanup()


class Measured:
    """What a peer takes: for all adds, with their embeddings, and for each search, with its own."""

    def __init__(self, peer: Peer, texts: list[str], queries: list[str], embed: Any) -> None:
        self.name = peer.name
        began = time.perf_counter()
        for first in range(0, len(texts), BATCH):
            batch = texts[first : first + BATCH]
            peer.add(first, batch, embed(batch))
        self.adding = time.perf_counter() - began
        self.found, self.wall, self.cpu = searches(
            queries, lambda text: peer.search(embed([text])[0])
        )
        peer.close()


class Searches(NamedTuple):
    """What was found, and how long each search has taken, in seconds."""

    found: list[Any]
    wall: list[float]
    cpu: list[float]


def searches(queries: list[str], search: Callable[[str], Any]) -> Searches:
    """Make searches, one after the other."""
    made = Searches([], [], [])
    for query in queries:
        wall, cpu = time.perf_counter(), time.process_time()
        made.found.append(search(query))
        made.cpu.append(time.process_time() - cpu)
        made.wall.append(time.perf_counter() - wall)
    return made
