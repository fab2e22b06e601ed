"""Anthropic's messages, whole and as a stream, and the list of models."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from .dialect import Dialect, RefusalError, json_body, json_response, pieces, tokens
from .http import Request, Response
from .openai_common import sse
from .script import Ask, Call, Embedded, Fault, Message, Reply, fill

KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
SAMPLING = ("temperature", "top_p", "top_k")
WITH_SAMPLING = ("claude-3", "claude-sonnet-4", "claude-opus-4-0", "claude-haiku")
"""How the names of models begin that take parameters of sampling."""


class Anthropic(Dialect):
    """The protocol of ``/v1/messages``."""

    def speaks(self, request: Request) -> bool:
        """By the header that the protocol requires."""
        return "anthropic-version" in request.headers

    def ask(self, request: Request, number: int) -> Ask | Response:
        """Understand a request."""
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        given = given or request.headers.get("x-api-key", "")  # of clients before version 2
        if self.keys and given not in self.keys:
            raise RefusalError(401, "invalid x-api-key")
        if request.path.endswith("/models"):
            names = sorted(self.models) or ["fake"]
            data = [{"type": "model", "id": each, "display_name": each} for each in names]
            return json_response({"data": data, "has_more": False})
        body = json_body(request)
        model = body.get("model")
        if self.models and model not in self.models:
            raise RefusalError(404, f"model: {model}")
        if not isinstance(body.get("max_tokens"), int):
            raise RefusalError(400, "max_tokens: Field required")
        for name in SAMPLING:
            if name in body and not str(model).startswith(WITH_SAMPLING):
                raise RefusalError(400, f"`{name}` is not supported by this model.")
        messages = (*_system(body), *_conversation(body))
        self._check_length(messages)
        return Ask(
            provider="anthropic",
            model=str(model),
            messages=messages,
            tools={tool["name"]: tool["input_schema"] for tool in body.get("tools", ())},
            schema=_schema(body),
            stream=bool(body.get("stream")),
            body=body,
            headers=request.headers,
            number=number,
        )

    def _check_length(self, messages: tuple[Message, ...]) -> None:
        length = sum(len(message.text) for message in messages)
        if length > self.context:
            raise RefusalError(
                400,
                f"prompt is too long: {length // 4} tokens > {self.context // 4} maximum",
            )

    def reply(self, ask: Ask, reply: Reply) -> Response:
        """Give a message, or its events."""
        blocks = _blocks(ask, reply)
        called = any(block["type"] == "tool_use" for block in blocks)
        stop = reply.finish or ("tool_use" if called else "end_turn")
        head = {
            "id": f"msg_{ask.number}",
            "type": "message",
            "role": "assistant",
            "model": ask.model,
        }
        headers = {"request-id": f"req_{ask.number}"}
        usage = _usage(ask, reply, blocks)
        if not ask.stream:
            whole = {"stop_reason": stop, "stop_sequence": None, "usage": usage}
            return json_response(
                {**head, "content": blocks, **whole}, delay=reply.delay, headers=headers
            )
        return Response(
            content_type="text/event-stream",
            chunks=tuple(_events(head, blocks, stop, usage)),
            delay=reply.delay,
            pause=reply.pause,
            headers=headers,
        )

    def vectors(self, ask: Ask, embedded: Embedded) -> Response:
        """There are none in this protocol."""
        raise AssertionError(ask, embedded)

    def error(self, fault: Fault) -> Response:
        """Give an error."""
        headers = {"request-id": "req_fake", **fault.headers}
        return json_response(_error(fault), status=fault.status, headers=headers)

    def error_event(self, fault: Fault) -> bytes:
        """Give an error within a stream."""
        return sse(_error(fault), "error")


def signature(thinking: str) -> str:
    """By which a block of thinking is known as the service's own."""
    return hashlib.sha256(thinking.encode()).hexdigest()


def _error(fault: Fault) -> dict[str, Any]:
    kind = fault.code or KINDS.get(fault.status, "api_error")
    message = fault.message or f"The fake has been told to answer {fault.status}."
    return {
        "type": "error",
        "error": {"type": kind, "message": message},
        "request_id": "req_fake",
    }


def _system(body: dict[str, Any]) -> tuple[Message, ...]:
    system = body.get("system", "")
    if isinstance(system, list):
        system = "\n".join(part["text"] for part in system)
    return (Message("system", system),) if system else ()


