from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from support.mcp.log import SERVER, Log
from tamias import Configuration, MCPServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log")


@pytest.fixture
def serve(log: Log) -> Iterator[Callable[..., MCPServer]]:
    """Makes resources for the server for tests, and closes them."""
    made = []

    def make(*args: str, **settings: Any) -> MCPServer:
        given = {"command": sys.executable, "args": [SERVER, str(log.path), *args], **settings}
        server = MCPServer(**given)
        server.provided("tests", Configuration())
        made.append(server)
        return server

    yield make
    for server in made:
        server.close()
