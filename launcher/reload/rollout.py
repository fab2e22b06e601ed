"""A reload as a pure state machine: from an old generation of workers to a new one, or back.

    preparing ─► starting ─► moving ─► probation ─► promoting ─► retiring ─► over (promoted)
        │            │          │          │            │
        └────────────┴──────────┴──────────┴────────────┴─► returning ─► retiring ─► over

*Preparing*: its environment is made, its zygote imports the agent, a smoke input is run.
*Starting*: it gets slots of its own, whose workers come up with no shard. *Moving*: the shards go
over to them one by one, each at a boundary between runs. The first one is the canary: the others
stay until it has shown some runs, or a moment has passed. *Probation*: the new generation does all
the work, the old one's workers stay warm, without shards. *Promoting*: it is put on record that the
new one counts. *Retiring*: one of the two leaves.

Until that is on record anything that speaks against the new generation brings the shards back
to the old one, in the same way. What speaks against it: preparation or a worker's start fails, more
workers die than allowed, an action's exception that would end the job, or more inputs fail than
allowed. The latter is a comparison: a stream with bad inputs in it has failures under any code,
so the new generation's share of failed runs must also be above twice the old one's.

The machine does no I/O and reads no clock. The shell (`operation.py`) reports what has happened and
carries out what `tick` returns. A worker is named by its slot, a shard by its number. Times are
monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias


class RolloutStage(Enum):
    """How far a rollout has come."""

    PREPARING = "preparing"
    STARTING = "starting"
    MOVING = "moving"
    PROBATION = "probation"
    PROMOTING = "promoting"
    RETURNING = "returning"
    RETIRING = "retiring"
    PROMOTED = "promoted"
    """The promotion is on record; the old generation is to be retired."""
    LEFT = "left"
    """The leaving generation has left; the rollout is to be finished."""
    OVER = "over"


class Side(Enum):
    """One of the two generations."""

    OLD = "old"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class RolloutPolicy:
    """What a new generation has to pass. Times are seconds."""

    probation: float = 30.0
    """How long the old generation stays warm when all shards have moved."""
    canary: float = 1.0
    """How long the first shard goes alone, at most."""
    canary_runs: int = 100
    """After so many runs it need not go alone any longer."""
    deaths: int = 1
    """So many workers may die."""
    failures: int = 10
    """So many runs may fail, and more if the old generation's did as well."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Counts and errors of the new generation so far."""

    runs: int
    """That have ended, the failed ones included."""
    failures: int
    deaths: int
    last_death: str
    """How the last worker that has died did."""
    error: str
    """What would end a job with this code; empty if nothing."""


@dataclass(frozen=True, slots=True)
class AddSlots:
    """Give the new generation its slots; `added` tells which."""


@dataclass(frozen=True, slots=True)
class MoveShard:
    """Move a shard to one of the slots of a generation; `moved` tells when it has arrived."""

    shard: int
    to: Side


@dataclass(frozen=True, slots=True)
class Promote:
    """Record the new generation as the current one; then `promoted`."""


@dataclass(frozen=True, slots=True)
class Retire:
    """Let the workers of a generation, which have no shards any more, leave; then `retired`."""

    side: Side


@dataclass(frozen=True, slots=True)
class FinishRollout:
    """The rollout is over. `reason` is why it was rolled back; empty if it was not."""

    reason: str


Step: TypeAlias = "AddSlots | MoveShard | Promote | Retire | FinishRollout"


_UNDECIDED: Final = frozenset(
    (
        RolloutStage.PREPARING,
        RolloutStage.STARTING,
        RolloutStage.MOVING,
        RolloutStage.PROBATION,
        RolloutStage.PROMOTING,
    )
)


