"""Ollama's protocol: chats and vectors, whole or as lines of JSON, and the list of models."""

from __future__ import annotations

import json
from typing import Any

from .dialect import Dialect, RefusalError, json_body, json_response, pieces, tokens
from .http import Request, Response
from .script import Ask, Call, Embedded, Fault, Message, Reply

ENDS = ("/api/chat", "/api/embed", "/api/tags")
STATED = "2026-01-01T00:00:00Z"


class Ollama(Dialect):
    """The protocol of ``/api/chat`` and ``/api/embed``."""

    def speaks(self, request: Request) -> bool:
        """By the path."""
        return request.path.endswith(ENDS)

    def ask(self, request: Request, number: int) -> Ask | Response:
        """Understand a request."""
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.keys and given not in self.keys:
            raise RefusalError(401, "unauthorized")
        if request.path.endswith("/tags"):
            names = sorted(self.models) or ["fake"]
            return json_response({"models": [{"name": name, "model": name} for name in names]})
        body = json_body(request)
        model = body.get("model")
        if not model:
            raise RefusalError(400, "model is required")
        if self.models and model not in self.models:
            raise RefusalError(404, f'model "{model}" not found, try pulling it first')
        texts: tuple[str, ...] = ()
        messages: list[Message] = []
        if request.path.endswith("/embed"):
            asked = body.get("input", [])
            texts = (asked,) if isinstance(asked, str) else tuple(asked)
        else:
            messages = [_message(each) for each in body.get("messages", ())]
        if sum(len(message.text) for message in messages) > self.context:
            raise RefusalError(400, "the prompt exceeds the available context size")
        if body.get("think") and str(model).startswith("plain"):
            raise RefusalError(400, f'"{model}" does not support thinking')
        schema = body.get("format")
        return Ask(
            provider="ollama",
            model=str(model),
            messages=tuple(messages),
            tools={
                tool["function"]["name"]: tool["function"].get("parameters") or {}
                for tool in body.get("tools") or ()
            },
            schema=schema if isinstance(schema, dict) else None,
            stream=body.get("stream", True) and not texts,
            texts=texts,
            body=body,
            headers=request.headers,
            number=number,
        )

    def reply(self, ask: Ask, reply: Reply) -> Response:
        """Give an answer, or its lines."""
        calls = [
            {"function": {"name": call.name, "arguments": call.arguments}} for call in reply.calls
        ]
        thinking = reply.reasoning if ask.body.get("think") else ""
        text = reply.text
        if reply.reasoning and not thinking:
            # Without the field, a model that thinks does so in its text.
            text = f"<think>{reply.reasoning}</think>{text}"
        end = {
            "model": ask.model,
            "created_at": STATED,
            "done": True,
            "done_reason": reply.finish or "stop",
            "total_duration": 5,
            **_counts(ask, reply),
        }
        if not ask.stream:
            message: dict[str, Any] = {"role": "assistant", "content": text}
            if thinking:
                message["thinking"] = thinking
            if calls:
                message["tool_calls"] = calls
            return json_response({**end, "message": message}, delay=reply.delay)
        parts: list[dict[str, Any]] = [
            {"content": "", "thinking": each} for each in pieces(thinking) if each
        ]
        parts += [{"content": each} for each in pieces(text) if each]
        parts += [{"content": "", "tool_calls": [call]} for call in calls]
        head = {"model": ask.model, "created_at": STATED, "done": False}
        lines = [_line({**head, "message": {"role": "assistant", **each}}) for each in parts]
        lines.append(_line({**end, "message": {"role": "assistant", "content": ""}}))
        return Response(
            content_type="application/x-ndjson",
            chunks=tuple(lines),
            delay=reply.delay,
            pause=reply.pause,
        )

    def vectors(self, ask: Ask, embedded: Embedded) -> Response:
        """Give vectors."""
        used = sum(tokens(text) for text in ask.texts)
        found = [list(vector) for vector in embedded.vectors]
        body = {"model": ask.model, "embeddings": found, "prompt_eval_count": used}
        return json_response(body, delay=embedded.delay)

    def error(self, fault: Fault) -> Response:
        """Give an error."""
        message = fault.message or f"The fake has been told to answer {fault.status}."
        return json_response({"error": message}, status=fault.status, headers=fault.headers)

    def error_event(self, fault: Fault) -> bytes:
        """Give an error within a stream."""
        return _line({"error": fault.message or "The fake has been told to fail."})


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _message(each: dict[str, Any]) -> Message:
    calls = []
    for call in each.get("tool_calls") or ():
        function = call["function"]
        if not isinstance(function.get("arguments"), dict):
            raise RefusalError(400, "arguments of a call are no object")
        calls.append(Call(function["name"], function["arguments"]))
    if each.get("role") not in {"system", "user", "assistant", "tool"}:
        raise RefusalError(400, f"unknown role {each.get('role')}")
    blocks = tuple("image" for _ in each.get("images") or ())
    if each.get("thinking"):
        blocks += ("thinking",)
    name = each.get("tool_name", "")
    return Message(each["role"], each.get("content") or "", tuple(calls), name, blocks)


def _counts(ask: Ask, reply: Reply) -> dict[str, int]:
    used = reply.used
    prompt, completion = used.prompt, used.completion
    if prompt is None:
        prompt = sum(tokens(message.text) for message in ask.messages)
    if completion is None:
        completion = tokens(reply.text) + tokens(reply.reasoning)
        completion += sum(tokens(json.dumps(call.arguments)) for call in reply.calls)
    return {"prompt_eval_count": prompt, "eval_count": completion}
