"""Watches one worker, as a pure machine: samples go in, actions come out.

It reads no clock and no /proc. `monitor.py` makes a `Sample` a few times a second at most, and
carries out the `Action` that `process` returns.

**A worker can hang in four ways.** Each has a name of its own, because the remedy differs:

- *timeout*: a plain action has held the worker's thread for longer than `run-timeout`. The action
  runs, or waits for something that does not happen.
- *blocked*: an asynchronous action, or a task that it has left on the event loop, blocks the loop.
  All other runs of the worker wait for it. (An action that awaits something for too long is not
  handled here: its worker cancels it.)
- *stopped*: it has received SIGSTOP, or the terminal has stopped it. None of its threads runs.
- *stalled*: the process sleeps inside the kernel and cannot be woken: a dead disk or network file
  system, endless swapping, a frozen control group. It may not even die when it is killed.

A process under a debugger (state `t`) is none of these; no action is taken.

**Time without samples does not count.** If the launcher itself was stopped, or the whole container
was frozen, the clock has gone on, and all workers would seem overdue at the first sample
afterwards. So intervals are added up from sample to sample, and a gap counts as two usual ones.

**A kill has steps.** First the worker is asked to write the stacks of its threads and tasks
(`dump`); shortly after, it is killed (`kill`). If its death is not reported within some seconds, it
cannot die now, but may continue later. Then it is *fenced* (`fence`): its leases are broken, and
its successors raise the epoch of its shards, so that its later writes are refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from ...worker.process.machine import PoolMemory

INSPECTION_SECONDS: Final = 1.0
"""The usual time between two samples."""
MEMORY_SECONDS: Final = 0.25
"""The same for a worker with inputs, while there is a limit on memory."""
DUMP_SECONDS: Final = 0.1
"""The time that a worker gets to write its stacks."""
LONGEST_DUMP_SECONDS: Final = 1.0
"""The same if it has written nothing yet: the machine may be busy."""
LEAST_SECONDS: Final = 0.01
"""The same, however short the limits are."""
FENCE_SECONDS: Final = 5.0
"""The time that a killed worker gets to die."""
BEAT_SECONDS: Final = 1.0
"""How often a worker's loop shows that it is alive."""
HELD_SECONDS: Final = 60.0
"""How long a loop may stand still until that is reported."""
HELD_AGAIN_SECONDS: Final = 600.0
"""The time until it is reported again."""
ASK_AGAIN_SECONDS: Final = 60.0
"""The time after which the replacement of a worker that still runs is requested again."""

Cause = Literal["timeout", "memory", "crash"]
"""Causes of a death, as in dead letters."""


