"""What calls of models, and durable calls, have taken and used, as a job's series show it."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from support.models.scripted import answer_by, with_model
from tamias import (
    Agent,
    ChatMessage,
    ChatRequestEvent,
    ChatResponseEvent,
    Event,
    InputEvent,
    MessageRole,
    OutputEvent,
    Overloaded,
    RunnerContext,
    TokenUsage,
    run_agent,
)
from tamias.launcher.metrics.series import series_of

if TYPE_CHECKING:
    from pathlib import Path

PRICES = {"large": {"input": 100, "output": 200}}


def shown(state: Path) -> dict[tuple[Any, ...], Any]:
    """The series of a job at its end."""
    status = json.loads((state / "status.json").read_text())
    return {
        (family["name"], *labels.values()): value
        for family in series_of(status)
        for labels, value in family["samples"]
    }


def ask(event: Event, ctx: RunnerContext) -> None:
    ctx.send_event(ChatRequestEvent(model="model", messages=[ChatMessage(content=event.input)]))


def answer(event: Event, ctx: RunnerContext) -> None:
    ctx.send_event(OutputEvent(output=ChatResponseEvent.from_event(event).response.content))


def test_calls_of_a_model_are_counted_with_time_tokens_and_money(tmp_path: Path) -> None:
    errors = iter([Overloaded("not now")])

    def answered(_: Any) -> ChatMessage:
        for error in errors:
            raise error
        usage = TokenUsage(prompt_tokens=40, completion_tokens=60)
        return ChatMessage(role=MessageRole.ASSISTANT, content="yes", usage=usage)

    answer_by(answered)
    agent = Agent().add_action("ask", InputEvent, ask)
    agent.add_action("answer", ChatResponseEvent, answer)
    run = run_agent(
        with_model(agent, model="large"),
        [("a", "hi"), ("b", "hi")],
        on_error="dead-letter",
        config={"prices": PRICES, "max-attempts": 2},
        state=tmp_path / "state",
    )
    assert sum(map(len, run.outputs)) == 2
    found = shown(tmp_path / "state")
    assert found["tamias_model_call_seconds", "chat", "large"]["count"] == 3
    assert found["tamias_model_call_failures_total", "chat", "large"] == 1
    assert found["tamias_model_tokens", "chat", "large", "input"]["sum"] == 80
    assert found["tamias_model_tokens", "chat", "large", "output"]["sum"] == 120
    assert found["tamias_model_cost_total", "chat", "large"] == pytest.approx(2 * 0.016)


def test_durable_calls_are_counted_as_made_failed_and_replayed(tmp_path: Path) -> None:
    left = [ValueError("once")]

    def call(value: int) -> int:
        return value

    async def act(event: Event, ctx: RunnerContext) -> None:
        await ctx.durable_execute_async(call, event.input)
        if left:
            raise left.pop()
        ctx.send_event(OutputEvent(output=event.input))

    run_agent(
        Agent().add_action("act", InputEvent, act),
        [("a", 1), ("b", 2)],
        on_error="dead-letter",
        config={"max-attempts": 2},
        state=tmp_path / "state",
    )
    found = shown(tmp_path / "state")
    assert found["tamias_durable_calls_made_total", "act"] == 2
    assert found["tamias_durable_calls_replayed_total", "act"] == 1
    assert found["tamias_action_failures_total", "act"] == 1
    assert found["tamias_action_executions_total", "act"] == 2
    assert found["tamias_action_seconds", "act"]["count"] == 3


def test_time_in_user_code_is_without_waits_and_durations_are_with_them(tmp_path: Path) -> None:
    async def act(event: Event, ctx: RunnerContext) -> None:
        time.sleep(0.05)  # noqa: ASYNC251 (work)
        await asyncio.sleep(0.4)
        ctx.send_event(OutputEvent(output=event.input))

    agent = Agent().add_action("act", InputEvent, act)
    run_agent(agent, [("a", 1)], state=tmp_path / "state")
    found = shown(tmp_path / "state")
    used = sum(v for key, v in found.items() if key[0] == "tamias_worker_user_code_seconds_total")
    assert found["tamias_action_seconds", "act"]["sum"] >= 0.45
    assert 0.05 <= used < found["tamias_action_seconds", "act"]["sum"] - 0.2
