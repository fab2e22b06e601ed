"""Whatever the order of joins, deaths, completions and late messages: the dispatcher's promises."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from support.dispatch.waiting_world import Run, WaitingWorld, a_run
from support.dispatch.world import Input, Rules
from support.profiles import examples

# Few kinds of anything, and often: what goes wrong goes wrong in small worlds.
RULES = st.builds(
    Rules,
    slots=st.sampled_from([1, 2, 3]),
    window=st.sampled_from([1, 2, 3, 6, 20, 64]),
    window_bytes=st.sampled_from([20, 100, 10_000]),
    batch=st.sampled_from([1, 4, 16]),
    queue=st.sampled_from([4, 30]),
    queue_bytes=st.sampled_from([30, 10_000]),
    max_attempts=st.sampled_from([1, 2, 3, 4]),
    shards=st.sampled_from([0, 3, 5]),
)
MOST_SLOTS = 5
KINDS = ("plain",) * 6 + ("poison", "poison", "malformed", "earlier")
PLANS = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([0, 1, 15, 50]), st.sampled_from(KINDS)),
    min_size=15,
    max_size=70,
).map(lambda plan: [Input(3 + 2 * n, *each) for n, each in enumerate(plan)])


RUNS = st.lists(
    st.tuples(
        st.integers(0, 5), st.sampled_from(("plain",) * 6 + ("poison",)), st.sampled_from([0, 0, 1])
    ),
    max_size=25,
).map(lambda plan: [a_run(1000 + n, *each) for n, each in enumerate(plan)])


class DispatchMachine(RuleBasedStateMachine):
    world: WaitingWorld
    listened = 0

    @initialize(rules=RULES, plan=PLANS, runs=RUNS, running=st.sampled_from([True, True, False]))
    def begin(self, rules: Rules, plan: list[Input], runs: list[Run], *, running: bool) -> None:
        self.world = WaitingWorld(rules, plan, runs=runs)
        if running:
            self.world.tick()
            for number in range(rules.slots):
                self.world.ready(number, keep=True)
            self.submit(40)

    def slot(self, data: st.DataObject, *phases: str) -> int | None:
        """Draws a slot whose worker is in one of these phases."""
        found = [n for n, slot in enumerate(self.world.slots) if slot.phase in phases]
        return data.draw(st.sampled_from(found), "slot") if found else None

    def any_phase(self, *phases: str) -> bool:
        return any(slot.phase in phases for slot in self.world.slots)

    @precondition(lambda self: self.world.plan)
    @rule(count=st.sampled_from([1, 5, 40]))
    def submit(self, count: int) -> None:
        self.world.submit(count)
        self.world.tick()

    @precondition(lambda self: self.any_phase("ready") and any(self.world.due))
    @rule(data=st.data(), count=st.sampled_from([0, 1, 4, 20]), twice=st.booleans())
    def announce(self, data: st.DataObject, count: int, *, twice: bool) -> None:
        """A worker announces runs that are due, perhaps some of them again."""
        number = self.slot(data, "ready")
        assert number is not None
        self.world.announce(number, count, twice=twice)
        self.world.tick()

    @precondition(lambda self: self.any_phase("down", "asked", "starting"))
    @rule(
        data=st.data(),
        seconds=st.sampled_from([0.0, 0.3, 20.0]),
        ends=st.sampled_from(["ready", "ready", "ready", "trimmed", "failed", "started"]),
    )
    def join(self, data: st.DataObject, seconds: float, ends: str) -> None:
        """Time passes for workers that are down, and one that was started comes to something."""
        world = self.world
        world.now += seconds
        world.tick()
        number = self.slot(data, "asked", "starting")
        if number is None:
            return
        if world.slots[number].phase == "asked":
            world.started(number)
        if ends == "failed":
            world.start_failed(number)
        elif ends != "started":
            world.ready(number, keep=ends == "ready")
        world.tick()

    @rule(seconds=st.sampled_from([0.003, 0.02, 0.2]))
    def pass_time(self, seconds: float) -> None:
        self.world.now += seconds
        self.world.tick()

    @precondition(lambda self: len(self.world.staying()) < MOST_SLOTS)
    @rule()
    def add_slot(self) -> None:
        self.world.add()
        self.world.tick()

    @rule(data=st.data(), count=st.sampled_from([1, 1, 4]))
    def move(self, data: st.DataObject, count: int) -> None:
        """Shards are ordered from here to there, and perhaps on, or back, before they arrive."""
        world = self.world
        for _ in range(count):
            shard = data.draw(st.integers(0, world.shards - 1), "shard")
            slot = data.draw(st.sampled_from(world.staying()), "slot")
            world.move(shard, slot, at_once=data.draw(st.booleans(), "at once"))
        world.tick()

    @precondition(lambda self: len(self.world.staying()) > 1)
    @rule(data=st.data())
    def retire(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.world.staying()), "slot")
        self.world.retire(number, [n for n in self.world.staying() if n != number])
        self.world.tick()

    @precondition(lambda self: any(slot.orders for slot in self.world.slots))
    @rule(data=st.data(), keep=st.booleans())
    def carry_out(self, data: st.DataObject, *, keep: bool) -> None:
        """A worker lets go of a shard, or takes one."""
        busy = [n for n, slot in enumerate(self.world.slots) if slot.orders]
        self.world.carry_out(data.draw(st.sampled_from(busy), "slot"), keep=keep)
        self.world.tick()

    @precondition(lambda self: self.any_phase("stopping"))
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        number = self.slot(data, "stopping")
        assert number is not None
        self.world.leave(number)
        self.world.tick()

    @precondition(lambda self: self.any_phase("ready"))
    @rule(data=st.data(), count=st.sampled_from([1, 3, 30]))
    def execute(self, data: st.DataObject, count: int) -> None:
        """A worker runs items of any keys, each key's in order, and commits without a word."""
        number = self.slot(data, "ready")
        assert number is not None
        slot = self.world.slots[number]
        for _ in range(count):
            if slot.phase != "ready" or not slot.pending:
                break
            item = data.draw(st.sampled_from(slot.heads()), "item")
            hints = [None, item.offset]
            if len(slot.flight) > 1:
                hints += [min(slot.flight), max(slot.flight)]  # wrong ones
            self.world.execute(number, item, data.draw(st.sampled_from(hints), "suspect"))

    @precondition(lambda self: any(slot.unreported for slot in self.world.slots))
    @rule(data=st.data(), share=st.sampled_from([1, 2, 3]), echo=st.booleans())
    def report(self, data: st.DataObject, share: int, *, echo: bool) -> None:
        """It reports a part of what it has committed, perhaps with things it reported before."""
        busy = [n for n, slot in enumerate(self.world.slots) if slot.unreported]
        number = data.draw(st.sampled_from(busy), "slot")
        slot = self.world.slots[number]
        offsets = slot.unreported[::share]
        if echo:
            offsets = [*offsets, *sorted(self.world.finished)[-3:], offsets[0]]
        self.world.report(number, offsets)
        self.world.tick()

    @precondition(lambda self: self.any_phase("ready"))
    @rule(data=st.data(), unrelated=st.sampled_from([False, False, True]))
    def accident(self, data: st.DataObject, *, unrelated: bool) -> None:
        """A worker dies of something else; the beacon may name the executed input."""
        number = self.slot(data, "ready")
        assert number is not None
        if unrelated:
            self.world.die(number, unrelated=True)
        elif self.world.may_have_an_accident(number):
            slot = self.world.slots[number]
            suspects = [None, 2, *[item.offset for item in slot.heads()], *slot.unreported[:1]]
            self.world.accident(number, data.draw(st.sampled_from(suspects), "suspect"))

    @precondition(lambda self: self.world.events > self.listened)
    @rule(data=st.data(), age=st.sampled_from([0, 1, 2, -1]))
    def gossip(self, data: st.DataObject, age: int) -> None:
        """A dead (or unborn) worker speaks."""
        number = data.draw(st.integers(0, len(self.world.slots) - 1), "slot")
        slot = self.world.slots[number]
        if age == 0 and slot.phase not in ("down", "gone"):
            age = 1
        offsets = sorted({*slot.flight}.union(*self.world.outboxes))
        self.listened = self.world.events + 5
        self.world.gossip(number, slot.incarnation - age, offsets)

    @invariant()
    def promises(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.settle(hints=len(self.world.submitted) % 2 == 0)


DispatchMachine.TestCase.settings = settings(
    max_examples=examples(100),
    stateful_step_count=80,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestDispatch = DispatchMachine.TestCase


@pytest.mark.parametrize("seed", range(20))
def test_a_long_life_under_fire(seed: int) -> None:
    """Hundreds of inputs through small windows, with deaths of every sort all the time."""
    dice = random.Random(seed)
    window = dice.choice([4, 16, 32, 64])
    rules = Rules(dice.choice([1, 2, 5]), window, 400, 16, 2 * window, 2_000, 3)
    kinds = dice.choices(KINDS[:7], k=500)
    plan = [Input(n, dice.randrange(9), dice.randrange(60), kind) for n, kind in enumerate(kinds)]
    kinds = dice.choices(("plain",) * 9 + ("poison",), k=300)
    runs = [a_run(1000 + n, dice.randrange(9), kind, n % 3) for n, kind in enumerate(kinds)]
    world = WaitingWorld(rules, plan, runs=runs)
    accidents = dice.choice([0.02, 0.3])
    for _ in range(1500):
        world.submit(dice.randrange(60))
        world.now += dice.choice([0.0, 0.1])
        world.tick()
        number = dice.randrange(rules.slots)
        slot = world.slots[number]
        if slot.phase == "asked":
            world.ready(number, keep=dice.random() < 0.5)
        elif slot.phase == "ready":
            world.announce(number, dice.randrange(6), twice=dice.random() < 0.2)
            for _ in range(dice.randrange(window)):
                if slot.phase != "ready" or not slot.pending:
                    break
                item = dice.choice(slot.heads())
                suspect = dice.choice([item.offset, None])
                world.execute(number, item, suspect)
            world.report(number, [each for each in slot.unreported if dice.random() < 0.8])
            if slot.phase == "ready" and dice.random() < 0.01:
                world.die(number, unrelated=True)
            elif (
                slot.phase == "ready"
                and dice.random() < accidents
                and world.may_have_an_accident(number)
            ):
                world.accident(number, None)
        world.check()
    world.settle(hints=True)
