"""One call of a tool that a model has asked for: its steps, each of them durable."""

from __future__ import annotations

import asyncio
import inspect
import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..errors import TamiasError, WaitTimeoutError
from ..failures.error_text import is_of
from ..limits.limited_call import LimitedCall, Route
from ..tracing.executions import TOOL
from ..waiting.temporary import Kind, kind_of
from ..waiting.time_limit import in_time
from .approval import MOST_QUESTIONS, ask_of, decision_of, question_name, shown_answer
from .arguments import ToolArgumentsError, arguments_of
from .metadata import InputRequired, ToolResponse
from .results import ToolResult, bounded, error_text, recordable, result_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ..context import RunnerContext
    from .tool import Tool

__all__ = ["CallPolicy", "OneCall"]

# What a step records: the kind, and what belongs to it.
_OK: Final = "ok"
_ERROR: Final = "error"
_AGAIN: Final = "again"
_ASK: Final = "ask"
_CALL: Final = "call"
_INPUT: Final = "input"

_LONGEST_SHOWN: Final = 80


class CallPolicy(NamedTuple):
    """How all calls of a turn are made."""

    fails: bool
    """Whether an exception of a tool fails the run."""
    timeout: float | None
    approval_timeout: float | None
    longest_result: int


def tool_call() -> None:
    """By whose name the steps are recognised in a replay."""


class _Step(LimitedCall):
    """One durable step; only what is in `arguments` identifies it."""

    function = staticmethod(tool_call)

    def __init__(
        self, arguments: tuple[Any, ...], work: Callable[[], Awaitable[Any]], limit: str
    ) -> None:
        self.arguments = arguments
        self.routes = (Route(limit),)
        self._work = work

    def entity_name(self) -> str:
        """Which step it is."""
        return str(self.arguments[0])

    async def attempt(self, route: int) -> Any:  # noqa: ARG002 (there is one)
        """Do the work."""
        return await self._work()

    def attempt_now(self, route: int) -> Any:  # noqa: ARG002 (there is one)
        """Do the work; blocks."""
        return asyncio.run(self._work())  # type: ignore[arg-type]


