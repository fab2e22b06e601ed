"""Whatever is lost, cut, killed or repeated: each submission has one effect and one outcome."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from support.profiles import examples
from support.service.world import World
from tamias.service.server.sessions import Limits

LIMITS = st.builds(
    Limits,
    window=st.sampled_from([1, 3, 50]),
    backlog=st.sampled_from([2, 10, 1000]),
    backlog_bytes=st.sampled_from([60, 1 << 20]),
    sessions=st.sampled_from([3, 100]),
)
NUMBERS = st.integers(0, 2)


class ConversationMachine(RuleBasedStateMachine):
    world: World

    @initialize(limits=LIMITS)
    def begin(self, limits: Limits) -> None:
        self.folder = tempfile.mkdtemp(dir="/dev/shm")
        self.world = World(Path(self.folder), 3, limits)
        self.turn()
        for program in self.world.programs:
            program.submit(20)

    @rule(number=NUMBERS, count=st.sampled_from([1, 2, 20]))
    def submit(self, number: int, count: int) -> None:
        self.world.programs[number].submit(count)

    @rule(frames=st.sampled_from([1, 2, 100]), newest_first=st.booleans())
    def serve(self, frames: int, *, newest_first: bool) -> None:
        self.world.serve(frames, newest_first=newest_first)

    @rule(number=NUMBERS)
    def no_answer_for_long(self, number: int) -> None:
        for _ in range(12):  # until a new connection is made
            self.world.now += 0.5
            self.world.programs[number].tick()

    @rule()
    def turn(self) -> None:
        self.world.serve(100)
        for program in self.world.programs:
            while program.wire.down:
                program.hear()

    @rule()
    def turn_with_work(self) -> None:
        for program in self.world.programs:
            program.submit(3)
        self.turn()
        self.world.work(100)
        self.turn()

    @rule(number=NUMBERS, count=st.sampled_from([1, 3, 100]))
    def hear(self, number: int, count: int) -> None:
        for _ in range(count):
            self.world.programs[number].hear()

    @rule(count=st.sampled_from([1, 5, 100]))
    def work(self, count: int) -> None:
        self.world.work(count)

    @rule(count=st.sampled_from([1, 5, 100]))
    def suspend_runs(self, count: int) -> None:
        self.world.work(count, suspends=True)

    @rule(count=st.sampled_from([1, 5, 100]))
    def end_suspended_runs(self, count: int) -> None:
        self.world.wake(count)

    @rule()
    def checkpoint(self) -> None:
        self.world.checkpoint()

    @rule(seconds=st.sampled_from([0.1, 0.6, 1.1, 5.0]))
    def wait(self, seconds: float) -> None:
        self.world.now += seconds
        for program in self.world.programs:
            program.tick()

    @rule(number=NUMBERS)
    def acknowledge(self, number: int) -> None:
        self.world.programs[number].acknowledge()

    @rule(number=NUMBERS)
    def ask(self, number: int) -> None:
        self.world.programs[number].ask()

    @invariant()
    def each_query_has_one_reply_at_most(self) -> None:
        if hasattr(self, "world"):
            for program in self.world.programs:
                assert len(set(program.replied)) == len(program.replied)

    @rule(number=NUMBERS, up=st.booleans())
    def lose(self, number: int, *, up: bool) -> None:
        self.world.programs[number].submit(1)
        if not up:
            self.world.serve(100)
        self.world.lose(number, up=up)

    @rule(number=NUMBERS)
    def cut(self, number: int) -> None:
        self.world.cut(number)

    @rule(number=NUMBERS)
    def crash_of_a_client(self, number: int) -> None:
        self.world.programs[number].start()
        self.turn()
        self.world.programs[number].submit(2)

    @rule()
    def crash_of_the_server(self) -> None:
        self.world.restart()

    @invariant()
    def each_has_one_effect_at_most(self) -> None:
        if hasattr(self, "world"):
            assert all(count == 1 for count in self.world.effects.values())

    @invariant()
    def what_waits_is_bounded(self) -> None:
        if hasattr(self, "world"):
            assert len(self.world.sessions.waiting) <= self.world._limits.backlog

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            world = self.world
            world.calm()
            for program in world.programs:
                if not program.replaced:
                    program.submit(0)
                    while program.next <= program.handed_in:
                        program.submit(5)
                        world.calm()
                    handed_in = set(range(1, program.handed_in + 1))
                    assert (
                        set(program.outcomes) | set(range(1, program.acknowledged + 1)) == handed_in
                    )
                    assert {s for name, s in world.effects if name == program.name} == handed_in
            assert not world.sessions.waiting
            assert not world.sessions.suspended
            assert world.sessions.malformed == 0
            assert not any(program.replaced for program in world.programs)
            self.each_has_one_effect_at_most()
        finally:
            self.world.close()
            shutil.rmtree(self.folder)


ConversationMachine.TestCase.settings = settings(
    max_examples=examples(60),
    stateful_step_count=60,
    suppress_health_check=list(HealthCheck),
)
TestConversation = ConversationMachine.TestCase
