"""OpenAI's chat completions, also as Azure has them, with embeddings and the list of models."""

from __future__ import annotations

import json
from typing import Any

from .dialect import RefusalError, json_body, json_response, pieces, tokens
from .http import Request, Response
from .openai_common import OpenAICommon, arguments_text, check_sampling, check_strict, sse
from .script import Ask, Call, Message, Reply

ENDS = ("/chat/completions", "/embeddings", "/models")


class OpenAIChat(OpenAICommon):
    """Chat completions."""

    def speaks(self, request: Request) -> bool:
        """By the end of the path, whatever the base."""
        return request.path.endswith(ENDS) and "anthropic-version" not in request.headers

    def ask(self, request: Request, number: int) -> Ask | Response:
        """Understand a request."""
        self.check_key(request)
        if request.path.endswith("/models"):
            return self.list_models()
        if request.path.endswith("/embeddings"):
            return self.ask_vectors(request, number)
        body = json_body(request)
        model = self.check_model(body.get("model"))
        check_sampling(model, body, "max_tokens")
        messages = _conversation(body.get("messages"))
        self.check_length(messages)
        return Ask(
            provider="openai",
            model=model,
            messages=messages,
            tools=_tools(body),
            schema=_schema(body),
            stream=bool(body.get("stream")),
            body=body,
            headers=request.headers,
            number=number,
        )

    def reply(self, ask: Ask, reply: Reply) -> Response:
        """Give a completion, or its chunks."""
        calls = [
            {
                "id": call.id or f"call_{ask.number}_{index}",
                "type": "function",
                "function": {"name": call.name, "arguments": arguments_text(call)},
            }
            for index, call in enumerate(reply.calls)
        ]
        finish = reply.finish or ("tool_calls" if calls else "stop")
        if ask.stream:
            return _stream(ask, reply, calls, finish)
        message: dict[str, Any] = {
            "role": "assistant",
            "content": reply.text if reply.text or not calls else None,
            "refusal": None,
        }
        if reply.reasoning:
            message["reasoning_content"] = reply.reasoning
        if calls:
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
        body = {**_head(ask, "chat.completion"), "choices": [choice], "usage": _usage(ask, reply)}
        return json_response(body, delay=reply.delay, headers={"x-request-id": _id(ask)})


def _id(ask: Ask) -> str:
    return f"req_{ask.number}"


def _head(ask: Ask, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{ask.number}", "object": kind, "created": 1, "model": ask.model}


def _usage(ask: Ask, reply: Reply) -> dict[str, Any]:
    used = reply.used
    prompt = used.prompt
    if prompt is None:
        prompt = sum(tokens(message.text) for message in ask.messages)
    completion = used.completion
    if completion is None:
        said = tokens(reply.text) + sum(tokens(arguments_text(call)) for call in reply.calls)
        completion = said + tokens(reply.reasoning)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": used.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning},
    }


def _stream(ask: Ask, reply: Reply, calls: list[dict[str, Any]], finish: str) -> Response:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": each} for each in pieces(reply.reasoning) if each]
    deltas += [{"content": each} for each in pieces(reply.text) if each]
    for index, call in enumerate(calls):
        function = call["function"]
        named = {**call, "index": index, "function": {"name": function["name"], "arguments": ""}}
        deltas.append({"tool_calls": [named]})
        text = function["arguments"]
        for part in (text[: len(text) // 2], text[len(text) // 2 :]):
            deltas.append({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
    head = _head(ask, "chat.completion.chunk")
    chunks = [
        sse({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        for delta in deltas
    ]
    chunks.append(sse({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}))
    if (ask.body.get("stream_options") or {}).get("include_usage"):
        chunks.append(sse({**head, "choices": [], "usage": _usage(ask, reply)}))
    chunks.append(b"data: [DONE]\n\n")
    return Response(
        content_type="text/event-stream",
        chunks=tuple(chunks),
        delay=reply.delay,
        pause=reply.pause,
        headers={"x-request-id": _id(ask)},
    )


def _conversation(messages: Any) -> tuple[Message, ...]:
    """Read messages; refuse what the real service refuses."""
    if not isinstance(messages, list) or not messages:
        raise RefusalError(400, "Invalid 'messages': empty array.")
    found: list[Message] = []
    open_calls: set[str] = set()
    for index, each in enumerate(messages):
        role = each.get("role")
        if role == "tool":
            if each.get("tool_call_id") not in open_calls:
                raise RefusalError(
                    400,
                    f"Invalid parameter: messages[{index}] with role 'tool' must be a response to a"
                    " preceding message with 'tool_calls'.",
                )
            open_calls.discard(each["tool_call_id"])
        elif open_calls:
            raise RefusalError(
                400,
                "An assistant message with 'tool_calls' must be followed by tool messages"
                f" responding to each 'tool_call_id'. Missing: {', '.join(sorted(open_calls))}",
            )
        if role not in {"system", "developer", "user", "assistant", "tool"}:
            raise RefusalError(400, f"Invalid value: '{role}' in messages[{index}].role.")
        message = _message(each, "system" if role == "developer" else role, index)
        open_calls |= {call.id for call in message.calls}
        found.append(message)
    if open_calls:
        raise RefusalError(
            400, "An assistant message with 'tool_calls' must be followed by results."
        )
    return tuple(found)


def _message(each: dict[str, Any], role: str, index: int) -> Message:
    content = each.get("content")
    blocks: list[str] = []
    if isinstance(content, list):
        blocks = [part["type"] for part in content if part["type"] != "text"]
        content = "".join(part["text"] for part in content if part["type"] == "text")
    calls = []
    for call in each.get("tool_calls") or ():
        function = call["function"]
        if not isinstance(function["arguments"], str):
            raise RefusalError(
                400, f"Invalid type for 'messages[{index}].tool_calls': arguments are no text."
            )
        calls.append(Call(function["name"], function["arguments"], call["id"]))
    if content is None and not calls:
        raise RefusalError(400, f"Invalid value for 'content': null in messages[{index}].")
    return Message(role, content or "", tuple(calls), each.get("tool_call_id", ""), tuple(blocks))


def _tools(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {}
    for tool in body.get("tools") or ():
        function = tool["function"]
        if len(function.get("description", "")) > 1024:
            raise RefusalError(400, "Invalid 'tools': description is too long (maximum 1024).")
        parameters = function.get("parameters") or {"type": "object", "properties": {}}
        if function.get("strict"):
            check_strict(function["name"], parameters)
        found[function["name"]] = parameters
    return found


def _schema(body: dict[str, Any]) -> dict[str, Any] | None:
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_object":
        if "json" not in json.dumps(body.get("messages")).lower():
            raise RefusalError(400, "'messages' must contain the word 'json' in some form.")
        return {"type": "object"}
    if wanted.get("type") != "json_schema":
        return None
    described = wanted["json_schema"]
    if described.get("strict"):
        check_strict(described["name"], described["schema"])
    schema: dict[str, Any] = described["schema"]
    return schema
