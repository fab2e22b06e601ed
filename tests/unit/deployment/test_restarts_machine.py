"""The restart policy, against every order of starts, deaths, reports and stops."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from support.profiles import examples
from tamias.deployment.restarts import (
    DrainProcess,
    KillProcess,
    ProcessStage,
    RestartPolicy,
    StartProcess,
)
from tamias.launcher.dispatch.backoff import Backoff

BACKOFF = Backoff(first=0.5, cap=4.0, starts=3, deaths=4, steady=60.0)
NAMES = ["a", "b", "c"]
CODES = [0, 3, 130, 2, 1]


class RestartMachine(RuleBasedStateMachine):
    """Carries out the instructions of a policy, and lets any process die at any time."""

    @initialize()
    def begin(self) -> None:
        self.now = 100.0
        self.policy = RestartPolicy(NAMES, BACKOFF)
        self.living: dict[str, int] = {}  # stop requests sent to each
        self.worked: dict[str, bool] = dict.fromkeys(NAMES, False)
        self.ready: set[str] = set()
        self.events = dict.fromkeys(NAMES, 0)
        self.codes: dict[str, int] = {}
        self.due = dict.fromkeys(NAMES, self.now)
        self.stops = 0
        self.killed: set[str] = set()
        self.second_stop_at = 0.0
        self.turn()

    def turn(self) -> None:
        for step in self.policy.turn(self.now):
            name = step.name
            assert name not in self.codes
            if isinstance(step, StartProcess):
                assert name not in self.living
                assert self.now >= self.due[name]
                assert not self.stops
                assert step.again == self.worked[name]
                self.living[name] = 0
            elif isinstance(step, DrainProcess):
                self.living[name] += 1
            else:
                assert isinstance(step, KillProcess)
                assert self.stops > 2 or self.now >= self.second_stop_at + 10
                assert name not in self.killed
                self.killed.add(name)
        assert self.policy.turn(self.now) == []

    @rule(name=st.sampled_from(NAMES), done=st.integers(0, 3))
    def work(self, name: str, done: int) -> None:
        if name in self.living:
            self.events[name] += done if name in self.ready else 0
            self.policy.works(name, self.events[name])
            self.worked[name] = True
            self.ready.add(name)
            self.turn()

    @rule(name=st.sampled_from(NAMES), code=st.sampled_from(CODES))
    def end(self, name: str, code: int) -> None:
        if name in self.living:
            self.remove(name)
            self.policy.ended(name, code)
            self.codes[name] = code
            self.turn()

    @rule(name=st.sampled_from(NAMES))
    def die(self, name: str) -> None:
        if name not in self.living:
            return
        self.remove(name)
        pause = self.policy.died(name, self.now)
        if pause is None:
            self.codes[name] = 130 if self.stops else 1
        else:
            assert not self.stops
            assert 0 <= pause <= BACKOFF.cap
            self.due[name] = self.now + pause
        self.turn()

    def remove(self, name: str) -> None:
        del self.living[name]
        self.ready.discard(name)
        self.killed.discard(name)

    @rule()
    def stop(self) -> None:
        self.stops += 1
        if self.stops == 2:
            self.second_stop_at = self.now
        assert self.policy.stop(self.now) == self.stops
        for name in NAMES:
            if name not in self.living:
                self.codes.setdefault(name, 130)
        self.turn()

    @rule(seconds=st.floats(0, 15))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.turn()

    @rule()
    def sleep(self) -> None:
        deadline = self.policy.next_deadline()
        if deadline is not None:
            self.now = max(self.now, deadline)
            self.turn()

    @invariant()
    def the_stages_are_those_of_the_processes(self) -> None:
        if not hasattr(self, "policy"):
            return
        for name in NAMES:
            stage = self.policy.stage(name)
            assert (stage is ProcessStage.RUNNING) == (name in self.living)
            assert (stage is ProcessStage.OVER) == (name in self.codes)
            assert self.policy.code(name) == self.codes.get(name)
            if stage is ProcessStage.WAITING:
                deadline = self.policy.next_deadline()
                assert deadline is not None
                assert deadline <= self.due[name]
        assert self.policy.is_over == (len(self.codes) == len(NAMES))

    @invariant()
    def each_running_process_was_sent_the_stop_requests(self) -> None:
        if hasattr(self, "policy"):
            assert all(sent == min(self.stops, 2) for sent in self.living.values())

    @invariant()
    def a_third_request_kills(self) -> None:
        if hasattr(self, "policy") and self.stops > 2:
            assert self.killed == set(self.living)

    @invariant()
    def the_worst_code_counts(self) -> None:
        if hasattr(self, "policy") and self.policy.is_over:
            assert self.policy.exit_code == max(self.codes.values(), key=CODES.index)


TestRestartPolicy = RestartMachine.TestCase
TestRestartPolicy.settings = settings(max_examples=examples(200), stateful_step_count=40)


def test_pauses_grow_with_deaths_in_a_row_until_it_gives_up() -> None:
    policy = RestartPolicy(["a", "b"], BACKOFF)
    pauses: list[float | None] = []
    now = 0.0
    for _ in range(4):
        now += 10
        policy.turn(now)
        policy.works("a", 5)
        pauses.append(policy.died("a", now))
    assert pauses == [0.0, 0.5, 1.0, None]
    assert (policy.code("a"), policy.stage("b")) == (1, ProcessStage.RUNNING)


def test_a_finished_input_resets_the_count_of_deaths() -> None:
    policy = RestartPolicy(["a"], BACKOFF)
    now = 0.0
    for _ in range(20):
        now += 10
        policy.turn(now)
        policy.works("a", 5)
        policy.works("a", 6)
        assert policy.died("a", now) == 0.0


def test_an_agent_that_never_works_ends_with_its_own_code() -> None:
    policy = RestartPolicy(["a"], BACKOFF)
    now, pauses = 0.0, []
    for _ in range(3):
        now += 10
        assert policy.turn(now) == [StartProcess("a", again=False)]
        pauses.append(policy.died("a", now, code=2))
    assert (pauses, policy.exit_code) == ([0.5, 1.0, None], 2)
