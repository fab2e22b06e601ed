"""The calls of one server's tools, and the questions that a server asks in the middle of them.

With protocol 2026-07-28 a question is the result of the call, with a state that belongs to the
server; the call is made again with the answer and that state, by any client, at any time.

With protocol 2025-11-25 a question is a request of the server, while the call goes on. The call is
held then: the worker gets the question, and names the held call when it comes with the answer. If
the call is lost meanwhile (the server or the keeper has ended), it is made again from the
beginning, and the questions are answered with the answers that there are already.

Such a question does not say which call it belongs to. If several calls go on, it waits until those
that do not ask have ended. If several ask at once, it cannot be known which asks what: they are
cancelled, and from then on the calls of this server are made one at a time, these first.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from mcp_types import (
    INVALID_PARAMS,
    CallToolResult,
    CreateMessageRequest,
    ElicitRequest,
    ElicitResult,
    InputRequiredResult,
    ListRootsRequest,
)

from .faults import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from mcp import Client

    from .session import Session

HELD: Final = 256
"""The most calls that are held; the oldest is dropped then, and made again when it is answered."""
ROUNDS: Final = 20
"""The most results in a row that are a state without a question."""
DECLINE_SECONDS: Final = 0.5
URL_REQUIRED: Final = -32042
_DECLINED: Final = ElicitResult(action="cancel")


class _UnclearError(Fault):
    """It cannot be known which of several calls asks what."""


class _Call:
    """A call that goes on: its task, and the question it waits for, if it does."""

    def __init__(self, answers: list[list[Any]]) -> None:
        self.answers = list(answers)
        self.task: asyncio.Task[Any] | None = None
        self.asked: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.reply: asyncio.Future[ElicitResult] | None = None
        self.is_late = False
        self.fault: Fault | None = None
        self.timer: asyncio.TimerHandle | None = None

    @property
    def is_held(self) -> bool:
        """Whether it waits for an answer."""
        return self.reply is not None and not self.reply.done()

    def limit(self, seconds: float) -> None:
        """Cancel it after so many seconds."""
        self.timer = asyncio.get_running_loop().call_later(seconds, self._expire)

    def pause(self) -> None:
        """Let it take any time."""
        if self.timer is not None:
            self.timer.cancel()

    def fail(self, fault: Fault) -> None:
        """Cancel it, with this answer."""
        self.fault = fault
        if self.task is not None:
            self.task.cancel()

    def _expire(self) -> None:
        self.is_late = True
        if self.task is not None:
            self.task.cancel()

    def known_answer(self, question: dict[str, Any]) -> ElicitResult | None:
        """The answer that was given to this question before, if it was."""
        for index, (asked, answer) in enumerate(self.answers):
            if asked == question:
                del self.answers[index]
                return ElicitResult.model_validate(answer)
        return None


class ToolCalls:
    """The calls of one server's tools; see the module's text."""

    def __init__(
        self, session: Session, current: Callable[[str], Awaitable[dict[str, Any] | None]]
    ) -> None:
        """`current` finds a tool as it is now."""
        self._session = session
        self._current = current
        self._seconds = session.parameters.answer_timeout
        session.elicit = self._elicit
        self._going: list[_Call] = []
        self._held: dict[str, _Call] = {}
        self._asking: list[tuple[dict[str, Any], asyncio.Future[ElicitResult]]] = []
        self._one_at_a_time = False
        self._lock = asyncio.Lock()

    async def perform(self, request: dict[str, Any]) -> dict[str, Any]:
        """Call a tool, or go on with a call that has asked; return its result or its question.

        Raises:
            Fault: it has failed.
        """
        try:
            return await self._perform(request)
        except _UnclearError:
            return await self._perform(request)

    async def _perform(self, request: dict[str, Any]) -> dict[str, Any]:
        async with self._turn():
            call = self._held.pop(request.get("live", ""), None)
            if call is not None and call.task is not None and not call.task.done():
                self._answer(call, ElicitResult.model_validate(request["answers"][-1][1]))
            else:
                await self._check(request["tool"], request["digest"])
                call = _Call(request.get("answers", []))
                call.task = asyncio.create_task(self._send(request))
                self._going.append(call)
                call.task.add_done_callback(partial(self._ended, call))
            call.limit(self._seconds)
            return await self._result(call, request)

    def drop_all(self) -> None:
        """Cancel all calls."""
        for call in self._going:
            if call.task is not None:
                call.task.cancel()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if not self._one_at_a_time:
            yield
            return
        async with self._lock:
            yield

    async def _check(self, name: str, digest: str | None) -> None:
        """Make sure that the tool is what the run has listed."""
        if digest is None:
            return
        tool, server = await self._current(name), self._session.parameters.name
        if tool is None:
            raise Fault("changed", f"The MCP server {server!r} has no tool {name!r} any more.")
        if tool["digest"] != digest:
            raise Fault(
                "changed",
                f"The tool {name!r} of the MCP server {server!r} has changed since it was listed:"
                " it was not called.",
                hint="A new run lists it anew.",
            )

    async def _send(self, request: dict[str, Any]) -> Any:
        """Call the tool, until it has a result or a question."""
        responses, state = request.get("responses"), request.get("state")
        known: Any = None

        async def make(client: Client) -> Any:
            return await client.session.call_tool(
                request["tool"],
                request["arguments"],
                input_responses=responses,
                request_state=state,
                allow_input_required=True,
            )

        for attempt in range(ROUNDS):
            try:
                result = await self._session.request(make, repeatable=request["repeatable"])
            except Fault as fault:
                if (
                    state is None
                    or fault.code != INVALID_PARAMS
                    or "state" not in fault.message.lower()
                ):
                    raise
                # The server has been started anew, and does not know its own state any more.
                known, responses, state = responses, None, None
                continue
            if known is not None and isinstance(result, InputRequiredResult):
                if self._required(result)["asks"] != request["questions"]:
                    return result
                responses, known, state = known, None, result.request_state
                continue
            if not isinstance(result, InputRequiredResult) or result.input_requests:
                return result
            responses, state = None, result.request_state
            await asyncio.sleep(min(0.05 * 2**attempt, 1.0))
        raise Fault(
            "error", f"The tool {request['tool']!r} has asked for nothing, again and again."
        )

    async def _result(self, call: _Call, request: dict[str, Any]) -> dict[str, Any]:
        task = call.task
        assert task is not None  # noqa: S101 (it was begun)
        try:
            await asyncio.wait({task, call.asked}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                return self._hold(call)
            result = task.result()
        except asyncio.CancelledError:
            task.cancel()
            if call.fault is not None:
                raise call.fault from None
            if call.is_late:
                repeatable = request["repeatable"]
                raise self._session.late(self._seconds, repeatable=repeatable) from None
            raise
        except Fault as fault:
            if fault.code == URL_REQUIRED and fault.data:
                return {"ask": fault.data.get("elicitations", []), "again": True}
            raise
        finally:
            call.pause()
        if isinstance(result, CallToolResult):
            return {"result": result.model_dump(mode="json", by_alias=True, exclude_none=True)}
        return self._required(result)

    def _required(self, result: InputRequiredResult) -> dict[str, Any]:
        """The questions of a result that needs input (protocol 2026-07-28)."""
        asks: dict[str, Any] = {}
        responses: dict[str, Any] = {}
        for key, each in (result.input_requests or {}).items():
            if isinstance(each, ElicitRequest):
                asks[key] = _question(each.params)
            elif isinstance(each, ListRootsRequest):
                roots = [{"uri": uri} for uri in self._session.parameters.roots]
                responses[key] = {"roots": roots}
            elif isinstance(each, CreateMessageRequest):
                raise Fault(
                    "error",
                    f"The MCP server {self._session.parameters.name!r} asks for an answer of a"
                    " model (sampling), which is not offered to servers.",
                )
        return {"asks": asks, "responses": responses, "state": result.request_state}

    # -- questions in the middle of a call (protocol 2025-11-25)

    async def _elicit(self, parameters: Any) -> ElicitResult:
        question = _question(parameters)
        reply: asyncio.Future[ElicitResult] = asyncio.get_running_loop().create_future()
        asking = (question, reply)
        self._asking.append(asking)
        self._attribute()
        try:
            return await reply
        finally:
            with suppress(ValueError):
                self._asking.remove(asking)

    def _attribute(self) -> None:
        """Find the call that each question belongs to, as far as that can be known."""
        free = [call for call in self._going if not call.is_held]
        if len(free) == 1:
            while self._asking and not free[0].is_held:
                self._put(free[0], *self._asking.pop(0))
        elif free and len(free) > len(self._asking):
            return
        elif free or not self._going:
            for call in free:
                self._one_at_a_time = True
                call.fail(self._unclear(len(free)))
            unclear, self._asking = self._asking, []
            for _, reply in unclear:
                # The calls are cancelled before: this is for servers that do not notice.
                asyncio.get_running_loop().call_later(DECLINE_SECONDS, _decline, reply)

    def _put(
        self, call: _Call, question: dict[str, Any], reply: asyncio.Future[ElicitResult]
    ) -> None:
        if reply.done():
            return
        known = call.known_answer(question)
        if known is not None:
            reply.set_result(known)
            return
        call.reply = reply
        call.asked.set_result(question)

    def _unclear(self, count: int) -> Fault:
        return _UnclearError(
            "unavailable",
            f"The MCP server {self._session.parameters.name!r} asks for input in {count} calls at"
            " once, and does not say which of them asks what (protocol 2025-11-25).",
            hint="From now on its tools are called one at a time.",
        )

    def _hold(self, call: _Call) -> dict[str, Any]:
        if len(self._held) >= HELD:
            oldest = self._held.pop(next(iter(self._held)))
            if oldest.task is not None:
                oldest.task.cancel()
        live = uuid4().hex
        self._held[live] = call
        return {"ask": [call.asked.result()], "live": live}

    def _answer(self, call: _Call, answer: ElicitResult) -> None:
        call.asked = asyncio.get_running_loop().create_future()
        if call.reply is not None and not call.reply.done():
            call.reply.set_result(answer)
        self._attribute()

    def _ended(self, call: _Call, _: object) -> None:
        self._going.remove(call)
        if call.task is not None and not call.task.cancelled():
            call.task.exception()  # one that is not waited for is not logged
        self._attribute()


def _decline(reply: asyncio.Future[ElicitResult]) -> None:
    if not reply.done():
        reply.set_result(_DECLINED)


def _question(parameters: Any) -> dict[str, Any]:
    """A question as plain data: ``message``, and ``schema`` or ``url``."""
    given = parameters.model_dump(mode="json", by_alias=True, exclude_none=True)
    kept = {"message": given["message"], "mode": given.get("mode", "form")}
    if "requestedSchema" in given:
        kept["schema"] = given["requestedSchema"]
    if "url" in given:
        kept["url"] = given["url"]
    return kept
