"""The smallest agent worth serving: it counts what it is sent, by key."""

from __future__ import annotations

from tamias import Agent, Event, InputEvent, OutputEvent, RunnerContext, action


class Counter(Agent):
    """Answers each input with the number of inputs that its key has had."""

    @action(InputEvent)
    @staticmethod
    def count(event: Event, ctx: RunnerContext) -> None:  # noqa: ARG004 (only how often)
        """Count one input."""
        number = (ctx.short_term_memory.get("count") or 0) + 1
        ctx.short_term_memory.set("count", number)
        ctx.send_event(OutputEvent(output=number))
