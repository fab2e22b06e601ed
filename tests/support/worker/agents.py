"""Agents and events that several test files use."""

from __future__ import annotations

from typing import Any

from tamias import Agent, Event, InputEvent, OutputEvent, RunnerContext, action


class Counting(Agent):
    @action(InputEvent)
    @staticmethod
    def count(event: Event, ctx: RunnerContext) -> None:
        number = (ctx.short_term_memory.get("count") or 0) + 1
        ctx.short_term_memory.set("count", number)
        if event.input == "fail":
            raise ValueError("told to")
        ctx.send_event(OutputEvent(output=number))


class Middle(Event):
    value: Any
