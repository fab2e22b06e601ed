"""Two agents over the same orders: one adds up, one watches what is spent at once."""

import os

from tamias import Agent, InputEvent, OutputEvent, RunnerContext, action


class Totals(Agent):
    """What each customer has spent so far."""

    @action(InputEvent)
    @staticmethod
    def add(event: InputEvent, ctx: RunnerContext) -> None:
        """Remember the sum."""
        total = (ctx.short_term_memory.get("total") or 0) + event.input["amount"]
        ctx.short_term_memory.set("total", total)
        ctx.send_event(OutputEvent(output=total))


class Alerts(Agent):
    """Orders above a limit, which comes from the environment of its workers alone."""

    @action(InputEvent)
    @staticmethod
    def look(event: InputEvent, ctx: RunnerContext) -> None:
        """Tell of a large order, and how many there were."""
        if event.input["amount"] > int(os.environ["LARGEST"]):
            number = (ctx.short_term_memory.get("alerts") or 0) + 1
            ctx.short_term_memory.set("alerts", number)
            ctx.send_event(OutputEvent(output={"amount": event.input["amount"], "alert": number}))
