"""Dead letters by pages, over all shards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tamias.store.records.dead_letters import Cause, DeadLetter
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.state.directory import StateDirectory
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    from pathlib import Path

SHARDS = 4
CAUSES: tuple[Cause, ...] = ("exception", "crash", "timeout")


def letter(offset: int) -> DeadLetter:
    cause = CAUSES[offset % 3]
    return DeadLetter(offset, b"key", b"payload\n{", "json-value", cause, error='"cause": "odd"')


def store(path: Path, offsets: range) -> Path:
    with StateDirectory.open(path, "agent", SHARDS, "process", {}) as state:
        for number in range(SHARDS):
            shard = Shard.acquire(
                state.layout.shard(number), number, "process", store=state.manifest.identity
            )
            batch = Batch()
            batch.dead = [letter(n) for n in offsets if n % SHARDS == number]
            shard.commit(batch)
            shard.close()
    return path


def test_pages_are_in_order_over_all_shards(tmp_path: Path) -> None:
    with StoreReader(store(tmp_path / "state", range(30))) as reader:
        offsets = [each.offset for each in reader.dead_letters_after()]
        assert offsets == list(range(30))
        assert [each.offset for each in reader.dead_letters_after(26)] == [27, 28, 29]
        crashed = reader.dead_letters_after(20, cause="crash")
        assert [each.offset for each in crashed] == [22, 25, 28]
        assert list(reader.dead_letters_after(29)) == []