class Rollout:
    """One rollout; see the module's text.

    Args:
        shards: the numbers of all shards; all of them are the old generation's now.
        policy: what the new generation has to stand.
        old_runs: runs that the old generation has done, for comparison.
        old_failures: how many of them failed.
    """

    def __init__(
        self,
        shards: Iterable[int],
        policy: RolloutPolicy | None = None,
        *,
        old_runs: int = 0,
        old_failures: int = 0,
    ) -> None:
        self.policy = policy or RolloutPolicy()
        self.stage = RolloutStage.PREPARING
        self.reason = ""
        """Why it is rolled back, once that is decided."""
        self.runs = 0
        """Of the new generation, the failed ones among them."""
        self.failures = 0
        self.deaths = 0
        self._old_share = old_failures / old_runs if old_runs else 0.0
        self._at = dict.fromkeys(shards, Side.OLD)
        self._going: dict[int, Side] = {}
        """Where the shards that are on their way are sent."""
        self._prepared = False
        self._starting: set[int] | None = None
        """Slots whose workers are not ready yet; None before there are any."""
        self._canary = False
        """Whether the first shard is alone."""
        self._until = 0.0
        """The end of the canary's time, or of the probation."""

    # -- what happens --------------------------------------------------------------------------

    def prepared(self) -> None:
        """The new generation can be started."""
        self._prepared = True

    def added(self, slots: Iterable[int]) -> None:
        """The new generation has these slots; their workers are starting."""
        self._starting = set(slots)

    def ready(self, slot: int) -> None:
        """A worker of the new generation is ready."""
        if self._starting is not None:
            self._starting.discard(slot)

    def moved(self, shard: int, side: Side, now: float) -> None:
        """A shard has arrived at one of the slots of a generation."""
        first = side is Side.NEW and Side.NEW not in self._at.values()
        self._at[shard] = side
        self._going.pop(shard, None)
        if first and self.stage is RolloutStage.MOVING:
            self._canary = True
            self._until = now + self.policy.canary

    def observed(self, found: Observed) -> None:
        """Report counts and errors of the new generation.

        An error comes first: workers that have one are stopped, and their ends would hide it.
        """
        if found.error:
            self.fail(found.error)
        self.died(found.deaths, found.last_death)
        self.ran(found.runs, found.failures)

    def ran(self, runs: int, failures: int) -> None:
        """So many runs of the new generation have ended by now, the failed ones included."""
        self.runs = runs
        self.failures = failures
        if self.failures <= self.policy.failures:
            return
        share = self.failures / self.runs
        if share > 2 * self._old_share:
            self.fail(
                f"{self.failures} of {self.runs} inputs failed ({share:.1%}; before: "
                f"{self._old_share:.1%})"
            )

    def died(self, deaths: int, text: str) -> None:
        """So many workers of the new generation have died by now; `text` says how the last did."""
        self.deaths = deaths
        if self.deaths > self.policy.deaths:
            many = self.deaths > 1
            self.fail(
                f"{self.deaths} workers died, the last one {text}" if many else f"a worker {text}"
            )

    def fail(self, reason: str) -> None:
        """Report a reason against the new generation; without effect once it is decided."""
        if self.stage in _UNDECIDED:
            self.reason = reason
            self.stage = RolloutStage.RETURNING

    def promoted(self) -> None:
        """The new generation is on record as the current one."""
        if self.stage is RolloutStage.PROMOTING:
            self.stage = RolloutStage.PROMOTED

    def retired(self) -> None:
        """The workers that were to leave have left."""
        if self.stage is RolloutStage.RETIRING:
            self.stage = RolloutStage.LEFT

    # -- what is to be done --------------------------------------------------------------------

    def tick(self, now: float) -> list[Step]:
        """Return what is to be done now, in this order. Call it after any of the above."""
        steps: list[Step] = []
        if self.stage is RolloutStage.PREPARING and self._prepared:
            self.stage = RolloutStage.STARTING
            steps.append(AddSlots())
        elif (
            self.stage is RolloutStage.STARTING
            and self._starting is not None
            and not self._starting
        ):
            self.stage = RolloutStage.MOVING
        if self.stage is RolloutStage.MOVING:
            self._move_on(now, steps)
        elif self.stage is RolloutStage.PROBATION and now >= self._until:
            self.stage = RolloutStage.PROMOTING
            steps.append(Promote())
        elif self.stage is RolloutStage.PROMOTED:
            self.stage = RolloutStage.RETIRING
            steps.append(Retire(Side.OLD))
        elif self.stage is RolloutStage.RETURNING:
            self._move_back(steps)
        elif self.stage is RolloutStage.LEFT:
            self.stage = RolloutStage.OVER
            steps.append(FinishRollout(self.reason))
        return steps

    def _move_on(self, now: float, steps: list[Step]) -> None:
        if self._going:
            return
        if self._canary and now < self._until and self.runs < self.policy.canary_runs:
            return
        self._canary = False
        for shard, side in self._at.items():
            if side is Side.OLD:
                self._send(shard, Side.NEW, steps)
                return
        self.stage = RolloutStage.PROBATION
        self._until = now + self.policy.probation

    def _move_back(self, steps: list[Step]) -> None:
        # All at once, for the code they leave is not worth another input. A shard on its way to
        # the new generation is not waited for either: the worker may be one that cannot live.
        for shard, side in self._at.items():
            going = self._going.get(shard)
            if going is Side.NEW or (going is None and side is Side.NEW):
                self._send(shard, Side.OLD, steps)
        if not self._going:
            self.stage = RolloutStage.RETIRING
            steps.append(Retire(Side.NEW))

    def _send(self, shard: int, side: Side, steps: list[Step]) -> None:
        self._going[shard] = side
        steps.append(MoveShard(shard, side))

    # -- queries -------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.stage is RolloutStage.OVER

    @property
    def undecided(self) -> bool:
        """Whether the new generation may still fail."""
        return self.stage in _UNDECIDED

    @property
    def at_new(self) -> int:
        """How many shards are the new generation's."""
        return sum(1 for side in self._at.values() if side is Side.NEW)

    def next_deadline(self) -> float | None:
        """The moment when `tick` has something to do even if nothing happens."""
        waits = self.stage is RolloutStage.PROBATION or (
            self.stage is RolloutStage.MOVING and self._canary
        )
        return self._until if waits and not self._going else None
