"""Decides which worker gets which input, and what follows when it dies: a pure state machine.

It does no I/O and reads no clock. The pool around it reports what happened (items
read, workers started, ready, dead, inputs completed) and asks `tick(now)` what to do: start a
worker, send a batch, move a shard, give up. All times are monotonic seconds, passed in.

What it guarantees, whatever the order of events:

- Every shard belongs to a slot, and its items are sent in offset order. After a death those that
  were in flight go back to the front of the queue, in order, so no item of a key is ever sent
  before an unfinished earlier one, unless that is in flight before it in the same incarnation.
- Slots may be added and retired at any time, and shards moved from one to another, with nothing of
  theirs in flight (`migration.py`).
- Nothing is lost: an item is queued or in flight until its completion is known. Nothing is done
  twice: a worker that starts announces what its earlier lives had committed, before it gets
  anything, and those items count as completed, be they queued or not even read yet.
- Only the current incarnation of a slot counts. Messages of an older one are ignored; if it had
  committed something, its successor announces it.
- Memory is bounded: `wanted` lets the source read only as much as every queue can hold, in flight
  are at most `window` items and `window_bytes` bytes per slot (a single larger item goes alone).
- An input that kills its workers is found and set aside, others are not (`quarantine.py`); a worker
  that cannot live is tried with growing pauses and finally given up (`backoff.py`).
"""

from __future__ import annotations

from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, cast

from .backoff import Backoff
from .breaker import Breaker
from .counters import Counters
from .instructions import GiveUp, SendItems, StartWorker, StopWorker
from .migration import Migrations
from .owned import OwnedRuns
from .placement import Placement
from .quarantine import Quarantine
from .slot import Phase, Slot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .input_queue import InputQueue
    from .instructions import Instruction
    from .item import Death, Item

WINDOW = 1024
WINDOW_BYTES = 64 << 20
BATCH = 256
QUEUED_WINDOWS = 4
QUEUED_BYTES = 128 << 20
FEW = 4


