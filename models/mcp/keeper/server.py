"""What one server offers: its lists, prompts and resources, as plain data."""

from __future__ import annotations

import asyncio
import json
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from .calls import ToolCalls
from .faults import Fault
from .session import Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp import Client

    from ..parameters import Parameters

PAGES: Final = 100
"""The longest list that is read: a server whose list has no end must not keep a call waiting."""
LIST_SECONDS: Final = 30.0
"""How long a list of tools is good, if the server does not say before that it has changed."""


class Server:
    """One server; its requests are plain data, and so are the answers.

    Attributes:
        calls: the calls of its tools.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._session = Session(parameters)
        self._session.changed = self._forget
        self._tools: list[dict[str, Any]] | None = None
        self._listed = 0.0
        self.calls = ToolCalls(self._session, self._current)

    def _forget(self) -> None:
        self._tools = None

    async def close(self) -> None:
        """End it."""
        self.calls.drop_all()
        await self._session.close()

    async def perform(self, request: dict[str, Any]) -> Any:
        """Answer a request.

        Raises:
            Fault: it has failed.
        """
        what = request["op"]
        if what == "tools":
            await self._session.client()
            return await self._list_tools()
        if what in ("call", "resume"):
            return await self.calls.perform(request)
        if what == "prompts":
            return await self._all(lambda client, cursor: client.list_prompts(cursor=cursor), what)
        if what == "resources":
            return await self._all(
                lambda client, cursor: client.list_resources(cursor=cursor), what
            )
        if what == "templates":
            return await self._all(
                lambda client, cursor: client.list_resource_templates(cursor=cursor),
                "resource_templates",
            )
        if what == "prompt":
            name, arguments = request["name"], request["arguments"]
            return await self._one(lambda client: client.get_prompt(name, arguments))
        if what == "read":
            uri = request["uri"]
            return await self._one(lambda client: client.read_resource(uri))
        raise Fault("error", f"The keeper of MCP servers knows no {what!r}.")

    async def _one(self, make: Callable[[Client], Awaitable[Any]]) -> dict[str, Any]:
        result = await self._session.request(make, seconds=self._parameters.answer_timeout)
        return _plain(result)

    async def _all(
        self, make: Callable[[Client, str | None], Awaitable[Any]], field: str
    ) -> list[dict[str, Any]]:
        """A list, all pages of it; empty if the server has nothing of the kind."""
        kind = "resources" if field == "resource_templates" else field

        async def read(client: Client) -> list[dict[str, Any]]:
            if getattr(client.server_capabilities, kind) is None:
                return []
            found: list[dict[str, Any]] = []
            cursor: str | None = None
            for _ in range(PAGES):
                page = await make(client, cursor)
                found += [_plain(each) for each in getattr(page, field)]
                cursor = page.next_cursor
                if cursor is None:
                    break
            return found

        return await self._session.request(read, seconds=self._parameters.timeout)

    # -- tools

    async def _list_tools(self, *, anew: bool = False) -> list[dict[str, Any]]:
        now = asyncio.get_running_loop().time()
        if self._tools is None or anew or now - self._listed > LIST_SECONDS:
            listed = await self._all(
                lambda client, cursor: client.list_tools(cursor=cursor), "tools"
            )
            self._tools, self._listed = [_described(each) for each in listed], now
        return self._tools

    async def _current(self, name: str) -> dict[str, Any] | None:
        """The tool of that name as it is now; None if there is none."""
        await self._session.client()
        for anew in (False, True):
            for each in await self._list_tools(anew=anew):
                if each["name"] == name:
                    return each
        return None


def _described(tool: dict[str, Any]) -> dict[str, Any]:
    """A tool as workers get it, with a digest of what a model is told of it."""
    notes = tool.get("annotations") or {}
    described = {
        "name": tool["name"],
        "description": tool.get("description") or tool.get("title") or notes.get("title") or "",
        "parameters": tool["inputSchema"],
        "reads": bool(notes.get("readOnlyHint")),
        "idempotent": bool(notes.get("readOnlyHint") or notes.get("idempotentHint")),
    }
    text = json.dumps([described["name"], described["description"], described["parameters"]])
    return {**described, "digest": blake2b(text.encode(), digest_size=8).hexdigest()}


def _plain(value: Any) -> dict[str, Any]:
    plain: dict[str, Any] = value.model_dump(mode="json", by_alias=True, exclude_none=True)
    return plain
