"""The session with one server: opened at the first request, and again when it has ended.

One task holds a session open, from its first step to its last, because the SDK's scopes belong to
the task that has entered them. Requests are made by other tasks.
"""

from __future__ import annotations

import asyncio
import builtins
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx2
from mcp import Client, MCPError
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp_types import CONNECTION_CLOSED, INVALID_REQUEST, ListRootsResult, Root

from .faults import Fault
from .http import NOT_MADE, TEMPORARY, HttpEndpoint
from .stdio import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..parameters import Parameters

T = TypeVar("T")

_UNKNOWN: Final = "Whether the call has had its effect is not known, so it was not made again."

SHARED_FAILURE_SECONDS: Final = 1.0
"""So long a failed start is the answer of further requests, too."""
_MODES: Final = {"": "auto", "2025-11-25": "legacy", "2026-07-28": "2026-07-28"}
_STATUS: Final = "Server returned an error response"
"""What the SDK makes of a status that is an error."""
_OVER: Final = "Session terminated"
"""What it makes of a session that the server does not know any more: the request was not made."""
_GROUP: Final[type[BaseException] | None] = getattr(builtins, "BaseExceptionGroup", None)

warnings.simplefilter("ignore", MCPDeprecationWarning)


class Session:
    """The session with one server; see the module's text.

    Attributes:
        elicit: called when a server of protocol 2025-11-25 asks for input.
        changed: called when the server says that its list of tools is another one.
        opened: how many sessions there have been.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self.elicit: Callable[[Any], Awaitable[Any]] | None = None
        self.changed: Callable[[], None] = lambda: None
        self.opened = 0
        self._ready: asyncio.Future[Client] | None = None
        self._holder: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._transport: ServerProcess | HttpEndpoint | None = None

    async def client(self) -> Client:
        """The client, connected.

        Raises:
            Fault: the server does not start, or cannot be reached.
        """
        if self._ready is None:
            self._ready = asyncio.get_running_loop().create_future()
            self._ready.add_done_callback(_retrieve)
            self._stop = asyncio.Event()
            self._holder = asyncio.create_task(self._hold(self._ready, self._stop))
        return await asyncio.shield(self._ready)

    async def request(
        self,
        make: Callable[[Client], Awaitable[T]],
        *,
        repeatable: bool = True,
        seconds: float | None = None,
    ) -> T:
        """Make a request, twice if the server ends meanwhile and it may be repeated.

        Args:
            make: makes the request.
            repeatable: whether it may be made twice.
            seconds: the longest to wait for its answer; None: any time.

        Raises:
            Fault: it has failed.
        """
        for is_last in (False, True):
            client, transport = await self.client(), self._transport
            lost: Exception
            try:
                return await asyncio.wait_for(make(client), seconds)
            except asyncio.TimeoutError:
                raise self.late(seconds or 0, repeatable=repeatable) from None
            except MCPError as error:
                if error.message == _STATUS and isinstance(transport, HttpEndpoint):
                    raise self._status(transport.status, repeatable=repeatable) from error
                is_over = error.code == INVALID_REQUEST and error.message == _OVER
                if not is_over and error.code != CONNECTION_CLOSED:
                    raise self._refused(error) from error
                lost, again = error, is_over or repeatable
            except (httpx2.HTTPError, OSError) as error:
                lost, again = error, repeatable
            except RuntimeError as error:  # the SDK: the result is not what the tool's schema says
                raise Fault("error", f"{self._named} has answered badly: {error}") from error
            how = await self._how_it_ended(transport, lost)
            self._drop(client)
            if not again or is_last:
                raise self._interrupted(how, repeatable=repeatable) from lost
        raise AssertionError

    @property
    def _named(self) -> str:
        return f"The MCP server {self.parameters.name!r}"

    async def close(self) -> None:
        """End the session and the server, if it is a process."""
        self._stop.set()
        holder, self._ready = self._holder, None
        if holder is not None:
            with suppress(BaseException):
                await asyncio.wait_for(asyncio.shield(holder), 8)
            holder.cancel()

    def _drop(self, client: Client) -> None:
        """Have the next request open another session, if this client is still the present one."""
        ready = self._ready
        if (
            ready is not None
            and ready.done()
            and not ready.exception()
            and ready.result() is client
        ):
            self._ready = None
            self._stop.set()

    # -- the task that holds it open

    async def _hold(self, ready: asyncio.Future[Client], stop: asyncio.Event) -> None:
        given = self.parameters
        transport = ServerProcess(given) if given.command else HttpEndpoint(given)
        self._transport = transport
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None  # noqa: S101 (this is one)
        timer = loop.call_later(given.timeout, task.cancel)
        try:
            async with Client(
                transport.connect(),
                mode=_MODES[given.protocol],
                elicitation_callback=self._elicit,
                list_roots_callback=self._list_roots if given.roots else None,
                message_handler=self._notice,
                cache=None,
            ) as client:
                timer.cancel()
                self.opened += 1
                self.changed()
                ready.set_result(client)
                waits = [asyncio.ensure_future(stop.wait())]
                if isinstance(transport, ServerProcess):
                    waits.append(asyncio.ensure_future(transport.ended.wait()))
                try:
                    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for each in waits:
                        each.cancel()
                    if self._ready is ready:
                        self._ready = None
        except BaseException as error:  # noqa: BLE001 (it is the answer of those who wait)
            timer.cancel()
            if ready.done():
                return
            ready.set_exception(await self._not_started(transport, error))
            loop.call_later(SHARED_FAILURE_SECONDS, self._forget, ready)

    def _forget(self, ready: asyncio.Future[Client]) -> None:
        if self._ready is ready:
            self._ready = None

    async def _elicit(self, context: Any, params: Any) -> Any:  # noqa: ARG002 (the SDK's names)
        assert self.elicit is not None  # noqa: S101 (set by its owner)
        return await self.elicit(params)

    async def _list_roots(self, context: Any) -> ListRootsResult:  # noqa: ARG002 (as above)
        return ListRootsResult(roots=[Root(uri=each) for each in self.parameters.roots])  # type: ignore[arg-type]

    async def _notice(self, message: Any) -> None:
        if getattr(message, "method", "") == "notifications/tools/list_changed":
            self.changed()

    # -- what went wrong

    async def _not_started(
        self, transport: ServerProcess | HttpEndpoint, error: BaseException
    ) -> Fault:
        given, cause = self.parameters, _innermost(error)
        if isinstance(transport, HttpEndpoint):
            if transport.status:
                return self._status(transport.status)
            if isinstance(cause, asyncio.CancelledError):
                what = f"has not answered within {given.timeout:g} seconds"
            else:
                what = f"cannot be reached: {_text(cause)}"
            return Fault("unavailable", f"{self._named} at {given.shown()} {what}.")
        hint = "Try the command in a shell, and check command, args, env and cwd of the server."
        if isinstance(cause, OSError) and not transport.was_started:
            return Fault("start", f"{self._named} does not start: {cause}.", hint=hint)
        if isinstance(cause, asyncio.CancelledError):
            seconds = f"it has not answered within {given.timeout:g} seconds"
            why = f"{seconds}{transport.shown_lines()}"
        elif isinstance(cause, MCPError) and cause.code != CONNECTION_CLOSED:
            why = f"it refuses the connection: {cause.message}"
        elif transport.ended.is_set():
            why = await transport.end()
        else:
            why = _text(cause)
        return Fault("start", f"{self._named} ({given.shown()}) does not start: {why}", hint=hint)

    async def _how_it_ended(
        self, transport: ServerProcess | HttpEndpoint | None, error: BaseException
    ) -> str:
        if isinstance(transport, ServerProcess) and transport.ended.is_set():
            return await transport.end()
        return _text(_innermost(error))

    def _interrupted(self, how: str, *, repeatable: bool) -> Fault:
        if repeatable:
            return Fault("unavailable", f"{self._named} has ended during a call, twice: {how}")
        return Fault(
            "interrupted",
            f"{self._named} has ended during a call: {how}",
            hint=_UNKNOWN,
        )

    def late(self, seconds: float, *, repeatable: bool) -> Fault:
        """The answer of a request that has taken too long."""
        text = f"{self._named} has not answered within {seconds:g} seconds."
        if repeatable:
            return Fault("unavailable", text)
        return Fault("interrupted", text, hint=f"{_UNKNOWN} The limit is sse_read_timeout.")

    def _refused(self, error: MCPError) -> Fault:
        return Fault("error", f"{self._named}: {error.message}", code=error.code, data=error.data)

    def _status(self, status: int, *, repeatable: bool = True) -> Fault:
        text = f"{self._named} at {self.parameters.shown()} answers with status {status}."
        if status in NOT_MADE or (status in TEMPORARY and repeatable):
            return Fault("unavailable", text)
        if status in TEMPORARY:
            return Fault("interrupted", text, hint=_UNKNOWN)
        hint = "Check headers and auth of the server." if status in (401, 403) else ""
        return Fault("error", text, hint=hint or "Check the endpoint.")


def _retrieve(future: asyncio.Future[Any]) -> None:
    """Have no failure logged as never looked at."""
    if not future.cancelled():
        future.exception()


def _innermost(error: BaseException) -> BaseException:
    while _GROUP is not None and isinstance(error, _GROUP):
        error = error.exceptions[0]  # type: ignore[attr-defined]
    return error


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
