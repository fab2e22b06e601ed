"""The agents that the benchmarks run; what they do costs little, so what is measured is tamias."""

from __future__ import annotations

import asyncio

from tamias import Agent, Event, InputEvent, OutputEvent, RunnerContext, action

AWAITED_SECONDS = 0.01


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


class AsyncCounter(Agent):
    """The same in an async action that awaits nothing."""

    @action(InputEvent)
    @staticmethod
    async def count(event: InputEvent, ctx: RunnerContext) -> None:
        """Count the key's inputs."""
        memory = ctx.short_term_memory
        count = (memory.get("count") or 0) + 1
        memory.set("count", count)
        ctx.send_event(OutputEvent(output={"count": count, "value": event.input}))


class Awaiting(Agent):
    """The same after 10 ms, as if a model were asked."""

    @action(InputEvent)
    @staticmethod
    async def count(event: InputEvent, ctx: RunnerContext) -> None:
        """Count the key's inputs."""
        await asyncio.sleep(AWAITED_SECONDS)
        memory = ctx.short_term_memory
        count = (memory.get("count") or 0) + 1
        memory.set("count", count)
        ctx.send_event(OutputEvent(output={"count": count, "value": event.input}))


class Step(Event):
    """Makes `FiveActions` go on."""

    number: int


class FiveActions(Agent):
    """Five actions a run, and no durable call."""

    @action(InputEvent)
    @staticmethod
    def first(event: InputEvent, ctx: RunnerContext) -> None:  # noqa: ARG004 (by contract)
        """Count, and send the first step."""
        memory = ctx.short_term_memory
        memory.set("count", (memory.get("count") or 0) + 1)
        ctx.send_event(Step(number=1))

    @action(Step)
    @staticmethod
    def later(event: Step, ctx: RunnerContext) -> None:
        """Count, and send the next step, or the output."""
        memory = ctx.short_term_memory
        count = (memory.get("count") or 0) + 1
        memory.set("count", count)
        last = event.number == 4
        ctx.send_event(OutputEvent(output=count) if last else Step(number=event.number + 1))


def add(first: int, second: int) -> int:
    """Add: what the durable calls do."""
    return first + second


class Calls(Agent):
    """As many synchronous durable calls as the input says."""

    @action(InputEvent)
    @staticmethod
    def call(event: InputEvent, ctx: RunnerContext) -> None:
        """Make durable calls, one after the other."""
        total = 0
        for number in range(event.input):
            total = ctx.durable_execute(add, total, number)
        ctx.send_event(OutputEvent(output=total))


class AsyncCalls(Agent):
    """As many asynchronous durable calls as the input says."""

    @action(InputEvent)
    @staticmethod
    async def call(event: InputEvent, ctx: RunnerContext) -> None:
        """Make durable calls, one after the other."""
        total = 0
        for number in range(event.input):
            total = await ctx.durable_execute_async(add, total, number)
        ctx.send_event(OutputEvent(output=total))


class Keeping(Agent):
    """Keeps the input in memory, and emits its length."""

    @action(InputEvent)
    @staticmethod
    def keep(event: InputEvent, ctx: RunnerContext) -> None:
        """Keep one."""
        ctx.short_term_memory.set("value", event.input)
        ctx.send_event(OutputEvent(output=len(event.input)))
