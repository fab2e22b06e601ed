"""Writes a checkpoint into the shards of a new state directory, before workers start.

Memory is written as it was read: stored addresses do not contain the shard, so the number of shards
may have changed. It comes key group by key group, and in each group from the newest checkpoint to
older ones. A newer checkpoint has all memory of the keys that it has, so what older ones have of
these keys is left out. Journal records and dead letters go to the shard of their key group.

What waits comes in the order of its queues, and is put into the queues here one by one: so tickets,
due moments and counters are made anew. The task does not know which key groups it is of.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from ...store.encoding.keys import group_of, prefix_of
from ...store.records.dead_letters import DeadLetter
from ...store.shard.batch import Batch
from ...store.shard.key_groups import IN_MEMORY
from ...store.shard.shard import Shard
from ...store.shard.transfer import add_entry
from . import frames

if TYPE_CHECKING:
    from ...store.state.directory import StateDirectory
    from .frames import Frame

COMMIT_ENTRIES: Final = 50_000


class Restore:
    """Writes `R`, `J`, `L` and `W` frames into shards; close it before the pool starts.

    Raises:
        StoreError: as `Shard.acquire` and `Shard.commit`.
    """

    def __init__(self, state: StateDirectory, groups: range) -> None:
        """`groups` are the key groups of the pool's keys."""
        self._state = state
        self._groups = groups
        self._stack = ExitStack()
        self._shards: dict[int, tuple[Shard, Batch]] = {}
        self._group = -1
        self._ages: dict[bytes, int] = {}
        """By a key's prefix, the age of the newest checkpoint that has that key of the group."""

    def apply(self, frame: Frame) -> None:
        """Write one frame; it is committed at the latest by `close`."""
        if frame.kind == frames.RESTORE_MEMORY:
            self._apply_memory(*frames.unpack_restored(frame.body))
        elif frame.kind == frames.RESTORE_JOURNAL:
            # The key group is in front, because a record does not contain its key.
            group = int.from_bytes(frame.body[:2], "little")
            batch = self._batch(group)
            batch.journal += [(key, data) for _, key, data in frames.unpack_journal(frame.body[2:])]
        elif frame.kind == frames.RESTORE_LETTERS:
            for _, group, data in frames.unpack_letters(frame.body):
                self._batch(group).dead.append(DeadLetter.decode(data))
        elif frame.kind == frames.RESTORE_WAITING:
            for entry in frames.unpack_waiting(frame.body):
                group = group_of(entry.run_key)
                if group in self._groups:
                    add_entry(self._batch(group), entry)
        self._commit(COMMIT_ENTRIES)

    def _apply_memory(self, age: int, memory: frames.Memory) -> None:
        if memory.group != self._group:
            self._group = memory.group
            self._ages.clear()
        ages = self._ages
        for prefix in memory.prefixes:
            ages.setdefault(prefix, age)
        batch = self._batch(memory.group)
        for which, key, value in memory.entries:
            if not ages or ages.get(prefix_of(key), age) == age:
                (batch.memory if which == IN_MEMORY else batch.names)[key] = value

    def close(self) -> None:
        """Commit the rest, and release the shards."""
        self._commit(1)
        self._stack.close()

    def _batch(self, group: int) -> Batch:
        manifest = self._state.manifest
        number = group % manifest.shards
        if number not in self._shards:
            shard = Shard.acquire(self._state.layout.shard(number), number, manifest.durability)
            self._stack.callback(shard.close)
            self._shards[number] = shard, Batch()
        return self._shards[number][1]

    def _commit(self, least: int) -> None:
        for number, (shard, batch) in list(self._shards.items()):
            size = len(batch.memory) + len(batch.names) + len(batch.journal) + len(batch.dead)
            size += len(batch.usage)
            if batch.waiting is not None:
                size += len(batch.waiting.changes)
            if size >= least:
                shard.commit(batch)
                self._shards[number] = shard, Batch()
