"""MCP servers that others have written: one in Python, one for Node."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tamias import (
    Agent,
    Event,
    InputEvent,
    MCPServer,
    OutputEvent,
    ResourceType,
    RunnerContext,
    action,
    run_agent,
)
from tamias.agent.tools.calling import call_tools

if TYPE_CHECKING:
    from pathlib import Path

EVERYTHING = "@modelcontextprotocol/server-everything"


class Caller(Agent):
    """Calls the tools that its inputs name, all of one input at once."""

    @action(InputEvent)
    @staticmethod
    async def serve(event: Event, ctx: RunnerContext) -> None:
        calls = [
            {"id": str(place), "function": {"name": name, "arguments": arguments}}
            for place, (name, arguments) in enumerate(event.input)
        ]
        results = await call_tools(ctx, calls)
        texts = [each.content for each in results.results]
        blocks = [type(block).__name__ for each in results.results for block in each.blocks]
        ctx.send_event(OutputEvent(output=(texts, blocks)))


def outputs(server: MCPServer, *calls: tuple[str, dict[str, Any]], **settings: Any) -> Any:
    resources = {ResourceType.MCP_SERVER: {"server": server}}
    run = run_agent(Caller, [("a", list(calls))], resources=resources, **settings)
    (output,) = run.outputs_of("a")
    return output


def test_the_time_server() -> None:
    pytest.importorskip("mcp_server_time", reason="mcp-server-time is in the extra `test`")
    times = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
    texts, _ = outputs(
        MCPServer(command="mcp-server-time"),
        ("get_current_time", {"timezone": "UTC"}),
        ("convert_time", times),
        ("convert_time", {**times, "time": "noon"}),
        ("convert_time", {"time": "12:00"}),
    )
    assert '"timezone": "UTC"' in texts[0]
    assert "T21:00:00+09:00" in texts[1]
    assert "failed" in texts[2]
    assert "arguments of tool `convert_time` are not valid" in texts[3]


@pytest.mark.nightly
@pytest.mark.slow
def test_the_server_with_everything(tmp_path: Path) -> None:
    if shutil.which("npm") is None:
        pytest.skip("there is no npm")
    subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "--no-fund", EVERYTHING],
        cwd=tmp_path,
        check=True,
        timeout=300,
    )
    server = MCPServer(
        command=str(tmp_path / "node_modules/.bin/mcp-server-everything"), args=["stdio"]
    )
    texts, blocks = outputs(
        server,
        ("echo", {"message": "hello"}),
        ("get-sum", {"a": 2, "b": 3}),
        ("get-tiny-image", {}),
    )
    assert "hello" in texts[0]
    assert "5" in texts[1]
    assert blocks == ["ImageBlock"]
