"""A rollout under any sequence of events: it ends, and with all shards on one side."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from support.profiles import examples
from tamias.launcher.reload.rollout import (
    AddSlots,
    FinishRollout,
    MoveShard,
    Observed,
    Promote,
    Retire,
    Rollout,
    RolloutPolicy,
    RolloutStage,
    Side,
)

POLICY = RolloutPolicy(probation=30.0, canary=1.0, canary_runs=100, deaths=1, failures=10)


class RolloutMachine(RuleBasedStateMachine):
    """A shell that carries out steps at its leisure, with a world that goes wrong."""

    @initialize(shards=st.integers(1, 5), slots=st.integers(1, 3))
    def begin(self, shards: int, slots: int) -> None:
        self.now = 0.0
        self.slots = list(range(10, 10 + slots))
        self.at = dict.fromkeys(range(shards), Side.OLD)
        self.orders: dict[int, Side] = {}
        self.rollout = Rollout(range(shards), POLICY)
        self.unready: set[int] = set()
        self.has_slots = False
        self.retiring: Side | None = None
        self.gone: set[Side] = set()
        self.promoting = False
        self.promoted = False
        self.finished: list[str] = []
        self.probation_since: float | None = None
        self.blamed = False

    def do(self) -> None:
        for step in self.rollout.tick(self.now):
            assert not self.finished
            if isinstance(step, AddSlots):
                assert not self.has_slots
                self.has_slots = True
                self.unready = set(self.slots)
                self.rollout.added(self.slots)
            elif isinstance(step, MoveShard):
                assert step.to not in self.gone
                assert step.to is Side.OLD or (not self.unready and not self.blamed)
                # One by one, as long as all is well.
                assert step.to is Side.OLD or not self.orders
                self.orders[step.shard] = step.to
            elif isinstance(step, Promote):
                assert not self.blamed
                assert set(self.at.values()) == {Side.NEW}
                assert self.probation_since is not None
                assert self.now >= self.probation_since + POLICY.probation
                self.promoting = True
            elif isinstance(step, Retire):
                stays = Side.OLD if step.side is Side.NEW else Side.NEW
                assert set(self.at.values()) == {stays}
                assert not self.orders
                assert self.promoted == (step.side is Side.OLD)
                self.retiring = step.side
            else:
                assert isinstance(step, FinishRollout)
                self.finished.append(step.reason)
        if self.rollout.stage is RolloutStage.PROBATION and self.probation_since is None:
            self.probation_since = self.now
        if self.rollout.reason:
            self.blamed = True

    @rule()
    def prepared(self) -> None:
        self.rollout.prepared()
        self.do()

    @precondition(lambda self: self.unready)
    @rule()
    def ready(self) -> None:
        self.rollout.ready(self.unready.pop())
        self.do()

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def arrives(self, data: st.DataObject) -> None:
        shard = data.draw(st.sampled_from(sorted(self.orders)))
        side = self.orders.pop(shard)
        self.at[shard] = side
        self.rollout.moved(shard, side, self.now)
        self.do()

    @rule(seconds=st.sampled_from([0.1, 1.0, 10.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.do()

    @rule(runs=st.integers(1, 50), failures=st.integers(0, 6))
    def runs(self, runs: int, failures: int) -> None:
        if Side.NEW in self.at.values():
            self.rollout.ran(self.rollout.runs + runs, self.rollout.failures + min(runs, failures))
            self.do()

    @rule()
    def a_worker_dies(self) -> None:
        self.rollout.died(self.rollout.deaths + 1, "was killed by SIGSEGV")
        self.do()

    @rule()
    def something_fails(self) -> None:
        self.rollout.fail("it does not import")
        self.do()

    @precondition(lambda self: self.promoting)
    @rule(works=st.booleans())
    def record_is_written(self, *, works: bool) -> None:
        self.promoting = False
        if not works:
            self.rollout.fail("the disk is full")
        elif not self.blamed:
            self.promoted = True
            self.rollout.promoted()
        self.do()

    @precondition(lambda self: self.retiring is not None)
    @rule()
    def workers_have_left(self) -> None:
        assert self.retiring is not None
        self.gone.add(self.retiring)
        self.retiring = None
        self.rollout.retired()
        self.do()

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        rollout = self.rollout
        if rollout.over:
            assert self.gone
            assert self.finished == [rollout.reason]
            assert self.promoted != bool(rollout.reason)
            return
        waits_for = (
            not self.has_slots
            or self.unready
            or self.orders
            or self.retiring
            or self.promoting
            or rollout.next_deadline() is not None
        )
        assert waits_for, rollout.stage

    def teardown(self) -> None:
        if not hasattr(self, "rollout"):
            return
        self.rollout.prepared()
        self.do()
        for _ in range(100):
            if self.rollout.over:
                break
            for slot in self.unready:
                self.rollout.ready(slot)
            self.unready.clear()
            for shard, side in self.orders.items():
                self.at[shard] = side
                self.rollout.moved(shard, side, self.now)
            self.orders.clear()
            if self.promoting:
                self.promoting = False
                self.rollout.promoted()
                self.promoted = not self.blamed
            if self.retiring is not None:
                self.retiring = None
                self.gone.add(Side.NEW)
                self.rollout.retired()
            self.now += 10
            self.do()
        assert self.rollout.over


TestRolloutMachine = RolloutMachine.TestCase
TestRolloutMachine.settings = settings(max_examples=examples(150), stateful_step_count=40)


def _moving(policy: RolloutPolicy = POLICY, **old: int) -> Rollout:
    rollout = Rollout(range(3), policy, **old)
    rollout.prepared()
    assert rollout.tick(0.0) == [AddSlots()]
    rollout.added([7])
    assert rollout.tick(0.0) == []
    rollout.ready(7)
    assert rollout.tick(0.0) == [MoveShard(0, Side.NEW)]
    rollout.moved(0, Side.NEW, 0.0)
    return rollout


def test_the_first_shard_goes_alone_for_a_while() -> None:
    rollout = _moving()
    assert rollout.tick(0.5) == []
    assert rollout.next_deadline() == 1.0
    assert rollout.tick(1.0) == [MoveShard(1, Side.NEW)]
    rollout.moved(1, Side.NEW, 1.0)
    assert rollout.tick(1.0) == [MoveShard(2, Side.NEW)]


def test_runs_end_the_canarys_time_early() -> None:
    rollout = _moving()
    rollout.ran(100, 0)
    assert rollout.tick(0.1) == [MoveShard(1, Side.NEW)]


def test_failures_send_the_canary_back() -> None:
    rollout = _moving()
    rollout.ran(20, 11)
    assert rollout.tick(0.1) == [MoveShard(0, Side.OLD)]
    assert rollout.reason == "11 of 20 inputs failed (55.0%; before: 0.0%)"


def test_failures_that_the_old_code_had_as_well_are_no_reason() -> None:
    rollout = _moving(old_runs=1000, old_failures=300)
    rollout.ran(100, 50)
    assert not rollout.reason
    rollout.ran(200, 130)
    assert rollout.reason


def test_a_shard_on_its_way_is_called_back() -> None:
    rollout = _moving(RolloutPolicy(canary=0.0))
    assert rollout.tick(0.0) == [MoveShard(1, Side.NEW)]
    rollout.fail("the worker does not start")
    assert rollout.tick(0.0) == [MoveShard(0, Side.OLD), MoveShard(1, Side.OLD)]
    # It may have arrived just then: so it is sent once more.
    rollout.moved(1, Side.NEW, 0.0)
    assert rollout.tick(0.0) == [MoveShard(1, Side.OLD)]
    rollout.moved(0, Side.OLD, 0.0)
    rollout.moved(1, Side.OLD, 0.0)
    assert rollout.tick(0.0) == [Retire(Side.NEW)]
    rollout.retired()
    assert rollout.tick(0.0) == [FinishRollout("the worker does not start")]


def test_one_death_is_an_accident_two_are_a_reason() -> None:
    rollout = _moving()
    rollout.died(1, "was killed by SIGSEGV")
    assert rollout.undecided
    rollout.died(2, "exited with code 1")
    assert rollout.reason == "2 workers died, the last one exited with code 1"


def test_an_error_counts_before_the_deaths_that_it_has_caused() -> None:
    rollout = Rollout(range(2), POLICY)
    rollout.observed(Observed(20, 20, 2, "exited with code 0", "ValueError: new"))
    assert rollout.reason == "ValueError: new"
