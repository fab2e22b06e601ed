"""The agents that the benchmarks run."""

from __future__ import annotations

from tamias import Agent, InputEvent, OutputEvent, RunnerContext, action


class Counter(Agent):
    """One action: read, add one, write, emit."""

    @action(InputEvent)
    @staticmethod
    def count(event: InputEvent, ctx: RunnerContext) -> None:
        """Count the key's inputs."""
        memory = ctx.short_term_memory
        count = (memory.get("count") or 0) + 1
        memory.set("count", count)
        ctx.send_event(OutputEvent(output={"count": count, "value": event.input}))
