"""Events about memory, as actions receive them."""

from __future__ import annotations

from typing import Any

import pytest

from tamias import (
    Agent,
    AgentPlan,
    AgentRunBeginEvent,
    Event,
    EventType,
    InputEvent,
    MemoryEvent,
    OutputEvent,
    RunnerContext,
    action,
    run_agent,
)
from tamias.agent.observing.events import SensoryWriteEvent, ShortTermWriteEvent


def write(ctx: RunnerContext, value: Any) -> None:
    ctx.short_term_memory.set("total", (ctx.short_term_memory.get("total") or 0) + value)
    ctx.short_term_memory.set("seen.last", [value])
    ctx.short_term_memory.set("odd", {1, 2})
    ctx.short_term_memory.new_object("empty")
    ctx.sensory_memory.set("note", "n")


class Writing(Agent):
    @action(InputEvent)
    @staticmethod
    def count(event: Event, ctx: RunnerContext) -> None:
        write(ctx, event.input)


class WritingLater(Agent):
    @action(InputEvent)
    @staticmethod
    async def count(event: Event, ctx: RunnerContext) -> None:
        await ctx.durable_execute_async(int)
        write(ctx, event.input)


class Audited:
    @action(EventType.ShortTermWriteEvent, SensoryWriteEvent)
    @staticmethod
    def audit(event: Event, ctx: RunnerContext) -> None:
        typed = MemoryEvent.from_event(event)
        ctx.short_term_memory.set("audited", 1)
        ctx.send_event(OutputEvent(output=[type(typed).__name__, typed.key, typed.value]))


class AuditedWriting(Writing, Audited): ...


class AuditedWritingLater(WritingLater, Audited): ...


@pytest.mark.parametrize("agent", [AuditedWriting, AuditedWritingLater])
def test_an_action_is_told_what_others_write(agent: type[Agent]) -> None:
    assert run_agent(agent, [{"key": 7, "value": 2}]).outputs == [
        {7: ["ShortTermWriteEvent", "7", {"total": 2, "seen.last": [2], "empty": None}]},
        {7: ["SensoryWriteEvent", "7", {"note": "n"}]},
    ]


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        ({"memory.generate-event": False}, []),
        (
            {"memory.generate-event": False, "memory.generate-event.sensory-write": True},
            ["SensoryWriteEvent"],
        ),
        ({"memory.generate-event.sensory-write": "false"}, ["ShortTermWriteEvent"]),
    ],
)
def test_switches(options: dict[str, Any], kinds: list[str]) -> None:
    run = run_agent(AuditedWriting, [{"key": "k", "value": 2}], config=options)
    assert [output["k"][0] for output in run.outputs] == kinds


class Beginning(Writing):
    @action("type == EventType.AgentRunBeginEvent")
    @staticmethod
    def begun(event: Event, ctx: RunnerContext) -> None:
        ctx.send_event(OutputEvent(output=AgentRunBeginEvent.from_event(event).value))


@pytest.mark.parametrize("is_on", [True, False])
def test_a_run_begins_with_what_memory_has(*, is_on: bool) -> None:
    inputs = [{"key": "k", "value": 2}, {"key": "k", "value": 3}]
    config = {"agent-run.begin-event": is_on}
    outputs = run_agent(Beginning, inputs, config=config).outputs
    assert outputs == ([{"k": {}}, {"k": {"seen.last": [2], "total": 2}}] if is_on else [])


def test_an_agent_that_does_not_listen_is_as_it_was() -> None:
    actions = AgentPlan.compile(Writing).actions
    assert actions["count"].fn is Writing.count
    assert list(actions) == ["count"]
    assert AgentPlan.compile(AuditedWriting).actions["count"].fn is not Writing.count


def test_writes_of_an_action_by_path() -> None:
    class Changing(Agent):
        @action(InputEvent)
        @staticmethod
        def change(event: Event, ctx: RunnerContext) -> None:
            memory = ctx.short_term_memory
            ctx.send_event(OutputEvent(output=memory.changes()))
            memory.set("a.b", [1])
            memory.set("c", 2)
            inner = memory.get("a")
            ctx.send_event(OutputEvent(output=[memory.changes(), inner.changes()]))

    assert run_agent(Changing, [{"key": "k", "value": 1}]).outputs == [
        {"k": {}},
        {"k": [{"a.b": [1], "c": 2}, {"b": [1]}]},
    ]
    assert EventType.ShortTermWriteEvent == ShortTermWriteEvent.EVENT_TYPE
