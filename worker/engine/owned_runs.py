"""Runs that the shard owns: suspend them, keep inputs behind them, take them up again.

A key whose run is suspended is *held*: the run is in the store, in the queue of its key, and so is
each input of the key that comes meanwhile. The launcher is told that it need not keep them
(`suspended` in the outbox record). The store makes the first run of a queue due when its turn has
come, the announcer announces it, and it comes back here as an input with an owned number.

A dead letter that is retried while the pool runs comes like an owned run, too, under the owned
number of its next retry: its input is in the shard. One of a run that has no input is put back
first, as the owned run that it was.

A key is not held any more when its queue is empty and that is committed. Until then its inputs go
through the queue, even if it has just become empty, so none overtakes another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...store import clock
from ...store.crashpoints import reach
from ...store.records.offsets import (
    RunKind,
    derived_number,
    identity_of,
    is_owned,
    kind_of,
    offset_of,
    owned_number,
    retries_of,
)
from ...store.waiting.records import OwnedRun, run_of_letter
from ..runs.run import Run
from ..waiting.timers import TimerChange, next_repetition, number_of_generated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...store.shard.snapshot import Snapshot
    from ..runs.group_commit import GroupCommit, ShardWriter
    from ..runs.lane import Lane
    from .unfinished import UnfinishedRuns


class OwnedRuns:
    """The owned runs of a worker's shards."""

    def __init__(
        self,
        group: GroupCommit,
        unfinished: UnfinishedRuns,
        *,
        start: Callable[[Run, dict[str, Any] | None], None],
        wants_ends: bool,
    ) -> None:
        """`start` begins a run whose lane is free, or sets it aside because of a rejection.

        `wants_ends`: whether the agent listens to the end of the input.
        """
        self._group = group
        self._start = start
        self._unfinished = unfinished
        self.wants_ends = wants_ends

    # -- runs that come back --------------------------------------------------------------------

    def receive(
        self, lane: Lane, number: int, rejection: dict[str, Any] | None, *, in_turn: bool = False
    ) -> None:
        """Take up an owned run that the launcher has sent: start it, or have it wait its turn.

        `in_turn`: it has waited in the lane's queue, and was the first there.
        """
        owned = self._find(lane, number) or self._retried(lane, number)
        if owned is None:  # a timer that was cancelled, or a dead letter of a run without an input
            self._report(lane, number)
        elif owned.ticket:
            if lane.writer.shard.read_waiting(lambda v: v.first_in_queue(owned.key)) != number:
                self._report(lane, number, suspended=True)
            else:
                self._begin(lane, number, owned, rejection)
        elif lane.held and rejection is None:
            self._append(lane, number, owned)
        elif not in_turn and (lane.run is not None or lane.queue):
            lane.wait(number, b"", rejection)
        else:
            self._begin(lane, number, owned, rejection)

    def _find(self, lane: Lane, number: int) -> OwnedRun | None:
        self._drop_overlay(lane)
        if lane.removed and number in lane.removed:
            return None
        shard = lane.writer.shard
        owned = shard.read_waiting(lambda view: view.owned(number))
        if owned is None and self._is_end(lane, number):
            return OwnedRun(RunKind.END, lane.key_bytes)
        return owned

    @staticmethod
    def _is_end(lane: Lane, number: int) -> bool:
        return lane.writer.shard.read_waiting(lambda view: view.end(lane.key_bytes)) == number

    def _begin(
        self, lane: Lane, number: int, owned: OwnedRun, rejection: dict[str, Any] | None
    ) -> None:
        run = Run(lane, identity_of(number), owned.payload)
        run.become_owned(owned)
        run.attempts = owned.attempts
        run.errors = list(owned.errors)
        if _is_retried(owned):
            self._unfinished.begin(run)
        else:
            run.take_entries(lane.writer.shard.journal_of(run.offset))
        self._start(run, rejection)

    def _retried(self, lane: Lane, number: int) -> OwnedRun | None:
        """The run of a dead letter that the launcher has retried; None if there is none to begin.

        A run without an input is put back, and comes again when that is committed.
        """
        letter = lane.writer.shard.dead_letter(offset_of(number))
        if letter is None:
            return None
        if kind_of(number) != RunKind.INPUT:
            lane.writer.batch.retried.append(number)
            lane.writer.batch.changes_of_waiting().put(number, run_of_letter(letter).encode())
            return None
        # An older number is that of a retry which has ended.
        return run_of_letter(letter) if letter.retries + 1 == retries_of(number) else None

    # -- inputs behind a suspended run ----------------------------------------------------------

    def store(self, lane: Lane, offset: int, payload: bytes) -> None:
        """Put an input of a held key into the key's queue."""
        number = owned_number(offset)
        if retries_of(offset) and self._is_kept(lane, number):  # sent again by another retry
            self._report(lane, offset, suspended=True)
            return
        self._put(lane, number, OwnedRun(RunKind.INPUT, lane.key_bytes, payload), reported=offset)
        self.want_end(lane, offset)
        reach("store.after")

    @staticmethod
    def _is_kept(lane: Lane, number: int) -> bool:
        return lane.writer.shard.read_waiting(lambda view: view.is_owned(number))

    def _append(self, lane: Lane, number: int, owned: OwnedRun) -> None:
        """Put a timer, or the end of the input, into the queue of a held key."""
        self._put(lane, number, owned, reported=number)
        if owned.kind == RunKind.END:
            self._forget_end(lane)

    def _put(self, lane: Lane, number: int, owned: OwnedRun, *, reported: int) -> None:
        lane.writer.batch.changes_of_waiting().put(number, owned.encode(), queued=True)
        lane.writer.may_have_queues = True
        self._report(lane, reported, suspended=True)
        self._group.when_committed(self._recheck, lane)

    # -- suspension -----------------------------------------------------------------------------

    def suspend(self, run: Run, due: float) -> None:
        """Commit that a run, whose execution is given up, goes on at a moment."""
        lane = run.lane
        before = run.owned
        owned = OwnedRun(
            kind=RunKind.INPUT if before is None else before.kind,
            key=lane.key_bytes,
            payload=run.payload,
            begun=True,
            due=due,
            attempts=run.attempts,
            errors=tuple(run.errors or ()),
            id="" if before is None else before.id,
            every=0.0 if before is None else before.every,
            origin=run.origin,
        )
        reach("suspend.before")
        lane.writer.batch.changes_of_waiting().put(
            owned_number(run.offset), owned.encode(), queued=True
        )
        lane.writer.may_have_queues = True
        if owned.kind == RunKind.END:
            self._forget_end(lane)
        elif before is None:
            self.want_end(lane, run.offset)
        self._report(lane, run.number, suspended=True)
        lane.run = None
        lane.held = True
        waiting, lane.queue = lane.queue, None
        for offset, payload, rejection in waiting or ():
            if is_owned(offset):
                self.receive(lane, offset, rejection)
            elif rejection is not None:
                self._start(Run(lane, offset, payload), rejection)
            else:
                self.store(lane, offset, payload)
        reach("suspend.after")

    # -- ends of runs ---------------------------------------------------------------------------

    def finish(self, run: Run) -> None:
        """Remove an owned run that has ended; the next one of its queue is due then."""
        owned, lane = run.owned, run.lane
        assert owned is not None  # noqa: S101 (the caller has checked)
        number = owned_number(run.offset)
        changes = lane.writer.batch.changes_of_waiting()
        named = "" if number_of_generated(owned.id) is not None else owned.id
        if owned.every and not any(change.id == owned.id for change in run.timers or ()):
            following, timer = next_repetition(owned, clock.now())
            self._set(lane, TimerChange(following, owned.id, timer.encode()))
        changes.remove(number, named)
        if owned.id:
            # Also if the store has it: the next run of the key must not find it any more.
            lane.timers = lane.timers or {}
            if lane.timers.setdefault(owned.id, number) == number:
                lane.timers[owned.id] = None
        if owned.kind == RunKind.END and self._is_end(lane, number):
            self._forget_end(lane)
        lane.writer.over.append(run.number)
        if lane.held:
            self._group.when_committed(self._recheck, lane)

    def set_timers(self, run: Run) -> None:
        """Add the timers that a run has set and cancelled, and which has succeeded."""
        for change in run.timers or ():
            self._set(run.lane, change)

    def _set(self, lane: Lane, change: TimerChange) -> None:
        change.write(lane.writer.batch.changes_of_waiting())
        if lane.timers is None:
            lane.timers = {}
        if change.record is None:
            lane.timers[change.id] = None
            if lane.removed is None:
                lane.removed = set()
            lane.removed.add(change.number)
        else:
            lane.timers[change.id] = change.number
        lane.group = self._group.group
        self._group.join(lane.writer)

    def timer(self, run: Run, timer_id: str) -> int | None:
        """The number of a timer of the run's key that is set and has not arrived; None for none."""
        lane = run.lane
        change = None if run.timers is None else run.timers.last_of(timer_id)
        if change is not None:
            return None if change.record is None else change.number
        self._drop_overlay(lane)
        if lane.timers is not None and timer_id in lane.timers:
            found = lane.timers[timer_id]
        else:
            shard = lane.writer.shard
            found = number_of_generated(timer_id)
            if found is None:
                found = shard.read_waiting(lambda view: view.timer(lane.key_bytes, timer_id))
            elif not self._is_set(lane, found):
                found = None
        return None if run.owned is not None and found == owned_number(run.offset) else found

    @staticmethod
    def _is_set(lane: Lane, number: int) -> bool:
        owned = lane.writer.shard.read_waiting(lambda view: view.owned(number))
        return (
            owned is not None
            and owned.kind == RunKind.TIMER
            and owned.key == lane.key_bytes
            and not owned.begun
        )

    # -- the end of the input -------------------------------------------------------------------

    def want_end(self, lane: Lane, offset: int) -> None:
        """Record that the key of an input wants to know the end of the input.

        For an input that waits that is done when it is put into the queue, not when its run ends:
        the end may be behind it by then. The retry of a dead letter is no new input: its key has
        wanted to know, or knows, since the input came first.
        """
        if not self.wants_ends or lane.wants_end or retries_of(offset):
            return
        shard = lane.writer.shard
        if lane.wants_end is None:
            lane.wants_end = shard.read_waiting(lambda v: v.end(lane.key_bytes)) is not None
        if not lane.wants_end:
            lane.wants_end = True
            number = derived_number(RunKind.END, lane.key_bytes, shard.next_sequence)
            value = number.to_bytes(8, "big") + lane.key_bytes
            lane.writer.batch.changes_of_waiting().put_end(lane.prefix, value)

    @staticmethod
    def _forget_end(lane: Lane) -> None:
        lane.writer.batch.changes_of_waiting().put_end(lane.prefix, None)
        lane.wants_end = False

    # -- what they share ------------------------------------------------------------------------

    def open_shard(self, writer: ShardWriter, lanes: Mapping[bytes, Lane]) -> None:
        """Read whether keys of a shard may be held, and hold those of interrupted runs.

        A timer, or the end of the input, that an earlier life has begun is put into the queue of
        its key: it comes before all else of the key, as if it had been suspended.
        """
        writer.may_have_queues = writer.shard.read_waiting(lambda view: view.has_queues)
        for number, owned in writer.shard.read(_interrupted):
            lane = lanes[owned.key]
            writer.batch.changes_of_waiting().put(number, owned.encode(), queued=True)
            if owned.kind == RunKind.END:
                self._forget_end(lane)
            writer.may_have_queues = lane.held = True
            self._group.join(writer)
            lane.group = self._group.group
            self._group.when_committed(self._recheck, lane)
            self._group.schedule()

    def _report(self, lane: Lane, number: int, *, suspended: bool = False) -> None:
        """Report a run to the launcher: it is over, or the shard has it."""
        writer = lane.writer
        self._group.join(writer)
        lane.group = self._group.group
        if is_owned(number):
            writer.add_owned(number, lane.key_bytes)
            writer.over.append(number)
        else:
            writer.offsets.append(number)
        writer.counts.append(0)
        if suspended:
            writer.suspended.append(number)

    def _recheck(self, lane: Lane) -> None:
        """End the hold of a key whose queue is empty, if no change of it is uncommitted."""
        if lane.held and lane.run is None and lane.group < self._group.committed:
            shard = lane.writer.shard
            if shard.read_waiting(lambda view: view.first_in_queue(lane.key_bytes)) is None:
                lane.held = False

    def _drop_overlay(self, lane: Lane) -> None:
        if lane.group < self._group.committed:
            lane.timers = lane.removed = None


def _is_retried(owned: OwnedRun) -> bool:
    """Whether it is the run of a dead letter: other inputs that are owned are in a queue."""
    return owned.kind == RunKind.INPUT and not owned.ticket


def _interrupted(snapshot: Snapshot) -> list[tuple[int, OwnedRun]]:
    """The runs of a shard that have no input, were begun, and are in no queue."""
    view, found = snapshot.waiting, []
    ends = None
    for number in snapshot.journal_runs():
        if kind_of(number) == RunKind.INPUT:
            continue
        owned = view.owned(number)
        if owned is None and kind_of(number) == RunKind.END:
            ends = dict(view.ends()) if ends is None else ends
            owned = OwnedRun(RunKind.END, ends[number]) if number in ends else None
        if owned is not None and not owned.ticket:
            found.append((number, owned))
    return found
