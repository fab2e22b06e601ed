"""The transport to a server at an address: streamable HTTP."""

from __future__ import annotations

import base64
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import cloudpickle
import httpx2
from mcp.client.streamable_http import streamable_http_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..parameters import Parameters

TEMPORARY: Final = frozenset({408, 429, 500, 502, 503, 504, 529})
"""Statuses after which another attempt may succeed."""


NOT_MADE: Final = frozenset({429, 503})
"""Those that say that the request was not begun."""


class HttpEndpoint:
    """A server's address, and the last status of it that was an error.

    Attributes:
        status: that status; 0 if the last answer was none.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self.status = 0

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[tuple[Any, Any]]:
        """Yield the streams of messages from it and to it."""
        given = self._parameters
        timeout = httpx2.Timeout(given.timeout, read=given.answer_timeout)
        async with (
            httpx2.AsyncClient(
                headers={**given.headers, **_authorization(given.auth)},
                auth=_flow(given.auth),
                timeout=timeout,
                event_hooks={"response": [self._notice]},
            ) as client,
            streamable_http_client(given.endpoint, http_client=client) as (received, sent),
        ):
            yield received, sent

    async def _notice(self, response: httpx2.Response) -> None:
        # A 405 is the answer of servers that send nothing unasked.
        if response.request.method == "POST":
            self.status = response.status_code if response.status_code >= 400 else 0


def _authorization(auth: dict[str, str]) -> dict[str, str]:
    kind = auth.get("type")
    if kind == "bearer":
        return {"Authorization": f"Bearer {auth['token']}"}
    if kind == "basic":
        pair = f"{auth['username']}:{auth['password']}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    if kind == "api-key":
        return {auth.get("header", "X-API-Key"): auth["key"]}
    return {}


def _flow(auth: dict[str, str]) -> Any:
    """An object that signs requests, as OAuth needs it, which has come with the parameters."""
    if auth.get("type") != "object":
        return None
    return cloudpickle.loads(base64.b64decode(auth["pickle"]))
