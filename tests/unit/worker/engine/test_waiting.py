"""Runs that wait: suspended, taken up again, in order, whatever ends their worker."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.loops import on_loop
from support.moved_clock import MovedClock
from support.worker.bench import bench
from support.worker.waiting import HOUR, Reminder, agent_of, soon
from tamias import (
    Answer,
    EndOfInputEvent,
    Event,
    InputEvent,
    OutputEvent,
    RunError,
    TimerError,
    WaitTimeoutError,
)
from tamias.store.records.offsets import retry_number
from tamias.worker import wire

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    """A clock to be moved."""
    return MovedClock(monkeypatch)


@on_loop
async def test_a_run_that_sleeps_long_leaves_the_worker_and_goes_on_in_order(
    tmp_path: Path, moved: MovedClock
) -> None:
    calls: list[str] = []

    async def act(event: InputEvent, ctx: Any) -> None:
        if event.input == "first":
            await ctx.durable_execute_async(lambda: calls.append("called"))
            ctx.short_term_memory.set("n", 1)
            await ctx.sleep(timedelta(hours=1))
            calls.append("woken")
        ctx.send_event(OutputEvent(output=(event.input, ctx.short_term_memory.get("n"))))

    agent = agent_of(act)
    with bench(agent, tmp_path) as life:
        life.send(("a", "first"), ("a", "second"), ("b", "third"), ("a", "fourth"))
        await life.until(2)
        await soon(lambda: life.suspended == [0, 1, 3])
        assert life.engine.active == 0
        assert life.done == {2: [("third", None)]}
        life.send(("a", "fifth"), first=4)
        await soon(lambda: life.suspended == [0, 1, 3, 4])
        assert life.memory("a") == {}
        assert calls == ["called"]
    with bench(agent, tmp_path) as life:
        moved.advance(HOUR - 1)
        life.announcer.look()
        assert life.due == []
        moved.advance(2)
        life.announcer.look()
        await life.until(0, 1, 3, 4)
        assert life.order[-4:] == [("first", 1), ("second", 1), ("fourth", 1), ("fifth", 1)]
        assert calls == ["called", "woken"]
        assert life.memory("a") == {"n": 1}
        assert life.journal() == 0
        life.send(("a", "sixth"), first=5)
        await life.until(5)
        assert 5 not in life.suspended


@on_loop
async def test_a_short_sleep_stays_in_the_worker(tmp_path: Path) -> None:
    async def act(event: InputEvent, ctx: Any) -> None:
        before = ctx.now()
        await ctx.sleep(0.02)
        assert ctx.now() - before >= timedelta(seconds=0.02)
        ctx.send_event(OutputEvent(output=event.input))

    with bench(agent_of(act), tmp_path) as life:
        assert await life.run(("a", 1), ("a", 2)) == [[1], [2]]
        assert life.suspended == []
        assert life.journal() == 0


@on_loop
async def test_timers_come_once_not_early_and_in_order(tmp_path: Path, moved: MovedClock) -> None:
    def act(event: InputEvent, ctx: Any) -> None:
        match event.input:
            case "set":
                ctx.schedule(after=HOUR, event=Reminder(text="late"), id="x")
                ctx.schedule(ctx.now() + timedelta(minutes=30), Reminder(text="early"))
                ctx.schedule(timedelta(minutes=40), Reminder(text="gone"), "y")
            case "cancel":
                ctx.send_event(OutputEvent(output=(ctx.cancel("y"), ctx.cancel("none"))))
            case "again":
                ctx.schedule(after=1, event=Reminder(text="twice"), id="x")
            case "anew":
                assert ctx.cancel("x")
                ctx.schedule(after=HOUR, event=Reminder(text="anew"), id="x")

    def remind(event: Reminder, ctx: Any) -> None:
        ctx.send_event(OutputEvent(output=event.text))

    agent = agent_of(act, (Reminder, remind))
    with bench(agent, tmp_path, max_attempts=1) as life:
        await life.run(("a", "set"), ("a", "cancel"), ("a", "again"))
        assert life.done[1] == [(True, False)]
        assert "is set already" in life.letters()[0].error
        assert life.due == []
    with bench(agent, tmp_path) as life:
        moved.advance(2 * HOUR)
        life.announcer.look()
        await soon(lambda: len(life.order) >= 3)
        assert life.order[-2:] == ["early", "late"]
        assert await life.run(("a", "set"), ("a", "anew"), first=3) == [[], []]
        moved.advance(HOUR)
        life.announcer.look()
        await soon(lambda: len(life.order) >= 6)
        assert life.order[-3:] == ["early", "gone", "anew"]
        assert life.shards[0].read_waiting(lambda view: view.counts()).timers == 0


@on_loop
async def test_a_repeated_timer_comes_until_it_is_cancelled(
    tmp_path: Path, moved: MovedClock
) -> None:
    def act(_: InputEvent, ctx: Any) -> None:
        ctx.schedule(every=60, event=Reminder(text="tick"), id="x")

    def remind(event: Reminder, ctx: Any) -> None:
        n = ctx.short_term_memory.get("n") or 0
        ctx.short_term_memory.set("n", n + 1)
        if n == 3:
            assert ctx.cancel("x")
        ctx.send_event(OutputEvent(output=(event.text, n)))

    with bench(agent_of(act, (Reminder, remind)), tmp_path) as life:
        await life.run(("a", 1))
        for n in range(3):
            moved.advance(61 if n else 181)  # what was missed comes once
            life.announcer.look()
            expected = n + 1
            await soon(lambda: len(life.order) == expected)  # noqa: B023 (awaited here)
        moved.advance(61)
        life.announcer.look()
        await soon(lambda: len(life.order) == 4)
        moved.advance(HOUR)
        life.announcer.look()
        assert not life.shards[0].read_waiting(lambda view: view.counts())
        assert life.order == [("tick", n) for n in range(4)]


@on_loop
async def test_a_run_whose_question_has_timed_out_is_not_tried_again(
    tmp_path: Path, moved: MovedClock
) -> None:
    attempts: list[Any] = []

    async def act(event: InputEvent, ctx: Any) -> None:
        attempts.append(event.input)
        if event.input == "own":
            raise WaitTimeoutError("of something else")
        await ctx.wait_for("approval", timeout=HOUR)

    with bench(agent_of(act), tmp_path, max_attempts=3, retry_wait=0) as life:
        life.send(("a", "asked"), ("b", "own"))
        await soon(lambda: life.suspended)
        moved.advance(HOUR + 1)
        life.announcer.look()
        await soon(lambda: len(life.letters()) == 2)
        assert {letter.offset: letter.attempts for letter in life.letters()} == {0: 1, 1: 3}
        assert attempts.count("asked") == 2  # begun, and gone on with


@on_loop
async def test_an_answer_counts_once(tmp_path: Path, moved: MovedClock) -> None:
    async def act(event: InputEvent, ctx: Any) -> None:
        try:
            answer = await ctx.wait_for("approval", timeout=HOUR, ask={"amount": event.input})
        except WaitTimeoutError:
            answer = "none"
        ctx.send_event(OutputEvent(output=answer))

    agent = agent_of(act)
    with bench(agent, tmp_path, max_attempts=1) as life:
        life.send(("a", 7), ("b", 8))
        await soon(lambda: len(life.suspended) == 2)
        first, second = life.notices
        assert (first.name, first.ask, first.key) == ("approval", {"amount": 7}, "a")
    with bench(agent, tmp_path, max_attempts=1) as life:
        life.send(("b", {"answer_to": first.token, "value": "of another"}), first=2)
        await life.until(2)
        life.send(("a", Answer(first.token, "yes", "ann")), first=3)
        await life.until(0, 3)
        assert life.done[0] == ["yes"]
        life.send(("a", Answer(first.token, "no")), first=4)
        await life.until(4)
        moved.advance(HOUR + 1)
        life.send(("b", Answer(second.token, "late")), first=5)
        life.announcer.look()
        await life.until(1, 5)
        assert life.done[1] == ["none"]
        errors = {letter.offset: letter.error for letter in life.letters()}
        assert "another key" in errors[2]
        assert "answered already by ann" in errors[4]
        assert "too late" in errors[5]


@on_loop
async def test_the_end_of_the_input_comes_once_to_each_key(tmp_path: Path) -> None:
    def act(event: InputEvent, ctx: Any) -> None:
        ctx.short_term_memory.set("last", event.input)

    def end(_: EndOfInputEvent, ctx: Any) -> None:
        ctx.send_event(OutputEvent(output=("end", ctx.key, ctx.short_term_memory.get("last"))))

    agent = agent_of(act, (EndOfInputEvent, end))
    with bench(agent, tmp_path) as life:
        await life.run(("a", 1), ("b", 2), ("a", 3))
        shards = await life.at_rest()
        assert sorted(life.order) == [("end", "a", 3), ("end", "b", 2)]
        assert shards["0"]["runs"] == shards["0"]["inputs"] == 0
        assert await life.at_rest()
        assert len(life.order) == 2
    with bench(agent, tmp_path) as life:
        await life.run(("b", 4), first=3)
        await life.at_rest()
        assert life.order[-1] == ("end", "b", 4)
        assert len(life.order) == 3


@on_loop
async def test_bad_uses_are_clear_errors(tmp_path: Path) -> None:
    async def act(event: InputEvent, ctx: Any) -> None:
        async def waits() -> None:
            await ctx.wait_for("inside")

        match event.input:
            case 0:
                await ctx.durable_execute_async(waits)
            case 1:
                await ctx.sleep(-1)
            case 2:
                ctx.schedule(after=1, event="no event")
            case 3:
                ctx.schedule(event=Reminder(text=""))
            case 4:
                await ctx.sleep("1h")
            case 5:
                ctx.schedule(after=1, event=Event(function=lambda: None))
            case 6:
                await ctx.wait_for("x", ask=asyncio.get_running_loop())
            case 7:
                ctx.schedule(at=-5, event=Reminder(text=""))
            case 8:
                ctx.schedule(every=0, event=Reminder(text=""))

    with bench(agent_of(act), tmp_path, max_attempts=1) as life:
        await life.run(*(("a", n) for n in range(9)))
        errors = {letter.offset: letter.error for letter in life.letters()}
        assert "inside a durable function" in errors[0]
        assert "-1" in errors[1]
        assert TimerError.__name__ in errors[1]
        assert "takes an Event, not str" in errors[2]
        assert "no moment" in errors[3]
        assert "not a duration" in errors[4]
        assert "cannot be stored" in errors[6]
        assert "out of range" in errors[7]
        assert "shortest" in errors[8]


@on_loop
async def test_tasks_of_a_run_wait_together(tmp_path: Path, moved: MovedClock) -> None:
    calls: list[str] = []

    async def act(event: InputEvent, ctx: Any) -> None:
        async def part(name: str, seconds: float) -> str:
            await ctx.durable_execute_async(calls.append, name)
            await ctx.sleep(seconds)
            return name

        parts = await asyncio.gather(part("a", HOUR), part("b", 2 * HOUR), part("c", 0.01))
        ctx.send_event(OutputEvent(output=(event.input, parts)))

    agent = agent_of(act)
    with bench(agent, tmp_path, suspend_after=0.05) as life:
        life.send(("k", 1))
        await soon(lambda: life.suspended == [0])
        moved.advance(HOUR + 1)
        life.announcer.look()
        await soon(lambda: life.suspended == [0, 0])
        moved.advance(HOUR)
        life.announcer.look()
        await life.until(0)
        assert life.done[0] == [(1, ["a", "b", "c"])]
        assert sorted(calls) == ["a", "b", "c"]


@on_loop
async def test_a_limit_of_asyncio_is_kept(tmp_path: Path) -> None:
    async def act(event: InputEvent, ctx: Any) -> None:
        try:
            await asyncio.wait_for(ctx.sleep(HOUR), 0.2)
        except asyncio.TimeoutError:
            ctx.send_event(OutputEvent(output=event.input))

    with bench(agent_of(act), tmp_path, suspend_after=0.01) as life:
        assert await life.run(("k", 1)) == [[1]]
        assert life.suspended == []


@on_loop
async def test_a_cancellation_that_is_swallowed_suspends_all_the_same(
    tmp_path: Path, moved: MovedClock
) -> None:
    seen: list[str] = []

    async def act(event: InputEvent, ctx: Any) -> None:
        try:
            await ctx.sleep(HOUR)
        except asyncio.CancelledError:
            seen.append("cancelled")
            try:
                ctx.send_event(OutputEvent(output="wrong"))
            except RunError as error:
                seen.append(type(error).__name__)
            return
        finally:
            seen.append("finally")
        ctx.send_event(OutputEvent(output=event.input))

    with bench(agent_of(act), tmp_path) as life:
        life.send(("k", 1))
        await soon(lambda: life.suspended == [0])
        moved.advance(HOUR + 1)
        life.announcer.look()
        await life.until(0)
        assert life.done[0] == [1]
        assert seen == ["cancelled", "RunError", "finally", "finally"]


@on_loop
async def test_owned_runs_that_a_crash_has_cut_off_are_none_that_the_launcher_sends_again(
    tmp_path: Path, moved: MovedClock
) -> None:
    """What is read at the beginning of a life is about inputs that the shard does not own."""

    async def act(event: InputEvent, ctx: Any) -> None:
        if event.input == "sleep":
            await ctx.sleep(HOUR)
        else:
            ctx.now()
            await asyncio.Event().wait()

    async def end(_: EndOfInputEvent, ctx: Any) -> None:
        ctx.now()
        await asyncio.Event().wait()

    agent = agent_of(act, (EndOfInputEvent, end))
    with bench(agent, tmp_path) as life:
        life.send(("a", "sleep"), ("a", "behind"))
        await soon(lambda: len(life.suspended) == 2)
        moved.advance(HOUR + 1)
        life.announcer.look()
        await life.until_recorded(1)
        await soon(lambda: 0 in life.done)
        await life.until_recorded(1)
    with bench(agent, tmp_path) as life:
        assert life.journal() == 1
        assert life.shards[0].interrupted() == {}
        life.send(("b", "sleep"), first=2)
        await soon(lambda: life.suspended.count(2))
        moved.advance(HOUR + 1)
        life.announcer.look()
        life.end_input()
        await life.until_recorded(2)
    with bench(agent, tmp_path) as life:
        assert life.shards[0].interrupted() == {}


@on_loop
async def test_an_answer_does_not_bring_the_end_of_the_input_again(tmp_path: Path) -> None:
    async def act(event: InputEvent, ctx: Any) -> None:
        ctx.send_event(OutputEvent(output=await ctx.wait_for("name")))

    def end(_: EndOfInputEvent, ctx: Any) -> None:
        ctx.send_event(OutputEvent(output=("end", ctx.key)))

    agent = agent_of(act, (EndOfInputEvent, end))
    with bench(agent, tmp_path) as life:
        life.send(("a", 1))
        await soon(lambda: life.notices)
        await life.at_rest()
        assert life.order == []
    with bench(agent, tmp_path) as life:
        (question,) = life.notices
        life.send(("a", Answer(question.token, "ann")), first=1)
        await soon(lambda: ("end", "a") in life.order)
        assert life.order == ["ann", ("end", "a")]
        await life.at_rest()
        assert life.order == ["ann", ("end", "a")]


@on_loop
async def test_a_retried_input_that_waits_is_not_begun_anew(
    tmp_path: Path, moved: MovedClock
) -> None:
    calls: list[Any] = []

    async def act(event: InputEvent, ctx: Any) -> None:
        await ctx.durable_execute_async(calls.append, event.input)
        await ctx.sleep(HOUR)
        ctx.send_event(OutputEvent(output=event.input))

    number = retry_number(3, 1)
    with bench(agent_of(act), tmp_path) as life:
        life.send(("k", 1), first=number)
        await soon(lambda: life.suspended == [number])
    with bench(agent_of(act), tmp_path) as life:
        life.recovered.clear()
        life.send(("k", 1), first=number)  # the letter is still there, and is retried again
        await soon(lambda: life.suspended[-1:] == [number])
        assert life.due == []
        moved.advance(HOUR + 1)
        life.announcer.look()
        await soon(lambda: number in life.done)
        assert life.done[number] == [1]
        assert calls == [1]


@on_loop
async def test_a_retried_input_that_waits_does_not_bring_the_end_of_the_input_again(
    tmp_path: Path, moved: MovedClock
) -> None:
    async def act(event: InputEvent, ctx: Any) -> None:
        await ctx.sleep(event.input)
        ctx.send_event(OutputEvent(output=event.input))

    def end(_: EndOfInputEvent, ctx: Any) -> None:
        ctx.send_event(OutputEvent(output="end"))

    with bench(agent_of(act, (EndOfInputEvent, end)), tmp_path) as life:
        life.send(("k", HOUR), first=retry_number(3, 1))
        life.send(("k", 0), first=retry_number(4, 1))  # behind it
        await soon(lambda: len(life.suspended) == 2)
        life.end_input()
        moved.advance(HOUR + 1)
        life.announcer.look()
        await soon(lambda: len(life.order) == 2)
        await life.at_rest()
        assert life.order == [HOUR, 0]
        life.send(("k", 0), first=5)
        await life.at_rest()
        assert life.order == [HOUR, 0, 0, "end"]


@on_loop
async def test_a_timer_that_has_come_cannot_be_cancelled_in_the_same_commit(
    tmp_path: Path, moved: MovedClock
) -> None:
    def act(event: InputEvent, ctx: Any) -> None:
        if event.input == "set":
            ctx.schedule(after=1, event=Reminder(text="late"), id="x")
        else:
            ctx.send_event(OutputEvent(output=ctx.cancel("x")))

    def remind(event: Reminder, ctx: Any) -> None:
        ctx.send_event(OutputEvent(output=event.text))

    with bench(agent_of(act, (Reminder, remind)), tmp_path) as life:
        await life.run(("a", "set"))
    with bench(agent_of(act, (Reminder, remind)), tmp_path) as life:
        due: list[bytes] = []
        life.__dict__["_deliver"] = due.append
        moved.advance(2)
        life.announcer.look()
        await soon(lambda: due)
        life.engine.receive(wire.unpack_inputs(due[0]))
        life.send(("a", "cancel"), first=1)
        await life.until(1)
        assert life.order == ["late", False]
