"""Documents in Chroma: in memory, in a folder, on a server; a folder that two processes want."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from tamias import (
    AgentDefinitionError,
    BaseEmbeddingModelSetup,
    ChromaVectorStore,
    Collection,
    Document,
    MissingExtraError,
    Resource,
    ResourceType,
    UsageError,
    VectorStoreQuery,
)
from tamias.models.stores.folder_lock import FolderLock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tamias.agent.models.embedding_model import Vectors

try:
    import chromadb
except ImportError:
    chromadb = None

needs_chroma = pytest.mark.skipif(chromadb is None, reason="needs the extra `chroma` (98 packages)")


class Letters(BaseEmbeddingModelSetup):
    """How often a, b and c occur in a text."""

    connection: str = ""
    model: str = "letters"

    @property
    def model_kwargs(self) -> dict[str, Any]:
        return {}

    def embed(self, text: str | Sequence[str], **kwargs: Any) -> Vectors:
        if isinstance(text, str):
            return [float(text.count(letter)) for letter in "abc"]
        return [[float(each.count(letter)) for letter in "abc"] for each in text]


def letters(name: str, kind: ResourceType) -> Resource:
    assert (name, kind) == ("letters", ResourceType.EMBEDDING_MODEL)
    return Letters()


@contextmanager
def store_of(**arguments: Any) -> Iterator[ChromaVectorStore]:
    store = ChromaVectorStore(embedding_model="letters", get_resource=letters, **arguments)
    try:
        yield store
    finally:
        store.close()


def check_documents(store: ChromaVectorStore) -> None:
    """What holds for each kind of place."""
    first = Document(id="1", content="aaa", metadata={"kind": "x", "n": 1})
    second = Document(id="2", content="abb", metadata={"kind": "y", "n": 2})
    assert store.add([first, second]) == ["1", "2"]
    (third,) = store.add(Document(content="ccc"))
    assert store.size() == 3

    def found(text: str, limit: int = 10, **extra: Any) -> list[str | None]:
        query = VectorStoreQuery(query_text=text, limit=limit, extra_args=extra)
        return [document.id for document in store.query(query).documents]

    assert found("aa") == ["1", "2", third]
    assert found("bb", limit=1) == ["2"]
    assert found("aa", filters={"kind": "y"}) == ["2"]
    assert found("aa", filters={"kind": "x", "n": 2}) == []
    assert found("aa", where={"n": {"$gte": 2}}, filters={"kind": "y"}) == ["2"]
    assert found("aa", where_document={"$contains": "bb"}) == ["2"]
    (gotten,) = store.get("2")
    assert (gotten.content, gotten.metadata) == ("abb", {"kind": "y", "n": 2})
    assert gotten.embedding == [1.0, 2.0, 0.0]
    assert {document.id for document in store.get(filters={"n": 1})} == {"1"}
    # The same again, as a call does that is made again after a crash.
    assert store.add([Document(content="ccc"), Document(content="ccc")]) == [third, third]
    assert store.size() == 3
    store.add(Document(id="1", content="b"))
    assert [document.content for document in store.get(["1"])] == ["b"]
    store.delete("1")
    assert {document.id for document in store.get()} == {"2", third}
    store.delete(filters={"kind": "y"})
    assert store.size() == 1
    store.delete()
    store.delete()
    assert store.size() == 0
    with pytest.raises(AgentDefinitionError, match="no argument wher"):
        found("aa", wher={})


def check_collections(store: ChromaVectorStore) -> None:
    made = store.get_or_create_collection("other", {"made": "here"})
    assert (
        made == Collection(name="other", metadata={"made": "here"}) == store.get_collection("other")
    )
    store.add(Document(id="1", content="a"), collection_name="other")
    assert (store.size("other"), store.size()) == (1, 0)
    store.delete_collection("other")
    with pytest.raises(chromadb.errors.NotFoundError):
        store.size("other")


@needs_chroma
def test_documents_in_a_folder_are_there_the_next_time(tmp_path: Path) -> None:
    with store_of(persist_directory=str(tmp_path / "a")) as store:
        check_documents(store)
        check_collections(store)
        store.add(Document(id="7", content="a"))
    with store_of(persist_directory=str(tmp_path / "a")) as store:
        assert [document.id for document in store.get()] == ["7"]


@needs_chroma
def test_what_is_found_says_how_far_away_it_is(tmp_path: Path) -> None:
    with store_of(persist_directory=str(tmp_path)) as store:
        for name, vector in (("1", [1.0, 0.0]), ("2", [0.0, 1.0])):
            store.add(Document(id=name, content=name, embedding=vector))
        found = store._query_embedding([1.0, 0.0], 2)
        assert [(each.id, each.score) for each in found] == [("1", 0.0), ("2", 2.0)]
        assert [each.score for each in store.get()] == [None, None]


@needs_chroma
def test_documents_in_memory_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with store_of(collection="in-memory") as store:
        check_documents(store)
    assert "in the memory of one worker" in caplog.text


@needs_chroma
def test_more_documents_than_one_request_takes(tmp_path: Path) -> None:
    with store_of(persist_directory=str(tmp_path)) as store:
        most = store._opened().get_max_batch_size()
        vector = [1.0, 0.0, 0.0]
        documents = [Document(id=str(n), content="a", embedding=vector) for n in range(most + 2)]
        assert len(store.add(documents)) == store.size() == most + 2
        store.delete()
        assert store.size() == 0


@needs_chroma
def test_a_collection_that_must_be_there(tmp_path: Path) -> None:
    arguments = {"persist_directory": str(tmp_path), "create_collection_if_not_exists": False}
    with store_of(**arguments) as store, pytest.raises(chromadb.errors.NotFoundError):
        store.size()


@needs_chroma
@pytest.mark.process
def test_documents_on_a_server_are_shared(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = "import sys; sys.argv[0] = 'chroma'; from chromadb.cli.cli import app; app()"
    command = [sys.executable, "-c", program, "run", "--host", "127.0.0.1"]
    server = subprocess.Popen(
        [*command, "--port", str(port), "--path", tmp_path],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(1200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        place = {"host": "127.0.0.1", "port": port}
        with store_of(**place) as store, store_of(**place) as other:
            check_documents(store)
            check_collections(store)
            store.add(Document(id="7", content="a"))
            assert [document.id for document in other.get()] == ["7"]
    finally:
        server.kill()
        server.wait()


@needs_chroma
def test_a_folder_that_another_process_uses_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path, "It", "")
    with store_of(persist_directory=str(tmp_path)) as store:
        with pytest.raises(UsageError, match=r"is used by another process \(pid \d+\).*one worker"):
            store.size()
        lock.release()
        assert store.size() == 0


def test_a_lock_on_a_folder_is_given_back(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "new", "The folder", "Wait.")
    with pytest.raises(UsageError, match=r"The folder .*new is used by .*Wait\."):
        FolderLock(tmp_path / "new", "The folder", "Wait.", patience=0)
    lock.release()
    lock.release()
    FolderLock(tmp_path / "new", "The folder", "", patience=0).release()


def test_one_place_only() -> None:
    with pytest.raises(AgentDefinitionError, match="persist_directory and host"):
        ChromaVectorStore(embedding_model="letters", persist_directory="x", host="y")


def test_keys_are_not_shown() -> None:
    secret = "sk-secret"
    store = ChromaVectorStore(
        embedding_model="letters", api_key=SecretStr(secret), headers={"Authorization": secret}
    )
    assert secret not in repr(store)
    assert secret not in str(store)


@pytest.mark.skipif(chromadb is not None, reason="chromadb is installed")
def test_without_chromadb_the_message_names_what_to_install(tmp_path: Path) -> None:
    with (
        store_of(persist_directory=str(tmp_path)) as store,
        pytest.raises(MissingExtraError, match=r"pip install .tamias\[chroma\]"),
    ):
        store.size()
