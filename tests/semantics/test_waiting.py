"""Runs that wait, in a whole pool: `run_agent` moves the clock and answers questions."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tamias import (
    Agent,
    AgentFailedError,
    EndOfInputEvent,
    Event,
    InputEvent,
    OutputEvent,
    Question,
    RunnerContext,
    WaitTimeoutError,
    action,
    run_agent,
)
from tamias.store import clock

if TYPE_CHECKING:
    from pathlib import Path


class Silence(Event):
    """A session is over."""


class Sessions(Agent):
    """Collects pages until a user is silent."""

    @action(InputEvent)
    @staticmethod
    async def click(event: InputEvent, ctx: Any) -> None:
        if event.input == "pause":
            await ctx.sleep(timedelta(hours=2))
            return
        pages = ctx.short_term_memory.get("pages") or []
        ctx.short_term_memory.set("pages", [*pages, event.input])
        ctx.cancel("silence")
        ctx.schedule(after=1800, event=Silence(), id="silence")

    @action(Silence, EndOfInputEvent)
    @staticmethod
    def close(event: Event, ctx: Any) -> None:
        pages = ctx.short_term_memory.get("pages")
        if pages:
            ctx.send_event(OutputEvent(output=(type(event).__name__, pages)))
            ctx.short_term_memory.set("pages", [])
            ctx.cancel("silence")


def test_sessions_end_by_silence_or_with_the_input() -> None:
    inputs = [("a", 1), ("b", 1), ("a", 2), ("c", "pause"), ("b", 2)]
    run = run_agent(Sessions, inputs)
    assert sorted(run.outputs_of("a")) == [("EndOfInputEvent", [1, 2])]
    assert run.outputs_of("b") == [("EndOfInputEvent", [1, 2])]
    assert run.waiting == 0
    assert abs(clock.now() - time.time()) < 1


class Approval(Agent):
    """Asks before it pays."""

    @action(InputEvent)
    @staticmethod
    async def pay(event: InputEvent, ctx: Any) -> None:
        try:
            answer = await ctx.wait_for("pay", timeout=timedelta(days=1), ask=event.input)
        except WaitTimeoutError:
            answer = "nobody"
        ctx.send_event(OutputEvent(output=(event.input, answer)))


def test_answers_are_given_by_name_or_by_a_function() -> None:
    inputs = [("a", 5), ("a", 50), ("b", 500)]
    run = run_agent(Approval, inputs, answers={"pay": True})
    assert run.outputs == [{"a": (5, True)}, {"a": (50, True)}, {"b": (500, True)}]

    def answer(question: Question) -> int:
        assert question.name == "pay"
        return int(question.ask) * 2

    run = run_agent(Approval, inputs, answers=answer)
    assert run.outputs_of("a") == [(5, 10), (50, 100)]


def test_without_an_answer_the_time_passes_or_the_run_is_left() -> None:
    inputs = [("a", 5), ("a", 6)]
    run = run_agent(Approval, inputs)
    assert run.outputs_of("a") == [(5, "nobody"), (6, "nobody")]
    run = run_agent(Approval, inputs, longest_wait=timedelta(hours=1))
    assert run.outputs == []
    assert run.waiting == 1
    assert [(question.key, question.ask) for question in run.questions] == [("a", 5)]


def test_a_question_of_an_earlier_run_is_answered(tmp_path: Path) -> None:
    async def ask(event: Event, ctx: RunnerContext) -> None:
        ctx.send_event(OutputEvent(output=await ctx.wait_for("size")))

    agent, inputs = Agent().add_action("ask", [InputEvent], ask), [("k", 1)]
    state = tmp_path / "state"
    assert run_agent(agent, inputs, state=state).waiting == 1
    assert run_agent(agent, inputs, state=state, answers={"size": "L"}).outputs == [{"k": "L"}]


def test_an_error_of_the_test_s_answers_is_raised() -> None:
    def answer(question: Question) -> Any:
        raise KeyError(question.name)

    with pytest.raises(KeyError, match="pay"):
        run_agent(Approval, [("a", 1)], answers=answer)


def test_an_action_that_fails_after_a_wait() -> None:
    async def act(event: InputEvent, ctx: Any) -> None:
        await ctx.sleep(60)
        raise ValueError(event.input)

    agent = Agent().add_action("act", [InputEvent], act)
    with pytest.raises(AgentFailedError, match="failed on input 0"):
        run_agent(agent, [("a", "x"), ("a", "y")])


class Tick(Event):
    """Comes every minute."""

    timer: str


class Ticking(Agent):
    """Has a timer whose id is the input."""

    @action(InputEvent)
    @staticmethod
    def set(event: InputEvent, ctx: RunnerContext) -> None:
        ctx.schedule(every=60, event=Tick(timer=event.input), id=event.input)

    @action(Tick)
    @staticmethod
    def tick(event: Tick, ctx: RunnerContext) -> None:
        count = ctx.short_term_memory.get("count", 0) + 1
        ctx.short_term_memory.set("count", count)
        ctx.send_event(OutputEvent(output=count))
        if count == 3:
            assert ctx.cancel(event.timer)


@pytest.mark.parametrize("timer_id", ["\ud800", "a\0\x1b[2J", " "])
def test_the_id_of_a_timer_that_comes_again_may_be_any_text(timer_id: str) -> None:
    assert run_agent(Ticking, [("ada", timer_id)]).outputs_of("ada") == [1, 2, 3]
