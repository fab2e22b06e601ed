"""Calls with limits, as durable calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tamias import Agent, Event, InputEvent, OutputEvent, RateLimited, RunnerContext, run_agent
from tamias.agent.limits.limited_call import LimitedCall, Route

if TYPE_CHECKING:
    from pathlib import Path

MADE: list[str] = []


def say(text: str) -> str:
    """By whose name the call is recognised."""
    return text


class Saying(LimitedCall):
    """Says a text, which can be tried again if it is "late"."""

    routes = (Route("speech"),)
    function = staticmethod(say)

    def __init__(self, text: str) -> None:
        self.arguments = (text,)

    async def attempt(self, route: int) -> str:
        return self.attempt_now(route)

    def attempt_now(self, route: int) -> str:
        text: str = self.arguments[0]
        MADE.append(text)
        if text == "late" and MADE.count(text) == 1:
            raise RateLimited("not now", retry_after=3)
        return f"{self.routes[route].limit}: {text}"


async def speak(event: Event, ctx: RunnerContext) -> None:
    said = await ctx.durable_execute_async(Saying(event.input))
    again: Any = ctx.durable_execute(Saying(event.input + "!"))
    ctx.send_event(OutputEvent(output=[said, again]))


@pytest.fixture(autouse=True)
def nothing_made() -> None:
    MADE.clear()


def test_a_limited_call_is_made_once() -> None:
    run = run_agent(Agent().add_action("speak", [InputEvent], speak), [("a", "hello")])
    assert run.outputs == [{"a": ["speech: hello", "speech: hello!"]}]
    assert MADE == ["hello", "hello!"]


def test_a_temporary_error_of_a_model_is_tried_again_after_its_time(tmp_path: Path) -> None:
    run = run_agent(
        Agent().add_action("speak", [InputEvent], speak),
        [("a", "late")],
        on_error="dead-letter",
        state=tmp_path / "state",
    )
    assert run.outputs == [{"a": ["speech: late", "speech: late!"]}]
    assert run.failures == []
    assert MADE == ["late", "late", "late!"]
