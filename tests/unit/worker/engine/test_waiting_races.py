"""Runs that wait, at the instants where two things meet."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from support.loops import on_loop
from support.moved_clock import MovedClock
from support.worker.bench import bench
from support.worker.waiting import HOUR, Reminder, agent_of, soon
from tamias import (
    Answer,
    EndOfInputEvent,
    InputEvent,
    OutputEvent,
    WaitTimeoutError,
)
from tamias.store import clock
from tamias.worker.waiting.announcer import MOST_ANNOUNCED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.worker.bench import Bench


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    """A clock to be moved."""
    return MovedClock(monkeypatch)


def answer(life: Bench, token: str, value: Any, number: Any = 1) -> None:
    """Give an answer as the launcher does."""
    data = base64.b64encode(json.dumps(value).encode()).decode()
    body = {"id": number, "token": token, "value": data, "codec": "json", "by": "ann"}
    life.questions.receive(body, clock.now())


async def turns_until(what: Callable[[], Any]) -> None:
    """Let the loop take turns until something is so: exactly as many as it needs."""
    while not what():  # noqa: ASYNC110 (there is no event for that)
        await asyncio.sleep(0)


# -- answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("durability", ["process", "machine"])
@pytest.mark.parametrize("turns", range(8))
@on_loop
async def test_an_answer_wakes_a_run_that_is_just_being_suspended(
    tmp_path: Path, turns: int, durability: str
) -> None:
    async def act(event: InputEvent, ctx: Any) -> None:
        ctx.send_event(OutputEvent(output=await ctx.wait_for("approval")))

    with bench(agent_of(act), tmp_path, durability=durability) as life:
        life.send(("a", 1))
        await turns_until(lambda: life.notices)
        for _ in range(turns):
            await asyncio.sleep(0)
        answer(life, life.notices[0].token, "yes")
        await asyncio.wait_for(life.until(0), 60)
        assert life.done == {0: ["yes"]}
        assert life.replies[-1] == {"id": 1, "error": None}


@pytest.mark.parametrize("turns", range(6))
@on_loop
async def test_an_answer_wakes_a_run_with_tasks_that_is_just_being_suspended(
    tmp_path: Path, turns: int
) -> None:
    async def act(event: InputEvent, ctx: Any) -> None:
        waits = (ctx.wait_for(name) for name in "ab")
        ctx.send_event(OutputEvent(output=await asyncio.gather(*waits)))

    with bench(agent_of(act), tmp_path, suspend_after="1ms") as life:
        life.send(("a", 1))
        await turns_until(lambda: len(life.notices) == 2)
        await asyncio.sleep(0.0005)
        for number, notice in enumerate(life.notices):
            for _ in range(turns):
                await asyncio.sleep(0)
            answer(life, notice.token, notice.name, number)
        await asyncio.wait_for(life.until(0), 60)
        assert life.done == {0: [["a", "b"]]}


@on_loop
async def test_an_answer_that_was_used_does_not_wake_its_run_again(
    tmp_path: Path, moved: MovedClock
) -> None:
    runs: list[int] = []

    async def act(event: InputEvent, ctx: Any) -> None:
        runs.append(1)
        first = await ctx.wait_for("first")
        await ctx.sleep(HOUR)
        ctx.send_event(OutputEvent(output=first))

    with bench(agent_of(act), tmp_path) as life:
        life.send(("a", 1))
        await soon(lambda: life.suspended)
        answer(life, life.notices[0].token, "yes")
        await soon(lambda: len(life.suspended) == 2)
        await asyncio.sleep(0.01)
        assert len(runs) == 2
        moved.advance(HOUR + 1)
        life.announcer.look()
        await life.until(0)
        assert len(runs) == 3


@on_loop
async def test_an_answer_leaves_the_memory_of_the_run_that_waits_alone(tmp_path: Path) -> None:
    async def act(event: InputEvent, ctx: Any) -> None:
        memory = ctx.short_term_memory
        memory.set("n", (memory.get("n") or 0) + 1)
        # A task of its own, so that the run is executed while it waits.
        await asyncio.create_task(ctx.wait_for("approval"))
        await asyncio.Event().wait()

    with bench(agent_of(act), tmp_path, max_attempts=1) as life:
        life.send(("a", 1))
        await soon(lambda: life.notices)
        token = life.notices[0].token
        life.send(("a", Answer(token, "yes")), first=1)
        life.send(("a", Answer(token, "again")), first=2)
        life.send(("a", {"answer_to": token, "value": 1}), first=3)
        await life.until(1, 2, 3)
        assert life.memory("a") == {}
        assert [letter.offset for letter in life.letters()] == [2, 3]
        assert life.engine.active == 1


@on_loop
async def test_a_bad_answer_does_not_take_the_place_of_the_run_that_waits(
    tmp_path: Path, moved: MovedClock
) -> None:
    async def act(event: InputEvent, ctx: Any) -> None:
        memory = ctx.short_term_memory
        memory.set("n", (memory.get("n") or 0) + 1)
        try:
            answer = await asyncio.create_task(ctx.wait_for("approval", timeout=60))
        except WaitTimeoutError:
            answer = None
        ctx.send_event(OutputEvent(output=(answer, memory.get("n"))))

    with bench(agent_of(act), tmp_path, max_attempts=3) as life:
        life.send(("a", 1), ("a", 2))
        await soon(lambda: life.notices)
        token = life.notices[0].token
        life.send(("a", Answer("q" + "0" * 47, "to nothing")), first=2)
        await life.until(2)
        life.send(("a", Answer(token, "yes")), first=3)
        await life.until(3, 0)
        moved.advance(61)
        life.announcer.look()
        await soon(lambda: len(life.notices) == 2)
        moved.advance(61)
        await life.until(1)
        assert (life.done[0], life.done[1]) == ([("yes", 1)], [(None, 2)])
        assert life.memory("a") == {"n": 2}


@on_loop
async def test_two_questions_of_one_name_are_two(tmp_path: Path) -> None:
    async def act(event: InputEvent, ctx: Any) -> None:
        first = await ctx.wait_for("x")
        second = await ctx.wait_for("x")
        ctx.send_event(OutputEvent(output=[first, second]))

    with bench(agent_of(act), tmp_path) as life:
        life.send(("a", 1))
        await soon(lambda: life.suspended)
        answer(life, life.notices[0].token, 1)
        await soon(lambda: len(life.notices) == 2)
        answer(life, life.notices[1].token, 2, 2)
        await life.until(0)
        assert life.done[0] == [[1, 2]]
        assert not life.shards[0].read_waiting(lambda view: view.counts().questions)


# -- ends of the input ---------------------------------------------------------------------


def ending_agent(act: Any) -> Any:
    def end(_: EndOfInputEvent, ctx: Any) -> None:
        ctx.send_event(OutputEvent(output=("end", ctx.key)))

    return agent_of(act, (EndOfInputEvent, end))


@on_loop
async def test_a_key_that_is_held_at_the_end_gets_it_once_and_last(
    tmp_path: Path, moved: MovedClock
) -> None:
    async def act(event: InputEvent, ctx: Any) -> None:
        await ctx.sleep(event.input)
        ctx.send_event(OutputEvent(output=event.input))

    agent = ending_agent(act)
    with bench(agent, tmp_path) as life:
        life.send(("a", HOUR), ("a", 2 * HOUR), ("a", 0), ("b", 0))
        await soon(lambda: 3 in life.done and len(life.suspended) == 3)
        await life.at_rest()
        for _ in range(2):
            moved.advance(2 * HOUR + 1)
            life.announcer.look()
            await life.at_rest()
        assert life.order == [0, ("end", "b"), HOUR, 2 * HOUR, 0, ("end", "a")]
        await life.at_rest()
        assert len(life.order) == 6
    with bench(agent, tmp_path) as life:
        await life.at_rest()
        assert len(life.order) == 6


@on_loop
async def test_an_input_right_behind_the_end_has_an_end_of_its_own(tmp_path: Path) -> None:
    def act(event: InputEvent, ctx: Any) -> None:
        ctx.send_event(OutputEvent(output=event.input))

    async def end(_: EndOfInputEvent, ctx: Any) -> None:
        await asyncio.sleep(0.001)
        ctx.send_event(OutputEvent(output="end"))

    with bench(agent_of(act, (EndOfInputEvent, end)), tmp_path) as life:
        await life.run(("a", 1))
        life.end_input()
        await soon(lambda: life.due)
        life.send(("a", 2), first=1)
        await life.until(1)
        await life.at_rest()
        assert life.order == [1, "end", 2, "end"]


# -- timers --------------------------------------------------------------------------------


@on_loop
async def test_timers_of_one_moment_come_in_the_order_in_which_they_were_set(
    tmp_path: Path, moved: MovedClock
) -> None:
    def act(event: InputEvent, ctx: Any) -> None:
        at = ctx.now().timestamp() + 60
        for n in range(50):
            ctx.schedule(at=at, event=Reminder(text=str(n)))

    def remind(event: Reminder, ctx: Any) -> None:
        ctx.send_event(OutputEvent(output=int(event.text)))

    with bench(agent_of(act, (Reminder, remind)), tmp_path) as life:
        await life.run(("a", 1))
        moved.advance(61)
        life.announcer.look()
        await soon(lambda: len(life.order) == 50)
        assert life.order == list(range(50))


@on_loop
async def test_more_timers_of_one_moment_than_are_announced_at_a_time(
    tmp_path: Path, moved: MovedClock
) -> None:
    def act(event: InputEvent, ctx: Any) -> None:
        for n in range(1000):
            ctx.schedule(at=event.input, event=Reminder(text=str(n)))

    def remind(event: Reminder, ctx: Any) -> None:
        ctx.send_event(OutputEvent(output=(ctx.key, int(event.text))))

    with bench(agent_of(act, (Reminder, remind)), tmp_path) as life:
        at = clock.now() + 60
        await life.run(*((key, at) for key in "abc"))
        assert MOST_ANNOUNCED < 3000
        moved.advance(61)
        life.announcer.look()
        await soon(lambda: len(life.order) == 3000)
        for key in "abc":
            assert [n for other, n in life.order if other == key] == list(range(1000))
        assert not life.announcer.announced


@on_loop
async def test_a_failed_repetition_that_has_cancelled_itself_is_not_cancelled(
    tmp_path: Path, moved: MovedClock
) -> None:
    def act(_: InputEvent, ctx: Any) -> None:
        ctx.schedule(every=60, event=Reminder(text="tick"), id="x")

    def remind(event: Reminder, ctx: Any) -> None:
        n = ctx.now().timestamp()
        if len(seen) < 2:
            seen.append(n)
            ctx.cancel("x")
            raise ValueError("not this time")
        ctx.send_event(OutputEvent(output=event.text))

    seen: list[float] = []
    with bench(agent_of(act, (Reminder, remind)), tmp_path, max_attempts=1) as life:
        await life.run(("a", 1))
        for n in range(3):
            moved.advance(61)
            life.announcer.look()
            expected = n + 2
            await soon(lambda: len(life.done) == expected)  # noqa: B023 (awaited here)
        assert life.order == ["tick"]


@on_loop
async def test_an_id_like_a_generated_one_is_refused(tmp_path: Path) -> None:
    def act(_: InputEvent, ctx: Any) -> None:
        ctx.schedule(after=60, event=Reminder(text=""), id="timer-0123456789abcdef")

    with bench(agent_of(act), tmp_path, max_attempts=1) as life:
        await life.run(("a", 1))
        assert "timer-0123456789abcdef" in life.letters()[0].error


@on_loop
async def test_an_announced_timer_that_is_cancelled_before_it_runs_does_not_run(
    tmp_path: Path, moved: MovedClock
) -> None:
    gate = asyncio.Event()

    async def act(event: InputEvent, ctx: Any) -> None:
        if event.input == "set":
            ctx.schedule(after=60, event=Reminder(text="x"), id="x")
            ctx.schedule(after=61, event=Reminder(text="y"), id="y")
        else:
            await gate.wait()
            assert ctx.cancel("x")
            assert not ctx.cancel("x")

    def remind(event: Reminder, ctx: Any) -> None:
        ctx.send_event(OutputEvent(output=event.text))

    with bench(agent_of(act, (Reminder, remind)), tmp_path) as life:
        await life.run(("a", "set"))
        life.send(("a", "cancel"), first=1)
        moved.advance(62)
        life.announcer.look()
        await soon(lambda: len(life.due) == 2)
        await asyncio.sleep(0.01)
        gate.set()
        await soon(lambda: life.order)
        assert life.order == ["y"]
        assert not life.shards[0].read_waiting(lambda view: view.counts())
        await soon(lambda: not life.announcer.announced)


@on_loop
async def test_a_rejected_timer_of_a_held_key_is_set_aside(
    tmp_path: Path, moved: MovedClock
) -> None:
    async def act(event: InputEvent, ctx: Any) -> None:
        if event.input == "set":
            ctx.schedule(after=60, event=Reminder(text="x"), id="x")
        else:
            await ctx.sleep(HOUR)

    with bench(agent_of(act, (Reminder, lambda *_: None)), tmp_path) as life:
        await life.run(("a", "set"))
        life.send(("a", "sleep"), first=1)
        await soon(lambda: life.suspended)
        (timer,) = [
            number
            for number, _ in life.shards[0].read_waiting(lambda view: list(view.all_owned()))
            if number > 1 << 62 and number & 0xFFFF_FFFF != 1
        ]
        rejection = {"cause": "crash", "attempts": 2, "error": "killed its worker"}
        life.hand_in(("a", None), first=timer, rejections={timer: rejection})
        while life.engine.work():
            pass
        await soon(life.letters)
        counts = life.shards[0].read_waiting(lambda view: view.counts())
        assert (counts.runs, counts.inputs, counts.timers) == (1, 0, 0)


@on_loop
async def test_timers_that_wait_for_a_busy_key_run_in_order(
    tmp_path: Path, moved: MovedClock
) -> None:
    gate = asyncio.Event()

    async def act(event: InputEvent, ctx: Any) -> None:
        if event.input == "set":
            for n in range(5):
                ctx.schedule(after=60, event=Reminder(text=str(n)))
        else:
            await gate.wait()

    async def remind(event: Reminder, ctx: Any) -> None:
        await asyncio.sleep(0)
        ctx.send_event(OutputEvent(output=event.text))

    with bench(agent_of(act, (Reminder, remind)), tmp_path) as life:
        await life.run(("a", "set"))
        life.send(("a", "busy"), first=1)
        moved.advance(61)
        life.announcer.look()
        await soon(lambda: len(life.due) == 5)
        life.send(("a", "busy"), first=2)
        gate.set()
        await soon(lambda: len(life.order) == 5 and 2 in life.done)
        assert life.order == ["0", "1", "2", "3", "4"]


async def echo(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


async def gathered(depth: int, awaitable: Any) -> Any:
    """What is awaited, in tasks of tasks."""
    if not depth:
        return await awaitable
    return (await asyncio.gather(gathered(depth - 1, awaitable)))[0]


async def suspend_each_turn(life: Bench) -> None:
    while True:
        life.engine.suspend_waiting()
        await asyncio.sleep(0)


@pytest.mark.parametrize("depth", [0, 1, 4])
@pytest.mark.parametrize("durability", ["process", "machine"])
@on_loop
async def test_what_a_task_is_about_to_do_is_done_before_its_run_is_suspended(
    tmp_path: Path, durability: str, depth: int
) -> None:
    """The second question of one task is asked though nobody answers that of the other."""

    async def talk(ctx: Any) -> Any:
        first = await gathered(depth, ctx.wait_for("first"))
        told = await gathered(depth, ctx.durable_execute_async(echo, first))
        second = await gathered(depth, ctx.wait_for("second", ask=told))
        return told, second

    async def act(event: InputEvent, ctx: Any) -> None:
        found = await asyncio.gather(talk(ctx), ctx.wait_for("other"))
        ctx.send_event(OutputEvent(output=found))

    with bench(agent_of(act), tmp_path, suspend_after="1h", durability=durability) as life:
        life.send(("k", 1))
        await soon(lambda: len(life.notices) == 2)
        suspending = asyncio.ensure_future(suspend_each_turn(life))
        tokens = {question.name: question.token for question in life.notices}
        answer(life, tokens["first"], "one", 1)
        await soon(lambda: len(life.notices) == 3)
        assert life.notices[2].ask == "one"
        answer(life, life.notices[2].token, "two", 2)
        answer(life, tokens["other"], "three", 3)
        await asyncio.wait_for(life.until(0), 60)
        suspending.cancel()
        assert life.done == {0: [[("one", "two"), "three"]]}


@pytest.mark.parametrize(("has_tasks", "most"), [(False, 0), (True, 30)])
@on_loop
async def test_many_runs_are_suspended_with_few_looks_at_all_tasks(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    has_tasks: bool,  # noqa: FBT001
    most: int,
) -> None:
    """One look a turn serves all runs: one each would take minutes with some thousand of them."""
    looks = 0
    all_tasks = asyncio.all_tasks

    def counted() -> Any:
        nonlocal looks
        looks += 1
        return all_tasks()

    async def act(event: InputEvent, ctx: Any) -> None:
        if has_tasks:
            await asyncio.gather(ctx.sleep(HOUR), ctx.sleep(2 * HOUR))
        else:
            await ctx.sleep(HOUR)

    with bench(agent_of(act), tmp_path, suspend_after="5h") as life:
        life.send(*((f"k{number}", number) for number in range(200)))
        for _ in range(5):
            await asyncio.sleep(0)
        monkeypatch.setattr(asyncio, "all_tasks", counted)
        life.engine.suspend_waiting()
        await soon(lambda: len(life.suspended) == 200)
        assert looks <= most
