"""Reading a shard in one thread while another thread commits to it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import tamias.store.shard.shard as module
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PREFIX = b"\x01k"


def put(value: bytes) -> Batch:
    batch = Batch()
    batch.put_field(PREFIX, "field", value)
    return batch


def test_what_is_read_beside_a_commit_does_not_outlive_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = Shard.acquire(tmp_path, 0)
    shard.commit(put(b"old"))
    inside, go_on = threading.Event(), threading.Event()

    def reach(name: str) -> None:
        if name == "commit.inside":
            inside.set()
            go_on.wait()

    monkeypatch.setattr(module, "reach", reach)
    with ThreadPoolExecutor(1) as other:
        commit = other.submit(shard.commit, put(b"new"))
        inside.wait()
        assert shard.field(PREFIX, "field") == b"old"
        go_on.set()
        commit.result()
    assert shard.field(PREFIX, "field") == b"new"
    shard.close()


def test_many_readers_beside_many_commits(tmp_path: Path) -> None:
    shard = Shard.acquire(tmp_path, 0)
    shard.commit(put(b"0"))
    done = threading.Event()

    def watch() -> list[int]:
        seen = []
        while not done.is_set():
            fields, complete = shard.fields(PREFIX, 8)
            assert complete
            seen.append(int(fields["field"]))
            assert shard.scan(PREFIX, "field")
        return seen

    with ThreadPoolExecutor(2) as readers:
        watching = [readers.submit(watch) for _ in range(2)]
        for number in range(1, 300):
            shard.commit(put(b"%d" % number))
        done.set()
        for future in watching:
            seen = future.result()
            assert seen == sorted(seen)
    assert shard.field(PREFIX, "field") == b"299"
    shard.close()
