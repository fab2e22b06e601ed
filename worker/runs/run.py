"""One agent run as a pure state machine: an InputEvent and all that it causes.

A run is a queue of *steps*, each one action to be called with one event. Events that an action
sends are routed when it ends, and their steps join the end of the queue, so for given inputs the
order of steps is fixed: first in, first out, actions of one event in declaration order. Steps are
numbered from 0. The run knows nothing about loops, sockets or transactions: `RunDriver` asks it for
the next step, performs it and reports its end.

The effects of finished actions are *pending* until something depends on them (`recorder`).

Recovery: a run that begins with journal entries skips the steps that are on record and applies
their effects; the step after them gets its recorded durable calls.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from ...agent.errors import DivergenceError
from ...store.records.journal import ACTION, CALL, MOMENT, JournalEntry
from ...store.records.offsets import RunKind, offset_of, owned_number
from ..durable.call_log import CallLog, CallRecord, between
from ..memory.fields import MemoryFields
from ..waiting.timers import TimerChanges
from .early_identities import EarlyIdentities
from .effects import Effects
from .event_snapshots import take_snapshot
from .history import described_entries, generation_of, tokens_on_record

if TYPE_CHECKING:
    from asyncio import Lock, Task, TimerHandle
    from collections.abc import Callable

    from ...agent.action import Action
    from ...agent.event import Event
    from ...agent.events.identity import EarlyOrigin
    from ...store.sets.changes import SetName
    from ...store.waiting.records import AttemptError, OwnedRun
    from ..tracing.run_trace import RunTrace
    from ..waiting.waits import Wait
    from .lane import Lane

Step = tuple["Event", "Action"]


class Run:
    """The state of one run.

    Most runs are one action with nothing to recover, so the attributes that those do not need are
    class attributes until they are first written.
    """

    attempts: int = 0
    step: int = 0
    """Number of the step that is being performed (or comes next)."""
    action: Action | None = None
    sensory: MemoryFields | None = None
    log: CallLog | None = None
    task: Task[None] | None = None
    timer: TimerHandle | None = None
    expired: bool = False
    stacks: str = ""
    """The stacks of its tasks when it expired."""
    sent: list[Event] | None = None
    """Events that the current action has sent, without outputs."""
    steps: deque[Step] | None = None
    """The steps that are still to be performed."""
    route: Callable[[Event], tuple[Action, ...]]
    """The plan's `route`; set before the first event is routed."""
    unheard: Callable[[Event, str], None]
    """Called with an event that no action listens to, and its sender; set with `route`."""
    _settled: int = 0
    """How many of the outputs belong to finished actions."""
    entries: list[JournalEntry] | None = None
    """The journal's entries of this run; None if it has none."""
    pending: list[tuple[int, Effects]] | None = None
    """Effects of finished actions that are not on record, with the numbers of their steps."""
    pending_since: int = 0
    """When the first of these has ended, in nanoseconds of the performance counter."""
    effects_group: int = 0
    """The commit group with the effects of finished actions; 0 if all of them are committed."""
    owned: OwnedRun | None = None
    """Its record in the shard, if it has been suspended or has no input."""
    number: int
    """The number under which the launcher knows it."""
    has_input: bool = True
    """Whether it is the run of an input."""
    is_answer: bool = False
    """Whether its input is an answer."""
    errors: list[AttemptError] | None = None
    """Of the attempts that have failed."""
    timers: TimerChanges | None = None
    """Timers that it has set and cancelled."""
    _settled_timers: int = 0
    """How many of these belong to finished actions."""
    tokens: list[str] | None = None
    """Questions that it has asked."""
    waits: list[Wait] | None = None
    """What its action waits for now."""
    calls: int = 0
    """What is under way besides waits: durable calls, and what goes on record."""
    waited: float = 0.0
    """Seconds for which its action did nothing but wait."""
    waits_since: float = 0.0
    """When the first of `waits` has begun, in the event loop's time."""
    timed_from: float = 0.0
    """When its time limit has begun to count, in the event loop's time."""
    suspended_until: float | None = None
    """When it goes on, once its execution is given up."""
    awaited: list[str] | None = None
    """The questions that it waited for when its execution was given up."""
    identities: EarlyIdentities | None = None
    """The origins of events whose id was read before they were sent."""
    moment: bytes | None = None
    """Its moment (`memory.moment`), if that is on record."""
    set_locks: dict[SetName, Lock] | None = None
    """By memory set, what its task holds that compacts it."""
    trace: RunTrace | None = None
    """What it has done, for the event log; None if that is not known or not wanted."""
    memory_has_changed: bool = False
    """Whether its effects were on record, and were dropped: see `unfinished`."""

    def __init__(self, lane: Lane, offset: int, payload: bytes) -> None:
        """`offset` is the run's number, without the bit of owned ones (`identity_of`).

        `payload` is kept for a retry, and for the dead letters.
        """
        self.lane = lane
        self.offset = self.number = offset
        self.payload = payload
        self.outputs: list[bytes] = []

    def become_owned(self, owned: OwnedRun) -> None:
        """Make it the run of a record of the shard."""
        self.owned = owned
        self.number = owned_number(self.offset)
        self.has_input = owned.kind == RunKind.INPUT

    @property
    def origin(self) -> int | None:
        """The offset of the input that it goes back to; None for none."""
        return offset_of(self.offset) if self.has_input else self.owned.origin  # type: ignore[union-attr]

    def describe(self) -> str:
        """What it is the run of."""
        owned = self.owned
        if owned is None or owned.kind == RunKind.INPUT:
            return f"input {offset_of(self.offset)}"
        if owned.kind == RunKind.END:
            return "the end of the input"
        origin = "" if owned.origin is None else f", which goes back to input {owned.origin}"
        return f"timer {owned.id!r}{origin}"

    def next_attempt(self) -> Run:
        """A run of the same input for its next attempt.

        Its journal entries stay on record: finished actions are not run again.
        """
        run = Run(self.lane, self.offset, self.payload)
        run.attempts = self.attempts
        run.entries = self.entries
        run.moment = self.moment
        run.effects_group = self.effects_group
        run.memory_has_changed = self.memory_has_changed
        if self.owned is not None:
            run.become_owned(self.owned)
        run.errors = self.errors
        run.tokens = self.tokens
        return run

    def drop_failed_calls(self, error: BaseException) -> list[tuple[bytes, bytes | None]]:
        """Drop the records of calls that made the current action fail, so that they are repeated.

        Of those whose reconciler has failed it stays on record that they were begun. Returns the
        changes of the journal.
        """
        calls = self.log.failed_calls(error) if self.log is not None else ()
        if not calls or self.entries is None:
            return []
        lost = {
            entry.key: entry  # the newest, if a call was tried several times
            for entry in self.entries
            if entry.action == self.step and entry.kind == CALL and entry.index in calls
        }
        self.entries = [entry for entry in self.entries if entry.key not in lost]
        changes: list[tuple[bytes, bytes | None]] = []
        for key, entry in lost.items():
            begun = CallRecord.decode(entry.index, entry.data).begun_again()
            if begun is not None:
                self.entries.append(replace(entry, data=begun.encode()))
            changes.append((key, None if begun is None else begun.encode()))
        return changes

    def take_entries(self, entries: list[JournalEntry]) -> None:
        """Take the entries that the journal has of it."""
        if entries:
            self.entries = [entry for entry in entries if entry.kind in (CALL, ACTION)]
            self.tokens = tokens_on_record(self.entries) or None
        for entry in entries:
            if entry.kind == MOMENT:
                self.moment = entry.data

    def entries_with_moment(self, entry: JournalEntry) -> list[JournalEntry]:
        """An entry that is about to be written, with the run's moment if it has begun since."""
        moment = self.lane.moment
        if moment is None or self.moment is not None:
            return [entry]
        self.moment = moment.encode()
        if self.moment is None:
            return [entry]
        return [JournalEntry(self.offset, 0, MOMENT, 0, self.moment), entry]

    def add_entry(self, entry: JournalEntry) -> None:
        """Add an entry that is about to be written to the journal."""
        if self.entries is None:
            self.entries = []
        self.entries.append(entry)

    # -- steps --------------------------------------------------------------------------------

    def next_step(self) -> Step | None:
        """Make the next step current and return it; None when the run is complete.

        Raises:
            DivergenceError: the journal has another action at this place.
        """
        while self.steps:
            event, action = self.steps.popleft()
            effects = self._recorded_effects()
            if effects is None:
                self.begin_action(action)
                return event, action
            if effects.action != action.name:
                raise self._divergence(f"runs {action.name!r}")
            if self.trace is not None:
                sent = effects.events, effects.outputs
                self.trace.reuse_action(action.name, event, *sent, self.step + 1)
            self._apply(effects)
        if any(entry.action >= self.step for entry in self.entries or ()):
            raise self._divergence("ends")
        return None

    def _divergence(self, instead: str) -> DivergenceError:
        effects = self._recorded_effects()
        recorded = f"action {effects.action!r}" if effects is not None else "an action"
        replayed_by = self.lane.writer.generation
        recorded_by = self.recorded_by()
        return DivergenceError(
            f"step {self.step} of the run of {self.describe()} is on record as "
            f"{recorded}{between(recorded_by, replayed_by)}, but the agent now {instead} there: "
            "its actions have changed since the run began. Finish the run with the code that it "
            "began with, or give it up",
            recorded_by=recorded_by,
            replayed_by=replayed_by,
        )

    def recorded_by(self) -> int:
        """The generation of the first record from the current step on."""
        for entry in self.entries or ():
            if entry.action >= self.step:
                return generation_of(entry)
        return self.lane.writer.generation

    def history(self) -> list[str]:
        """The records of the run as text: a line for each call and action."""
        return described_entries(self.entries or ())

    def begin_action(self, action: Action) -> None:
        """Make `action` current."""
        self.action = action
        self.sent = None
        newest = {
            entry.index: entry.data  # a call that is tried again is recorded several times
            for entry in self.entries or ()
            if entry.action == self.step and entry.kind == CALL
        }
        calls = [CallRecord.decode(number, data) for number, data in newest.items()]
        self.log = CallLog(action.name, calls, self.lane.writer.generation) if calls else None
        if self.log is not None:
            self.log.memory_has_changed = self.memory_has_changed

    def end_action(self) -> bool:
        """End the current action, which has returned: queue the events that it sent.

        Returns whether further steps follow; its effects are pending then.

        Raises:
            DivergenceError: durable calls are on record that the action did not make.
        """
        if self.log is not None:
            self.log.end()
            self.log = None
            if self.lane.fields.is_guarded:
                self.renew_memory()
        if self.sent:
            self._queue(self.sent)
        self.step += 1
        if not self.steps:
            return False
        sent = self.sent or []
        effects = Effects(
            self.action.name,  # type: ignore[union-attr]
            self.lane.fields.end_action(),
            self.sensory.end_action() if self.sensory is not None else {},
            sent,
            self.outputs[self._settled :],
            self.lane.writer.generation,
            (self.timers or [])[self._settled_timers :],
            self.lane.sets.end_action() if self.lane.sets is not None else {},
            self.lane.fields.end_reads(),
            take_snapshot(sent),
        )
        self._settled = len(self.outputs)
        self._settled_timers = len(self.timers or ())
        if self.pending is None:
            self.pending = []
        self.pending.append((self.step - 1, effects))
        return True

    @property
    def next_action(self) -> str:
        """The name of the action that comes next; empty if there is none."""
        return self.steps[0][1].name if self.steps else ""

    def _queue(self, events: list[Event]) -> None:
        steps = []
        for event in events:
            actions = self.route(event)
            if not actions and self.action is not None:
                self.unheard(event, self.action.name)
            steps += [(event, action) for action in actions]
        if steps:
            if self.steps is None:
                self.steps = deque()
            self.steps.extend(steps)

    def begin(
        self,
        event: Event,
        route: Callable[[Event], tuple[Action, ...]],
        unheard: Callable[[Event, str], None],
    ) -> None:
        """Queue the first steps."""
        self.route = route
        self.unheard = unheard
        self._queue([event])

    # -- recovery -----------------------------------------------------------------------------

    def _recorded_effects(self) -> Effects | None:
        for entry in self.entries or ():
            if entry.action == self.step and entry.kind == ACTION:
                try:
                    return Effects.decode(entry.data)
                except DivergenceError as error:
                    error.replayed_by = self.lane.writer.generation
                    raise
        return None

    def _apply(self, effects: Effects) -> None:
        self.lane.fields.replay(effects.short_term)
        if effects.reads:
            self.lane.fields.replay_reads(effects.reads)
        if effects.sets:
            self.lane.set_layers().replay(effects.sets)
        if effects.sensory:
            self.sensory_fields().replay(effects.sensory)
        if effects.timers:
            self.timers = TimerChanges([*(self.timers or ()), *effects.timers])
            self._settled_timers = len(self.timers)
        self.outputs.extend(effects.outputs)
        self._settled = len(self.outputs)
        self._queue(effects.events)
        self.step += 1

    def sensory_fields(self) -> MemoryFields:
        """The run's sensory memory, made at the first use."""
        if self.sensory is None:
            self.sensory = MemoryFields()
            if self.lane.fields.is_guarded:
                self.sensory.guard()
        return self.sensory

    # -- identities ---------------------------------------------------------------------------

    @property
    def has_async_action(self) -> bool:
        """Whether the action that is executed is asynchronous."""
        return self.action is not None and self.action.is_async

    def early_origin(self, step: int, place: bytes) -> EarlyOrigin:
        """The next origin of an event that is identified at a place before it is sent."""
        return self._identities().next_origin(step, place)

    def random_origin(self, step: int) -> EarlyOrigin:
        """An origin of an event that is made inside a durable function."""
        return self._identities().random_origin(step)

    def keeps_origin(self, event: Event, origin: EarlyOrigin) -> bool:
        """Whether an event that is sent keeps the origin that it has."""
        return self._identities().keeps(event, origin, self.step)

    def _identities(self) -> EarlyIdentities:
        if self.identities is None:
            self.identities = EarlyIdentities(self.lane.key_bytes, self.offset)
        return self.identities

    def guard_memory(self) -> None:
        """Check accesses to memory until the end of the action, which makes a durable call."""
        self.lane.fields.guard()
        if self.sensory is not None:
            self.sensory.guard()

    def has_more_memory(self) -> bool:
        """Whether the run has memory of which the references are not counted."""
        return self.lane.sets is not None or self.sensory is not None

    def renew_memory(self) -> None:
        """Take memory away from tasks and threads that the action has left running."""
        self.lane.renew_memory()
        if self.sensory is not None:
            self.sensory = self.sensory.transfer()

    def roll_back(self) -> None:
        """Drop all changes, and take memory away from what was left running."""
        self.lane.roll_back()
        self.renew_memory()

    def call_log(self) -> CallLog:
        """The durable calls of the current action."""
        if self.log is None:
            name = self.action.name  # type: ignore[union-attr]
            self.log = CallLog(name, generation=self.lane.writer.generation)
        return self.log
