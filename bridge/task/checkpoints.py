"""Checkpoints of a running pool: the content of the store at a barrier.

The launcher reads inputs in order, and an input that it has not read can have had no effect. So
when it reads a barrier, the store has effects of inputs before the barrier only. It need not have
the
effects of all of them: the task puts the inputs without an outcome into the checkpoint, too. So the
snapshot is one read transaction on each shard. LMDB keeps the pages of that moment while the
transaction is open, and the workers go on.

A task that has written an earlier checkpoint needs only the memory that has changed since. It sends
the keys that had inputs. Owned runs change memory, too, and of these the task knows nothing: their
keys are noted here, from when a worker announces them. Of such a key all fields are sent, and of
its memory sets what has changed (`store.sets.transfer`): for that, the highest number in each shard
is kept from barrier to barrier. A run changes shared sets of its key's group only, so those of a
group are sent with its keys.

The parts are made when the task asks for them, one portion at a time, between two turns of the
launcher's loop. So a slow checkpoint storage slows only the checkpoint, and the memory needed is
that of one portion.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, groupby
from typing import TYPE_CHECKING, Final, TypeVar

from ...store.encoding.keys import group_of, key_prefix
from ...store.sets.records import shared_owner
from ...store.shard.key_groups import KeyGroupEntry
from ...store.shard.transfer import WaitingEntry, entries_of
from . import frames

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence
    from typing import TypeAlias

    from ...store.shard.snapshot import Snapshot
    from ...store.state.reader import StoreReader

    Parts: TypeAlias = Generator[tuple[bytes, bytes], None, None]

Entry = TypeVar("Entry", KeyGroupEntry, WaitingEntry)

PORTION_BYTES: Final = 256 << 10
"""The size of a portion; the loop stands still while one is made."""
PORTION_SECONDS: Final = 0.02
"""A portion that takes longer ends where it is."""
MOST_CHANGED: Final = 1 << 18
"""With more changed keys all memory is sent: so large a set costs more than it saves."""
KEPT_SECONDS: Final = 3600.0
"""A checkpoint older than this is dropped, because it keeps old pages in the store."""


@dataclass(slots=True)
class _OpenCheckpoint:
    """A checkpoint that the task is reading."""

    shards: list[Snapshot | None]
    parts: Parts
    changed: frozenset[bytes] | None
    """Keys whose memory owned runs may have changed; None: all keys."""
    numbers: list[int] | None
    """By shard, the last number of a change of memory sets at the barrier before; None: unknown."""
    stack: ExitStack
    """Closes the snapshots."""
    since: float


class ChangedKeys:
    """The keys whose memory owned runs may have changed since a barrier.

    A run may do so from when a worker announces it until it is over, and commits before that.
    """

    def __init__(self, most: int = MOST_CHANGED) -> None:
        self._most = most
        self._running: dict[int, bytes] = {}
        """The keys of runs that are announced and not over, by number."""
        self._changed: set[bytes] | None = set()
        """None: too many to count."""

    def announced(self, runs: Iterable[tuple[int, bytes]]) -> None:
        """These owned runs (number, encoded key) may change memory from now on."""
        runs = list(runs)
        self._running.update(runs)
        if self._changed is not None:
            self._changed.update(key for _, key in runs)
            if len(self._changed) > self._most:
                self._changed = None

    def over(self, numbers: Iterable[int]) -> None:
        """These runs are committed; numbers of others are ignored."""
        for number in numbers:
            self._running.pop(number, None)

    def at_barrier(self, *, begins_anew: bool) -> frozenset[bytes] | None:
        """Return the keys so far, None for all; count from now on if it `begins_anew`."""
        changed = None if self._changed is None else frozenset(self._changed)
        if begins_anew:
            self._changed = set(self._running.values())
        return changed


class CheckpointReader:
    """Opens checkpoints at barriers, and makes their parts for the task."""

    def __init__(self, reader: StoreReader, shards: int, groups: Sequence[int]) -> None:
        """`groups` are the key groups that the pool's inputs belong to."""
        self._reader = reader
        self._shards = shards
        self._groups = groups
        self._open: dict[int, _OpenCheckpoint] = {}
        self._numbers: list[int] | None = None
        """By shard, the last number at the last barrier upon which checkpoints may be built."""
        self.changed = ChangedKeys()

    def open(self, checkpoint: int, *, builds: bool = True) -> None:
        """Keep a snapshot of what the store has now, at a barrier.

        `builds`: later checkpoints may be built upon it.
        """
        self._drop_old()
        stack = ExitStack()
        shards = [stack.enter_context(self._reader.shard(n)) for n in range(self._shards)]
        parts = self._parts(shards, self._all(shards))
        changed = self.changed.at_barrier(begins_anew=builds)
        self._open[checkpoint] = _OpenCheckpoint(
            shards, parts, changed, self._numbers, stack, time.monotonic()
        )
        if builds:
            self._numbers = [0 if shard is None else shard.last_set_number() for shard in shards]

    def restrict(self, checkpoint: int, keys: list[bytes]) -> None:
        """Give memory of these keys only, and of those that owned runs have changed.

        Call it before the first `next_parts`.
        """
        found = self._open.get(checkpoint)
        if found is None:
            return
        if found.changed is None or found.numbers is None:
            found.parts = self._all_instead(found.shards)
        else:
            # As texts they are in the order of their groups.
            changed = sorted(found.changed.union(keys))
            found.parts = self._parts(
                found.shards, self._some(found.shards, changed, found.numbers)
            )

    def next_parts(self, checkpoint: int) -> list[tuple[bytes, bytes]]:
        """The next parts (kind, body); the last part of all is an `END`.

        For an unknown checkpoint that is the only part, with the body `unknown`.
        """
        found = self._open.get(checkpoint)
        if found is None:
            return [(frames.END, b"unknown")]
        parts = []
        size = 0
        ends = time.monotonic() + PORTION_SECONDS
        for part in found.parts:
            parts.append(part)
            size += len(part[1])
            if size >= PORTION_BYTES or time.monotonic() > ends:
                return parts
        self.drop(checkpoint)
        return [*parts, (frames.END, b"")]

    def drop(self, checkpoint: int) -> None:
        """Close a checkpoint."""
        found = self._open.pop(checkpoint, None)
        if found is not None:
            found.parts.close()
            found.stack.close()

    def close(self) -> None:
        """Close all checkpoints."""
        for checkpoint in list(self._open):
            self.drop(checkpoint)

    def _drop_old(self) -> None:
        now = time.monotonic()
        for checkpoint, found in list(self._open.items()):
            if now - found.since > KEPT_SECONDS:
                self.drop(checkpoint)

    def _all_instead(self, shards: list[Snapshot | None]) -> Parts:
        yield frames.ALL, b""
        yield from self._parts(shards, self._all(shards))

    def _parts(self, shards: list[Snapshot | None], memory: Iterator[frames.Memory]) -> Parts:
        for number, shard in enumerate(shards):
            if shard is None:
                continue
            runs = shard.interrupted().values()
            records = [(entry.offset, entry.key, entry.data) for run in runs for entry in run]
            if records:
                yield frames.JOURNAL, frames.pack_journal(records)
            for sequence, record in shard.outbox():
                yield frames.OUTBOX, frames.pack_place(number, sequence) + record
            letters = [
                (letter.offset, group_of(letter.key), letter.encode())
                for letter in shard.dead_letters()
            ]
            if letters:
                yield frames.LETTERS, frames.pack_letters(letters)
        for part in memory:
            yield frames.MEMORY, frames.pack_memory(part)
        for shard in shards:
            if shard is not None:
                for entries in _portions(entries_of(shard)):
                    yield frames.WAITING, frames.pack_waiting(entries)

    def _all(self, shards: list[Snapshot | None]) -> Iterator[frames.Memory]:
        for group in self._groups:
            shard = shards[group % self._shards]
            if shard is not None:
                for entries in _portions(shard.group_entries(group)):
                    yield frames.Memory(group, [], entries)

    def _some(
        self, shards: list[Snapshot | None], keys: list[bytes], numbers: list[int]
    ) -> Iterator[frames.Memory]:
        for group, of_group in groupby(keys, group_of):
            shard = shards[group % self._shards]
            since = numbers[group % self._shards]
            owners: list[bytes] = []
            entries: list[KeyGroupEntry] = []
            size = 0
            ends = time.monotonic() + PORTION_SECONDS
            for owner, found in _by_owner(shard, of_group, since):
                owners.append(owner)
                size += len(owner)
                for portion in _portions(found):
                    entries += portion
                    size += sum(len(entry.key) + len(entry.value) for entry in portion)
                    if size >= PORTION_BYTES or time.monotonic() > ends:
                        yield frames.Memory(group, owners, entries)
                        owners, entries, size = [], [], 0
                        ends = time.monotonic() + PORTION_SECONDS
            if owners or entries:
                yield frames.Memory(group, owners, entries)


def _by_owner(
    shard: Snapshot | None, keys: Iterable[bytes], since: int
) -> Iterator[tuple[bytes, Iterable[KeyGroupEntry]]]:
    """What is sent of some keys of a group, and of the sets that the group's keys share."""
    shared = b""
    for key in keys:
        shared = shared_owner(key)
        owner = key_prefix(key)
        found = (
            ()
            if shard is None
            else chain(shard.key_entries(owner), shard.set_entries(owner, since))
        )
        yield owner, found
    yield shared, () if shard is None else shard.set_entries(shared, since)


def _portions(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    portion: list[Entry] = []
    size = 0
    ends = time.monotonic() + PORTION_SECONDS
    for entry in entries:
        portion.append(entry)
        size += len(entry.key) + len(entry.value)
        if size >= PORTION_BYTES or time.monotonic() > ends:
            yield portion
            portion, size = [], 0
            ends = time.monotonic() + PORTION_SECONDS
    if portion:
        yield portion