@dataclass(frozen=True, slots=True)
class WatchLimits:
    """Limits on one worker: seconds, bytes, runs. 0 is none."""

    run_timeout: float = 0.0
    start_timeout: float = 0.0
    stop_timeout: float = 0.0
    memory: int = 0
    memory_soft: int = 0
    recycle_runs: int = 0
    recycle_after: float = 0.0
    auto: PoolMemory | None = None
    """The memory that `memory` is a share of; None if it was set."""

    @property
    def on_memory(self) -> bool:
        """Whether memory has to be measured."""
        return bool(self.memory or self.memory_soft)

    def pause(self, *, working: bool) -> float:
        """Return the seconds until the next sample of a worker with or without inputs."""
        pause = INSPECTION_SECONDS
        if working and self.on_memory:
            pause = min(pause, MEMORY_SECONDS)
        for limit in (self.run_timeout, self.start_timeout, self.stop_timeout):
            if limit:
                pause = min(pause, limit / 10)
        return max(pause, LEAST_SECONDS)

    def with_share(self, workers: int) -> WatchLimits:
        """Return the limits where so many workers share the memory that the pool may have."""
        if self.auto is None:
            return self
        # A soft limit that was set is not to be above it.
        share = max(self.auto.share(workers), self.memory_soft * 5 // 4)
        return self if share == self.memory else replace(self, memory=share)

    def described(self, limit: int) -> str:
        """Return the limit on memory in words."""
        share = "auto: " if self.auto is not None else ""
        return f"{share}{mebibytes(limit)}"


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample of a worker's state.

    `fresh`: the worker has just become ready and has no inputs yet.
    `offset` is the input that its beacon names, `executing` for how many seconds (0.0 if it does
    not say), `asynchronous` whether a step of an asynchronous action is meant. `pulse` changes
    while the event loop is alive, and is 0 when that says nothing; `beat` changes with each turn of
    it in any case, about once a second. `state` and `ticks` are those of
    `procfs.ProcessState`, empty if not asked for. `memory` is in bytes, 0 if not measured. `stacks`
    says whether it has written its stacks.
    """

    at: float
    ready: bool = True
    fresh: bool = False
    offset: int | None = None
    executing: float = 0.0
    asynchronous: bool = False
    pulse: int = 0
    beat: int = 0
    state: str = ""
    ticks: int = 0
    runs: int = 0
    memory: int = 0
    stacks: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """What to do about a worker, and why.

    `"report"`: it stands still, and no limit ends that: have it write its stacks, and report them.
    `"dump"`: have it write its stacks, with SIGUSR2. `"kill"`: SIGKILL it. `"fence"`: it does not
    die, so break its leases and go on without it. `"replace"`: start a successor, and let it go
    when its runs are done. `"limit_too_low"`: no worker can stay within this limit; end the pool.
    """

    do: Literal["report", "dump", "kill", "fence", "replace", "limit_too_low"]
    why: str
    cause: Cause = "crash"
    offset: int | None = None
    """The input that was being executed."""
    seconds: float = 0.0
    """The least time for which it was executed."""


class Watchdog:
    """Watches one worker, from its start."""

    __slots__ = (
        "_action",
        "_allowed",
        "_asked_at",
        "_at",
        "_beat",
        "_blocked",
        "_born",
        "_offset",
        "_pulse",
        "_report_at",
        "_seen",
        "_stalled",
        "_starting",
        "_step",
        "_stopped",
        "_ticks",
        "held",
        "limits",
    )

    def __init__(self, limits: WatchLimits, at: float) -> None:
        self.limits = limits
        """May be set at any time."""
        self._born = self._at = at
        self._allowed = 0
        """Memory that it had before it did anything, if that was more than its share."""
        self._step = 0.0
        """Seconds that the present sample adds to each lasting condition."""
        self._starting = self._blocked = self._stopped = self._stalled = 0.0
        self.held = 0.0
        """How long its event loop has stood still."""
        self._beat = 0
        self._report_at = HELD_SECONDS
        """The length of standing still at which it is reported next."""
        self._offset: int | None = None
        self._seen = 0.0
        """How long `_offset` has been seen in the beacon."""
        self._pulse = 0
        self._ticks = -1
        self._action: Action | None = None
        """The last action that is under way; its time is `_asked_at`."""
        self._asked_at = 0.0

    def is_silent(self, pulse: int) -> bool:
        """Return whether its pulse has not changed: then the kernel is asked for its state."""
        return pulse in (0, self._pulse)

    @property
    def is_dying(self) -> bool:
        """Whether it is being killed, so that samples are wanted quickly."""
        return self._action is not None and self._action.do in ("dump", "kill")

    def process(self, sample: Sample) -> Action | None:
        """Process a sample; return the action to take now, if any."""
        elapsed = max(0.0, sample.at - self._at)
        self._at = sample.at
        self._step = min(elapsed, self._longest_step())
        self._follow(sample)
        if self.is_dying:
            return self._next_step(sample)
        action = self._check(sample)
        if action is None:
            return self._check_held(sample)
        again = action.do == "replace" and self._action is not None
        if again and sample.at - self._asked_at < ASK_AGAIN_SECONDS:
            return None
        self._action, self._asked_at = action, sample.at
        return action

    def _follow(self, sample: Sample) -> None:
        """Update how long each condition has lasted."""
        if sample.offset != self._offset:
            self._offset = sample.offset
            self._seen = min(sample.executing, self._step)
        elif sample.offset is not None:
            self._seen += self._step
        stands = sample.ready and sample.beat == self._beat and sample.beat
        self.held = self.held + self._step if stands and sample.state not in ("T", "t") else 0.0
        self._beat = sample.beat
        alive = not self.is_silent(sample.pulse)
        self._starting = 0.0 if sample.ready else self._starting + self._step
        waits = sample.ready and sample.pulse and not alive and sample.offset is None
        self._blocked = self._blocked + self._step if waits else 0.0
        self._pulse = sample.pulse
        if alive or (sample.state and sample.state != "T"):
            self._stopped = 0.0
        elif sample.state == "T":
            self._stopped += self._step
        if alive or (sample.state and (sample.state != "D" or sample.ticks != self._ticks)):
            self._stalled = 0.0
        elif sample.state == "D":
            self._stalled += self._step
        if sample.state:
            self._ticks = sample.ticks

    def _check(self, sample: Sample) -> Action | None:
        """Return the first action for which there is a reason."""
        if sample.state == "t":
            return None
        return (
            self._check_hang()
            or self._check_start(sample)
            or self._check_memory(sample)
            or self._check_time(sample)
            or self._check_age(sample)
        )

    def _check_hang(self) -> Action | None:
        limit = self.limits.stop_timeout
        if not limit:
            return None
        if self._stopped > limit:
            return self._kill(
                f"it was stopped (SIGSTOP) for longer than stop-timeout ({limit:g} s)"
            )
        if self._stalled > limit:
            return self._kill(
                "it was stalled in the kernel (a dead disk, swap, or frozen) for longer than"
                f" stop-timeout ({limit:g} s)"
            )
        return None

    def _check_held(self, sample: Sample) -> Action | None:
        """Report a loop that stands still, where no limit ends that."""
        if self.held < HELD_SECONDS:
            self._report_at = HELD_SECONDS
            return None
        if self.held < self._report_at:
            return None
        self._report_at = self.held + HELD_AGAIN_SECONDS
        return Action("report", "its event loop stands still", "timeout", sample.offset, self.held)

    def _check_start(self, sample: Sample) -> Action | None:
        limit = self.limits.start_timeout
        if limit and not sample.ready and self._starting > limit:
            why = f"it was not ready within start-timeout ({limit:g} s)"
            return Action("dump", why, "timeout")
        return None

    def _check_memory(self, sample: Sample) -> Action | None:
        hard, soft = self._hard_limit(sample), self.limits.memory_soft
        if not sample.memory or not (sample.ready or self.limits.auto):
            return None
        size = mebibytes(sample.memory)
        if sample.fresh and self.limits.auto:
            self._allowed = sample.memory if sample.memory > hard else 0
        elif sample.fresh:
            for name, limit in (("memory-limit", hard), ("memory-soft-limit", soft)):
                if limit and sample.memory > limit:
                    why = f"a worker has {size} of memory before it has done anything, and {name}"
                    return Action("limit_too_low", f"{why} is {mebibytes(limit)}", "memory")
        elif hard and sample.memory > hard:
            why = f"it had {size} of memory, more than memory-limit ({self.limits.described(hard)})"
            return Action("dump", why, "memory", sample.offset, self._lasted(sample))
        elif soft and sample.memory > soft:
            why = f"it has {size} of memory, more than memory-soft-limit ({mebibytes(soft)})"
            return Action("replace", why, "memory", sample.offset, self._lasted(sample))
        return None

    def _hard_limit(self, sample: Sample) -> int:
        """Return the limit on memory of this worker.

        A share is no limit on what the agent itself needs before it does anything: a pool of such
        workers has always worked, or the kernel has ended it.
        """
        if self.limits.auto is not None and not sample.ready:
            return self.limits.auto.together
        return self.limits.memory + self._allowed

    def _check_time(self, sample: Sample) -> Action | None:
        limit = self.limits.run_timeout
        if not limit or not sample.ready:
            return None
        if sample.state == "T" and self.limits.stop_timeout:
            return None  # the process is stopped: not the run is slow
        # The beacon is exact, but also counts time in which no process ran.
        lasted = min(sample.executing, self._seen + self._longest_step())
        if sample.offset is not None and lasted > limit:
            what = (
                "an asynchronous action blocked the event loop for"
                if sample.asynchronous
                else "a run took"
            )
        elif self._blocked > limit + BEAT_SECONDS:
            what = "something left on the event loop blocked it for"
        else:
            return None
        why = f"{what} longer than run-timeout ({limit:g} s)"
        return Action("dump", why, "timeout", sample.offset, sample.executing)

    def _check_age(self, sample: Sample) -> Action | None:
        limits = self.limits
        if not sample.ready:
            return None
        if limits.recycle_runs and sample.runs >= limits.recycle_runs:
            return Action("replace", f"it has done {sample.runs:,} runs (recycle-runs)")
        if limits.recycle_after and sample.at - self._born >= limits.recycle_after:
            return Action("replace", f"it is {limits.recycle_after:g} s old (recycle-after)")
        return None

    def _kill(self, why: str) -> Action:
        """Kill at once: a process that does not run writes no stacks.

        An input can be the cause (an action can stop its own process), but rarely is.
        """
        return Action("kill", why, offset=self._offset, seconds=self._seen)

    def _next_step(self, sample: Sample) -> Action | None:
        """Return the next step of a kill, once it is due."""
        action, at = self._action, sample.at
        if action is None:
            return None
        waited = at - self._asked_at
        if action.do == "dump":
            # One that goes on to take memory gets no time.
            urgent = action.cause == "memory" and sample.memory > 9 * self._hard_limit(sample) // 8
            limit = DUMP_SECONDS if sample.stacks else LONGEST_DUMP_SECONDS
            if waited < limit and not urgent:
                return None
        elif waited < FENCE_SECONDS:
            return None
        following: Literal["kill", "fence"] = "kill" if action.do == "dump" else "fence"
        self._action = Action(following, action.why, action.cause, action.offset, action.seconds)
        self._asked_at = at
        return self._action

    def _longest_step(self) -> float:
        return 2 * self.limits.pause(working=False)

    def _lasted(self, sample: Sample) -> float:
        return sample.executing or self._seen


def mebibytes(size: int) -> str:
    """Describe a size."""
    return f"{size / (1 << 20):,.0f} MiB"
