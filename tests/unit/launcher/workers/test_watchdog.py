"""The watch over one worker: what is seen, and what is ordered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tamias.launcher.workers.watchdog import (
    DUMP_SECONDS,
    FENCE_SECONDS,
    INSPECTION_SECONDS,
    LEAST_SECONDS,
    LONGEST_DUMP_SECONDS,
    Action,
    Sample,
    Watchdog,
    WatchLimits,
)
from tamias.worker.process.machine import PoolMemory

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20


class World:
    """A worker under watch, and a clock."""

    def __init__(self, **limits: Any) -> None:
        self.watch = Watchdog(WatchLimits(**limits), 0.0)
        self.now = 0.0
        self.pulse = 1
        self.pause = self.watch.limits.pause(working=True)

    def process(self, after: float | None = None, **seen: Any) -> Action | None:
        """Look after a while (the usual one); it is alive and idle, but for what is `seen`."""
        self.now += self.pause if after is None else after
        if "pulse" not in seen and "offset" not in seen and "state" not in seen:
            self.pulse += 1
        return self.watch.process(Sample(self.now, **{"pulse": self.pulse, **seen}))

    def until_ordered(self, most: float = 100.0, **seen: Any) -> tuple[float, Action]:
        """Look again and again at the same; the time it took to an order, and the order."""
        began = self.now
        while self.now - began < most:
            order = self.process(**seen)
            if order is not None:
                return self.now - began, order
        raise AssertionError("there was no order")

    def never(self, seconds: float = 1000.0, **seen: Any) -> bool:
        """Whether nothing is ordered for so long."""
        looks = int(seconds / self.pause)
        return all(self.process(**seen) is None for _ in range(looks))


ALL = {"run_timeout": 1.0, "start_timeout": 5.0, "stop_timeout": 3.0}


def test_a_worker_that_is_alive_is_left_alone() -> None:
    assert World(**ALL).never()


def test_without_limits_nothing_is_ever_wrong() -> None:
    world = World()
    assert world.never(offset=7, pulse=0, state="T")
    assert world.never(ready=False, state="D", pulse=0)
    assert world.never(pulse=3, memory=1 << 50)


def test_a_stopped_worker_is_killed_without_asking_it_for_stacks() -> None:
    world = World(**ALL)
    world.process(offset=7, pulse=0, state="S")
    took, order = world.until_ordered(offset=7, pulse=0, state="T")
    assert took > 3.0
    assert (order.do, order.offset) == ("kill", 7)
    assert "stopped" in order.why
    assert order.seconds > 0


def test_a_stopped_worker_is_called_stopped_though_its_run_takes_too_long() -> None:
    world = World(run_timeout=1.0, stop_timeout=3.0)
    took, order = world.until_ordered(offset=7, pulse=0, state="T", executing=99.0)
    assert took > 3.0
    assert "stopped" in order.why
    _, order = World(run_timeout=1.0).until_ordered(offset=7, pulse=0, state="T", executing=99.0)
    assert "run-timeout" in order.why  # where nothing else would end it


def test_one_that_goes_on_in_time_is_forgiven() -> None:
    world = World(stop_timeout=3.0)
    for _ in range(20):
        for _ in range(9):
            assert world.process(pulse=5, state="T") is None
        assert world.process(pulse=5, state="S") is None


def test_one_that_is_being_debugged_is_left_alone() -> None:
    assert World(**ALL, memory=MIB).never(offset=7, pulse=0, state="t", executing=99.0, memory=9)


def test_one_that_sleeps_in_the_kernel_is_stalled_unless_it_gets_somewhere() -> None:
    world = World(stop_timeout=3.0)
    assert all(
        world.process(offset=7, pulse=0, state="D", ticks=ticks) is None for ticks in range(100)
    )
    took, order = world.until_ordered(offset=7, pulse=0, state="D", ticks=99)
    assert took > 3.0
    assert order.do == "kill"
    assert "stalled" in order.why


@pytest.mark.parametrize(
    ("asynchronous", "word"), [(False, "a run took"), (True, "blocked the event loop")]
)
def test_a_run_that_holds_the_thread(asynchronous: bool, word: str) -> None:  # noqa: FBT001
    world = World(**ALL)
    order = None
    seconds = 0.0
    while order is None:
        seconds += world.pause
        order = world.process(
            offset=7, executing=seconds, asynchronous=asynchronous, pulse=0, state="R"
        )
    assert 1.0 < seconds < 1.5
    assert (order.do, order.cause, order.offset) == ("dump", "timeout", 7)
    assert word in order.why
    assert order.seconds == seconds


def test_a_loop_that_stands_still_is_reported_once_in_a_while_without_any_limit() -> None:
    world = World()
    world.process(offset=7, beat=5)
    took, order = world.until_ordered(offset=7, beat=5)
    assert 60.0 <= took < 62.0
    assert (order.do, order.offset) == ("report", 7)
    assert order.seconds >= 60.0
    took, order = world.until_ordered(1000.0, offset=8, beat=5)
    assert 600.0 <= took < 602.0
    assert order.do == "report"
    world.process(offset=8, beat=6)  # it has gone on
    took, order = world.until_ordered(offset=None, pulse=3, beat=6)
    assert 60.0 <= took < 62.0
    assert order.offset is None


def test_a_loop_that_turns_or_has_not_begun_to_is_not_reported() -> None:
    world = World()
    assert all(world.process(offset=7, beat=beat) is None for beat in range(1, 1000))
    assert World().never(offset=7, beat=0)
    assert World().never(ready=False, beat=5)
    assert World().never(beat=5, state="T", pulse=3)


def test_a_loop_that_is_blocked_by_nobody_known() -> None:
    world = World(run_timeout=1.0)
    took, order = world.until_ordered(pulse=5, state="R")
    assert took > 2.0  # it beats once a second anyway
    assert "left on the event loop" in order.why
    assert order.offset is None


def test_time_that_nobody_looked_does_not_count() -> None:
    world = World(run_timeout=10.0, stop_timeout=10.0)
    assert world.process(offset=7, executing=0.1, pulse=0, state="T") is None
    # The launcher was stopped for an hour, or all of them were.
    assert world.process(after=3600.0, offset=7, executing=3600.1, pulse=0, state="T") is None
    took, _ = world.until_ordered(offset=7, executing=3601.0, pulse=0, state="T")
    assert took > 5.0


def test_one_that_does_not_become_ready() -> None:
    world = World(start_timeout=5.0)
    took, order = world.until_ordered(ready=False, pulse=0, state="S")
    assert took > 5.0
    assert (order.do, order.cause) == ("dump", "timeout")
    assert "start-timeout" in order.why


def test_the_hard_limit_on_memory() -> None:
    world = World(memory=512 * MIB)
    assert world.process(memory=512 * MIB, offset=3) is None
    order = world.process(memory=600 * MIB, offset=3)
    assert order is not None
    assert (order.do, order.cause, order.offset) == ("dump", "memory", 3)
    assert "600 MiB" in order.why
    assert "512 MiB" in order.why
    assert order.seconds > 0


def test_a_limit_that_nobody_can_keep_is_hopeless() -> None:
    for limit in ("memory", "memory_soft"):
        order = World(**{limit: 10 * MIB}).process(memory=25 * MIB, fresh=True)
        assert order is not None
        assert order.do == "limit_too_low"
        assert "25 MiB" in order.why


def test_the_soft_limit_is_asked_for_once_a_minute() -> None:
    world = World(memory_soft=100 * MIB, memory=200 * MIB)
    seen = {"memory": 150 * MIB, "runs": 10}
    first = world.process(**seen)
    assert first is not None
    assert first.do == "replace"
    took, second = world.until_ordered(**seen)
    assert second.do == "replace"
    assert took >= 60.0
    third = world.process(memory=250 * MIB, runs=10)  # nothing has come of it
    assert third is not None
    assert third.do == "dump"


def test_recycling_by_runs_and_by_age() -> None:
    world = World(recycle_runs=1000, recycle_after=3600.0)
    assert world.process(runs=999) is None
    order = world.process(runs=1000)
    assert order is not None
    assert (order.do, "1,000 runs" in order.why) == ("replace", True)
    old = World(recycle_after=3600.0)
    took, order = old.until_ordered(most=4000.0)
    assert took >= 3600.0 - old.pause
    assert order.do == "replace"


@pytest.mark.parametrize(
    ("stacks", "longest"), [(True, DUMP_SECONDS), (False, LONGEST_DUMP_SECONDS)]
)
def test_the_steps_of_a_killing(stacks: bool, longest: float) -> None:  # noqa: FBT001
    world = World(run_timeout=1.0)
    seen: dict[str, Any] = {"offset": 7, "executing": 3.0, "pulse": 0, "state": "R"}
    seen["stacks"] = stacks
    _, dump = world.until_ordered(**seen)
    world.pause = 0.02
    before_kill, kill = world.until_ordered(**seen)
    before_fence, fence = world.until_ordered(**seen)
    assert [dump.do, kill.do, fence.do] == ["dump", "kill", "fence"]
    assert dump.why == kill.why == fence.why
    assert longest <= before_kill < longest + 0.1
    assert FENCE_SECONDS <= before_fence < FENCE_SECONDS + 0.1


def test_limits_may_change_while_it_lives() -> None:
    world = World()
    seen: dict[str, Any] = {"offset": 7, "executing": 50.0, "pulse": 0, "state": "R"}
    assert world.never(50.0, **seen)
    world.watch.limits = WatchLimits(run_timeout=1.0)
    _, order = world.until_ordered(**seen)
    assert order.do == "dump"


@given(
    limit=st.floats(0.01, 1000.0) | st.just(0.0),
    others=st.tuples(st.floats(0.0, 100.0), st.floats(0.0, 100.0)),
)
def test_looks_are_frequent_enough_for_each_limit(
    limit: float, others: tuple[float, float]
) -> None:
    limits = WatchLimits(run_timeout=limit, stop_timeout=others[0], start_timeout=others[1])
    pause = limits.pause(working=False)
    assert LEAST_SECONDS <= pause <= INSPECTION_SECONDS
    assert not limit or pause <= max(LEAST_SECONDS, limit / 10)


def test_a_share_is_no_limit_on_what_an_agent_needs_before_it_does_anything() -> None:
    share = PoolMemory(2000 * MIB)  # 1600 together, 800 for each of two
    limits = WatchLimits(auto=share).with_share(2)
    assert limits.memory == 800 * MIB
    assert limits.with_share(2) is limits
    watch = Watchdog(limits, 0.0)
    assert watch.process(Sample(0.5, ready=False, memory=1500 * MIB)) is None
    assert watch.process(Sample(1.0, fresh=True, memory=900 * MIB)) is None
    assert watch.process(Sample(2.0, memory=1600 * MIB)) is None
    order = watch.process(Sample(3.0, memory=1701 * MIB, offset=7))
    assert order is not None
    assert (order.do, order.cause, order.offset) == ("dump", "memory", 7)
    assert "more than memory-limit (auto: 1,700 MiB)" in order.why


def test_a_worker_that_takes_all_memory_while_it_starts_is_killed() -> None:
    limits = WatchLimits(auto=PoolMemory(2000 * MIB)).with_share(2)
    order = Watchdog(limits, 0.0).process(Sample(1.0, ready=False, memory=1601 * MIB))
    assert order is not None
    assert (order.do, order.cause) == ("dump", "memory")


def test_one_that_goes_on_taking_memory_gets_no_time_for_its_stacks() -> None:
    watch = Watchdog(WatchLimits(memory=800), 0.0)
    assert watch.process(Sample(1.0, memory=801)).do == "dump"  # type: ignore[union-attr]
    assert watch.process(Sample(1.01, memory=850)) is None
    assert watch.process(Sample(1.02, memory=901)).do == "kill"  # type: ignore[union-attr]


def test_shares_of_many_workers_are_not_too_small_for_one() -> None:
    assert PoolMemory(10_000 * MIB).share(4) == 2000 * MIB
    assert PoolMemory(10_000 * MIB).share(64) == 512 * MIB
    assert PoolMemory(1000 * MIB).share(64) == 400 * MIB
    soft = WatchLimits(auto=PoolMemory(1000 * MIB), memory_soft=600 * MIB).with_share(2)
    assert soft.memory == 750 * MIB  # a soft limit that was set is still below it


class Machine(RuleBasedStateMachine):
    """Whatever is seen in whatever order: steps of a killing come in their order, and only once."""

    def __init__(self) -> None:
        super().__init__()
        limits = WatchLimits(1.0, 2.0, 3.0, 100, 50, 1000, 500.0)
        self.watch = Watchdog(limits, 0.0)
        self.now = 0.0
        self.orders: list[Action] = []

    @rule(
        after=st.sampled_from((0.01, 0.1, 1.0, 10.0, 3600.0)),
        ready=st.booleans(),
        offset=st.none() | st.integers(0, 2),
        executing=st.floats(0.0, 5.0),
        pulse=st.integers(0, 2),
        state=st.sampled_from(("", "R", "S", "D", "T", "t")),
        ticks=st.integers(0, 1),
        runs=st.integers(0, 2000),
        memory=st.integers(0, 120),
        stacks=st.booleans(),
    )
    def process(self, after: float, **seen: Any) -> None:
        self.now += after
        order = self.watch.process(Sample(self.now, **seen))
        if order is not None:
            self.orders.append(order)

    @invariant()
    def steps_follow_each_other(self) -> None:
        killing = [order.do for order in self._killing()]
        assert killing in ([], ["dump"], ["kill"], *_beginnings(["dump", "kill", "fence"])) or (
            killing in _beginnings(["kill", "fence"])
        )

    def _killing(self) -> Iterator[Action]:
        for order in self.orders:
            if order.do == "fence":
                yield order
                return
            if order.do != "replace":
                yield order


def _beginnings(steps: list[str]) -> list[list[str]]:
    return [steps[:count] for count in range(len(steps) + 1)]


TestMachine = Machine.TestCase
