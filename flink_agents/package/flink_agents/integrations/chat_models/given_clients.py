"""Clients that a program puts in place of a connection's own, as a test does with a double.

Requests are otherwise made by tamias's connections, through the same client libraries. A client
that is given is called by its typed methods, as Flink Agents calls it, in a thread where others
wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple, cast

from pydantic import PrivateAttr, SecretStr

import tamias
from tamias import ChatDelta, ChatMessage, OutputSchema, Tool

__all__ = [
    "ClosedClient",
    "GivenAnthropic",
    "GivenOllama",
    "GivenOpenAI",
    "LibraryClient",
    "PeerConnection",
    "plain_key",
    "schema_of",
    "told",
]

_OPTIONS: Final = {
    "headers": "extra_headers",
    "params": "extra_query",
    "extra_json": "extra_body",
    "timeout": "timeout",
}
"""Options of a request: their names below and above the typed methods."""


class Answer(NamedTuple):
    """A whole answer, as plain data."""

    body: dict[str, Any]
    request_id: str = ""


class LibraryClient(tamias.Resource):
    """Shows a client of the service's own library, and calls the one that a program has put."""

    _double: ClassVar[type[GivenOpenAI | GivenAnthropic | GivenOllama]]
    """Makes the service that calls the client of a program."""
    _client_name: ClassVar[str] = "_client"
    """Names the attribute where a program puts a client."""

    _made_client: Any = PrivateAttr(default=None)

    def _given(self) -> Any:
        return getattr(self, self._client_name)

    def _new_client(self) -> Any:
        raise NotImplementedError

    @property
    def client(self) -> Any:
        """Return the client that a program has put, or one that is made here.

        The latter is only to be looked at: calls of the model do not use it, as it blocks.
        """
        put = getattr(self, self._client_name)
        if put is not None:
            return put
        if self._made_client is None:
            self._made_client = self._new_client()
        return self._made_client

    def _service(self) -> Any:
        real = super()._service  # type: ignore[misc]  # that of tamias's class, behind this one
        given = self._given()
        return real() if given is None else self._double(given, real)


class ClosedClient(LibraryClient):
    """Closes the client of the library with the connection."""

    def close(self) -> None:
        """Close all clients."""
        super().close()
        for client in (getattr(self, self._client_name), self._made_client):
            if client is not None:
                client.close()
        setattr(self, self._client_name, None)
        self._made_client = None


class PeerConnection(tamias.BaseChatModelConnection):
    """Adds what Flink Agents' connections do to those of tamias, which are behind."""

    _client: Any = PrivateAttr(default=None)

    def _given(self) -> Any:
        """The client that a program has set; None for the connection's own."""
        return self._client

    def chat(
        self,
        messages: Sequence[ChatMessage],
        tools: list[Tool] | None = None,
        output_schema: Any = None,
        **kwargs: Any,
    ) -> ChatMessage:
        """The model's answer; ``output_schema`` may be an `OutputSchema`, too."""
        model, schema, given = self._asked(output_schema, kwargs)
        answer = super().chat(messages, tools, output_schema=schema, **given)  # type: ignore[safe-super]
        return told(answer, model)

    async def achat(
        self,
        messages: Sequence[ChatMessage],
        tools: list[Tool] | None = None,
        output_schema: Any = None,
        **kwargs: Any,
    ) -> ChatMessage:
        """The awaitable form of `chat`."""
        model, schema, given = self._asked(output_schema, kwargs)
        return told(await super().achat(messages, tools, output_schema=schema, **given), model)

    async def astream(
        self,
        messages: Sequence[ChatMessage],
        tools: list[Tool] | None = None,
        output_schema: Any = None,
        **kwargs: Any,
    ) -> AsyncGenerator[ChatDelta, None]:
        """The answer of `chat`, bit by bit; by a client that is given, in one piece."""
        if self._given() is not None:
            message = await self.achat(messages, tools, output_schema=output_schema, **kwargs)
            yield ChatDelta(
                text=message.content, reasoning=message.reasoning or "", message=message
            )
            return
        model, schema, given = self._asked(output_schema, kwargs)
        async for piece in super().astream(messages, tools, output_schema=schema, **given):
            if piece.message is not None:
                told(piece.message, model)
            yield piece

    def _asked(
        self, output_schema: Any, kwargs: dict[str, Any]
    ) -> tuple[str, dict[str, Any] | None, dict[str, Any]]:
        """The model by which tokens are counted, the schema for the service, and the arguments."""
        model = str(kwargs.get("model") or "")
        return model, schema_of(output_schema, self, model), kwargs


