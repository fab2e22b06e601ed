"""Moving shards from one living worker to another: a pure part of the dispatcher.

More or fewer workers, new code, a worker that is to be replaced: all of it is shards that move, one
by one, while everything else goes on. A move goes through these stages:

- *planned*: until neither worker takes part in another move and the new one is ready.
- *narrowing*: both workers get less credit: besides the runs that they have under way at the same
  time, only some milliseconds of work may wait in them, because that is how long each of the next
  stages takes. Neither becomes slower by that, and no input waits for the move yet.
- *draining*: the shard's queued inputs, and those that are read from now on, are *parked*: they
  wait in a queue of their own. The old worker finishes what it has of the shard.
- *releasing*: it was asked to release the shard, which by now is committed to the last byte.
- *free*: no worker has the shard. If the old worker dies in one of the stages before, this is the
  next one: death has released the lease, and what was in flight is parked with the others.
- *taking*: the new worker acquires the shard and announces its outbox. If it dies, back to *free*,
  until its next incarnation is ready.
- Then the shard is its slot's, and what is parked goes to the front of that slot's queue.

A parked queue keeps the order of a key's inputs, and what is held against them. `Placement` names
the queue of each shard, so that the source's side of the dispatcher need not know of moves.

A move *at once* takes its inputs away from a worker that should not get another one (its code is
being rolled back): whatever else moves, and whether or not the new worker is ready, it is draining
as soon as it is clear who has the shard.

Where a shard is to go may be changed at any time. The one stage that cannot be turned round is
*taking*: such a shard moves on as soon as it has arrived.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from .input_queue import ParkedQueue
from .instructions import ReleaseShard, TakeShard
from .slot import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .instructions import Instruction
    from .item import Item
    from .owned import OwnedRuns
    from .placement import Placement
    from .slot import Slot

MEASURING_SECONDS: Final = 0.02
"""How long a worker's speed is measured."""
WAITING_SECONDS: Final = 0.004
"""How much work may wait in a worker while it takes part in a move."""
NARROWING_SECONDS: Final = 30.0
"""After this, inputs are held back although much work is waiting: it is very slow work."""
DRAINING_SECONDS: Final = 1.0
"""After this, a worker gets its credit back: it waits for a run that takes long by itself."""
_STEP_SECONDS: Final = 0.002


class MigrationStage(Enum):
    """How far a move is; see the module's text."""

    PLANNED = auto()
    NARROWING = auto()
    DRAINING = auto()
    RELEASING = auto()
    FREE = auto()
    TAKING = auto()


class Migration:
    """One shard that is to move, or is moving."""

    __slots__ = (
        "at_once",
        "began",
        "counted",
        "held_at",
        "incarnation",
        "parked",
        "pending",
        "shard",
        "source",
        "stage",
        "target",
        "then",
    )

    def __init__(self, shard: int, source: Slot, target: Slot, *, at_once: bool = False) -> None:
        self.shard = shard
        self.at_once = at_once
        self.source = source
        self.target = target
        self.then: Slot | None = None
        """Where it is to go once it has arrived, if that has changed too late."""
        self.stage = MigrationStage.PLANNED
        self.began = 0.0
        self.held_at = 0.0
        self.counted: dict[int, int] = {}
        """What both workers had completed when the narrowing began, by slot."""
        self.parked: ParkedQueue | None = None
        """Where the shard's inputs wait, once they are held back."""
        self.pending: set[int] = set()
        """Offsets of the shard that the old worker has in flight."""
        self.incarnation = 0
        """The new worker's, while it takes the shard."""

    @property
    def goal(self) -> Slot:
        """Where the shard will be in the end."""
        return self.then or self.target

    def __repr__(self) -> str:
        return f"Move({self.shard}: {self.source.number} -> {self.target.number}, {self.stage})"


class Arrival(NamedTuple):
    """A migration that has ended."""

    shard: int
    source: int
    """The slot that had the shard before."""
    target: int
    """The slot that has it now."""
    pause: float
    """Seconds that the shard's inputs have waited."""


