"""How tools are called: retries, time limits, what their parameters and results may be."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import pytest

from tamias import (
    Agent,
    AgentDefinitionError,
    AgentFailedError,
    Event,
    ImageBlock,
    InjectedArg,
    InputEvent,
    OutputEvent,
    ResourceType,
    RunnerContext,
    ToolResponse,
    call_tools,
    run_agent,
    tool,
)

MADE: list[str] = []


@pytest.fixture(autouse=True)
def nothing_made() -> None:
    MADE.clear()


class DownError(ConnectionError):
    """A service is down."""


@tool(retry={"attempts": 3, "wait": 5})
def flaky(times: int) -> str:
    """Fail for a while."""
    MADE.append("flaky")
    if len(MADE) <= times:
        raise DownError("down")
    return f"up after {len(MADE)}"


@tool(retry=3)
def wrong() -> str:
    """Fail for good."""
    MADE.append("wrong")
    raise ValueError("no such city")


@tool(timeout=0.05)
async def slow() -> str:
    """Take too long."""
    await asyncio.sleep(60)
    return "late"


def failing() -> ToolResponse:
    """Say that it has failed."""
    return ToolResponse.failure("sold out")


@tool(injected_args={"key": {"source": "context"}})
def who(
    greeting: str,
    token: Annotated[str, InjectedArg.from_config("api.token")],
    key: Any,
    limit: Annotated[int, InjectedArg.from_config("api.limit")] = 7,
    ctx: RunnerContext | None = None,
) -> str:
    """Say who asks."""
    return f"{greeting} {token} {key} {limit} {ctx is None}"


def picture() -> list[Any]:
    """Show."""
    return ["a", ImageBlock(url="http://x/y.png"), "b"]


def told(function: Any, config: dict[str, Any] | None = None, **arguments: Any) -> Any:
    """What a model is told of a call: its message."""

    async def act(_: Event, ctx: RunnerContext) -> None:
        request = {"id": "1", "function": {"name": "it", "arguments": arguments}}
        (message,) = (await call_tools(ctx, [request])).messages()
        ctx.send_event(OutputEvent(output=message))

    agent = Agent().add_action("act", [InputEvent], act)
    agent.add_resource("it", ResourceType.TOOL, function)
    return run_agent(agent, [("k", 1)], config=config).outputs_of("k")[0]


def test_temporary_failures_are_tried_again() -> None:
    assert told(flaky, times=2).content == "up after 3"
    MADE.clear()
    assert told(flaky, times=9).content == "Tool `it` execute failed: DownError: down"
    assert len(MADE) == 3


def test_what_is_wrong_for_good_is_not_tried_again() -> None:
    assert told(wrong).content == "Tool `it` execute failed: ValueError: no such city"
    assert MADE == ["wrong"]


def test_a_call_that_takes_too_long_is_given_up() -> None:
    assert "it has taken longer than 0.05 s" in told(slow).content


def test_a_tool_may_say_that_it_has_failed() -> None:
    assert told(failing).content == "sold out"


def test_values_come_from_the_configuration_and_the_context() -> None:
    config = {"api.token": "t"}
    assert told(who, config, greeting="hi").content == "hi t k 7 False"
    wanted = "token: there is no such parameter"
    assert wanted in told(who, config, greeting="hi", token="mine").content
    with pytest.raises(AgentFailedError, match=r"'token' from config, where 'api\.token' is not"):
        told(who, greeting="hi")


def test_blocks_are_kept_apart_from_the_text() -> None:
    message = told(picture)
    assert message.content == "a\nb"
    assert [part.url for part in message.blocks if isinstance(part, ImageBlock)] == [
        "http://x/y.png"
    ]
    assert message.extra_args == {"external_id": "1"}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"approval": "yes"}, "approval"),
        ({"timeout": -1}, "timeout"),
        ({"timeout": "soon"}, "timeout"),
        ({"retry": 0}, "attempts"),
        ({"retry": {"tries": 3}}, "tries"),
        ({"idempotent": "no"}, "idempotent"),
        ({"limit": 3}, "limit"),
        ({"injected_args": ["a"]}, "injected_args"),
        ({"injected_args": {"a": {"source": "moon"}}}, "'a'"),
        ({"aproval": True}, "aproval"),
    ],
)
def test_settings_that_are_wrong_are_found_at_the_decorator(
    settings: dict[str, Any], named: str
) -> None:
    with pytest.raises(AgentDefinitionError, match=named):
        tool(**settings)