class Dispatcher:
    """The dispatcher of a pool that begins with so many worker slots, of one generation.

    `shards` is how many shards they share (default: one each). `window` and `window_bytes` bound
    what is in flight per slot, `batch` the items per message, `queue` the waiting items per slot
    (default: four windows) and `queue_bytes` the waiting bytes of all slots together.
    `max_attempts` deaths are needed to reject an item.
    """

    def __init__(
        self,
        slots: int,
        *,
        shards: int | None = None,
        generation: int = 0,
        window: int = WINDOW,
        window_bytes: int = WINDOW_BYTES,
        max_attempts: int = 3,
        batch: int = BATCH,
        queue: int | None = None,
        queue_bytes: int = QUEUED_BYTES,
        backoff: Backoff | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        """Raises `ValueError` for a number below one."""
        self._queue = QUEUED_WINDOWS * window if queue is None else queue
        if min(slots, window, window_bytes, max_attempts, batch, self._queue, queue_bytes) < 1:
            raise ValueError("the dispatcher's slots, windows, batch and limits start at 1")
        self.counters = Counters()
        self._window = window
        self._window_bytes = window_bytes
        self._batch = batch
        self._queue_bytes = queue_bytes
        self._quarantine = Quarantine(window, max_attempts)
        self._backoff = backoff or Backoff()
        self.breaker = breaker or Breaker()
        """Counts failures of all workers."""
        self.on_trial: set[int] = set()
        """Generations whose workers may fail to live without ending the pool."""
        self.given_up: dict[int, str] = {}
        """By generation on trial, why the first of its slots stays down."""
        self._states: list[Slot] = []
        for _ in range(slots):
            self.add_slot(generation)
        self.placement = Placement(shards or slots, self._states)
        self.owned = OwnedRuns()
        """Runs that are in shards, and have been announced."""
        self.moves = Migrations(self.placement, window, batch, self.owned)
        self._recovered: set[int] = set()
        self._recovered_last = -1
        self._last = -1
        self._mean = 0
        self._leaving = False
        """Whether there are slots that are retired, but not yet gone."""
        self._halted = False
        self._failure: GiveUp | None = None

    # -- the source's side ---------------------------------------------------------------------

    def wanted(self) -> int:
        """How many more items may be submitted now, wherever their keys belong.

        0 while any slot's queue is full (the source is one ordered stream: skipping over a slow
        slot's items would mean to hoard them), and always after `drain`. Sizes are guessed from the
        last submission: a source of large items also stops at `wanted_bytes`.
        """
        if self._halted:
            return 0
        space = self._queue - max(len(queue.queue) for queue in self._queues())
        if space < min(self._batch, max(1, self._queue // 4)):
            return 0
        mean = self._mean
        if not mean:
            return min(space, self._batch)
        return min(space, -(-self.wanted_bytes() // mean))

    def wanted_bytes(self) -> int:
        """How many more payload bytes may be submitted now (the last item may exceed it)."""
        queued = sum(queue.queued_bytes for queue in self._queues())
        return max(0, self._queue_bytes - queued)

    def submit(self, items: list[Item]) -> list[int]:
        """Take items from the source, ascending by offset over all calls.

        Returns the offsets that count as completed at once, because a worker had announced them as
        committed in an earlier life; normally none. Raises `ValueError` for offsets that go back.
        """
        if not items:
            return []
        if items[0].offset <= self._last or items[-1].offset < items[0].offset:
            raise ValueError(
                f"items must be submitted in ascending order: {items[0]} after {self._last}"
            )
        self._last = items[-1].offset
        self.counters.submitted += len(items)
        known: list[int] = []
        if self._recovered:
            known = [item.offset for item in items if item.offset in self._recovered]
            items = [item for item in items if item.offset not in self._recovered]
            if self._last >= self._recovered_last:
                self._recovered.clear()
            self.counters.recovered += len(known)
        size = self.placement.queue_items(items)
        if items:
            self._mean = max(1, size // len(items))
        return known

    def drain(self) -> None:
        """Stop: want nothing, send nothing, start nothing; what is in flight may still complete."""
        self._halted = True

    def returned(self, slot: int, incarnation: int) -> None:
        """The worker has not begun what it still has in flight, and will not: it goes back."""
        state = self._states[slot]
        if state.incarnation == incarnation:
            state.return_flight()
            self.owned.drop(state)

    # -- the workers' side ---------------------------------------------------------------------

    def started(self, slot: int, incarnation: int) -> None:
        """The shell has started this worker; it is not ready yet."""
        state = self._states[slot]
        if state.incarnation == incarnation and state.phase is Phase.ASKED:
            state.phase = Phase.STARTING

    def ready(self, slot: int, incarnation: int, recovered: Iterable[int] = ()) -> list[int]:
        """The worker holds its leases and has announced the inputs that it found committed.

        Returns those of the announced offsets that were waiting here: they are completed now.
        Announced ones that were not submitted yet are remembered, and reported by `submit`.
        """
        state = self._states[slot]
        if state.incarnation != incarnation or state.phase not in (Phase.ASKED, Phase.STARTING):
            return []
        state.phase = Phase.READY
        state.failures.starts = 0
        offsets = self.owned.found(recovered)
        if not offsets:
            return []
        done = state.drop(offsets)
        if done:
            state.failures.deaths = 0
            state.count_suspects()
        return self._found(offsets, done)

    def due(self, slot: int, incarnation: int, items: Iterable[Item]) -> None:
        """The worker has announced owned runs, which are to be sent to it."""
        state = self._states[slot]
        if state.incarnation == incarnation and state.phase is Phase.READY:
            has = self.placement.queues  # a shard that is about to move has its runs dropped
            self.owned.accept(state, (item for item in items if has[item.shard] is state))

    def refuse_due(self) -> None:
        """Drop owned runs that are queued, and those that are announced from now on."""
        for state in self._states:
            self.owned.drop(state)
        self.owned.closed = True

    def observed(self, slot: int, incarnation: int, active: int) -> None:
        """The worker has so many runs under way at the same time."""
        state = self._states[slot]
        if state.incarnation == incarnation:
            state.active = active

    def released(self, slot: int, incarnation: int, shard: int) -> None:
        """The worker has released a shard, as `ReleaseShard` had it do."""
        state = self._states[slot]
        if state.incarnation == incarnation and state.phase is Phase.READY:
            self.moves.released(state, shard)

    def taken(
        self, slot: int, incarnation: int, shard: int, now: float, recovered: Iterable[int] = ()
    ) -> list[int]:
        """The worker has taken a shard, as `TakeShard` asked, and has announced its outbox.

        Returns what `ready` does, of this shard.
        """
        state = self._states[slot]
        if state.incarnation != incarnation or state.phase is not Phase.READY:
            return []
        offsets = self.owned.found(recovered)
        done = self.moves.taken(state, shard, now, offsets)
        return [] if done is None else self._found(offsets, done)

    def _found(self, offsets: set[int], done: list[Item]) -> list[int]:
        """Inputs were found committed, and those of them that had waited are `done`."""
        unread = [offset for offset in offsets if offset > self._last]
        if unread:
            self._recovered.update(unread)
            self._recovered_last = max(self._recovered_last, *unread)
        self.counters.recovered += len(done)
        return [item.offset for item in done]

    def completed(self, slot: int, incarnation: int, offsets: Sequence[int]) -> Sequence[int]:
        """The worker has committed these inputs. Returns those that were not known as completed."""
        state = self._states[slot]
        if state.incarnation != incarnation or not state.flight:
            return []
        flight = state.flight
        before = len(flight)
        popped = list(map(flight.pop, offsets, repeat(None)))
        if before - len(flight) == len(popped):
            items = cast("list[Item]", popped)
        else:
            items = [item for item in popped if item is not None]
            offsets = [item.offset for item in items]
        if items:
            state.flying_bytes -= sum([item.size for item in items])
            state.failures.deaths = 0
            if state.suspects:
                state.suspects -= sum(1 for item in items if item.deaths)
            state.completed += len(items)
            owned = self.owned.completed(items) if self.owned.known else 0
            state.counts.completed += len(items) - owned
            state.counts.owned += owned
        return offsets

    def died(self, slot: int, incarnation: int, now: float, death: Death) -> None:
        """The worker is gone. What it had in flight goes back to the front of its queue."""
        state = self._states[slot]
        if state.incarnation != incarnation or state.phase in (Phase.DOWN, Phase.RETIRED):
            return
        if state.phase is Phase.STOPPING:
            state.phase = Phase.RETIRED
            return
        if state.phase is not Phase.READY:
            self.start_failed(slot, incarnation, now, death.describe())
            return
        state.phase = Phase.DOWN
        state.counts.deaths += 1
        state.counts.last_death = death.describe()
        explained = self._quarantine.record_death(state.return_flight(), death, state.generation)
        self.owned.drop(state)
        state.count_suspects()
        pause = state.failures.died(lived=now - state.started_at, explained=explained)
        self._restart(
            state, now, pause, f"died {state.failures.deaths} times in a row", death.describe()
        )

    def start_failed(self, slot: int, incarnation: int, now: float, text: str) -> None:
        """The worker could not be started, or ended before it was ready."""
        state = self._states[slot]
        if state.incarnation != incarnation or state.phase not in (Phase.ASKED, Phase.STARTING):
            return
        state.phase = Phase.DOWN
        state.counts.start_failures += 1
        state.counts.last_death = text
        pause = state.failures.start_failed()
        what = f"failed to start {state.failures.starts} times in a row"
        self._restart(state, now, pause, what, text)

    def _restart(self, state: Slot, now: float, pause: float | None, what: str, text: str) -> None:
        waits = self.breaker.failed(now)
        if pause is not None and waits is not None:
            state.restart_at = now + max(pause, waits)
            return
        if waits is None:
            what = f"was the last of {self.breaker.describe(now)} (breaker-failures)"
        reason = f"worker {state.number} {what}: {text or 'no reason known'}"
        if state.generation in self.on_trial:
            state.restart_at = float("inf")
            self.given_up.setdefault(state.generation, reason)
        elif self._failure is None:
            self._failure = GiveUp(state.number, reason)

    # -- slots and shards ----------------------------------------------------------------------

    def add_slot(self, generation: int = 0) -> int:
        """Make one more slot, without any shard, and return its number."""
        retired = [state for state in self._states if state.phase is Phase.RETIRED]
        number = retired[0].number if retired else len(self._states)
        # Incarnations go on, so that no message of an old one counts for a new one.
        incarnation = retired[0].incarnation if retired else 0
        state = Slot(number, self._backoff, self.counters.of(generation), generation, incarnation)
        state.give_credit(self._window, self._batch)
        self._states[number : number + 1] = [state]
        return number

    def retire(self, slot: int) -> None:
        """End a slot as soon as it has no shard: to be called after its shards' `move`."""
        self._states[slot].retiring = self._leaving = True

    def allow_attempts(self, number: int) -> None:
        """So many deaths are needed from now on to reject an item."""
        self._quarantine.allow_attempts(number)

    def move(self, shard: int, slot: int, *, at_once: bool = False) -> None:
        """Move a shard to a slot, wherever it is and whatever was ordered before.

        `at_once`: the worker that has it gets no more of its inputs, whatever that costs in time.

        Raises:
            ValueError: that slot is retired, or about to be.
        """
        target = self._states[slot]
        if target.retiring:
            raise ValueError(f"slot {slot} is retired")
        self.moves.order(shard, target, at_once=at_once)

    def _queues(self) -> Sequence[InputQueue]:
        return [*self._states, *self.moves.parked] if self.moves.under_way else self._states

    def _reshape(self, now: float, out: list[Instruction]) -> None:
        """Go on with the moves, and end slots that are no longer needed."""
        out += self.moves.advance(now)
        for state in self._states:
            if not state.retiring or self.moves.involves(state) or self.placement.of(state):
                continue
            if state.phase is Phase.READY:
                state.phase = Phase.STOPPING
                out.append(StopWorker(state.number, state.incarnation))
            elif state.phase is Phase.DOWN:
                state.phase = Phase.RETIRED
        self._leaving = any(
            state.retiring and state.phase is not Phase.RETIRED for state in self._states
        )

    # -- the pool's side -----------------------------------------------------------------------

    def tick(self, now: float) -> list[Instruction]:
        """Return what is to be done now, in this order. Call it after any of the above."""
        out: list[Instruction] = []
        if self._halted:
            return out
        if self._failure is not None:
            self._halted = True
            out.append(self._failure)
            return out
        if self.moves.under_way or self._leaving:
            self._reshape(now, out)
        for state in self._states:
            if state.phase is Phase.READY:
                if state.queue:
                    self._send(state, out)
            elif state.phase is Phase.DOWN and state.restart_at <= now:
                state.phase = Phase.ASKED
                state.incarnation += 1
                state.started_at = now
                shards = self.placement.of(state)
                out.append(StartWorker(state.number, state.incarnation, shards, state.generation))
        return out

    def _send(self, state: Slot, out: list[Instruction]) -> None:
        queue = state.queue
        while queue:
            if state.suspects:
                batch = state.next_suspects(self._batch, self._window_bytes, self._quarantine)
                state.count_rejected(batch)
            else:
                # A full pipe is refilled in gulps.
                credit = state.window - len(state.flight)
                if credit < state.gulp and credit < len(queue):
                    return
                batch = state.next_batch(self._batch, self._window_bytes)
            if not batch:
                return
            if state.interrupted:
                state.count_sent_again(batch, self._quarantine)
            out.append(SendItems(state.number, state.incarnation, batch))

    # -- queries -------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether everything submitted is completed, and no owned run is queued or in flight."""
        return self.counters.submitted == self.counters.completed and not self.owned.known

    @property
    def has_few(self) -> bool:
        """Whether something is in flight, but so little that its sender may be waiting for it."""
        return 0 < sum([len(state.flight) for state in self._states]) <= FEW

    @property
    def quiet(self) -> bool:
        """Whether nothing is in flight: the end of a drain."""
        return not any(state.flight for state in self._states)

    def slots(self, generation: int | None = None) -> list[int]:
        """The slots that there are (of one generation), without those that are to be retired."""
        return [
            state.number
            for state in self._states
            if not state.retiring and generation in (None, state.generation)
        ]

    @property
    def most_slots(self) -> int:
        """All slots have numbers below this; some of these may be retired."""
        return len(self._states)

    @property
    def leaving(self) -> bool:
        """Whether slots that are retired are not gone yet."""
        return self._leaving

    def shards_of(self, slot: int) -> list[int]:
        """The shards that a slot has."""
        return self.placement.of(self._states[slot])

    def generation(self, slot: int) -> int:
        """The generation of a slot."""
        return self._states[slot].generation

    def slot_state(self, slot: int) -> Slot:
        """The state of a slot, to be read only."""
        return self._states[slot]

    def known(self) -> Iterator[Item]:
        """All items that are queued, parked or in flight."""
        queues = [queue.queue for queue in self._queues()]
        return chain(*queues, *(state.flight.values() for state in self._states))

    def flights(self, slot: int, most: int) -> list[Item]:
        """Up to so many of the items that the slot's worker has, the oldest first."""
        return list(islice(self._states[slot].flight.values(), most))

    def in_flight(self, slot: int) -> int:
        """How many items the slot's worker has now."""
        return len(self._states[slot].flight)

    def waiting(self, slot: int) -> int:
        """How many items wait in the slot's queue."""
        return len(self._states[slot].queue)

    def phase(self, slot: int) -> Phase:
        """Where the slot's current worker is in its life."""
        return self._states[slot].phase

    def incarnation(self, slot: int) -> int:
        """The number of the slot's current (or, when down, last) worker; 0 before the first."""
        return self._states[slot].incarnation

    def next_deadline(self, now: float) -> float | None:
        """The moment, not before now, when `tick` has something to do even if nothing happens."""
        if self._halted:
            return None
        if self._failure is not None:
            return now
        moments = [state.restart_at for state in self._states if state.phase is Phase.DOWN]
        moving = self.moves.deadline(now)
        if moving is not None:
            moments.append(moving)
        return max(now, min(moments)) if moments else None