def schema_of(
    given: Any, connection: tamias.BaseChatModelConnection, model: str
) -> dict[str, Any] | None:
    """The JSON schema for the service; None where the model has to be told in words.

    A schema that is given as JSON is meant for the service: whoever gives it has asked.
    """
    if given is None or isinstance(given, dict):
        return given
    if isinstance(given, Mapping):
        return dict(given)
    wanted = getattr(given, "output_schema", given)
    if not isinstance(wanted, type) or not connection.supports_native_structured_output(model):
        return None
    return OutputSchema(wanted).json_schema


def plain_key(key: SecretStr | str | None) -> str | None:
    """A key as client libraries take it."""
    return key.get_secret_value() if isinstance(key, SecretStr) else key or None


def told(message: ChatMessage, model: str) -> ChatMessage:
    """Say in ``extra_args`` what Flink Agents' connections say there."""
    extra = message.extra_args
    usage = message.usage
    if model and usage is not None and usage.total:
        extra["model_name"] = model
        extra["promptTokens"] = usage.prompt_tokens
        extra["completionTokens"] = usage.completion_tokens
    if message.reasoning:
        extra.setdefault("reasoning", message.reasoning)
    return message


# ---------------------------------------------------------------------- in place of a service


class GivenOpenAI:
    """A client of OpenAI's library, where requests are made."""

    def __init__(self, client: Any, real: Callable[[], Any]) -> None:
        """Take a client.

        Args:
            client: ``openai.OpenAI``, or what has its methods.
            real: gives the service that is replaced, which knows the errors.
        """
        self._client = client
        self._real = real

    @property
    def service(self) -> Any:
        """The service, as errors speak of it."""
        return self._real().service

    def post(self, path: str, body: dict[str, Any], how: Mapping[str, Any]) -> Answer:
        """Send a request; blocks."""
        embeds = path == "/embeddings"
        call = self._client.embeddings.create if embeds else self._client.chat.completions.create
        given = {_OPTIONS[name]: value for name, value in how.items() if name in _OPTIONS}
        try:
            answer = call(**body, **given)
        except Exception as error:  # noqa: BLE001 (what is no failure is raised again)
            raise self._real()._failure(error, how) from None  # noqa: SLF001 (what is replaced)
        return Answer(_dumped(answer) or (_embeddings(answer) if embeds else _completion(answer)))

    async def apost(self, path: str, body: dict[str, Any], how: Mapping[str, Any]) -> Answer:
        """The awaitable form of `post`."""
        return await asyncio.to_thread(self.post, path, body, how)


class GivenAnthropic:
    """A client of Anthropic's library, where requests are made."""

    def __init__(self, client: Any, real: Callable[[], Any]) -> None:
        """Take a client, as `GivenOpenAI` does."""
        self._client = client
        self._real = real

    @property
    def service(self) -> Any:
        """The service, as errors speak of it."""
        return self._real().service

    def post(self, body: dict[str, Any], how: Mapping[str, Any]) -> Answer:
        """Send a request; blocks."""
        given = {_OPTIONS[name]: value for name, value in how.items() if name in _OPTIONS}
        turns = [{**turn, "content": _content(turn["content"])} for turn in body["messages"]]
        try:
            answer = self._client.messages.create(**{**body, "messages": turns}, **given)
        except Exception as error:  # noqa: BLE001 (what is no failure is raised again)
            raise self._real()._failure(error, how) from None  # noqa: SLF001 (what is replaced)
        return Answer(_dumped(answer) or _anthropic(answer))

    async def apost(self, body: dict[str, Any], how: Mapping[str, Any]) -> Answer:
        """The awaitable form of `post`."""
        return await asyncio.to_thread(self.post, body, how)