class OneCall:
    """One call of a tool."""

    def __init__(
        self,
        ctx: RunnerContext,
        call_id: str,
        tool_call: Mapping[str, Any],
        find: Callable[[str], Tool | None],
        policy: CallPolicy,
    ) -> None:
        self._ctx = ctx
        self._id = call_id
        self._policy = policy
        function = tool_call.get("function")
        given = function if isinstance(function, dict) else tool_call
        self._name = str(given.get("name") or "")
        original = tool_call.get("original_id")
        self._external_id = None if original is None else str(original)
        self._tool = find(self._name) if self._name else None
        self._error = ""
        self._arguments: dict[str, Any] = {}
        if self._tool is None:
            self._error = f"There is no tool `{self._name[:_LONGEST_SHOWN]}`."
        else:
            try:
                self._arguments = arguments_of(tool_call)
            except ToolArgumentsError as error:
                self._error = self._wrong_arguments(error)
        self._text = _text_of(given.get("malformed", given.get("arguments")))

    async def result(self) -> ToolResult:
        """Make the call, and return what has come of it."""
        metadata = {"toolCallId": self._id}
        if self._external_id is not None:
            metadata["externalId"] = self._external_id
        if self._tool is not None:
            metadata["toolType"] = self._tool.tool_type().value
        with self._ctx.execution(TOOL, self._name, metadata) as execution:
            result = await self._result()
            execution.error = result.error
        return result

    async def _result(self) -> ToolResult:
        tool = self._tool
        if tool is None or not tool.approval:
            outcome = await self._call(self._arguments, None, 0)
        else:
            outcome = await self._approved_call(tool)
        if outcome[0] == _OK:
            content, blocks = result_of(outcome[1])
            error = None
        else:
            content, blocks = outcome[1], []
            error = content
        return ToolResult(
            id=self._id,
            name=self._name,
            content=bounded(content, self._policy.longest_result),
            value=outcome[1] if error is None else None,
            error=error,
            blocks=blocks,
            external_id=self._external_id,
        )

    # -------------------------------------------------------------- approval

    async def _approved_call(self, tool: Tool) -> tuple[Any, ...]:
        """Have the call approved, and make it."""
        request = await self._request(tool)
        if request[0] == _ERROR:
            return request
        if request[0] == _CALL:
            return await self._call(self._arguments, None, 0)
        digest: str = request[1]
        timeout = tool.call_settings.approval_timeout or self._policy.approval_timeout
        reason = ""
        for number in range(MOST_QUESTIONS):
            ask = ask_of(tool, self._id, self._arguments, digest, reason)
            try:
                answer = await self._ctx.wait_for(
                    question_name(self._name), timeout, ask, id=f"{self._id}/{number}"
                )
            except WaitTimeoutError:
                return _ERROR, f"The call of `{self._name}` was not approved in time."
            decision = decision_of(answer)
            if decision is None:
                reason = (
                    f"The answer {shown_answer(answer)} is neither yes nor no: answer true, false,"
                    " or an object with 'approved', and perhaps 'reason' and 'arguments'."
                )
                continue
            if not decision.approved:
                why = f" Reason: {decision.reason}" if decision.reason else ""
                return _ERROR, f"The call of `{self._name}` was not approved.{why}"
            edited = decision.arguments
            outcome = await self._call(
                self._arguments if edited is None else edited,
                digest,
                number,
                is_edited=edited is not None,
            )
            if outcome[0] != _AGAIN:
                return outcome
            _, reason, digest = outcome
        return _ERROR, f"The call of `{self._name}` was not approved: {reason}"

    async def _request(self, tool: Tool) -> tuple[Any, ...]:
        """Decide whether the call needs an approval, and for which version of the tool."""
        outcome: tuple[Any, ...]
        if not self._error:
            try:
                tool.check_arguments(self._arguments)
            except ToolArgumentsError as error:
                self._error = self._wrong_arguments(error)
        if self._error:
            outcome = (_ERROR, self._error)
        else:
            needed: Any = tool.approval
            if callable(needed):
                needed = needed(dict(self._arguments), self._ctx)
                if inspect.isawaitable(needed):
                    needed = await needed
            outcome = (_ASK, tool.digest()) if needed else (_CALL,)

        async def decide() -> tuple[Any, ...]:
            return outcome

        return await self._durable("request", 0, decide)

    # -------------------------------------------------------------- the call

    async def _call(
        self,
        arguments: dict[str, Any],
        approved: str | None,
        number: int,
        *,
        is_edited: bool = False,
    ) -> tuple[Any, ...]:
        """Make the call.

        Args:
            arguments: as given, not checked.
            approved: the version of the tool that was approved; None without an approval.
            number: of the approval.
            is_edited: whether the arguments are not the model's.
        """
        tool = self._tool
        if tool is None or self._error:
            return await self._durable("call", number, partial(_failed, self._error))
        injected = tool.injected_arguments(self._ctx)

        async def call() -> tuple[Any, ...]:
            if approved is not None and tool.digest() != approved:
                return (
                    _AGAIN,
                    "The tool has changed since the call was approved.",
                    tool.digest(),
                )
            try:
                checked = tool.check_arguments(arguments)
            except ToolArgumentsError as error:
                if is_edited:
                    return _AGAIN, f"The arguments in the answer do not fit: {error}.", approved
                return _ERROR, self._wrong_arguments(error)
            if tool.runs_in_action:
                return _CALL, recordable(checked)
            return await self._attempt(partial(tool.acall, **checked, **injected))

        edit = (_text_of(arguments),) if is_edited else ()
        outcome = await self._durable("call", number, call, tool, edit)
        if outcome[0] == _CALL:
            return await self._run_in_action(tool, outcome[1])
        for asked in range(MOST_QUESTIONS):
            if outcome[0] != _INPUT:
                return outcome
            outcome = await self._resume(tool, arguments, injected, outcome, asked)
        return _ERROR, f"Tool `{self._name}` has asked for input too often."

    async def _resume(
        self,
        tool: Tool,
        arguments: dict[str, Any],
        injected: dict[str, Any],
        outcome: tuple[Any, ...],
        number: int,
    ) -> tuple[Any, ...]:
        """Get what the tool has asked for, and have it go on."""
        _, ask, state, name = outcome
        timeout = tool.call_settings.approval_timeout or self._policy.approval_timeout
        try:
            answer = await self._ctx.wait_for(
                name or f"input {self._name}", timeout, ask, id=f"{self._id}/input/{number}"
            )
        except WaitTimeoutError:
            return _ERROR, f"What tool `{self._name}` has asked for was not given in time."

        async def resume() -> tuple[Any, ...]:
            try:
                checked = tool.check_arguments(arguments)
            except ToolArgumentsError as error:
                return _ERROR, self._wrong_arguments(error)
            return await self._attempt(partial(tool.aresume, state, answer, **checked, **injected))

        given = (_text_of(arguments), _text_of(answer))
        return await self._durable("resume", number, resume, tool, given)

    async def _run_in_action(self, tool: Tool, arguments: dict[str, Any]) -> tuple[Any, ...]:
        """Have a tool do its work in the action, with durable calls of its own."""
        try:
            return _outcome(await tool.run(self._ctx, self._id, arguments))
        except Exception as error:
            if self._policy.fails or not _is_of_tool(error) or self._is_tried_again(error):
                raise
            return _ERROR, error_text(self._name, error)

    async def _attempt(self, call: Callable[[], Awaitable[Any]]) -> tuple[Any, ...]:
        """Make one attempt: what is to be tried again, or to fail the run, is raised."""
        assert self._tool is not None  # noqa: S101 (it is called)
        limit = self._tool.timeout or self._policy.timeout
        try:
            try:
                result = await in_time(call(), limit, f"tool {self._name!r}")
            except asyncio.TimeoutError as error:
                if limit is None or error.args:
                    raise
                raise TimeoutError(f"it has taken longer than {limit:g} s") from error
        except Exception as error:
            if self._policy.fails or not _is_of_tool(error) or self._is_tried_again(error):
                raise
            return _ERROR, error_text(self._name, error)
        return _outcome(result)

    def _is_tried_again(self, error: Exception) -> bool:
        """Whether a policy for retries, the tool's or the job's, is to decide about an error."""
        assert self._tool is not None  # noqa: S101 (it was called)
        policy = self._tool.retry
        if policy is not None and policy.retry_on is not None:
            return policy.retries(error)
        return kind_of(error) is Kind.TEMPORARY

    async def _durable(
        self,
        what: str,
        number: int,
        work: Callable[[], Awaitable[tuple[Any, ...]]],
        tool: Tool | None = None,
        given: tuple[str, ...] = (),
    ) -> tuple[Any, ...]:
        """Do one step durably; an exception that is not to fail the run is an outcome.

        `given` is what others have given that is not in the model's request: it tells equal calls
        of sub-agents apart, which go on at the same time.
        """
        step = _Step(
            (what, self._id, self._name, self._text, number, *given),
            work,
            "" if tool is None else tool.limit,
        )
        options: dict[str, Any] = {}
        if tool is not None and tool.retry is not None:
            options["retry"] = tool.retry
        if tool is not None and not tool.idempotent and not tool.runs_in_action:
            options["reconciler"] = partial(
                _failed,
                f"Whether tool `{self._name}` has done its work is not known: it was interrupted."
                " It was not called again.",
            )
        try:
            outcome: tuple[Any, ...] = await self._ctx.durable_execute_async(step, **options)
        except Exception as error:
            if self._policy.fails or not _is_of_tool(error):
                raise
            return _ERROR, error_text(self._name, error)
        return outcome

    def _wrong_arguments(self, error: ToolArgumentsError) -> str:
        return f"The arguments of tool `{self._name}` are not valid: {error}"


async def _failed(text: str) -> tuple[Any, ...]:
    return _ERROR, text


def _outcome(result: Any) -> tuple[Any, ...]:
    if isinstance(result, InputRequired):
        return _INPUT, result.ask, result.state, result.name
    if isinstance(result, ToolResponse):
        if result.error is not None:
            return _ERROR, str(result.error)
        result = result.result
    return _OK, recordable(result)


def _is_of_tool(error: BaseException) -> bool:
    """Whether an exception is one of the tool itself, and not of tamias."""
    return not is_of(error, TamiasError) or bool(error.is_outcome)  # type: ignore[attr-defined]


def _text_of(value: object) -> str:
    """The same text for the same value, in each replay."""
    try:
        return json.dumps(value, sort_keys=True, default=_plain)
    except Exception:  # noqa: BLE001 (keys of several types; a value's own code may raise anything)
        return type(value).__name__


def _plain(value: object) -> Any:
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if callable(dump) else type(value).__name__
