"""A server that is a process: its tools, prompts and resources, and its ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from support.mcp.log import eventually, lives, parent_of
from tamias import (
    Configuration,
    ImageBlock,
    MCPInterruptedError,
    MCPServer,
    MCPServerError,
    MCPToolChangedError,
    MCPToolError,
    TextBlock,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.mcp.log import Log

pytestmark = pytest.mark.process


def tool(server: MCPServer, name: str) -> Any:
    return next(each for each in server.list_tools() if each.name == name)


def test_tools_prompts_and_resources(serve: Callable[..., MCPServer], log: Log) -> None:
    server = serve()
    add = tool(server, "add")
    assert add.description == "Add two numbers."
    assert sorted(add.parameters["properties"]) == ["a", "b"]
    assert (add.idempotent, tool(server, "buy").idempotent) == (True, False)
    assert add.call(a=2, b=3) == "5"
    assert server.call_tool("buy", {"item": "tea"}) == "bought tea"
    picture = tool(server, "picture").call()
    assert picture == [TextBlock(text="a picture"), ImageBlock(data=b"png")]
    (greet,) = server.list_prompts()
    (message,) = greet.format_messages(name="Bo", unknown="left out")
    assert (message.role.value, message.content) == ("user", "Say hello to Bo.")
    assert [each["uri"] for each in server.list_resources()] == ["notes://today"]
    assert [each["uriTemplate"] for each in server.list_resource_templates()] == ["notes://{day}"]
    assert server.read_resource("notes://today") == "rain"
    assert server.read_resource("notes://monday") == "sun on monday"
    with pytest.raises(MCPToolError, match="Error executing tool fail"):
        tool(server, "fail").call(why="no")
    with pytest.raises(MCPServerError, match="Unknown resource"):
        server.read_resource("other://x")
    names = tool(server, "environment").call().splitlines()
    assert set(names) <= {"HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "LC_CTYPE"}
    assert len(tool(server, "huge").call(size=1_000_000)) == 1_000_000
    assert log.lines == ["add 2 3", "buy tea"]
    assert len(log.starts) == 1


def test_calls_are_made_at_the_same_time_and_hold_up_nothing(
    serve: Callable[..., MCPServer], log: Log
) -> None:
    server = serve()

    async def main() -> list[Any]:
        wait, add = [tool(server, name) for name in ("wait", "add")]
        waiting = [asyncio.create_task(wait.acall(seconds=60)) for _ in range(3)]
        while len(log.lines) < 3:  # noqa: ASYNC110 (another process writes it)
            await asyncio.sleep(0.01)
        result = await add.acall(a=1, b=1)
        for task in waiting:
            task.cancel()
        return [result, *await asyncio.gather(*waiting, return_exceptions=True)]

    result, *ends = asyncio.run(main())
    assert result == "2"
    assert [type(end) for end in ends] == [asyncio.CancelledError] * 3


def test_a_server_that_ends_is_started_again(
    serve: Callable[..., MCPServer], log: Log, tmp_path: Path
) -> None:
    server = serve()
    with pytest.raises(MCPInterruptedError, match="ended with status 7") as caught:
        tool(server, "die").call()
    assert "the last words of the server" in str(caught.value)
    assert not caught.value.is_temporary
    # A call that may be made twice is.
    assert tool(server, "die_once").call(mark=str(tmp_path / "mark")) == "alive"
    assert log.lines == ["die", "die_once", "die_once"]
    # One that is killed while it does nothing is not noticed.
    os.kill(log.starts[-1], signal.SIGKILL)
    eventually(lambda: not lives(log.starts[-1]))
    assert server.call_tool("add", {"a": 1, "b": 2}) == "3"
    assert len(set(log.starts)) == 4


def test_a_server_ends_with_its_last_resource(serve: Callable[..., MCPServer], log: Log) -> None:
    first, second = serve(), serve()
    for server in (first, second):
        assert server.call_tool("add", {"a": 1, "b": 2}) == "3"
    (process,) = log.starts
    first.close()
    assert second.call_tool("add", {"a": 1, "b": 2}) == "3"
    second.close()
    assert not lives(process)


def test_a_tool_that_is_another_one_by_now_is_not_called(
    serve: Callable[..., MCPServer], log: Log
) -> None:
    server = serve(protocol="2025-11-25")
    old = tool(server, "buy")
    assert server.call_tool("change") == "changed"
    with pytest.raises(MCPToolChangedError, match="has changed since it was listed"):
        old.call(item="tea")
    assert tool(server, "buy").call(item="tea", price=2) == "bought"
    gone = old.model_copy(update={"description_given": {**old.description_given, "name": "gone"}})
    with pytest.raises(MCPToolChangedError, match="has no tool 'gone' any more"):
        gone.call()
    assert log.lines == ["changed buy tea 2.0"]


def test_what_does_not_start_is_one_clear_error(serve: Callable[..., MCPServer]) -> None:
    with pytest.raises(MCPServerError) as caught:
        serve("--bad").list_tools()
    assert "does not start: it has ended with status 3" in caught.value.message
    assert "there is no such database\n    set DATABASE_URL\n" in caught.value.message
    with pytest.raises(MCPServerError, match=r"does not start.*'no-such-command'"):
        serve(command="no-such-command").list_tools()
    with pytest.raises(MCPServerError, match=r"has not answered within 0.5"):
        serve(command="sleep", args=["60"], timeout=0.5).list_tools()


def test_an_answer_that_is_late(serve: Callable[..., MCPServer], log: Log) -> None:
    server = serve(sse_read_timeout=2)
    with pytest.raises(MCPInterruptedError, match=r"not answered within 2 seconds.*read_timeout"):
        tool(server, "wait").call(seconds=60)
    assert tool(server, "add").call(a=1, b=2) == "3"
    assert len(log.starts) == 1


def test_a_keeper_that_is_killed_is_started_again(
    serve: Callable[..., MCPServer], log: Log
) -> None:
    server = serve()
    assert tool(server, "add").call(a=1, b=2) == "3"
    os.kill(parent_of(log.starts[0]), signal.SIGKILL)
    eventually(lambda: not lives(log.starts[0]))
    assert tool(server, "add").call(a=1, b=2) == "3"

    async def main() -> None:
        waiting = asyncio.create_task(tool(server, "wait").acall(seconds=60))
        while not log.lines[-1].startswith("wait"):  # noqa: ASYNC110 (as above)
            await asyncio.sleep(0.01)
        os.kill(parent_of(log.starts[1]), signal.SIGKILL)
        await waiting

    with pytest.raises(MCPInterruptedError, match="keeper"):
        asyncio.run(main())
    assert tool(server, "add").call(a=2, b=2) == "4"


def test_only_allowed_tools(serve: Callable[..., MCPServer]) -> None:
    server = serve(allowed_tools=["add"])
    assert [each.name for each in server.list_tools()] == ["add"]
    with pytest.raises(MCPServerError, match=r"allowed_tools.*'typo'"):
        serve(allowed_tools=["typo"]).list_tools()


def test_one_process_for_all_of_a_server(serve: Callable[..., MCPServer], log: Log) -> None:
    same = MCPServer(command=sys.executable, args=serve().args)
    same.provided("tests", Configuration())
    try:
        assert [each.call_tool("add", {"a": 1, "b": 1}) for each in (same, serve())] == ["2", "2"]
        assert len(log.starts) == 1
    finally:
        same.close()
