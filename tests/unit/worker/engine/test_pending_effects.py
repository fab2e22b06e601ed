"""When the effects of finished actions go on record, and as what."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from support.loops import on_loop
from support.worker.bench import bench
from tamias import Agent, Event, InputEvent, OutputEvent

if TYPE_CHECKING:
    from pathlib import Path

RUNS: Counter[str] = Counter()
CALLED_WITH: list[Any] = []


@pytest.fixture(autouse=True)
def _fresh() -> None:
    RUNS.clear()
    CALLED_WITH.clear()


class Drawn(Event):
    number: int
    items: list[int] | None = None
    name: str = ""
    lock: Any = None


def draw() -> int:
    """Another number at each execution."""
    RUNS["draw"] += 1
    return RUNS["draw"]


def pay(number: Any) -> str:
    CALLED_WITH.append(number)
    return "paid"


def first(event: Event, ctx: Any) -> None:
    ctx.send_event(Drawn(number=draw()))


def agent_of(first: Any, second: Any) -> Agent:
    agent = Agent()
    agent.add_action("first", [InputEvent], first)
    agent.add_action("second", [Drawn], second)
    return agent


async def run_through_deaths(agent: Agent, directory: Path, *, dies_after: bool = False) -> Any:
    """Run one input, where each life dies at its second commit; the outputs."""
    for _ in range(20):
        with bench(agent, directory, commits_left=1, dies_after=dies_after) as life:
            if not life.done:
                life.send(("k", "x"))
                await life.until(0)
            if life.done:
                return life.done[0]
    raise AssertionError("the run does not end")


def call_now(event: Drawn, ctx: Any) -> None:
    ctx.send_event(OutputEvent(output=[event.number, ctx.durable_execute(pay, event.number)]))


async def call_later(event: Drawn, ctx: Any) -> None:
    paid = await ctx.durable_execute_async(pay, event.number)
    ctx.send_event(OutputEvent(output=[event.number, paid]))


async def call_twice(event: Drawn, ctx: Any) -> None:
    calls = (ctx.durable_execute_async(pay, [event.number, n]) for n in range(2))
    ctx.send_event(OutputEvent(output=[event.number, *await asyncio.gather(*calls)]))


@pytest.mark.parametrize("second", [call_now, call_later, call_twice])
@on_loop
async def test_what_led_to_a_call_is_committed_before_its_function_is_called(
    tmp_path: Path, second: Any
) -> None:
    """The function is called again after a death, and with what it was called with before."""
    outputs = await run_through_deaths(agent_of(first, second), tmp_path)
    assert RUNS["draw"] == 1
    assert outputs[0][0] == 1
    assert len({str(each) for each in CALLED_WITH}) == (2 if second is call_twice else 1)
    assert len(CALLED_WITH) > 1


@pytest.mark.parametrize("items", [None, [1, 2]])
@on_loop
async def test_an_event_that_its_receiver_changes_is_recorded_as_it_was(
    tmp_path: Path, items: list[int] | None
) -> None:
    seen = []

    def send(event: Event, ctx: Any) -> None:
        ctx.send_event(Drawn(number=7, items=items, name="x"))

    def change(event: Drawn, ctx: Any) -> None:
        seen.append((event.number, list(event.items or ()), event.name, event.id))
        event.number += 1
        event.name = "changed"
        if event.items:
            event.items.append(3)
        ctx.durable_execute(pay, event.number)
        ctx.send_event(OutputEvent(output=event.number))

    assert await run_through_deaths(agent_of(send, change), tmp_path) == [8]
    assert len(seen) > 1
    assert set(map(str, seen)) == {str(seen[0])}
    assert set(CALLED_WITH) == {8}


@on_loop
async def test_a_run_that_ends_before_anything_depends_on_it_is_executed_again_whole(
    tmp_path: Path,
) -> None:
    def second(event: Drawn, ctx: Any) -> None:
        RUNS["second"] += 1
        count = (ctx.short_term_memory.get("count") or 0) + 1
        ctx.short_term_memory.set("count", count)
        ctx.send_event(OutputEvent(output=count))

    agent = agent_of(first, second)
    with bench(agent, tmp_path, commits_left=0) as life:
        life.send(("k", "x"))
        await life.until(0)
        assert not life.done
    assert (RUNS["draw"], RUNS["second"]) == (1, 1)
    with bench(agent, tmp_path) as life:
        assert life.journal() == 0
        assert await life.run(("k", "x")) == [[1]]
        assert life.memory("k") == {"count": 1}
    assert (RUNS["draw"], RUNS["second"]) == (2, 2)


@on_loop
async def test_an_event_that_cannot_be_pickled_fails_only_where_it_must_be_recorded(
    tmp_path: Path,
) -> None:
    def send(event: Any, ctx: Any) -> None:
        ctx.send_event(Drawn(number=event.input, lock=threading.Lock()))

    def second(event: Drawn, ctx: Any) -> None:
        if event.number:
            ctx.durable_execute(pay, 1)
        ctx.send_event(OutputEvent(output=event.lock.locked()))

    with bench(agent_of(send, second), tmp_path, max_attempts=1) as life:
        assert await life.run(("k", 0), ("k", 1)) == [[False], []]
        [letter] = life.letters()
        assert letter.cause == "unserializable"
        assert "action 'first' sent an event that cannot be put on record" in letter.error
    assert not CALLED_WITH


@on_loop
async def test_a_run_that_waits_has_its_finished_actions_on_record_soon(tmp_path: Path) -> None:
    waits = asyncio.Event()

    async def second(event: Drawn, ctx: Any) -> None:
        await waits.wait()
        ctx.send_event(OutputEvent(output=event.number))

    with bench(agent_of(first, second), tmp_path) as life:
        life.send(("k", "x"))
        while not life.journal():  # noqa: ASYNC110 (there is no event to wait for)
            await asyncio.sleep(0.005)
    with bench(agent_of(first, second), tmp_path) as life:
        waits.set()
        assert await life.run(("k", "x")) == [[1]]
    assert RUNS["draw"] == 1


@on_loop
async def test_a_retry_goes_on_at_the_action_that_has_failed(tmp_path: Path) -> None:
    def second(event: Drawn, ctx: Any) -> None:
        RUNS["second"] += 1
        if RUNS["second"] < 3:
            raise ValueError("not yet")
        ctx.send_event(OutputEvent(output=event.number))

    with bench(agent_of(first, second), tmp_path, max_attempts=5) as life:
        assert await life.run(("k", "x")) == [[1]]
    assert (RUNS["draw"], RUNS["second"]) == (1, 3)
