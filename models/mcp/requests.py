"""Requests to a server, made through the keeper, and the errors that they end in."""

from __future__ import annotations

import asyncio
import concurrent.futures
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import UnserializableError
from ...agent.failures.error_text import one_line
from ...agent.resources.mcp_server import (
    MCPInterruptedError,
    MCPServerError,
    MCPToolChangedError,
    MCPUnavailableError,
)
from .connection import ConnectionLostError
from .starting import connection

if TYPE_CHECKING:
    from .parameters import Parameters

ATTEMPTS: Final = 3
"""So often a request is made that may be repeated, if the keeper ends meanwhile."""
MARGIN_SECONDS: Final = 15.0
"""The keeper answers in the server's time limits; it is given up so much later."""

_KINDS: Final[dict[str, type[MCPServerError]]] = {
    "error": MCPServerError,
    "start": MCPServerError,
    "unavailable": MCPUnavailableError,
    "interrupted": MCPInterruptedError,
    "changed": MCPToolChangedError,
}


class Requests:
    """The requests to one server; blocking and awaitable."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._limit = parameters.timeout + parameters.answer_timeout + MARGIN_SECONDS

    def make(self, op: str, *, repeatable: bool = True, **arguments: Any) -> Any:
        """Make a request, and wait for its answer.

        Raises:
            MCPServerError: it has failed.
        """
        message = self._message(op, repeatable=repeatable, **arguments)
        for attempt in range(1, ATTEMPTS + 1):
            keeper = connection(self._parameters.name)
            try:
                number, future = keeper.send(message)
            except ConnectionLostError:
                continue
            except (TypeError, ValueError) as error:
                raise self._unsendable(error) from error
            try:
                return self._result(future.result(self._limit))
            except concurrent.futures.TimeoutError:
                keeper.cancel(number)
                raise self._hung(repeatable=repeatable) from None
            except ConnectionLostError as error:
                if not repeatable or attempt == ATTEMPTS:
                    raise self._lost(repeatable=repeatable) from error
        raise self._lost(repeatable=True)

    async def amake(self, op: str, *, repeatable: bool = True, **arguments: Any) -> Any:
        """The awaitable form of `make`. A cancelled request is cancelled in the server, too."""
        message = self._message(op, repeatable=repeatable, **arguments)
        for attempt in range(1, ATTEMPTS + 1):
            keeper = await asyncio.to_thread(connection, self._parameters.name)
            try:
                number, future = keeper.send(message)
            except ConnectionLostError:
                continue
            except (TypeError, ValueError) as error:
                raise self._unsendable(error) from error
            try:
                return self._result(
                    await asyncio.wait_for(asyncio.wrap_future(future), self._limit)
                )
            except asyncio.TimeoutError:
                keeper.cancel(number)
                raise self._hung(repeatable=repeatable) from None
            except asyncio.CancelledError:
                keeper.cancel(number)
                raise
            except ConnectionLostError as error:
                if not repeatable or attempt == ATTEMPTS:
                    raise self._lost(repeatable=repeatable) from error
        raise self._lost(repeatable=True)

    def _message(self, op: str, **arguments: Any) -> dict[str, Any]:
        return {"op": op, "server": self._parameters.to_json(), **arguments}

    def _result(self, answer: dict[str, Any]) -> Any:
        fault = answer.get("fault")
        if fault is None:
            return answer["result"]
        raise _KINDS[fault["kind"]](
            fault["message"],
            hint=fault["hint"],
            server=self._parameters.name,
            code=fault["code"],
        )

    def _unsendable(self, error: Exception) -> UnserializableError:
        return UnserializableError(
            f"A request to the MCP server {self._parameters.name!r} cannot be sent as JSON:"
            f" {one_line(error)}"
        )

    def _lost(self, *, repeatable: bool) -> MCPServerError:
        name = self._parameters.name
        if repeatable:
            text = (
                f"The keeper of the MCP server {name!r} has ended during a call, again and again."
            )
            return MCPUnavailableError(text, server=name)
        return MCPInterruptedError(
            f"The keeper of the MCP server {name!r} has ended during a call.",
            hint="Whether the call has had its effect is not known, so it was not made again.",
            server=name,
        )

    def _hung(self, *, repeatable: bool) -> MCPServerError:
        name = self._parameters.name
        text = f"The keeper of the MCP server {name!r} does not answer."
        kind = MCPUnavailableError if repeatable else MCPInterruptedError
        return kind(text, hint="Look into the pool's log for its messages.", server=name)
