"""Agents of `waiting.py`: what they do costs little, so what is measured is the waiting."""

from __future__ import annotations

import time
from typing import Any

from tamias import Agent, Event, InputEvent, OutputEvent, action

HOUR = 3600.0


class Alarm(Event):
    """Comes at a moment."""

    due: float


class Counting(Agent):
    """Counts inputs by key; an input "sleep" waits for an hour before."""

    @action(InputEvent)
    @staticmethod
    async def count(event: InputEvent, ctx: Any) -> None:
        """Count one input."""
        if event.input == "sleep":
            await ctx.sleep(HOUR)
        n = (ctx.short_term_memory.get("n") or 0) + 1
        ctx.short_term_memory.set("n", n)
        ctx.send_event(OutputEvent(output=n))


class Punctual(Agent):
    """Sets as many timers as it is told, within some seconds, and outputs how late each was."""

    @action(InputEvent)
    @staticmethod
    def start(event: InputEvent, ctx: Any) -> None:
        """Set timers for [count, first, seconds]; a number is work."""
        if isinstance(event.input, list):
            count, first, seconds = event.input
            now = time.time()
            for number in range(count):
                due = now + first + seconds * number / count
                ctx.schedule(at=due, event=Alarm(due=due))
        else:
            ctx.short_term_memory.set("n", (ctx.short_term_memory.get("n") or 0) + event.input)

    @action(Alarm)
    @staticmethod
    def alarm(event: Alarm, ctx: Any) -> None:
        """Output how late it is, in seconds."""
        ctx.send_event(OutputEvent(output=time.time() - event.due))


class Failing(Agent):
    """Fails once for each input "fail", and is tried again."""

    @action(InputEvent)
    @staticmethod
    def act(event: InputEvent, ctx: Any) -> None:
        """Fail the first time."""
        if event.input == "fail" and ctx.short_term_memory.get("tried") is None and _first(ctx.key):
            raise ConnectionError("the first time")
        ctx.send_event(OutputEvent(output=event.input))


_FAILED: set[Any] = set()


def _first(key: Any) -> bool:
    """Whether this process sees a key for the first time."""
    if key in _FAILED:
        return False
    _FAILED.add(key)
    return True