class GivenOllama:
    """A client of Ollama's library, where requests are made."""

    def __init__(self, client: Any, real: Callable[[], Any]) -> None:
        """Take a client, as `GivenOpenAI` does."""
        self._client = client
        self._real = real

    @property
    def service(self) -> Any:
        """The service, as errors speak of it."""
        return self._real().service

    def post(self, path: str, body: dict[str, Any], read: float | None) -> dict[str, Any]:
        """Send a request; blocks. The client's own time limit holds."""
        try:
            answer = (
                self._client.embed(**body) if path == "/api/embed" else self._client.chat(**body)
            )
        except Exception as error:  # noqa: BLE001 (what is no failure is raised again)
            raise self._real()._failure(error, read) from None  # noqa: SLF001 (what is replaced)
        found = _dumped(answer)
        if found is None:
            found = _ollama(answer) if path != "/api/embed" else {"embeddings": answer.embeddings}
        return found

    async def apost(self, path: str, body: dict[str, Any], read: float | None) -> dict[str, Any]:
        """The awaitable form of `post`."""
        return await asyncio.to_thread(self.post, path, body, read)


# ---------------------------------------------------------------------- answers as plain data


def _dumped(answer: Any) -> dict[str, Any] | None:
    """An answer of the library itself as plain data; None for something else."""
    dump = getattr(answer, "model_dump", None)
    found = dump() if callable(dump) else answer
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None


def _completion(answer: Any) -> dict[str, Any]:
    choice = answer.choices[0]
    message = choice.message
    texts = ("content", "refusal", "reasoning_content")
    calls = [
        {
            "id": _text(call.id),
            "function": {"name": call.function.name, "arguments": call.function.arguments},
        }
        for call in message.tool_calls or ()
    ]
    return {
        "choices": [
            {
                "message": {
                    **{name: _text(getattr(message, name, None)) for name in texts},
                    "tool_calls": calls,
                },
                "finish_reason": _text(getattr(choice, "finish_reason", None)),
            }
        ],
        "usage": _counts(getattr(answer, "usage", None), "prompt_tokens", "completion_tokens"),
    }


def _embeddings(answer: Any) -> dict[str, Any]:
    data = [
        {"index": place, "embedding": list(each.embedding)}
        for place, each in enumerate(answer.data)
    ]
    usage = _counts(getattr(answer, "usage", None), "prompt_tokens", "total_tokens")
    return {"data": data, "usage": usage}


def _anthropic(answer: Any) -> dict[str, Any]:
    fields = ("type", "text", "id", "name", "input", "thinking")
    blocks = [
        {name: getattr(block, name) for name in fields if hasattr(block, name)}
        for block in answer.content
    ]
    usage = _counts(getattr(answer, "usage", None), "input_tokens", "output_tokens")
    stop = _text(getattr(answer, "stop_reason", None))
    return {"content": blocks, "usage": usage or {}, "stop_reason": stop}


def _ollama(answer: Any) -> dict[str, Any]:
    message = answer.message
    calls = [
        {"function": {"name": call.function.name, "arguments": dict(call.function.arguments)}}
        for call in message.tool_calls or ()
    ]
    counts = _counts(answer, "prompt_eval_count", "eval_count") or {}
    told_of = {name: _text(getattr(message, name, None)) for name in ("content", "thinking")}
    done = _text(getattr(answer, "done_reason", None))
    return {"message": {**told_of, "tool_calls": calls}, "done_reason": done, **counts}


def _content(blocks: Any) -> Any:
    """The content of a turn; a single text as such, which is the short form of it."""
    if isinstance(blocks, list) and len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        return blocks[0]["text"]
    return blocks


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _counts(usage: Any, *names: str) -> dict[str, int] | None:
    """Numbers of tokens, as far as they are numbers; None without any."""
    found = {name: getattr(usage, name, None) for name in names}
    return {name: value for name, value in found.items() if isinstance(value, int)} or None
