"""What a checkpoint holds besides memory comes back, in whatever number of shards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tamias.bridge.task import frames
from tamias.bridge.task.checkpoints import CheckpointReader
from tamias.bridge.task.frames import Frame
from tamias.bridge.task.restore import Restore
from tamias.store.encoding.keys import encode_key, group_of
from tamias.store.records.dead_letters import DeadLetter
from tamias.store.records.journal import ACTION, CALL, journal_key
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.state.directory import StateDirectory
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    from pathlib import Path

GROUP = 5
KEY = b"g" + GROUP.to_bytes(2, "big") + encode_key("a")
LETTER = DeadLetter(4, KEY, b"payload", "pickle", "exception", error="told to")
JOURNAL = {
    journal_key(9, 0, CALL, 0): b"a call",
    journal_key(9, 0, ACTION, 0): b"an action",
    journal_key(11, 1, CALL, 2): b"another",
}


def left_behind(folder: Path) -> list[Frame]:
    """A checkpoint of a pool with two runs under way and a dead letter, as the task restores it."""
    with StateDirectory.open(folder, "agent", 1, "none", {}) as state:
        shard = Shard.acquire(state.layout.shard(0), 0, "none")
        batch = Batch()
        batch.journal += JOURNAL.items()
        batch.dead.append(LETTER)
        shard.commit(batch)
        shard.close()
        with StoreReader(state.path) as reader:
            checkpoints = CheckpointReader(reader, 1, range(GROUP + 1))
            checkpoints.open(1)
            parts = checkpoints.next_parts(1)
            checkpoints.close()
    restored = []
    for kind, body in parts:
        if kind == frames.JOURNAL:
            restored.append(Frame(frames.RESTORE_JOURNAL, GROUP.to_bytes(2, "little") + body))
        elif kind == frames.LETTERS:
            restored.append(Frame(frames.RESTORE_LETTERS, body))
    return restored


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_journal_and_dead_letters_are_restored(tmp_path: Path, shards: int) -> None:
    restored = left_behind(tmp_path / "before")
    assert group_of(KEY) == GROUP
    with StateDirectory.open(tmp_path / "after", "agent", shards, "none", {}) as state:
        restore = Restore(state, range(GROUP + 1))
        for frame in restored:
            restore.apply(frame)
        restore.close()
        number = GROUP % shards
        shard = Shard.acquire(state.layout.shard(number), number, "none")
        found = {entry.key: entry.data for run in shard.journal().values() for entry in run}
        letters = shard.dead_letters()
        shard.close()
    assert found == JOURNAL
    assert letters == [LETTER]
