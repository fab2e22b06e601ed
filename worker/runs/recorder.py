"""Writes records of runs to the journal: outcomes of durable calls, and effects of actions.

A record joins the open group; the run that waits for it goes on when the group is committed.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from ...agent.errors import DurableCallError
from ...store.records.journal import ACTION, CALL, JournalEntry

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..durable.call_log import CallLog, CallRecord
    from .effects import Effects
    from .group_commit import GroupCommit
    from .run import Run


class Recorder:
    """Writes the journal of a worker's runs; to be made on the event loop's thread."""

    def __init__(self, group: GroupCommit) -> None:
        self._group = group
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()

    def record_effects(self, run: Run, effects: Effects, then: Callable[[Run], None]) -> None:
        """Record a finished action; `then` is called when the record is committed."""
        self._record(run, JournalEntry(run.offset, run.step - 1, ACTION, 0, effects.encode()))
        self._group.when_committed(then, run)

    async def record_call(
        self, run: Run, log: CallLog, call: CallRecord, also: Callable[[], None] | None = None
    ) -> None:
        """Record a durable call; return when the record is committed.

        `also` adds to the same commit.

        Raises:
            DurableCallError: the action that made it has ended.
        """
        _refuse_late(run, log, call)
        if also is not None:
            also()
        self._record(run, _entry(run, call))
        await self._group.recorded()

    def record_call_now(
        self, run: Run, log: CallLog, call: CallRecord, also: Callable[[], None] | None = None
    ) -> None:
        """Record a synchronous durable call; blocks until the record is committed."""
        if threading.get_ident() == self._loop_thread:
            _refuse_late(run, log, call)
            if also is not None:
                also()
            self._record(run, _entry(run, call))
            self._group.flush_in_place(run.lane.writer)
        else:
            recording = self.record_call(run, log, call, also)
            asyncio.run_coroutine_threadsafe(recording, self._loop).result()

    def record_soon(self, run: Run, log: CallLog, call: CallRecord) -> None:
        """Record a step that nothing outside depends on: with the next commit of the shard."""
        if threading.get_ident() == self._loop_thread:
            _refuse_late(run, log, call)
            self._record(run, _entry(run, call))
            self._group.schedule()
        else:
            asyncio.run_coroutine_threadsafe(self.record_call(run, log, call), self._loop).result()

    def abandon(self) -> None:
        """Commit nothing any more: the worker is given up, as if it had died."""
        self._group.abandon()

    async def recorded(self) -> None:
        """Return when all that was recorded is committed."""
        await self._group.recorded()

    def drop_failed_calls(self, run: Run, error: BaseException) -> None:
        """Remove the calls that made an action fail from the journal, so that they are repeated."""
        for change in run.drop_failed_calls(error):
            run.lane.writer.batch.journal.append(change)
            self._group.join(run.lane.writer)

    def _record(self, run: Run, entry: JournalEntry) -> None:
        writer = run.lane.writer
        if run.lane.moment is None:
            writer.batch.journal.append((entry.key, entry.data))
        else:
            writer.batch.journal += [(e.key, e.data) for e in run.entries_with_moment(entry)]
        self._group.join(writer)
        run.add_entry(entry)


def _refuse_late(run: Run, log: CallLog, call: CallRecord) -> None:
    if run.log is not log:
        raise DurableCallError(
            f"the durable call {call.name} was not finished when its action ended, and is not "
            "on record: await every call"
        )


def _entry(run: Run, call: CallRecord) -> JournalEntry:
    return JournalEntry(run.offset, run.step, CALL, call.number, call.encode())
