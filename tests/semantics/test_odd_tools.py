"""Tools and models whose code does what code should not: the run goes on, and the model is told."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from support.models.scripted import ScriptedSetup, answer_with, asked, calls, with_model
from tamias import (
    Agent,
    AgentFailedError,
    BaseChatModelConnection,
    ChatMessage,
    ChatRequestEvent,
    ChatResponseEvent,
    Event,
    InputEvent,
    OutputEvent,
    ResourceDescriptor,
    ResourceType,
    RetryPolicy,
    RunnerContext,
    call_tools,
    run_agent,
    tool,
)
from tamias.agent.waiting import time_limit


def ask(event: Event, ctx: RunnerContext) -> None:
    ctx.send_event(ChatRequestEvent(model="model", messages=[ChatMessage(content=event.input)]))


def answer(event: Event, ctx: RunnerContext) -> None:
    ctx.send_event(OutputEvent(output=ChatResponseEvent.from_event(event).response.content))


def asking() -> Agent:
    agent = Agent().add_action("ask", InputEvent, ask)
    return agent.add_action("answer", ChatResponseEvent, answer)


def told_of(function: Any) -> str:
    """What the model is told that has asked for a tool."""
    answer_with(calls((function.__name__, {})), "done")
    run = run_agent(with_model(asking(), function), [("k", "x")])
    assert run.outputs_of("k") == ["done"]
    return asked[-1][-1]


def exhausted() -> Any:
    """Raise StopIteration, as ``next`` does."""
    return next(iter(()))


async def cancelled() -> None:
    """Raise what a cancelled task raises."""
    raise asyncio.CancelledError


@tool(timeout=0.01)
async def stubborn() -> None:
    """Go on when cancelled."""
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(60)
    await asyncio.sleep(60)


class Mute:
    """Has no text."""

    def __repr__(self) -> str:
        raise LookupError("no text")


def huge() -> int:
    """Return an integer that has too many digits for a text."""
    return 1 << 100_000


def mute() -> Mute:
    """Return what has no text."""
    return Mute()


def deep() -> Any:
    """Return what is too deep for a text."""
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (exhausted, "RuntimeError: the function raised StopIteration"),
        (tool(timeout=5)(exhausted), "RuntimeError: the function raised StopIteration"),
        (cancelled, "RuntimeError: it was cancelled from inside"),
        (stubborn, "TimeoutError: it has taken longer than 0.01 s"),
    ],
)
def test_a_tool_that_ends_oddly_fails_and_the_model_is_told(
    function: Any, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_limit, "_SECONDS_TO_END", 0.01)
    assert told_of(function) == f"tool: Tool `{function.__name__}` execute failed: {error}"


@pytest.mark.parametrize(
    ("function", "text"),
    [(huge, "<int without a text: "), (mute, "<Mute without a text: "), (deep, "<list without")],
)
def test_a_result_without_a_text_is_told_as_such(function: Any, text: str) -> None:
    assert told_of(function).startswith(f"tool: {text}")


@pytest.mark.parametrize("text", ["[" * 50_000, '{"n": ' + "1" * 5000 + "}"])
def test_an_answer_that_json_cannot_read_is_not_parsed(text: str) -> None:
    def ask_for_schema(event: Event, ctx: RunnerContext) -> None:
        given = [ChatMessage(content=event.input)]
        schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
        ctx.send_event(ChatRequestEvent(model="model", messages=given, output_schema=schema))

    agent = with_model(Agent().add_action("ask", InputEvent, ask_for_schema))
    answer_with(*[text] * 5)
    with pytest.raises(AgentFailedError, match="OutputParseError: The answer is no JSON"):
        run_agent(agent, [("k", "x")])


def test_arguments_that_are_too_deep_are_told_to_the_model() -> None:
    async def act(event: Event, ctx: RunnerContext) -> None:
        made = [{"function": {"name": "huge", "arguments": "[" * 50_000}}]
        (result,) = (await call_tools(ctx, made)).results
        ctx.send_event(OutputEvent(output=result.content))

    agent = Agent().add_action("act", [InputEvent], act)
    agent.add_resource("huge", ResourceType.TOOL, huge)
    (told,) = run_agent(agent, [("k", "x")]).outputs_of("k")
    assert "The arguments are not a JSON object" in told


class Exhausted(BaseChatModelConnection):
    """A plain connection that raises StopIteration."""

    def chat(self, *args: Any, **kwargs: Any) -> ChatMessage:
        """Fail."""
        answers: list[ChatMessage] = []
        return next(iter(answers))


def test_a_plain_connection_that_raises_stop_iteration_fails_the_run() -> None:
    agent = asking()
    connection = ResourceDescriptor(clazz=Exhausted)
    agent.add_resource("c", ResourceType.CHAT_MODEL_CONNECTION, connection)
    model = ResourceDescriptor(clazz=ScriptedSetup, connection="c")
    agent.add_resource("model", ResourceType.CHAT_MODEL, model)
    with pytest.raises(AgentFailedError, match="the function raised StopIteration"):
        run_agent(agent, [("k", "x")])


def test_calls_with_equal_ids_are_told_apart_whatever_the_ids_are() -> None:
    async def act(event: Event, ctx: RunnerContext) -> None:
        made = [{"id": id_, "function": {"name": "x"}} for id_ in ("a-2", "a", "a")]
        ctx.send_event(OutputEvent(output=len((await call_tools(ctx, made)).responses)))

    agent = Agent().add_action("act", [InputEvent], act)
    assert run_agent(agent, [("k", "x")]).outputs_of("k") == [3]


class UnreadableError(Exception):
    """Can be pickled, but not be read back."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__("its text")


