"""An agent whose calls have limits: it asks a server once for each input.

`LIMITS_SERVER` is the server's port; `LIMITS_BUDGET`, if set, has calls use ten tokens each.
"""

from __future__ import annotations

import asyncio
import os

from tamias import (
    Agent,
    BudgetExceeded,
    Event,
    InputEvent,
    OutputEvent,
    RunnerContext,
    TokenUsage,
    action,
)
from tamias.agent.limits.limited_call import LimitedCall, Route

TOKENS = 10


async def ask_server(number: int) -> str:
    """Send a number to the server, and return its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(os.environ["LIMITS_SERVER"]))
    try:
        writer.write(b"%d\n" % number)
        return (await reader.readline()).decode().strip()
    finally:
        writer.close()


class Asking(LimitedCall):
    """The same, as a call that uses tokens."""

    routes = (Route("api", tokens=TOKENS),)
    function = staticmethod(ask_server)

    def __init__(self, number: int) -> None:
        self.arguments = (number,)

    async def attempt(self, route: int) -> str:
        """Make the call."""
        del route
        return await ask_server(*self.arguments)

    def attempt_now(self, route: int) -> str:
        """Make the call, for nothing here."""
        raise NotImplementedError

    def usage(self, result: str) -> TokenUsage:
        """What it has used."""
        del result
        return TokenUsage(prompt_tokens=TOKENS)


class AskingAgent(Agent):
    """Asks the server."""

    @action(InputEvent)
    @staticmethod
    async def ask(event: Event, ctx: RunnerContext) -> None:
        """Ask once, and say what came of it."""
        if "LIMITS_BUDGET" in os.environ:
            try:
                answer = await ctx.durable_execute_async(Asking(event.input))
            except BudgetExceeded:
                answer = "refused"
        else:
            answer = await ctx.durable_execute_async(ask_server, event.input, limit="api")
        ctx.send_event(OutputEvent(output=answer))