def _conversation(body: dict[str, Any]) -> list[Message]:
    """Read messages; refuse what the real service refuses."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RefusalError(400, "messages: at least one message is required")
    found: list[Message] = []
    open_calls: list[str] = []
    for index, each in enumerate(messages):
        where, role = f"messages.{index}", each.get("role")
        if role not in {"user", "assistant"}:
            raise RefusalError(400, f"{where}.role: Input should be 'user' or 'assistant'")
        content = each.get("content")
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        if not content:
            raise RefusalError(400, f"{where}: all messages must have non-empty content")
        for block in content:
            _check_block(block, where)
        results = [block for block in content if block["type"] == "tool_result"]
        if role == "user" and content[: len(results)] != results:
            raise RefusalError(400, f"{where}: tool_result blocks must come first")
        answered = [block["tool_use_id"] for block in results]
        if sorted(answered) != sorted(open_calls):
            raise RefusalError(
                400,
                f"{where}: `tool_use` ids were found without `tool_result` blocks immediately"
                f" after, or the other way round: {open_calls}, {answered}.",
            )
        open_calls = [block["id"] for block in content if block["type"] == "tool_use"]
        found += _messages(role, content)
    if open_calls:
        raise RefusalError(400, f"`tool_use` ids without `tool_result` blocks: {open_calls}")
    last = messages[-1]
    if last["role"] == "assistant" and _text(last["content"]).endswith((" ", "\n")):
        raise RefusalError(400, "final assistant content cannot end with trailing whitespace")
    return found


def _check_block(block: dict[str, Any], where: str) -> None:
    kind = block.get("type")
    if kind == "text" and not block["text"].strip():
        raise RefusalError(400, f"{where}: text content blocks must be non-empty")
    if kind == "thinking" and block.get("signature") != signature(block["thinking"]):
        raise RefusalError(400, f"{where}: Invalid `signature` in `thinking` block")
    if kind == "tool_use" and not isinstance(block.get("input"), dict):
        raise RefusalError(400, f"{where}: tool_use.input: Input should be a valid dictionary")
    name = {"tool_use": "id", "tool_result": "tool_use_id"}.get(str(kind), "")
    if name and not block[name].replace("_", "").replace("-", "").isalnum():
        raise RefusalError(400, f"{where}: {name}: String should match '^[a-zA-Z0-9_-]+$'")


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(block["text"] for block in content if block["type"] == "text")


def _messages(role: str, content: list[dict[str, Any]]) -> list[Message]:
    results = [
        Message("tool", _text(block.get("content", "")), call_id=block["tool_use_id"])
        for block in content
        if block["type"] == "tool_result"
    ]
    others = [block for block in content if block["type"] != "tool_result"]
    if results and not others:
        return results
    calls = tuple(
        Call(block["name"], block["input"], block["id"])
        for block in others
        if block["type"] == "tool_use"
    )
    kinds = tuple(block["type"] for block in others if block["type"] not in {"text", "tool_use"})
    return [*results, Message(role, _text(others), calls, blocks=kinds)]


def _schema(body: dict[str, Any]) -> dict[str, Any] | None:
    """What the answer has to match: by a format, or by a tool that has to be called."""
    described = (body.get("output_config") or {}).get("format")
    if described:
        schema: dict[str, Any] = described["schema"]
        if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
            raise RefusalError(
                400, "output_config.format.schema: 'additionalProperties' must be false"
            )
        return schema
    choice = body.get("tool_choice") or {}
    if choice.get("type") in {"tool", "any"} and body.get("thinking", {}).get("type") == "enabled":
        raise RefusalError(400, "Thinking may not be enabled when tool_choice forces tool use.")
    if choice.get("type") != "tool":
        return None
    found: dict[str, Any] = next(
        tool["input_schema"] for tool in body["tools"] if tool["name"] == choice["name"]
    )
    return found


def _blocks(ask: Ask, reply: Reply) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if reply.reasoning:
        signed = signature(reply.reasoning)
        blocks.append({"type": "thinking", "thinking": reply.reasoning, "signature": signed})
    calls, text = list(reply.calls), reply.text
    choice = ask.body.get("tool_choice") or {}
    if choice.get("type") == "tool" and not calls:
        calls, text = [Call(choice["name"], _forced(ask, text))], ""
    if text:
        blocks.append({"type": "text", "text": text})
    blocks += [
        {
            "type": "tool_use",
            "id": call.id or f"toolu_{ask.number}_{index}",
            "name": call.name,
            "input": call.arguments,
        }
        for index, call in enumerate(calls)
    ]
    return blocks


def _forced(ask: Ask, text: str) -> dict[str, Any]:
    """Arguments of the tool that has to be called."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else dict(fill(ask.schema or {}))


def _usage(ask: Ask, reply: Reply, blocks: list[dict[str, Any]]) -> dict[str, Any]:
    used = reply.used
    prompt = used.prompt
    if prompt is None:
        prompt = sum(tokens(message.text) for message in ask.messages)
    completion = used.completion
    if completion is None:
        completion = sum(tokens(json.dumps(block)) for block in blocks)
    return {
        "input_tokens": prompt - used.cached,
        "output_tokens": completion,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": used.cached,
        "output_tokens_details": {"thinking_tokens": used.reasoning},
    }


def _events(
    head: dict[str, Any], blocks: list[dict[str, Any]], stop: str, usage: dict[str, Any]
) -> list[bytes]:
    def event(kind: str, **data: Any) -> bytes:
        return sse({"type": kind, **data}, kind)

    begun = {**usage, "output_tokens": 1}
    whole = {**head, "content": [], "stop_reason": None, "stop_sequence": None, "usage": begun}
    found = [event("message_start", message=whole), event("ping")]
    for index, block in enumerate(blocks):
        empty, deltas = _deltas(block)
        found.append(event("content_block_start", index=index, content_block=empty))
        found += [event("content_block_delta", index=index, delta=delta) for delta in deltas]
        found.append(event("content_block_stop", index=index))
    delta = {"stop_reason": stop, "stop_sequence": None}
    ended = {"output_tokens": usage["output_tokens"]}
    ended["output_tokens_details"] = usage["output_tokens_details"]
    found.append(event("message_delta", delta=delta, usage=ended))
    found.append(event("message_stop"))
    return found


def _deltas(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block as it begins, and what comes to it."""
    if block["type"] == "text":
        parts = [{"type": "text_delta", "text": each} for each in pieces(block["text"]) if each]
        return {"type": "text", "text": ""}, parts
    if block["type"] == "thinking":
        said = [each for each in pieces(block["thinking"]) if each]
        thoughts = [{"type": "thinking_delta", "thinking": each} for each in said]
        signed = {"type": "signature_delta", "signature": block["signature"]}
        return {"type": "thinking", "thinking": "", "signature": ""}, [*thoughts, signed]
    given = block["input"]
    text = given if isinstance(given, str) else json.dumps(given)
    halves = (text[: len(text) // 2], text[len(text) // 2 :])
    parts = [{"type": "input_json_delta", "partial_json": half} for half in halves if half]
    return {**block, "input": {}}, parts
