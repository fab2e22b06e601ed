"""Durable calls that are tried again, or whose outcome is unknown, over the lives of a worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.loops import on_loop
from support.worker.bench import bench
from tamias import Agent, Event, InputEvent, OutputEvent, RetryPolicy, action

CALLS: list[str] = []


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


async def pay() -> str:
    CALLS.append("pay")
    if CALLS == ["pay"]:
        await asyncio.sleep(3600)
    return "paid"


def look_up() -> str:
    CALLS.append("look up")
    with pytest.raises(RuntimeError):  # a plain function is called on a thread
        asyncio.get_running_loop()
    return "was paid"


class Paying(Agent):
    """Pays, and finds out what has come of it after a crash."""

    @action(InputEvent)
    @staticmethod
    async def act(event: Event, ctx: Any) -> None:
        assert event is not None
        paid = await ctx.durable_execute_async(pay, reconciler=look_up)
        ctx.send_event(OutputEvent(output=paid))


@on_loop
async def test_a_reconciler_is_asked_only_after_a_crash(tmp_path: Path) -> None:
    CALLS.clear()
    with bench(Paying, tmp_path) as life:
        life.send(("a", 1))
        await until(lambda: CALLS == ["pay"])
    with bench(Paying, tmp_path) as life:
        assert await life.run(("a", 1)) == [["was paid"]]
        assert await life.run(("a", 2), first=1) == [["paid"]]
    assert CALLS == ["pay", "look up", "pay"]


async def look_up_async() -> str:
    return "was paid"


class Plain(Agent):
    """A plain action cannot await a reconciler."""

    @action(InputEvent)
    @staticmethod
    def act(event: Event, ctx: Any) -> None:
        ctx.durable_execute(str, event.input, reconciler=look_up_async)


@on_loop
async def test_a_plain_action_with_an_async_reconciler_is_told_so(tmp_path: Path) -> None:
    with bench(Plain, tmp_path, max_attempts=1) as life:
        await life.run(("a", 1))
        (letter,) = life.letters()
        assert "the reconciler of builtins.str is a coroutine function" in letter.error


def look_up_with_failures() -> str:
    CALLS.append("look up")
    if CALLS.count("look up") < 3:
        raise ConnectionError("down")
    return "was paid"


class PayingByChance(Agent):
    """The same; its reconciler fails twice."""

    @action(InputEvent)
    @staticmethod
    async def act(event: Event, ctx: Any) -> None:
        retry = {"attempts": 5, "wait": 0.05} if event.input == "policy" else None
        paid = await ctx.durable_execute_async(pay, retry=retry, reconciler=look_up_with_failures)
        ctx.send_event(OutputEvent(output=paid))


@pytest.mark.parametrize("value", ["policy", "none"])
@on_loop
async def test_a_reconciler_that_fails_is_asked_again_and_nothing_is_paid_twice(
    tmp_path: Path, value: str
) -> None:
    CALLS.clear()
    options = {"suspend_after": 0.01, "retry_wait": "50ms"}
    with bench(PayingByChance, tmp_path, **options) as life:
        life.send(("a", value))
        await until(lambda: CALLS == ["pay"])
    with bench(PayingByChance, tmp_path, **options) as life:
        life.send(("a", value))
        await until(lambda: CALLS.count("look up") == 2)
        await life.until_recorded()
    with bench(PayingByChance, tmp_path, **options) as life:
        await until(lambda: bool(life.order))
        assert life.order == ["was paid"]
    assert CALLS == ["pay", "look up", "look up", "look up"]


def fail() -> str:
    CALLS.append("fail")
    if CALLS.count("fail") == 3:
        return "at last"
    raise ConnectionError("down")


class Trying(Agent):
    """Calls what fails twice."""

    @action(InputEvent)
    @staticmethod
    async def act(event: Event, ctx: Any) -> None:
        assert event is not None
        policy = RetryPolicy(attempts=3, wait=0.3, jitter=0)
        ctx.send_event(OutputEvent(output=await ctx.durable_execute_async(fail, retry=policy)))


@on_loop
async def test_attempts_on_record_are_not_repeated_after_a_crash(tmp_path: Path) -> None:
    CALLS.clear()
    with bench(Trying, tmp_path) as life:
        life.send(("a", 1))
        await life.until_recorded()
    assert CALLS == ["fail"]
    with bench(Trying, tmp_path) as life:
        assert await life.run(("a", 1)) == [["at last"]]
    assert CALLS == ["fail"] * 3
