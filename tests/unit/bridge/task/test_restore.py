"""What a checkpoint holds besides memory comes back, in whatever number of shards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tamias.bridge.task import frames
from tamias.bridge.task.checkpoints import CheckpointReader
from tamias.bridge.task.frames import Frame
from tamias.bridge.task.restore import Restore
from tamias.store.encoding.keys import encode_key, group_of, key_prefix
from tamias.store.records.dead_letters import DeadLetter
from tamias.store.records.journal import ACTION, CALL, journal_key
from tamias.store.records.offsets import RunKind, derived_number, owned_number
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.state.directory import StateDirectory
from tamias.store.state.reader import StoreReader
from tamias.store.waiting.reading import WaitingCounts
from tamias.store.waiting.records import NEVER, OwnedRun, QuestionRecord

if TYPE_CHECKING:
    from pathlib import Path

    from tamias.store.waiting.reading import WaitingView

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
        with Restore(state, range(GROUP + 1)) as restore:
            for frame in restored:
                restore.apply(frame)
            restore.finish()
        number = GROUP % shards
        shard = Shard.acquire(state.layout.shard(number), number, "none")
        found = {entry.key: entry.data for run in shard.journal().values() for entry in run}
        letters = shard.dead_letters()
        shard.close()
    assert found == JOURNAL
    assert letters == [LETTER]


OTHER = b"g" + (GROUP - 1).to_bytes(2, "big") + encode_key("b")
TIMER = derived_number(RunKind.TIMER, KEY, 1)
QUESTION = QuestionRecord(owned_number(1), KEY, "approve", b"", 5.0)


def what_waits(folder: Path) -> list[bytes]:
    """Parts of a checkpoint: a run that was answered, inputs behind it, a timer, an end."""
    with StateDirectory.open(folder, "agent", 1, "none", {}) as state:
        shard = Shard.acquire(state.layout.shard(0), 0, "none")
        batch = Batch()
        changes = batch.changes_of_waiting()
        for key in (KEY, OTHER):
            first = 1 if key == KEY else 11
            begun = OwnedRun(RunKind.INPUT, key, b"first", begun=True, due=NEVER)
            changes.put(owned_number(first), begun.encode(), queued=True)
            for n in (first + 2, first + 1):  # the order is that of the queue, not of the numbers
                behind = OwnedRun(RunKind.INPUT, key, b"behind")
                changes.put(owned_number(n), behind.encode(), queued=True)
        timer = OwnedRun(RunKind.TIMER, KEY, b"event", due=7.0, id="mine")
        changes.put(TIMER, timer.encode(), timer_id="mine")
        changes.put_question("q1", QUESTION.answered(b"!", "json", "ann", 6.0, "r").encode())
        changes.wake(owned_number(1))
        changes.put_end(key_prefix(KEY), END.to_bytes(8, "big") + KEY)
        batch.journal += [(journal_key(1, 0, CALL, 0), b"a call")]
        batch.journal += [(journal_key(END, 0, CALL, 0), b"at the end")]
        batch.journal += [(journal_key(20, 0, CALL, 0), b"of an input")]
        shard.commit(batch)
        shard.close()
        with StoreReader(state.path) as reader:
            checkpoints = CheckpointReader(reader, 1, range(GROUP + 1))
            checkpoints.open(1)
            parts = checkpoints.next_parts(1)
            checkpoints.close()
    journals = [body for kind, body in parts if kind == frames.JOURNAL]
    assert [n for body in journals for n, _, _ in frames.unpack_journal(body)] == [20]
    return [body for kind, body in parts if kind == frames.WAITING]


END = derived_number(RunKind.END, KEY, 1)


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_what_waits_is_restored_by_the_task_that_has_its_key(tmp_path: Path, shards: int) -> None:
    parts = what_waits(tmp_path / "before")
    with StateDirectory.open(tmp_path / "after", "agent", shards, "none", {}) as state:
        with Restore(state, range(GROUP, GROUP + 1)) as restore:
            for part in parts:
                restore.apply(Frame(frames.RESTORE_WAITING, part))
            restore.finish()
        number = GROUP % shards
        shard = Shard.acquire(state.layout.shard(number), number, "none")
        view: WaitingView = shard.read_waiting(lambda view: view)
        assert [int.from_bytes(n, "big") for _, n in view.queue()] == [
            owned_number(n) for n in (1, 3, 2)
        ]
        assert {due.number for due in view.due(1 << 62)} == {owned_number(1), TIMER}
        assert view.timer(KEY, "mine") == TIMER
        assert dict(view.questions()) == {"q1": QUESTION.answered(b"!", "json", "ann", 6.0, "r")}
        assert list(view.ends()) == [(END, KEY)]
        assert view.counts() == WaitingCounts(1, 2, 1, 1, view.counts().next)
        journal = {entry.key: entry.data for run in shard.journal().values() for entry in run}
        shard.close()
    assert journal == {
        journal_key(1, 0, CALL, 0): b"a call",
        journal_key(END, 0, CALL, 0): b"at the end",
    }
