"""An agent whose inputs say how long they take: `{"i": 3, "wait": 0.01}`, in seconds."""

from __future__ import annotations

import asyncio

from tamias import Agent, InputEvent, OutputEvent, RunnerContext, action


class PacedAgent(Agent):
    """Counts, waits, and answers."""

    @action(InputEvent)
    @staticmethod
    async def wait(event: InputEvent, ctx: RunnerContext) -> None:
        """Take the time that the input asks for."""
        count = (ctx.short_term_memory.get("count") or 0) + 1
        ctx.short_term_memory.set("count", count)
        if event.input["wait"]:
            await asyncio.sleep(event.input["wait"])
        ctx.send_event(OutputEvent(output=[event.input["i"], count]))


class QuickAgent(Agent):
    """Counts and answers."""

    @action(InputEvent)
    @staticmethod
    def count(event: InputEvent, ctx: RunnerContext) -> None:
        """Never wait."""
        count = (ctx.short_term_memory.get("count") or 0) + 1
        ctx.short_term_memory.set("count", count)
        ctx.send_event(OutputEvent(output=[event.input["i"], count]))
