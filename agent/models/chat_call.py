"""`ChatCall`: one call of a chat model, by the connection of its setup or one of its fallbacks."""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from pydantic_core import to_jsonable_python

from ..errors import DurableCallError
from ..limits.limited_call import Route
from ..resources.chat_message import ChatDelta, ChatMessage
from ..resources.model_errors import Unavailable
from ..resources.usage import TokenUsage
from ..streams.call_stream import call_stream
from ..tracing.executions import LLM
from ..waiting.time_limit import in_time
from .described import Described
from .durable_resource import ResourceCall
from .instructions import forced_schema, read_turn, with_forced_tools, with_schema

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from ..metrics import MetricGroup
    from ..resources.recording import CallRecorder
    from ..tools.tool import Tool
    from .output_schema import OutputSchema

__all__ = ["ChatCall", "ChatRequest", "ConnectionRoute", "count_tokens", "described"]

_CHARACTERS_PER_TOKEN: Final = 4
_ANSWER_TOKENS: Final = 256
"""Tokens that an answer is estimated at, where the call has no limit of them."""


# No plain texts: a setup's texts tell the durable calls of its methods apart, also old ones.


class ToolMode(str, Enum):
    """How a model is offered its tools."""

    NATIVE = "native"
    SCHEMA = "schema"


class OutputStrategy(str, Enum):
    """How an answer is made to match a schema."""

    AUTO = "auto"
    NATIVE = "native"
    PROMPT = "prompt"


class ChatConnection(Protocol):
    """The connections that are asked: `BaseChatModelConnection`."""

    def chat(
        self, messages: Sequence[ChatMessage], tools: list[Tool] | None = None, **kwargs: Any
    ) -> ChatMessage:
        """The answer; blocks."""

    async def achat(
        self, messages: Sequence[ChatMessage], tools: list[Tool] | None = None, **kwargs: Any
    ) -> ChatMessage:
        """The answer."""

    def astream(
        self, messages: Sequence[ChatMessage], tools: list[Tool] | None = None, **kwargs: Any
    ) -> AsyncIterator[ChatDelta]:
        """The answer, bit by bit."""

    def supports_native_structured_output(self, model: str | None = None) -> bool:
        """Whether the service sees to it that an answer matches a schema."""

    def set_metric_group(self, metric_group: MetricGroup) -> None:
        """Bind the group that the connection reports its metrics to."""


class ChatRequest(NamedTuple):
    """What a chat model is asked, whichever connection it is asked by."""

    messages: list[ChatMessage]
    tools: list[Tool] | None
    kwargs: dict[str, Any]
    output_schema: OutputSchema | None
    output_strategy: OutputStrategy
    tool_mode: ToolMode

    def plain(self) -> tuple[Any, ...]:
        """The request as plain data; so it is recognised in a replay.

        It is flat, as each call takes it apart.
        """
        messages = [_plain(message) for message in self.messages]
        tools = None if self.tools is None else [_TOLD.of(tool).text for tool in self.tools]
        return messages, tools, self.kwargs, self.schema, self.how

    @property
    def schema(self) -> dict[str, Any] | None:
        """The JSON schema that the answer is to match."""
        return None if self.output_schema is None else self.output_schema.json_schema

    @property
    def how(self) -> tuple[str, str]:
        """How schemas and tools are told to the model."""
        return self.output_strategy.value, self.tool_mode.value

    @property
    def tokens(self) -> int:
        """The tokens that the call may use, roughly."""
        texts = sum(len(message.content) for message in self.messages)
        tools = sum(len(_TOLD.of(tool).text) for tool in self.tools or ())
        limit = self.kwargs.get("max_tokens") or self.kwargs.get("num_predict")
        answer = limit if isinstance(limit, int) and limit > 0 else _ANSWER_TOKENS
        return (texts + tools) // _CHARACTERS_PER_TOKEN + answer


