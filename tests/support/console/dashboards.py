"""State directories made by hand, and a client of a dashboard that shows them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from starlette.testclient import TestClient

from tamias.console.dashboard.app import make_app
from tamias.console.dashboard.jobs import ShownJobs
from tamias.console.dashboard.security import Access
from tamias.store.encoding.keys import encode_key, key_prefix, shard_of
from tamias.store.encoding.values import dumps
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.state.directory import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from tamias.store.records.dead_letters import DeadLetter

PORT = 8777
HOME = f"http://127.0.0.1:{PORT}"


def make_state(
    path: Path,
    memory: Mapping[Any, Mapping[str, Any]] | None = None,
    letters: Iterable[DeadLetter] = (),
    *,
    shards: int = 2,
) -> Path:
    """A state directory at rest with this memory, by key and path, and these dead letters."""
    with StateDirectory.open(path, "m:A", shards, "none", {}) as directory:
        batches = [Batch() for _ in range(shards)]
        for key, fields in (memory or {}).items():
            encoded = encode_key(key)
            batch = batches[shard_of(encoded, shards)]
            prefix = key_prefix(encoded)
            if len(encoded) > 200:
                batch.name_key(prefix, encoded)
            for name, value in fields.items():
                batch.put_field(prefix, name, b"" if value is ... else dumps(value))
        for letter in letters:
            batches[letter.offset % shards].dead.append(letter)
        for number, batch in enumerate(batches):
            shard = Shard.acquire(directory.layout.shard(number), number, "none")
            shard.commit(batch)
            shard.close()
    return path


def put_field(state: Path, key: bytes, path: str, value: Any) -> None:
    """Commit a field of an encoded key, as a worker does."""
    with StateDirectory.view(state) as view:
        number = shard_of(key, view.manifest.shards)
        folder = view.layout.shard(number)
    batch = Batch()
    batch.put_field(key_prefix(key), path, dumps(value))
    shard = Shard.acquire(folder, number, "none")
    shard.commit(batch)
    shard.close()


class Page:
    """A browser that has opened the page of a dashboard."""

    def __init__(self, client: TestClient, access: Access) -> None:
        self.client = client
        self.access = access

    def get(self, address: str, **query: Any) -> Any:
        """What a GET answers; it must succeed."""
        answer = self.client.get(f"/api/{address}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def error(self, address: str, status: int, **query: Any) -> str:
        """The message of a GET that fails with this status."""
        answer = self.client.get(f"/api/{address}", params=query)
        assert answer.status_code == status, answer.text
        return str(answer.json()["error"]["message"])

    def post(self, address: str, body: Any) -> Any:
        """The answer to a change that comes from the page."""
        headers = {"X-CSRF-Token": self.access.csrf, "Origin": HOME}
        return self.client.post(f"/api/{address}", json=body, headers=headers)


@contextmanager
def opened_page(*states: Path, below: Path | None = None, allow: bool = False) -> Iterator[Page]:
    """A dashboard without a process, opened with its token; its samples are not taken."""
    access = Access(PORT, allow_actions=allow)
    jobs = ShownJobs(states, below)
    client = TestClient(make_app(jobs, access), base_url=HOME, raise_server_exceptions=False)
    try:
        assert client.get("/", params={"token": access.token}).status_code == 200
        yield Page(client, access)
    finally:
        client.close()
        jobs.close()
