"""What tests of waiting share: agents of functions, an event for timers, and patience."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tamias import Agent, Event, InputEvent

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR = 3600.0


def agent_of(act: Callable[..., Any], *more: tuple[Any, Callable[..., Any]]) -> Agent:
    """An agent with an action for inputs, and others."""
    agent = Agent()
    agent.add_action("act", [InputEvent], act)
    for number, (event, function) in enumerate(more):
        agent.add_action(f"act{number}", [event], function)
    return agent


class Reminder(Event):
    """Sent by timers."""

    text: str


async def soon(what: Callable[[], Any]) -> None:
    """Wait until something is so."""
    for _ in range(5000):
        if what():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("it has not come")