class ConnectionRoute(NamedTuple):
    """One connection that may be asked."""

    connection: str
    model: str = ""
    """The model that it is asked for, if not the usual one."""
    kwargs: dict[str, Any] | None = None
    """The parameters of another setup, which are its own; None for the usual ones."""


class ChatCall(ResourceCall):
    """A call of a chat model.

    Args:
        request: what is asked.
        routes: the connections, in order of preference.
        find: gives a connection by its name.
        metric_group: where tokens are counted.
        recorder: where calls are recorded.
        timeout: the time limit of an attempt, in seconds.
        pieces: called with the pieces of the answer as they come; of calls that are awaited.
        declared_name: gives the name by which the agent declares the model.
    """

    def __init__(
        self,
        request: ChatRequest,
        routes: tuple[ConnectionRoute, ...],
        find: Callable[[str], ChatConnection],
        *,
        metric_group: MetricGroup | None = None,
        recorder: CallRecorder | None = None,
        timeout: float | None = None,
        pieces: Callable[[ChatDelta], None] | None = None,
        declared_name: Callable[[], str] = str,
    ) -> None:
        own_model = str(request.kwargs.get("model") or "")
        tokens = request.tokens
        super().__init__(
            call_chat_model,
            request.plain(),
            tuple(Route(each.connection, each.model or own_model, tokens) for each in routes),
        )
        self.recorder = recorder
        self._request = request
        self._connections = routes
        self._find = find
        self._metric_group = metric_group
        self._timeout = timeout
        self._pieces = pieces
        self._attempts = 0
        self._declared_name = declared_name

    def model_name(self, route: int, result: Any) -> str:
        """As configured, else as the service says; else the connection."""
        taken = self.routes[route]
        said = result.extra_args.get("model_name") if isinstance(result, ChatMessage) else None
        return str(taken.model or said or taken.limit)

    def usage(self, result: Any) -> TokenUsage | None:
        """The tokens of an answer."""
        return result.usage if isinstance(result, ChatMessage) else None

    entity = LLM

    def entity_name(self) -> str:
        """The model's setup, as the agent declares it."""
        return self._declared_name() or self._connections[0].connection

    def metadata(self) -> dict[str, Any]:
        """The model that is asked for."""
        return {"model": self.routes[0].model} if self.routes[0].model else {}

    def outcome(self, result: Any) -> dict[str, Any]:
        """The tokens, and who has answered."""
        known = super().outcome(result)
        if isinstance(result, ChatMessage):
            extra = result.extra_args
            known["connection"] = extra.get("connection")
            known["model"] = extra.get("model_name") or extra.get("model")
        return {name: value for name, value in known.items() if value is not None}

    def asked(self) -> dict[str, Any]:
        """The request, without the connection that is asked, and without ids of tool calls."""
        request = self._request
        given = {
            "call": "chat",
            "messages": _without_ids(request.messages),
            "tools": described(request.tools),
            "kwargs": request.kwargs,
            "output_schema": request.schema,
        }
        plain: dict[str, Any] = to_jsonable_python(given, fallback=repr)
        return {**plain, "how": list(request.how)}

    def to_json(self, answer: Any) -> Any:
        """The message."""
        return to_jsonable_python(answer, fallback=repr)

    def from_json(self, recorded: Any) -> Any:
        """The message."""
        return ChatMessage.model_validate(recorded)

    # -------------------------------------------------------------- one attempt

    async def perform(self, route: int) -> ChatMessage:
        """Ask a connection.

        Raises:
            Unavailable: the answer does not come in time.
        """
        connection, messages, tools, kwargs = self.prepared(route)
        work: Awaitable[ChatMessage]
        pieces = self._readers()
        if pieces is None:
            work = connection.achat(messages, tools, **kwargs)
        else:
            work = _streamed(connection.astream(messages, tools, **kwargs), pieces)
        return self.completed(await _in_time(work, self._timeout), route)

    def _readers(self) -> Callable[[ChatDelta], None] | None:
        """What gets the pieces: the caller, and the client of the input; None if neither does."""
        stream = call_stream()
        request = self._request
        if stream is None or (request.tools and request.tool_mode is ToolMode.SCHEMA):
            return self._pieces  # (a turn by a schema is nothing to be read by a person)
        attempt, own = stream.attempt(), self._pieces

        def show(piece: ChatDelta) -> None:
            attempt.write(piece.text, reasoning=piece.reasoning)
            if own is not None:
                own(piece)

        return show

    def perform_now(self, route: int) -> ChatMessage:
        """Ask a connection; blocks."""
        connection, messages, tools, kwargs = self.prepared(route)
        answer = _call_in_time(lambda: connection.chat(messages, tools, **kwargs), self._timeout)
        return self.completed(answer, route)

    def prepared(
        self, route: int
    ) -> tuple[ChatConnection, list[ChatMessage], list[Tool] | None, dict[str, Any]]:
        """The connection of a route, and what it is asked in its own terms."""
        self._attempts += 1
        name, model, own = self._connections[route]
        connection = self._find(name)
        if self._metric_group is not None:
            connection.set_metric_group(self._metric_group)
            if self._attempts > 1:
                self._counters(route).get_counter("retryCount").inc()
        request = self._request
        kwargs = {**(request.kwargs if own is None else own)}
        if model:
            kwargs["model"] = model
        messages, tools = list(request.messages), request.tools
        schema = None if request.output_schema is None else request.output_schema.json_schema
        if tools and request.tool_mode is ToolMode.SCHEMA:
            turn = forced_schema(described(tools) or [], schema)
            is_native = _is_native(connection, kwargs)
            messages = with_forced_tools(
                messages, described(tools) or [], turn, tell_schema=not is_native
            )
            return connection, messages, None, {**kwargs, **_native(turn, is_native)}
        if schema is None:
            return connection, messages, tools, kwargs
        # A schema and tools at once: not every service can do that, so one has to ask for it.
        is_native = request.output_strategy is OutputStrategy.NATIVE or (
            request.output_strategy is OutputStrategy.AUTO
            and not tools
            and _is_native(connection, kwargs)
        )
        if not is_native:
            messages = with_schema(messages, schema)
        return connection, messages, tools, {**kwargs, **_native(schema, is_native)}

    def completed(self, given: Any, route: int) -> ChatMessage:
        """An answer with what is known of it besides; its tokens are counted."""
        name, model, _ = self._connections[route]
        if not isinstance(given, ChatMessage):
            raise DurableCallError(
                f"The connection {name!r} has answered {type(given).__name__}, wanted: ChatMessage"
            )
        answer = _with_usage(given)
        if self._metric_group is not None:
            counters = self._counters(route, answer.extra_args.get("model_name"))
            counters.get_counter("calls").inc()
            if answer.usage is not None:
                counters.get_counter("promptTokens").inc(answer.usage.prompt_tokens)
                counters.get_counter("completionTokens").inc(answer.usage.completion_tokens)
        extra = {"connection": name, **answer.extra_args}
        if used := model or self._request.kwargs.get("model"):
            extra.setdefault("model", used)
        answer = answer.model_copy(update={"extra_args": extra})
        if (
            self._request.tool_mode is ToolMode.SCHEMA
            and self._request.tools
            and not answer.tool_calls
        ):
            return read_turn(answer)
        return answer

    def _counters(self, route: int, name: str | None = None) -> MetricGroup:
        assert self._metric_group is not None  # noqa: S101 (the callers have seen to it)
        model = name or self.routes[route].model or self._connections[route].connection
        return self._metric_group.get_sub_group("model").get_sub_group(str(model))


