"""Checkpoints of a pool that goes on working: what the store held when a barrier came by.

The launcher reads inputs in order, and nothing that it has not read can have had an effect. So at
the moment when it reads a barrier, the store holds effects of inputs before the barrier only; of
some of them, which is as it should be: the task puts those that it has no outcome of into the
checkpoint, too. All there is to do is to open a read transaction on each shard. LMDB keeps the
pages of that moment for as long as the transaction is open, and the workers notice nothing.

A task that has written the state of an earlier moment needs only what has changed since. It says
of which keys that is, since nothing but an input changes a key's memory.

The parts are made when the task asks for them, a portion at a time, between two turns of the
launcher's loop. So a slow checkpoint storage slows the checkpoint and nothing else, and memory is
bounded by a portion.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from ...store.encoding.keys import group_of, key_prefix
from . import frames

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence
    from typing import TypeAlias

    from ...store.shard.key_groups import KeyGroupEntry
    from ...store.shard.snapshot import Snapshot
    from ...store.state.reader import StoreReader

    Parts: TypeAlias = Generator[tuple[bytes, bytes], None, None]

PORTION_BYTES: Final = 256 << 10
"""A portion is complete when it has so many bytes: for so long the loop is held up."""
KEPT_SECONDS: Final = 3600.0
"""A checkpoint that nobody asks for any more is given up: it pins pages."""


@dataclass(slots=True)
class _Held:
    """A checkpoint that is being read out."""

    shards: list[Snapshot | None]
    parts: Parts
    stack: ExitStack
    """Holds the snapshots."""
    since: float


class CheckpointReader:
    """The checkpoints that are being read out."""

    def __init__(self, reader: StoreReader, shards: int, groups: Sequence[int]) -> None:
        """`groups` are the key groups that the pool's inputs belong to."""
        self._reader = reader
        self._shards = shards
        self._groups = groups
        self._open: dict[int, _Held] = {}

    def hold(self, checkpoint: int) -> None:
        """A barrier has come by: keep what the store holds now."""
        self._forget_old()
        stack = ExitStack()
        shards = [stack.enter_context(self._reader.shard(n)) for n in range(self._shards)]
        parts = self._parts(shards, None)
        self._open[checkpoint] = _Held(shards, parts, stack, time.monotonic())

    def narrow(self, checkpoint: int, keys: list[bytes]) -> None:
        """Of memory only that of these keys is wanted, which are in the order of their groups.

        To be called before the first parts are asked for.
        """
        held = self._open.get(checkpoint)
        if held is not None:
            held.parts = self._parts(held.shards, keys)

    def next_parts(self, checkpoint: int) -> list[tuple[bytes, bytes]]:
        """The next parts, with kind and body; the last part of all marks the end.

        Of a checkpoint that is not known there is nothing but such an end, which says that, too.
        """
        held = self._open.get(checkpoint)
        if held is None:
            return [(frames.END, b"unknown")]
        parts = []
        size = 0
        for part in held.parts:
            parts.append(part)
            size += len(part[1])
            if size >= PORTION_BYTES:
                return parts
        self.drop(checkpoint)
        return [*parts, (frames.END, b"")]

    def drop(self, checkpoint: int) -> None:
        """No more of this checkpoint is wanted."""
        held = self._open.pop(checkpoint, None)
        if held is not None:
            held.parts.close()
            held.stack.close()

    def close(self) -> None:
        """Let go of all."""
        for checkpoint in list(self._open):
            self.drop(checkpoint)

    def _forget_old(self) -> None:
        now = time.monotonic()
        for checkpoint, held in list(self._open.items()):
            if now - held.since > KEPT_SECONDS:
                self.drop(checkpoint)

    def _parts(self, shards: list[Snapshot | None], keys: list[bytes] | None) -> Parts:
        for shard in shards:
            if shard is None:
                continue
            runs = shard.journal().values()
            records = [(entry.offset, entry.key, entry.data) for run in runs for entry in run]
            if records:
                yield frames.JOURNAL, frames.pack_journal(records)
            for _, record in shard.outbox():
                yield frames.OUTBOX, record
            letters = [
                (letter.offset, group_of(letter.key), letter.encode())
                for letter in shard.dead_letters()
            ]
            if letters:
                yield frames.LETTERS, frames.pack_letters(letters)
        memory = self._all(shards) if keys is None else self._some(shards, keys)
        for part in memory:
            yield frames.MEMORY, frames.pack_memory(part)

    def _all(self, shards: list[Snapshot | None]) -> Iterator[frames.Memory]:
        for group in self._groups:
            shard = shards[group % self._shards]
            if shard is not None:
                for entries in _portions(shard.group_entries(group)):
                    yield frames.Memory(group, [], entries)

    def _some(self, shards: list[Snapshot | None], keys: list[bytes]) -> Iterator[frames.Memory]:
        for group, of_group in groupby(keys, group_of):
            shard = shards[group % self._shards]
            prefixes: list[bytes] = []
            entries: list[KeyGroupEntry] = []
            size = 0
            for key in of_group:
                prefix = key_prefix(key)
                prefixes.append(prefix)
                size += len(prefix)
                for portion in _portions(shard.key_entries(prefix) if shard is not None else ()):
                    entries += portion
                    size += sum(len(entry.key) + len(entry.value) for entry in portion)
                    if size >= PORTION_BYTES:
                        yield frames.Memory(group, prefixes, entries)
                        prefixes, entries, size = [], [], 0
            if prefixes or entries:
                yield frames.Memory(group, prefixes, entries)


def _portions(entries: Iterable[KeyGroupEntry]) -> Iterator[list[KeyGroupEntry]]:
    portion: list[KeyGroupEntry] = []
    size = 0
    for entry in entries:
        portion.append(entry)
        size += len(entry.key) + len(entry.value)
        if size >= PORTION_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion
