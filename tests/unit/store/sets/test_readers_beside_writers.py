"""Ten readers search while two processes write: what they find is what a commit has left."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from support.processes import Child, forked
from tamias.store.sets import writing
from tamias.store.sets.changes import SetChange, SetName
from tamias.store.sets.folding import Sizes
from tamias.store.sets.parts import StoredPart
from tamias.store.sets.records import SetSettings, StoredItem, shared_owner
from tamias.store.sets.searching import Query, search
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.state.reader import ShardReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.process

NAME = SetName(shared_owner(b"s"), "s")
ITEMS = 30
READERS = 10
SEARCHES = 40


def generation(number: int) -> Batch:
    """A commit that replaces all items, in two changes of the same set."""
    change = SetChange()
    change.settings = SetSettings(dimensions=2)
    for index in range(ITEMS):
        vector = np.array([1.0, (index * 7 + number) % 5], np.float16).tobytes()
        item_id, text = f"i{(index + number) % ITEMS}", f"tea {number} {index}"
        metadata = {"of": number}
        change.put(StoredItem(item_id, text, metadata, 1.0, 1.0, 1.0, vector=vector))
    batch = Batch()
    batch.sets.append((NAME, change))
    return batch


def write(directory: Path, tell: Callable[[], None]) -> None:
    shard = Shard.acquire(directory, 0)
    for number in range(1, 1 << 30):
        shard.commit(generation(number))
        if number == 1:
            tell()


def read(directories: list[Path], tell: Callable[[], None]) -> None:
    readers = [ShardReader(directory) for directory in directories]
    queries = [
        Query("tea", b"", 100),
        Query("", np.array([1.0, 1.0], np.float16).tobytes(), 100),
        Query("tea", np.array([1.0, 1.0], np.float16).tobytes(), 100),
    ]
    last = [0] * len(readers)
    for turn in range(SEARCHES):
        with ExitStack() as stack:
            snapshots: list[Any] = [stack.enter_context(reader.snapshot()) for reader in readers]
            parts = [StoredPart(snapshot.set(NAME)) for snapshot in snapshots]
            found = search(parts, queries[turn % len(queries)])
            assert len(found) == len(readers) * ITEMS
            for number, snapshot in enumerate(snapshots):
                items = [item for _, item in snapshot.set(NAME).items(with_vectors=True)]
                (of,) = {item.metadata["of"] for item in items}
                assert len(items) == ITEMS
                assert all(item.vector for item in items)
                assert of >= last[number]
                last[number] = of
        tell()
    assert max(last) > 1
    tell()
    signal.pause()


def test_readers_beside_writers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing.SetWriter, "sizes", Sizes(tail=4, chunk=16))
    directories = [tmp_path / "0", tmp_path / "1"]
    with ExitStack() as stack:
        for directory in directories:
            writer = stack.enter_context(forked(partial(write, directory)))
            assert writer.await_signals(1) == 1
        readers: list[Child] = [
            stack.enter_context(forked(partial(read, directories))) for _ in range(READERS)
        ]
        told = [reader.await_signals(SEARCHES + 1) for reader in readers]
        assert told == [SEARCHES + 1] * READERS