MADE: list[Any] = []
FAILURES: list[Exception] = []


def unreadable() -> UnreadableError:
    """Return it."""
    MADE.append("unreadable")
    return UnreadableError(1, 2)


async def quick() -> int:
    """Return at once."""
    return 1


async def id_here() -> str:
    return str(Event(type="x").id)


async def call_and_identify(event: Event, ctx: RunnerContext) -> None:
    """Call a tool, or a function durably; identify events in tasks; fail the first time."""
    if event.input == "durable":
        await ctx.durable_execute_async(quick, retry=RetryPolicy(2, timeout=5))
        content = "1"
    else:
        made = [{"function": {"name": event.input, "arguments": {}}}]
        content = (await call_tools(ctx, made)).results[0].content
    MADE.append(await asyncio.gather(id_here(), id_here()))
    if FAILURES:
        raise FAILURES.pop()
    ctx.send_event(OutputEvent(output=content))


def identifying(*tools: Any) -> Agent:
    MADE.clear()
    FAILURES[:] = [ConnectionError("again")]
    agent = Agent().add_action("act", [InputEvent], call_and_identify)
    for function in tools:
        agent.add_resource(function.__name__, ResourceType.TOOL, function)
    return agent


@pytest.mark.parametrize("limit", [None, 5.0])
def test_a_call_of_a_tool_changes_no_ids_of_events_in_a_replay(limit: float | None) -> None:
    agent = identifying(tool(timeout=limit)(quick))
    assert run_agent(agent, [("k", "quick")], on_error="dead-letter").outputs_of("k") == ["1"]
    assert MADE[0] == MADE[1]


def test_a_durable_call_with_a_time_limit_changes_none_either() -> None:
    run = run_agent(identifying(), [("k", "durable")], on_error="dead-letter")
    assert run.outputs_of("k") == ["1"]
    assert MADE[0] == MADE[1]


def test_a_result_that_cannot_be_read_back_is_recorded_as_a_text() -> None:
    agent = identifying(unreadable)
    run = run_agent(agent, [("k", "unreadable")], on_error="dead-letter")
    assert run.outputs_of("k") == ["its text"]
    assert MADE.count("unreadable") == 1
