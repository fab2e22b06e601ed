"""Writes a checkpoint into the shards of a new state directory, before workers start.

Memory is written as it was read: stored addresses do not contain the shard, so the number of shards
may have changed. It comes key group by key group, and in each group from the newest checkpoint to
older ones. A newer checkpoint has all memory of the keys that it has, so what older ones have of
these keys is left out. Journal records and dead letters go to the shard of their key group.

Of memory sets a newer checkpoint may have only what has changed (`store.sets.transfer.arriving`).
They are written as they come, too, and at the end they are indexed.

What waits comes in the order of its queues, and is put into the queues here one by one: so tickets,
due moments and counters are made anew. The task does not know which key groups it is of.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Final

from ...store.encoding.keys import group_of, prefix_of
from ...store.records.dead_letters import DeadLetter
from ...store.sets.records import owner_of
from ...store.sets.transfer.arriving import IncomingSets, index_some, write_records
from ...store.shard.batch import Batch
from ...store.shard.key_groups import IN_MEMORY, IN_SETS
from ...store.shard.shard import Shard
from ...store.shard.transfer import add_entry
from . import frames

if TYPE_CHECKING:
    from typing_extensions import Self

    from ...store.sets.transfer.sending import Record
    from ...store.state.directory import StateDirectory
    from .frames import Frame

COMMIT_ENTRIES: Final = 50_000
COMMIT_BYTES: Final = 8 << 20
"""Records of memory sets in one commit: what is not written yet, and what is indexed at once."""


class Restore:
    """Writes `R`, `J`, `L` and `W` frames into shards, before the pool starts.

    Raises:
        StoreError: as `Shard.acquire` and `Shard.commit`, and for a checkpoint that lacks items.
    """

    def __init__(self, state: StateDirectory, groups: range) -> None:
        """`groups` are the key groups of the pool's keys."""
        self._state = state
        self._groups = groups
        self._stack = ExitStack()
        self._shards: dict[int, tuple[Shard, Batch]] = {}
        self._group = -1
        self._ages: dict[bytes, int] = {}
        """By owner, a key's prefix, the age of the newest checkpoint that has it in the group."""
        self._incoming = IncomingSets()
        self._sets: defaultdict[int, dict[bytes, bytes]] = defaultdict(dict)
        """By shard, records of memory sets that are not written yet."""
        self._sets_size = 0

    def apply(self, frame: Frame) -> None:
        """Write one frame; it is committed at the latest by `finish`."""
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
            self._incoming.finish()
        ages = self._ages
        for prefix in memory.prefixes:
            ages.setdefault(prefix, age)
        batch = self._batch(memory.group)
        for which, key, value in memory.entries:
            if which == IN_SETS:
                is_newest = ages.get(owner_of(key), age) == age
                for record in self._incoming.records(key, value, age, is_newest=is_newest):
                    self._add_to_sets(record)
            elif not ages or ages.get(prefix_of(key), age) == age:
                (batch.memory if which == IN_MEMORY else batch.names)[key] = value

    def _add_to_sets(self, record: Record) -> None:
        key, value = record
        self._sets[self._group % self._state.manifest.shards][key] = value
        self._sets_size += len(key) + len(value)
        if self._sets_size >= COMMIT_BYTES:
            self._commit_sets()

    def _commit_sets(self) -> None:
        for number, records in self._sets.items():
            self._shards[number][0].write(partial(write_records, records))
        self._sets.clear()
        self._sets_size = 0

    def finish(self) -> None:
        """Commit the rest, and index the memory sets; nothing more can be applied then.

        Raises:
            StoreError: as the class, and for a checkpoint that lacks items of a memory set.
        """
        self._incoming.finish()
        self._commit(1)
        self._commit_sets()
        for shard, _ in self._shards.values():
            done: bytes | None = b""
            while done is not None:
                done = shard.write(partial(index_some, done, COMMIT_BYTES))

    def close(self) -> None:
        """Release the shards; what is not committed is lost."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

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