def call_chat_model(*asked: Any) -> ChatMessage:
    """Name calls of chat models in the journal; not called."""
    raise NotImplementedError(asked)


def count_tokens(group: MetricGroup, model: str, prompt: int, completion: int) -> None:
    """Add to a model's counters."""
    counters = group.get_sub_group("model").get_sub_group(model)
    counters.get_counter("promptTokens").inc(prompt)
    counters.get_counter("completionTokens").inc(completion)


def _with_usage(answer: ChatMessage) -> ChatMessage:
    """The answer with its tokens, where a connection has left them as Flink Agents has them."""
    prompt, completion = map(answer.extra_args.get, ("promptTokens", "completionTokens"))
    if answer.usage is not None or not (isinstance(prompt, int) and isinstance(completion, int)):
        return answer
    usage = TokenUsage(prompt_tokens=prompt, completion_tokens=completion)
    return answer.model_copy(update={"usage": usage})


def described(tools: list[Tool] | None) -> list[dict[str, Any]] | None:
    """What a model is told of tools."""
    if tools is None:
        return None
    return [_TOLD.of(tool).fields for tool in tools]


class _Told(NamedTuple):
    """What a model is told of a tool, also as a text."""

    fields: dict[str, Any]
    text: str


def _tell(tool: Tool) -> _Told:
    fields = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }
    return _Told(fields, json.dumps(fields, sort_keys=True, default=repr))


