"""Runs that wait in all ways, crashed at every commit: each effect once, in order, never early."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from support.loops import on_loop
from support.moved_clock import MovedClock
from support.profiles import examples
from support.worker import busy
from support.worker.bench import CrashError, bench
from support.worker.busy import CALLS, FAILED, KINDS, LONG, Busy
from tamias import Answer
from tamias.store import clock

if TYPE_CHECKING:
    from pathlib import Path

    from support.worker.bench import Bench

Inputs = list[tuple[Any, tuple[int, str]]]


@pytest.fixture(autouse=True)
def _fresh() -> None:
    CALLS.clear()
    FAILED.clear()


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    """A clock to be moved."""
    return MovedClock(monkeypatch)


class World:
    """What is around a worker through all its lives: inputs, answers, the time."""

    def __init__(self, inputs: Inputs, moved: MovedClock, seed: int) -> None:
        self.inputs = inputs
        self.moved = moved
        self.chance = random.Random(seed)
        self.answers: dict[str, str] = {}
        """By token, what was given first and accepted."""
        self.asked: dict[str, Any] = {}
        """By token, what was asked."""
        self.requests = 0
        self.extra: list[Any] = []
        """Inputs that are answers."""
        self.ended = False
        """Whether the end of the input has been reached: no more answers come as inputs."""

    def answer(self, life: Bench) -> None:
        """Answer what is asked: once, twice, too late, by a message or by an input."""
        for notice in life.notices:
            self.asked[notice.token] = notice.ask
            if self.chance.random() < 0.5:
                self.requests += 1
                text = f"r{self.requests}"
                if notice.ask is None:
                    continue  # nobody answers these
                if not self.ended and self.chance.random() < 0.3:
                    offset = len(self.inputs) + len(self.extra)
                    self.extra.append((notice.key, Answer(notice.token, text)))
                    life.send(self.extra[-1], first=offset)
                    continue
                data = base64.b64encode(json.dumps(text).encode()).decode()
                body = {"id": text, "token": notice.token, "value": data, "codec": "json"}
                life.questions.receive(body, clock.now())

    async def live(self, life: Bench) -> bool:
        """One life; returns whether the job has come to its end."""
        todo = [n for n in range(len(self.inputs)) if n not in life.recovered]
        for offset in todo:
            life.send(self.inputs[offset], first=offset)
        for n, value in enumerate(self.extra, len(self.inputs)):
            if n not in life.recovered:
                life.send(value, first=n)
        quiet = 0
        while not life.failed:
            for _ in range(5):
                await asyncio.sleep(0.0005)
            self.answer(life)
            self.moved.advance(self.chance.choice([0.1, 5.0, LONG]))
            life.announcer.look()
            read = range(len(self.inputs) + len(self.extra))
            if not {*read} - life.done.keys() - {*life.suspended} and self.chance.random() < 0.5:
                self.ended = True
                life.end_input()
            counts = life.shards[0].read_waiting(lambda view: view.counts())
            ends = life.shards[0].read_waiting(lambda view: list(view.ends()))
            busy = life.engine.active or counts.runs or counts.inputs or counts.timers or ends
            missing = [n for n in range(len(self.inputs)) if n not in life.done]
            quiet = 0 if busy or missing else quiet + 1
            if quiet > 3:
                return True
        assert all(isinstance(error, CrashError) for error in life.failed), life.failed
        return False


def inputs_of(seed: int, keys: list[Any], number: int) -> Inputs:
    chance = random.Random(seed)
    return [(chance.choice(keys), (i, chance.choice(KINDS))) for i in range(number)]


async def through_crashes(
    tmp_path: Path, world: World, commits: int, *, dies_after: bool, **options: Any
) -> int:
    """Live until the job is done; return how many lives that has taken."""
    lives = 0
    while True:
        lives += 1
        assert lives < 400, "it makes no progress"
        given: dict[str, Any] = dict(options, suspend_after="5ms", max_attempts=3)
        with bench(Busy, tmp_path, commits_left=commits, dies_after=dies_after, **given) as life:
            if await asyncio.wait_for(world.live(life), 60):
                break
    with bench(Busy, tmp_path, **options) as life:
        assert busy.wrong(world.inputs, life.order) == []
        counts = {output[1]: output[3] for output in life.order}
        assert {key: life.memory(key) for key in counts} == {
            key: {"count": number} for key, number in counts.items()
        }
        assert life.journal() == 0
        counted = life.shards[0].read_waiting(lambda view: view.counts())
        assert (counted.runs, counted.inputs, counted.timers) == (0, 0, 0)
        assert counted.questions == 0
        failed = {letter.offset: letter.error for letter in life.letters()}
        assert all(offset >= len(world.inputs) for offset in failed), failed
        notes = {output[2]: output[4] for output in life.order if output[0] == "input"}
        for _, (i, kind) in world.inputs:
            if kind in {"ask", "ask-sleep", "gather"}:
                answer = notes[i]
                assert answer.startswith("r")
                asked = [token for token, what in world.asked.items() if what == i]
                assert len(asked) == 1, "it was asked twice"
                if kind != "gather":
                    assert CALLS[i, f"after {answer}"] >= 1
                    others = [name for n, name in CALLS if n == i and name[:6] == "after "]
                    assert others == [f"after {answer}"]
    return lives


@pytest.mark.parametrize("commits", [1, 3])
@pytest.mark.parametrize("dies_after", [False, True])
@pytest.mark.parametrize("durability", ["process", "machine"])
@on_loop
async def test_each_way_to_wait_is_survived(
    tmp_path: Path, moved: MovedClock, commits: int, durability: str, *, dies_after: bool
) -> None:
    inputs: Inputs = [("a", (i, kind)) for i, kind in enumerate(KINDS)]
    world = World(inputs, moved, commits)
    lives = await through_crashes(
        tmp_path, world, commits, dies_after=dies_after, durability=durability
    )
    assert lives > 2


@pytest.mark.parametrize("seed", range(examples(8)))
@on_loop
async def test_any_mixture_is_survived(tmp_path: Path, moved: MovedClock, seed: int) -> None:
    chance = random.Random(seed)
    options: dict[str, Any] = {}
    if seed % 2:
        options["short-term-memory.cache-max-bytes"] = chance.choice([0, 800])
    keys = ["a", "k" * 300, b"\0", ("b", 1)][: chance.choice([1, 2, 4])]
    world = World(inputs_of(seed, keys, 20), moved, seed)
    await through_crashes(
        tmp_path,
        world,
        chance.choice([2, 5, 12]),
        dies_after=chance.random() < 0.5,
        durability=chance.choice(["process", "machine"]),
        **options,
    )
