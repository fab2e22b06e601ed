"""Types of durable calls as users write them: `scripts/lint` checks this file with mypy --strict.

An ignored error is asserted, too: mypy reports an ignore for which there is no error.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from tamias import Agent, InputEvent, OutputEvent, RetryPolicy, RunnerContext, action, run_agent

POLICY = RetryPolicy(
    attempts=3,
    wait="500ms",
    longest=timedelta(minutes=1),
    timeout=10,
    retry_on=(OSError, "httpx.ConnectError"),
    give_up_on={"PermissionError"},
)


def double(number: int, *, plus: int = 0) -> int:
    return 2 * number + plus


async def text_of(number: int) -> str:
    return str(number)


def find_out() -> int:
    return 0


async def find_text() -> str:
    return "0"


class Typed(Agent):
    """Makes durable calls of all kinds."""

    @action(InputEvent, retry=RetryPolicy(wait=0.5))
    @staticmethod
    async def call(event: InputEvent, ctx: RunnerContext) -> None:
        """Give out the sum of what they return."""
        own: RetryPolicy | None = None
        plain: int = ctx.durable_execute(double, 1, plus=1)
        tried: int = ctx.durable_execute(double, 2, retry=POLICY)
        mapped: int = ctx.durable_execute(double, 3, retry={"attempts": 2, "wait": "1s"}, plus=1)
        known: int = ctx.durable_execute(double, 4, reconciler=find_out)
        both: int = ctx.durable_execute(double, 5, retry=own, reconciler=find_out)
        threaded: int = await ctx.durable_execute_async(double, 6, retry=POLICY)
        asked: int = await ctx.durable_execute_async(double, 7, retry=POLICY, reconciler=find_out)
        text: str = await ctx.durable_execute_async(text_of, 8, retry=POLICY)
        found: str = await ctx.durable_execute_async(text_of, 9, reconciler=find_text)
        one, two = await asyncio.gather(
            ctx.durable_execute_async(text_of, 10, retry=POLICY, reconciler=find_text),
            ctx.durable_execute_async(double, 11, retry=own),
        )
        number: int = two
        texts: list[str] = [text, found, one]
        total = plain + tried + mapped + known + both + threaded + asked + number
        ctx.send_event(OutputEvent(output=total + sum(map(int, texts))))


def never_called(ctx: RunnerContext) -> None:
    """What mypy refuses."""
    ctx.durable_execute(double, 1, retry=7)  # type: ignore[call-arg]
    ctx.durable_execute(double, 1, reconciler=7)  # type: ignore[call-arg]
    ctx.durable_execute(double, "1")  # type: ignore[call-overload]
    wrong: str = ctx.durable_execute(double, 1, retry=POLICY)  # type: ignore[assignment]
    RetryPolicy(attempts="many")  # type: ignore[arg-type]
    RetryPolicy(retry_on=7)  # type: ignore[arg-type]
    assert wrong


def test_calls_with_options_have_the_types_of_their_functions() -> None:
    calls = 3 + 4 + 7 + 8 + 10 + 12 + 14 + 22
    assert run_agent(Typed, [("a", 1)]).outputs_of("a") == [calls + 8 + 9 + 10]