class Migrations:
    """The moves of a pool.

    Attributes:
        under_way: moves that are planned or begun.
        done: how many moves there have been.
        longest: seconds that the inputs of a shard have waited for one of these, at most.
        recent: the same since it was last set to 0.
        last: the migration that has ended last.
    """

    def __init__(self, placement: Placement, window: int, batch: int, owned: OwnedRuns) -> None:
        self._placement = placement
        self._window = window
        self._batch = batch
        self._owned = owned
        self.under_way: list[Migration] = []
        self.done = 0
        self.longest = 0.0
        self.recent = 0.0
        self.last: Arrival | None = None

    @property
    def parked(self) -> list[ParkedQueue]:
        """The queues of all shards that no slot has."""
        return [move.parked for move in self.under_way if move.parked is not None]

    def destinations(self) -> list[int]:
        """The slot of each shard, when all moves will have ended."""
        going = {move.shard: move.goal.number for move in self.under_way}
        owners = enumerate(self._placement.owners)
        return [going[shard] if shard in going else cast("int", slot) for shard, slot in owners]

    def order(self, shard: int, target: Slot, *, at_once: bool = False) -> None:
        """Have a shard moved to `target`."""
        source = self._placement.owner(shard)
        move = next((move for move in self.under_way if move.shard == shard), None)
        if move is None:
            if source is not None and source is not target:
                self.under_way.append(Migration(shard, source, target, at_once=at_once))
            return
        move.at_once = at_once
        if move.stage is MigrationStage.TAKING:
            move.then = target if target is not move.target else None
        elif move.stage in (MigrationStage.PLANNED, MigrationStage.NARROWING):
            self._widen(move)
            move.stage = MigrationStage.PLANNED
            move.target = target
            if target is move.source:
                self.under_way.remove(move)
        elif target is not move.target:
            self._widen(move)
            move.target = target

    def is_moving(self, shard: int) -> bool:
        """Whether a shard is on its way, or about to be."""
        return any(move.shard == shard for move in self.under_way)

    def involves(self, state: Slot) -> bool:
        """Whether a slot takes part in a move, or will."""
        return any(state in (move.source, move.target, move.then) for move in self.under_way)

    def advance(self, now: float) -> list[Instruction]:
        """Take every move as far as is possible now."""
        out: list[Instruction] = []
        busy = {
            party.number
            for move in self.under_way
            if move.stage is not MigrationStage.PLANNED
            for party in (move.source, move.target)
        }
        for move in self.under_way:
            if move.stage is MigrationStage.PLANNED:
                parties = {move.source.number, move.target.number}
                if (move.at_once or not parties & busy) and self._begin(move, now):
                    busy |= parties
            if move.stage is MigrationStage.NARROWING:
                self._narrow(move, now)
            if move.stage is MigrationStage.DRAINING:
                self._drain(move, now, out)
            if move.stage is MigrationStage.RELEASING and move.source.phase is not Phase.READY:
                move.stage = MigrationStage.FREE
            if move.stage is MigrationStage.TAKING and move.target.phase is not Phase.READY:
                move.stage = MigrationStage.FREE
                move.target, move.then = move.goal, None
            if move.stage is MigrationStage.FREE and move.target.phase is Phase.READY:
                move.stage = MigrationStage.TAKING
                move.incarnation = move.target.incarnation
                out.append(TakeShard(move.target.number, move.incarnation, move.shard))
        return out

    def deadline(self, now: float) -> float | None:
        """When `advance` has something to do though nothing has happened."""
        if any(move.stage is MigrationStage.NARROWING for move in self.under_way):
            return now + _STEP_SECONDS
        return None

    # -- stages --------------------------------------------------------------------------------

    def _begin(self, move: Migration, now: float) -> bool:
        source, target = move.source, move.target
        if move.at_once and source.phase in (Phase.READY, Phase.DOWN):
            self._hold(move, now)
            return True
        if target.phase is not Phase.READY:
            self._widen(move)
            return False
        if source.phase is Phase.READY:
            move.stage = MigrationStage.NARROWING
            move.began = now
            move.counted = {party.number: party.completed for party in (source, target)}
            for party in (source, target):
                # Twice what the last move has left it, so that too little does not become less.
                party.give_credit(max(1, min(self._window // 8, 2 * party.window)), self._batch)
            return True
        if source.phase is Phase.DOWN:
            self._hold(move, now)
            return True
        return False  # it is starting, and may have the shard already

    def _narrow(self, move: Migration, now: float) -> None:
        parties = (move.source, move.target)
        if move.source.phase is Phase.DOWN and move.target.phase is Phase.READY:
            self._hold(move, now)  # now, because its successor may be as short of life
            return
        if any(party.phase is not Phase.READY for party in parties):
            self._widen(move)
            move.stage = MigrationStage.PLANNED
            return
        passed = now - move.began
        if any(party.flight for party in parties):
            if passed < MEASURING_SECONDS:
                return
            for party in parties:
                rate = (party.completed - move.counted[party.number]) / passed
                waiting = min(int(rate * WAITING_SECONDS), self._window // 8)
                credit = min(max(1, party.active + waiting), self._window)
                party.give_credit(credit, self._batch)
            wide = any(len(party.flight) > party.window for party in parties)
            if wide and passed < NARROWING_SECONDS:
                return
        self._hold(move, now)

    def _hold(self, move: Migration, now: float) -> None:
        """Let no more of the shard's inputs go out."""
        parked = move.parked = ParkedQueue()
        move.stage = MigrationStage.DRAINING
        move.held_at = now
        self._placement.park(move.shard, parked)
        self._owned.drop(move.source, move.shard)  # the new worker announces them again
        move.source.transfer(lambda item: item.shard == move.shard, parked)
        flight = move.source.flight
        move.pending = {offset for offset, item in flight.items() if item.shard == move.shard}

    def _drain(self, move: Migration, now: float, out: list[Instruction]) -> None:
        source, parked = move.source, move.parked
        assert parked is not None  # noqa: S101 (since `_hold`)
        if source.phase is not Phase.READY:
            # What a death has sent back to the queue is older than what is parked.
            source.transfer(lambda item: item.shard == move.shard, parked)
            move.stage = MigrationStage.FREE
            return
        move.pending = {offset for offset in move.pending if offset in source.flight}
        if now - move.held_at >= DRAINING_SECONDS:
            for party in (source, move.target):
                party.give_credit(self._window, self._batch)
        if not move.pending:
            move.stage = MigrationStage.RELEASING
            out.append(ReleaseShard(source.number, source.incarnation, move.shard))

    def released(self, state: Slot, shard: int) -> None:
        """The slot's current worker has released a shard."""
        for move in self.under_way:
            if (
                move.shard == shard
                and move.stage is MigrationStage.RELEASING
                and move.source is state
            ):
                move.stage = MigrationStage.FREE

    def is_leaving(self, state: Slot, shard: int) -> bool:
        """Whether a slot's worker still has a shard that is about to leave it."""
        return any(
            move.shard == shard
            and move.stage in (MigrationStage.DRAINING, MigrationStage.RELEASING)
            and move.source is state
            for move in self.under_way
        )

    def is_taking(self, state: Slot, shard: int) -> bool:
        """Whether the slot's current worker was asked to take a shard, and has not reported it."""
        return any(
            move.shard == shard
            and move.stage is MigrationStage.TAKING
            and move.target is state
            and move.incarnation == state.incarnation
            for move in self.under_way
        )

    def taken(
        self, state: Slot, shard: int, now: float, recovered: Iterable[int]
    ) -> list[Item] | None:
        """The slot's current worker has a shard now, in whose outbox it has found `recovered`.

        Returns the inputs among these that have waited for the shard; they are done. None if
        it was not asked to take the shard.
        """
        for move in self.under_way:
            if move.shard == shard and self.is_taking(state, shard):
                return self._arrive(move, now, recovered)
        return None

    def _arrive(self, move: Migration, now: float, recovered: Iterable[int]) -> list[Item]:
        parked = move.parked
        assert parked is not None  # noqa: S101 (since `_hold`)
        done = parked.drop(recovered)
        self._placement.put(move.shard, move.target)
        parked.transfer_all(move.target)
        self.under_way.remove(move)
        if move.then is not None:
            then = Migration(move.shard, move.target, move.then, at_once=move.at_once)
            self.under_way.append(then)
        self._widen(move)
        pause = now - move.held_at
        self.last = Arrival(move.shard, move.source.number, move.target.number, pause)
        self.done += 1
        self.longest = max(self.longest, pause)
        self.recent = max(self.recent, pause)
        return done

    # -- details -------------------------------------------------------------------------------

    def _widen(self, move: Migration) -> None:
        """Give both workers their credit back, if the next move does not take it away again."""
        others = [
            other
            for other in self.under_way
            if other is not move and other.target.phase is Phase.READY
        ]
        for party in (move.source, move.target):
            if not any(party in (other.source, other.target) for other in others):
                party.give_credit(self._window, self._batch)
