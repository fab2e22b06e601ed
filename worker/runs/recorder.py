"""Writes records of runs to the journal: outcomes of durable calls, and effects of actions.

A record joins the open group; the run that waits for it goes on when the group is committed.

The effects of finished actions are pending until something depends on them. To execute the actions
again has the same effects as long as nothing outside was touched and nothing is on record behind
them, so a run that ends before that needs no records. They are committed before the function of a
durable call is called: not with its outcome, because an action that draws an idempotency key at
random would draw another one when it is executed again. They join each other record of the run (of
`ctx.now`, waits and questions), in one commit. And they are recorded, if they can be pickled, when
the run gets old, fails or is given up, so that little has to be executed again.
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
    from .group_commit import GroupCommit
    from .run import Run


class Recorder:
    """Writes the journal of a worker's runs; to be made on the event loop's thread."""

    def __init__(self, group: GroupCommit) -> None:
        self._group = group
        self.calling: set[str] = set()
        """Actions that have made a durable call behind pending effects."""
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()

    def has_uncommitted(self, run: Run) -> bool:
        """Whether finished actions of a run have effects that are not committed."""
        return run.pending is not None or run.effects_group >= self._group.committed

    async def record_effects(self, run: Run) -> None:
        """Record the pending effects of a run; return when they are committed.

        Raises:
            UnserializableError: an event cannot be pickled.
        """
        self._expect_calls(run)
        self._write_effects(run)
        await self.recorded(run)

    def record_effects_now(self, run: Run) -> None:
        """The same before a synchronous durable call; blocks until they are committed."""
        if threading.get_ident() == self._loop_thread:
            self._expect_calls(run)
            self._write_effects(run)
            self._group.flush_in_place(run.lane.writer)
            run.effects_group = 0
        else:
            asyncio.run_coroutine_threadsafe(self.record_effects(run), self._loop).result()

    def record_effects_soon(self, run: Run) -> None:
        """Have the next commit record the pending effects of a run, as far as they can be."""
        try:
            self._write_effects(run)
        except Exception:  # noqa: BLE001 (of pickling: these actions are executed again)
            run.pending_since = 0

    def record_effects_then(self, run: Run, then: Callable[[Run], None]) -> None:
        """The same; `then` is called when the open group is committed."""
        self.record_effects_soon(run)
        self._group.when_committed(then, run)

    def _expect_calls(self, run: Run) -> None:
        if run.pending is not None and run.action is not None:
            self.calling.add(run.action.name)

    def _write_effects(self, run: Run) -> None:
        """Move the pending effects of a run into the open group."""
        pending = run.pending
        while pending:
            step, effects = pending[0]
            self._write(run, JournalEntry(run.offset, step, ACTION, 0, effects.encode()))
            del pending[0]
            run.effects_group = self._group.group
        run.pending = None
        run.pending_since = 0

    async def record_call(
        self,
        run: Run,
        log: CallLog,
        call: CallRecord,
        also: Callable[[], None] | None = None,
        *,
        soon: bool = False,
    ) -> None:
        """Record a durable call; return when the record is committed.

        `also` adds to the same commit. With `soon` nothing waits for that, unless this action has
        held the loop for some milliseconds.

        Raises:
            DurableCallError: the action that made it has ended.
        """
        _refuse_late(run, log, call)
        if also is not None:
            also()
        self._record(run, _entry(run, call))
        if soon and not self._group.is_overdue:
            self._group.schedule()
        else:
            await self.recorded(run)

    def record_call_now(
        self,
        run: Run,
        log: CallLog,
        call: CallRecord,
        also: Callable[[], None] | None = None,
        *,
        soon: bool = False,
    ) -> None:
        """Record a synchronous durable call; blocks until the record is committed."""
        if soon and threading.get_ident() == self._loop_thread:
            self.record_soon(run, log, call)
        elif threading.get_ident() == self._loop_thread:
            _refuse_late(run, log, call)
            if also is not None:
                also()
            self._record(run, _entry(run, call))
            self._group.flush_in_place(run.lane.writer)
            run.effects_group = 0
        else:
            recording = self.record_call(run, log, call, also, soon=soon)
            asyncio.run_coroutine_threadsafe(recording, self._loop).result()

    def record_soon(self, run: Run, log: CallLog, call: CallRecord) -> None:
        """Record a step that nothing outside depends on: with the next commit of the shard."""
        if threading.get_ident() == self._loop_thread:
            _refuse_late(run, log, call)
            self._record(run, _entry(run, call))
            self._group.schedule()
        else:
            asyncio.run_coroutine_threadsafe(self.record_call(run, log, call), self._loop).result()

    def schedule(self) -> None:
        """Commit soon what was recorded."""
        self._group.schedule()

    def abandon(self) -> None:
        """Commit nothing any more: the worker is given up, as if it had died."""
        self._group.abandon()

    async def recorded(self, run: Run) -> None:
        """Return when all that was recorded is committed; a run does not only wait meanwhile."""
        run.calls += 1
        try:
            await self._group.recorded()
        finally:
            run.calls -= 1

    def drop_failed_calls(self, run: Run, error: BaseException) -> None:
        """Remove the calls that made an action fail from the journal, so that they are repeated."""
        for change in run.drop_failed_calls(error):
            run.lane.writer.batch.journal.append(change)
            self._group.join(run.lane.writer)

    def _record(self, run: Run, entry: JournalEntry) -> None:
        if run.pending is not None:
            self._write_effects(run)
        self._write(run, entry)

    def _write(self, run: Run, entry: JournalEntry) -> None:
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
