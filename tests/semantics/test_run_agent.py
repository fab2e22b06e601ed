"""`run_agent`: an agent run inside a test's own process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tamias import (
    Agent,
    AgentDefinitionError,
    AgentFailedError,
    Event,
    InputEvent,
    OutputEvent,
    ResourceType,
    RunnerContext,
    action,
    run_agent,
    tool,
)

if TYPE_CHECKING:
    from pathlib import Path


def rating_of(customer: str) -> str:
    raise ConnectionError(customer)  # no test may reach the real one


class Spending(Agent):
    @action(InputEvent)
    @staticmethod
    def add(event: Event, ctx: RunnerContext) -> None:
        memory = ctx.short_term_memory
        if not memory.is_exist("customer.rating"):
            memory.set("customer.rating", ctx.durable_execute(rating_of, ctx.key))
        memory.set("total", memory.get("total", 0) + event.input)
        ctx.send_event(OutputEvent(output=memory.get("total")))


def test_outputs_and_memory_and_what_a_test_replaces(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fake(customer: str) -> str:
        asked.append((customer, os.getpid()))
        return "gold"

    monkeypatch.setitem(globals(), "rating_of", fake)
    run = run_agent(Spending, [("ada", 30), ("bob", 5), ("ada", 12)])
    assert run.outputs == [{"ada": 30}, {"bob": 5}, {"ada": 42}]
    assert run.outputs_of("ada") == [30, 42]
    assert run.memory == {
        "ada": {"customer": {"rating": "gold"}, "total": 42},
        "bob": {"customer": {"rating": "gold"}, "total": 5},
    }
    assert asked == [("ada", os.getpid()), ("bob", os.getpid())]
    assert (run.failures, run.retries) == ([], 0)


def test_what_an_action_raises_is_raised() -> None:
    with pytest.raises(AgentFailedError, match="ConnectionError: ada") as raised:
        run_agent(Spending, [("ada", 30)])
    assert "in rating_of" in raised.value.user_traceback


def test_or_it_is_listed() -> None:
    run = run_agent(
        Spending(),
        [{"key": "ada", "value": 1}],
        on_error="dead-letter",
        config={"max-attempts": 2, "retry-attempts": 2},
    )
    assert (run.outputs, run.memory, run.retries) == ([], {}, 1)
    (failure,) = run.failures
    assert (failure.offset, failure.key, failure.cause) == (0, "ada", "exception")
    assert failure.error == "ConnectionError: ada"
    assert "in rating_of" in failure.traceback


def test_a_named_state_directory_is_carried_on_with(tmp_path: Path) -> None:
    agent = Agent().add_action("count", [InputEvent], count)
    assert run_agent(agent, [(1, "a")], state=tmp_path / "state").outputs == [{1: 1}]
    run = run_agent(agent, [(1, "a"), (1, "b")], state=tmp_path / "state")
    assert run.outputs == [{1: 1}, {1: 2}]


def count(event: Event, ctx: RunnerContext) -> None:
    number = ctx.short_term_memory.get("n", 0) + 1
    ctx.short_term_memory.set("n", number)
    ctx.send_event(OutputEvent(output=number))


def test_settings_and_resources() -> None:
    def act(event: Event, ctx: RunnerContext) -> None:
        double: Any = ctx.get_resource("double", ResourceType.TOOL)
        output = double.call(number=event.input) + ctx.config.get_int("bonus", 0)
        ctx.send_event(OutputEvent(output=output))

    class WithTool(Agent):
        @tool
        @staticmethod
        def double(number: int) -> int:
            """Double a number."""
            return 2 * number

    agent = WithTool().add_action("act", [InputEvent], act)
    assert run_agent(agent, [(None, 4)], config={"bonus": 3}).outputs == [{None: 11}]


def test_a_declaration_that_cannot_run_is_an_error_and_a_mistake_is_noticed() -> None:
    with pytest.raises(AgentDefinitionError):
        run_agent(Agent(), [(1, 1)])

    class Unheard(Event):
        pass

    def act(event: Event, ctx: RunnerContext) -> None:
        ctx.send_event(Unheard())

    run = run_agent(Agent().add_action("act", [InputEvent], act), [(1, 1)] * 2)
    ((text, times),) = run.notices.items()
    assert "Unheard" in text
    assert times == 2
