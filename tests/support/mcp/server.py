"""A server of tools, prompts and resources for tests, on the SDK: stdio, or HTTP at a port.

    python server.py LOG [--http PORT] [--slow SECONDS] [--bad]

Each call of a tool is a line in LOG, and so is each start: "start PID".
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any

from mcp_types import ToolAnnotations
from pydantic import BaseModel

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.resolve import Elicit, Resolve

server = MCPServer("for-tests")
settings = argparse.Namespace(log=Path(os.devnull))


def record(text: str) -> None:
    with settings.log.open("a") as file:
        file.write(text + "\n")


class Consent(BaseModel):
    consent: bool
    note: str = ""


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def add(a: int, b: int) -> int:
    """Add two numbers."""
    record(f"add {a} {b}")
    return a + b


@server.tool()
def buy(item: str) -> str:
    """Buy something."""
    record(f"buy {item}")
    return f"bought {item}"


@server.tool()
def fail(why: str) -> str:
    """Fail."""
    raise ValueError(why)


@server.tool()
def die(after: float = 0.0) -> str:
    """End the server, without an answer."""
    record("die")
    sys.stderr.write("the last words of the server\n")
    sys.stderr.flush()
    time.sleep(after)
    os._exit(7)


@server.tool(annotations=ToolAnnotations(idempotent_hint=True))
def die_once(mark: str) -> str:
    """End the server at the first call, and answer the next."""
    record("die_once")
    path = Path(mark)
    if not path.exists():
        path.touch()
        os._exit(7)
    return "alive"


@server.tool()
def kill_caller(mark: str) -> str:
    """Kill the worker that has started the keeper at the first call, and answer the next."""
    record("kill_caller")
    return _kill_caller(Path(mark))


@server.tool(annotations=ToolAnnotations(idempotent_hint=True))
def kill_caller_safely(mark: str) -> str:
    """As `kill_caller`, and may be called twice."""
    record("kill_caller")
    return _kill_caller(Path(mark))


def _kill_caller(mark: Path) -> str:
    if mark.exists():
        return "alive"
    mark.touch()
    status = Path(f"/proc/{os.getppid()}/stat").read_text()
    os.kill(int(status.rpartition(")")[2].split()[1]), signal.SIGKILL)
    time.sleep(5)
    return "too late"


@server.tool()
async def wait(seconds: float) -> str:
    """Wait."""
    record(f"wait {seconds}")
    await asyncio.sleep(seconds)
    return "waited"


@server.tool()
def huge(size: int) -> str:
    """Answer with a long text."""
    return "x" * size


@server.tool()
def environment() -> list[str]:
    """The names of the variables of the server's environment."""
    return sorted(os.environ)


@server.tool()
def picture() -> Any:
    """A picture and a text."""
    from mcp.server.mcpserver import Image

    return ["a picture", Image(data=b"png", format="png")]


@server.tool()
async def more(ctx: Context[Any]) -> str:
    """Add a tool to the list."""

    def added() -> str:
        """Was added."""
        return "added"

    server.add_tool(added)
    await ctx.request_context.session.send_tool_list_changed()
    return "more"


@server.tool()
async def change(ctx: Context[Any]) -> str:
    """Change what `buy` says of itself."""
    server.remove_tool("buy")

    def buy(item: str, price: float) -> str:
        """Buy something for a price."""
        record(f"changed buy {item} {price}")
        return "bought"

    server.add_tool(buy)
    await ctx.request_context.session.send_tool_list_changed()
    return "changed"


async def consent_to(item: str) -> Elicit[Consent]:
    return Elicit(f"Order {item}?", Consent)


@server.tool()
async def order(item: str, consent: Annotated[Consent, Resolve(consent_to)]) -> str:
    """Order something, if somebody consents."""
    record(f"order {item} {consent.consent} {consent.note}")
    return f"ordered {item}: {consent.consent} {consent.note}"


@server.tool()
async def ask(item: str, ctx: Context[Any]) -> str:
    """Ask in the middle of the call (protocol 2025-11-25 only)."""
    record(f"ask {item}")
    answer = await ctx.elicit(f"Take {item}?", Consent)
    record(f"answered {item} {answer.action}")
    if answer.action != "accept":
        return f"{item}: {answer.action}"
    return f"{item}: {answer.data.consent} {answer.data.note}"


@server.prompt()
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Say hello to {name}."


@server.resource("notes://today")
def today() -> str:
    """The notes of today."""
    return "rain"


@server.resource("notes://{day}")
def notes(day: str) -> str:
    """The notes of a day."""
    return f"sun on {day}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("log", type=Path)
    parser.add_argument("--http", type=int)
    parser.add_argument("--slow", type=float, default=0.0)
    parser.add_argument("--bad", action="store_true")
    given = parser.parse_args(namespace=settings)
    record(f"start {os.getpid()}")
    if given.bad:
        sys.stderr.write("there is no such database\nset DATABASE_URL\n")
        sys.exit(3)
    time.sleep(given.slow)
    if given.http:
        server.run("streamable-http", port=given.http)
    else:
        server.run("stdio")


if __name__ == "__main__":
    main()
