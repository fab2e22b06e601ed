"""Runs that earlier lives have begun, and that have not begun again here, with their journals.

The recorded effects of a finished action are values, such as `count = 2`, made of the memory as it
was. They may be applied in a later life because no other run of the key comes in between: its later
inputs wait, and so do its timers (`Announcer`, `OwnedRuns.resume`). Except for one case: a dead
letter is retried by a job of its own, so its run may come between an interrupted run and the rest
of that run; and the runs of the interrupted job may come between an interrupted retry and the rest
of it; and a timer that has waited for too long. Applied on top of that, the recorded effects would
undo what the other run has done to memory.

So a run that changes the memory of a key while such a run is unfinished puts a mark into its
journal, in the same commit (`CHANGED`). When the marked run begins again, its recorded effects are
dropped and its actions run again, on the memory as it is now. Its durable calls stay on record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...store.records.journal import ACTION, CHANGED, MOMENT, JournalEntry
from ...store.records.offsets import RunKind, kind_of, offset_of, retries_of

if TYPE_CHECKING:
    from ..runs.group_commit import GroupCommit, ShardWriter
    from ..runs.lane import Lane
    from ..runs.run import Run


class UnfinishedRuns:
    """The journals of a worker's shards, by the numbers of their runs."""

    def __init__(self, group: GroupCommit) -> None:
        self._group = group
        self._journals: dict[int, list[JournalEntry]] = {}
        self._writers: dict[int, ShardWriter] = {}
        """The shard of each run that has recorded effects."""
        self._inputs: dict[int, ShardWriter] = {}
        """The shard of each run of an input, retries excepted."""
        self._moments: dict[int, ShardWriter] = {}
        """The shard of each run that has a moment on record, retries excepted."""
        self._keys: dict[int, bytes] = {}
        """The key of each retry among these; of other runs it is not on record."""

    def __bool__(self) -> bool:
        return bool(self._journals)

    def add(self, writer: ShardWriter) -> None:
        """Add the unfinished runs of a shard."""
        shard = writer.shard
        for number, entries in shard.interrupted().items():
            self._journals[number] = entries
            if not retries_of(number):
                self._inputs[number] = writer
            if any(entry.kind == ACTION for entry in entries):
                self._writers[number] = writer
            if not retries_of(number) and any(entry.kind == MOMENT for entry in entries):
                self._moments[number] = writer
        for number in self._journals:
            if retries_of(number) and self._writers.get(number) is writer:
                letter = shard.dead_letter(offset_of(number))
                if letter is not None:
                    self._keys[number] = letter.key

    def forget(self, writer: ShardWriter) -> None:
        """Drop the runs of a shard that the worker releases."""
        for number in writer.shard.interrupted():
            self._drop(number)

    def _drop(self, number: int) -> list[JournalEntry] | None:
        self._writers.pop(number, None)
        self._inputs.pop(number, None)
        self._moments.pop(number, None)
        self._keys.pop(number, None)
        return self._journals.pop(number, None)

    def begin(self, run: Run) -> None:
        """Give a run that begins its journal, if it has one."""
        entries = self._drop(run.offset)
        if entries is None:
            return
        marks = [entry for entry in entries if entry.kind == CHANGED]
        run.take_entries(entries)
        if any(mark.data == run.lane.key_bytes for mark in marks):
            lost = [entry for entry in entries if entry.kind in (ACTION, CHANGED)]
            run.entries = [entry for entry in run.entries or () if entry.kind != ACTION]
            run.memory_has_changed = True
            writer = run.lane.writer
            writer.batch.journal += [(entry.key, None) for entry in lost]
            self._group.join(writer)

    def awaits_input(self, shard: int) -> bool:
        """Whether an input of a shard is to begin again. A retry may do that long after."""
        return any(known.number == shard for known in self._inputs.values())

    def awaits_moment(self, writer: ShardWriter) -> bool:
        """Whether a run of a shard is to begin again that sees memory as of a moment on record.

        A retry may begin again long after, or never; other runs of its key may come in between in
        any case.
        """
        return any(known is writer for known in self._moments.values())

    def mark_changed(self, number: int, lane: Lane) -> None:
        """Mark the unfinished runs of a lane's key: the run of `number` changes its memory.

        Where the key of a run is not known, the mark names the key of this one.
        """
        for unfinished, writer in self._writers.items():
            if writer is not lane.writer:
                continue
            if not retries_of(unfinished):
                # Others wait for it, if it is of their key; a timer not for ever.
                concerned = retries_of(number) > 0 or kind_of(number) != RunKind.INPUT
            else:
                concerned = self._keys.get(unfinished) == lane.key_bytes
            entries = self._journals[unfinished]
            marks = [entry for entry in entries if entry.kind == CHANGED]
            if concerned and all(mark.data != lane.key_bytes for mark in marks):
                mark = JournalEntry(unfinished, 0, CHANGED, len(marks), lane.key_bytes)
                entries.append(mark)
                writer.batch.journal.append((mark.key, mark.data))
                self._group.join(writer)
