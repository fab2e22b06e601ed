"""Mistakes of an agent that raise nothing: each is an error, or a warning that says where."""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import TYPE_CHECKING, Any

import pytest

from tamias import (
    Agent,
    AgentDefinitionError,
    AgentFailedError,
    AgentsExecutionEnvironment,
    Event,
    InputEvent,
    OutputEvent,
    action,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Second(Event):
    n: int = 1


class Secnd(Event):
    n: int = 1


def environment(agent: Any, inputs: int = 3, **options: Any) -> Any:
    env = AgentsExecutionEnvironment.get_execution_environment(workers=1, **options)
    elements = [{"key": n, "value": n} for n in range(inputs)]
    env.from_list(elements).apply(agent).to_list()
    env.execute()
    return env


def agent_of(function: Callable[..., Any]) -> Agent:
    agent = Agent()
    agent.add_action("act", [InputEvent], function)
    agent.add_action("second", [Second, "some.type"], lambda event, ctx: None)
    return agent


async def coroutine() -> int:
    return 1


async def asynchronous(event: Any, ctx: Any) -> Any:
    return Second()


def hidden(function: Any) -> Any:
    """What a decorator does that forgets that some functions are async."""

    @functools.wraps(function)
    def wrapper(event: Any, ctx: Any) -> Any:
        return function(event, ctx)

    del wrapper.__wrapped__
    return wrapper


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda event, ctx: OutputEvent(output=1), "returned an OutputEvent, which sends nothing"),
        (lambda event, ctx: [Second(), Second()], "returned an Second"),
        (asynchronous, "returned an Second"),
        (lambda event, ctx: coroutine(), "returned a coroutine that has not run"),
        (lambda event, ctx: ctx.durable_execute_async(coroutine), "returned a coroutine"),
        (hidden(asynchronous), "returned a coroutine"),
        (lambda event, ctx: (n for n in (1, 2)), "returned a generator"),
    ],
)
def test_what_an_action_returns_and_should_have_sent_or_awaited(function: Any, says: str) -> None:
    with pytest.raises(AgentFailedError, match=says):
        environment(agent_of(function))
    env = environment(agent_of(function), on_error="dead-letter")
    assert env.report.failed == 3
    assert env.report.retries == 0  # another attempt would be as wrong
    assert env.report.exit_code == 3


@pytest.mark.parametrize(
    "function",
    [
        lambda event, ctx: ctx.short_term_memory.set("a", 1),
        lambda event, ctx: ctx.short_term_memory.new_object("b"),
        lambda event, ctx: event.input > 10 or ctx.short_term_memory.set("a", 1),
        lambda event, ctx: [ctx.short_term_memory.set("a", n) and None for n in range(3)],
        lambda event, ctx: event.input * 0,
    ],
)
def test_any_other_result_is_ignored(function: Any) -> None:
    report = environment(agent_of(function)).report
    assert report.failed == 0
    assert report.notices == {}


async def _answer(event: Any, ctx: Any) -> str:
    return "a"


async def _answer_late(event: Any, ctx: Any) -> str:
    await asyncio.sleep(0.01)
    return "a"


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (lambda event, ctx: {"n": event.input}, "dict"),
        (lambda event, ctx: [1, "a"], "list"),
        (_answer, "str"),
        (_answer_late, "str"),
    ],
)
def test_a_result_that_may_be_meant_as_an_output(function: Any, kind: str) -> None:
    report = environment(agent_of(function), 3).report
    assert (report.failed, report.outputs) == (0, 0)
    [(text, times)] = report.notices.items()
    assert f"returned a {kind}, which goes nowhere: send an output with" in text
    assert times == 3


@pytest.mark.parametrize("agent", [Agent(), Agent])
def test_an_agent_without_actions(agent: Any) -> None:
    with pytest.raises(AgentDefinitionError, match="has no action"):
        environment(agent)


def test_an_agent_that_listens_to_no_input() -> None:
    class Deaf(Agent):
        @action(Second)
        @staticmethod
        def second(event: Event, ctx: Any) -> None: ...

    with pytest.raises(AgentDefinitionError, match=r"No action .* listens to InputEvent.*Second"):
        environment(Deaf)


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (Secnd(), "action 'act' sends Secnd, which no action listens to: did you mean Second?"),
        (Event(type="some.typ"), "sends Event of type some.typ, which no action listens to"),
        (type("Second", (Event,), {})(), "the actions listen to another class of that name"),
        (type("Other", (Event,), {})(), "action 'act' sends Other, which no action listens to"),
    ],
)
def test_events_that_no_action_hears(
    event: Event, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "tamias"):
        env = environment(agent_of(lambda _, ctx: ctx.send_event(event)), 5)
    [(text, times)] = env.report.notices.items()
    assert says in text
    assert times == 5
    assert [record.getMessage() for record in caplog.records] == [text]


def test_failures_are_counted_by_kind_with_the_first_of_each() -> None:
    def act(event: Any, ctx: Any) -> None:
        if event.input % 2:
            raise KeyError(event.input)
        if event.input % 3:
            raise ValueError(event.input)

    for policy in ("dead-letter", "ignore"):
        report = environment(agent_of(act), 12, on_error=policy, max_attempts=1).report
        assert report.failed == 10
        counted = [(kind.partition(" ")[0], rest) for kind, rest in report.failures.items()]
        assert counted == [
            ("KeyError", [6, 1, "KeyError: 1"]),
            ("ValueError", [4, 2, "ValueError: 2"]),
        ]
        # Newer versions of cloudpickle leave out the file of a function that goes by value.
        places = ("test_mistakes.py:", "<dynamic-code>:")
        assert all(any(place in kind for place in places) for kind in report.failures)
        assert all("in act" in kind for kind in report.failures)
