"""Runs of several steps, crashed at every commit: each step's effects happen once."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from support.loops import on_loop
from support.worker.bench import CrashError, bench
from tamias import (
    Agent,
    Event,
    EventType,
    InputEvent,
    MemoryRef,
    OutputEvent,
    RunnerContext,
    action,
)

if TYPE_CHECKING:
    from pathlib import Path

RUNS: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    RUNS.clear()


class Fetched(Event):
    reference: MemoryRef
    tags: set[str]


class Shopping(Agent):
    """Four actions over three generations of events, with all kinds of effects."""

    @action(InputEvent)
    @staticmethod
    def fetch(event: Event, ctx: RunnerContext) -> None:
        RUNS["fetch"] += 1
        memory = ctx.short_term_memory
        visits = (memory.get("visits") or 0) + 1
        memory.set("visits", visits)
        memory.new_object("basket", overwrite=True).set("items", [event.input])
        reference = ctx.sensory_memory.set("page", {"for": event.input})
        ctx.send_event(OutputEvent(output=["fetched", visits]))
        ctx.send_event(Fetched(reference=reference, tags={"a", "b"}))
        ctx.send_event(Event(type="check", limit=2))

    @action(Fetched)
    @staticmethod
    async def read(event: Fetched, ctx: RunnerContext) -> None:
        RUNS["read"] += 1
        page = event.reference.resolve(ctx)
        price = await ctx.durable_execute_async(price_of, page["for"])
        items = ctx.short_term_memory.get("basket.items")
        ctx.short_term_memory.set("basket.items", [*items, price])
        ctx.sensory_memory.new_object("page2")
        ctx.send_event(OutputEvent(output=["read", sorted(event.tags), str(event.id)]))
        ctx.send_event(Event(type="check", limit=3))

    @action("check")
    @staticmethod
    def check(event: Event, ctx: RunnerContext) -> None:
        RUNS[f"check {event.limit}"] += 1
        basket = ctx.short_term_memory.get("basket.items")
        paid = ctx.durable_execute(pay, event.limit)
        ctx.short_term_memory.set(f"checked.at{event.limit}", len(basket))
        ctx.send_event(OutputEvent(output=["checked", event.limit, basket, paid]))
        if event.limit == 3:
            ctx.short_term_memory.new_object("basket", overwrite=True)


class Audited(Shopping):
    """The same, and what its actions have written to memory is put out."""

    @action(EventType.ShortTermWriteEvent, EventType.SensoryWriteEvent)
    @staticmethod
    def audit(event: Event, ctx: RunnerContext) -> None:
        RUNS["audit"] += 1
        written = (ctx.short_term_memory.get("audited") or 0) + 1
        ctx.short_term_memory.set("audited", written)
        ctx.send_event(OutputEvent(output=[event.get_type(), event.value, str(event.id)]))


def price_of(item: str) -> int:
    RUNS["price_of"] += 1
    return len(item)


def pay(limit: int) -> str:
    RUNS[f"pay {limit}"] += 1
    return f"paid {limit}"


INPUTS = (("k", "pear"), ("k", "fig"), ("other", "fig"))


async def undisturbed(directory: Path, inputs: Any, agent: type[Agent]) -> tuple[Any, Any]:
    with bench(agent, directory) as life:
        found = await life.run(*inputs)
        memory = {key: life.memory(key) for key, _ in inputs}
        assert life.journal() == 0
    return found, memory


@pytest.mark.parametrize("commits", range(1, 4))
@pytest.mark.parametrize("dies_after", [False, True])
@pytest.mark.parametrize("agent", [Shopping, Audited])
@on_loop
async def test_a_run_goes_on_where_it_was_on_record(
    tmp_path: Path, agent: type[Agent], commits: int, *, dies_after: bool
) -> None:
    # Keys side by side share their commits, so only one alone can tell what was not called twice.
    inputs = INPUTS[:2] if dies_after else INPUTS
    expected, memory = await undisturbed(tmp_path / "undisturbed", inputs, agent)
    once = RUNS.copy()
    RUNS.clear()
    lives = 0
    while True:
        lives += 1
        assert lives < 50
        with bench(agent, tmp_path / "shard", commits_left=commits, dies_after=dies_after) as life:
            if len(life.done) < len(inputs):
                life.send(*inputs)
                await life.until(*range(len(inputs)))
            assert all(isinstance(error, CrashError) for error in life.failed)
            if len(life.done) == len(inputs):
                break
    with bench(agent, tmp_path / "shard") as life:
        assert [life.done[offset] for offset in range(len(inputs))] == expected
        assert {key: life.memory(key) for key, _ in inputs} == memory
        assert life.journal() == 0
    assert lives > 2
    if dies_after:
        # Each death came when a step or a call was on record: none of them was made again.
        for name in ("fetch", "price_of", "pay 2", "pay 3"):
            assert RUNS[name] == once[name], (name, RUNS)


@on_loop
async def test_sends_that_fail_in_a_later_step_keep_the_earlier_ones(tmp_path: Path) -> None:
    class Failing(Agent):
        @action(InputEvent)
        @staticmethod
        def first(event: Event, ctx: RunnerContext) -> None:
            RUNS["first"] += 1
            ctx.short_term_memory.set("first", RUNS["first"])
            ctx.sensory_memory.set("x", 1)
            ctx.send_event(OutputEvent(output="first"))
            ctx.send_event(Event(type="next"))

        @action("next")
        @staticmethod
        def second(event: Event, ctx: RunnerContext) -> None:
            RUNS["second"] += 1
            assert ctx.short_term_memory.get("second") is None
            ctx.short_term_memory.set("second", True)
            ctx.send_event(OutputEvent(output=["second", ctx.sensory_memory.get("x")]))
            if RUNS["second"] < 3:
                raise ConnectionError("try again")

    with bench(Failing, tmp_path, max_attempts=3) as life:
        assert await life.run(("k", 1)) == [["first", ["second", 1]]]
        assert RUNS == {"first": 1, "second": 3}
        assert life.memory("k") == {"first": 1, "second": True}
        assert life.journal() == 0


@on_loop
async def test_a_run_given_up_takes_its_finished_steps_along(tmp_path: Path) -> None:
    class Failing(Agent):
        @action(InputEvent)
        @staticmethod
        def first(event: Event, ctx: RunnerContext) -> None:
            ctx.short_term_memory.set("first", True)
            ctx.durable_execute(pay, 1)
            ctx.send_event(OutputEvent(output="first"))
            ctx.send_event(Event(type="next"))

        @action("next")
        @staticmethod
        def second(event: Event, ctx: RunnerContext) -> None:
            raise ConnectionError("never")

    with bench(Failing, tmp_path, max_attempts=2) as life:
        assert await life.run(("k", 1)) == [[]]
        assert life.memory("k") == {}
        assert life.journal() == 0
        assert life.letters()[0].action == "second"


# -- code that changes between two lives ----------------------------------------------------------


def two_steps(second: str | None) -> Agent:
    agent = Agent()

    def first(event: Any, ctx: RunnerContext) -> None:
        ctx.send_event(Event(type="next"))
        ctx.send_event(OutputEvent(output="first"))

    async def wait(event: Any, ctx: RunnerContext) -> None:
        ctx.send_event(Event(type="last"))

    async def last(event: Any, ctx: RunnerContext) -> None:
        await asyncio.Event().wait()

    agent.add_action("first", [InputEvent], first)
    if second is not None:
        agent.add_action(second, ["next"], wait)
        agent.add_action("last", ["last"], last)
    return agent


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("renamed", "on record as action 'second', but the agent now runs 'renamed' there"),
        (None, "on record as action 'second', but the agent now ends there"),
    ],
)
@on_loop
async def test_actions_that_have_changed_diverge(
    tmp_path: Path, second: str | None, message: str
) -> None:
    with bench(two_steps("second"), tmp_path) as life:
        life.send(("k", 1))
        await life.until_recorded(2)
    with bench(two_steps(second), tmp_path, on_error="fail") as life:
        life.send(("k", 1))
        await life.until(0)
        (report,) = life.halted
        assert report["error"].startswith("DivergenceError")
        assert message in report["error"]
        assert "step 1" in report["error"]
        assert life.journal() == 2