_TOLD: Final = Described(_tell)


def _without_ids(messages: list[ChatMessage]) -> list[dict[str, Any]]:
    """Messages as a service sees them; ids of tool calls, which depend on the run, are numbers."""
    numbers: dict[Any, int] = {}
    told: list[dict[str, Any]] = []
    for message in messages:
        fields: dict[str, Any] = {
            "role": message.role.value,
            "content": message.content,
            "blocks": [block.model_dump() for block in message.blocks],
            "tool_calls": [call.get("function") for call in message.tool_calls],
        }
        for call in message.tool_calls:
            number = len(set(numbers.values()))
            for name in ("id", "original_id"):
                if call.get(name):
                    numbers[call[name]] = number
        if (external := message.extra_args.get("external_id")) is not None:
            fields["result_of"] = numbers.get(external, external)
        told.append({name: value for name, value in fields.items() if value not in (None, [], "")})
    return told


def _plain(message: ChatMessage) -> tuple[Any, ...]:
    """What is sent of a message."""
    return (
        message.role.value,
        message.content,
        message.tool_calls or None,
        message.extra_args or None,
        [block.model_dump() for block in message.blocks] or None,
        message.reasoning,
        message.raw,
    )


async def _streamed(
    deltas: AsyncIterator[ChatDelta], pieces: Callable[[ChatDelta], None]
) -> ChatMessage:
    """The whole of an answer whose pieces are handed on."""
    message: ChatMessage | None = None
    async for delta in deltas:
        pieces(delta)
        message = delta.message or message
    if message is None:
        raise Unavailable("The answer has ended before its last piece.")
    return message


def _is_native(connection: ChatConnection, kwargs: dict[str, Any]) -> bool:
    supports: Any = connection.supports_native_structured_output
    return bool(supports(kwargs.get("model")) if callable(supports) else supports)


def _native(schema: dict[str, Any], is_native: bool) -> dict[str, Any]:  # noqa: FBT001 (of two)
    return {"output_schema": schema} if is_native else {}


async def _in_time(work: Awaitable[Any], seconds: float | None) -> Any:
    if seconds is None:
        return await work
    try:
        return await in_time(work, seconds, "a call of a chat model")
    except asyncio.TimeoutError as error:
        raise _late(seconds) from error


def _call_in_time(work: Callable[[], Any], seconds: float | None) -> Any:
    """Call a function that cannot be stopped; a late answer is dropped."""
    if seconds is None:
        return work()
    outcome: list[tuple[Any, BaseException | None]] = []
    context = contextvars.copy_context()

    def call() -> None:
        try:
            outcome.append((context.run(work), None))
        except BaseException as error:  # noqa: BLE001 (raised again by the caller)
            outcome.append((None, error))

    thread = threading.Thread(target=call, name="chat", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise _late(seconds)
    answer, error = outcome[0]
    if error is not None:
        raise error
    return answer


def _late(seconds: float) -> Unavailable:
    return Unavailable(f"The chat model has not answered within {seconds:g} s.")
