"""OpenAI's responses API, without what the service itself keeps of a conversation."""

from __future__ import annotations

from typing import Any

from .dialect import RefusalError, json_body, json_response, pieces, tokens
from .http import Request, Response
from .openai_common import OpenAICommon, arguments_text, check_sampling, check_strict, sse
from .script import Ask, Call, Message, Reply


class OpenAIResponses(OpenAICommon):
    """The responses API."""

    def speaks(self, request: Request) -> bool:
        """By the end of the path, whatever the base."""
        return request.path.endswith("/responses")

    def ask(self, request: Request, number: int) -> Ask | Response:
        """Understand a request."""
        self.check_key(request)
        body = json_body(request)
        model = self.check_model(body.get("model"))
        check_sampling(model, body)
        messages = _conversation(body)
        self.check_length(messages)
        return Ask(
            provider="responses",
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
        """Give a response, or its events."""
        output = _output(ask, reply)
        whole = _response(ask, reply, output)
        headers = {"x-request-id": f"req_{ask.number}"}
        if not ask.stream:
            return json_response(whole, delay=reply.delay, headers=headers)
        return Response(
            content_type="text/event-stream",
            chunks=tuple(_events(whole, output)),
            delay=reply.delay,
            pause=reply.pause,
            headers=headers,
        )


def _output(ask: Ask, reply: Reply) -> list[dict[str, Any]]:
    output: list[dict[str, Any]] = []
    if reply.reasoning:
        summary = [{"type": "summary_text", "text": reply.reasoning}]
        item = {"type": "reasoning", "id": f"rs_{ask.number}", "summary": summary}
        if "reasoning.encrypted_content" in (ask.body.get("include") or ()):
            item["encrypted_content"] = f"sealed-{ask.number}"
        output.append(item)
    if reply.text or not reply.calls:
        content = [{"type": "output_text", "text": reply.text, "annotations": []}]
        output.append(
            {
                "type": "message",
                "id": f"msg_{ask.number}",
                "role": "assistant",
                "status": "completed",
                "content": content,
            }
        )
    for index, call in enumerate(reply.calls):
        output.append(
            {
                "type": "function_call",
                "id": f"fc_{ask.number}_{index}",
                "call_id": call.id or f"call_{ask.number}_{index}",
                "name": call.name,
                "arguments": arguments_text(call),
                "status": "completed",
            }
        )
    return output


def _response(ask: Ask, reply: Reply, output: list[dict[str, Any]]) -> dict[str, Any]:
    used = reply.used
    prompt = used.prompt
    if prompt is None:
        prompt = sum(tokens(message.text) for message in ask.messages)
    completion = used.completion
    if completion is None:
        said = tokens(reply.text) + sum(tokens(arguments_text(call)) for call in reply.calls)
        completion = said + tokens(reply.reasoning)
    cut = reply.finish in {"max_output_tokens", "content_filter"}
    return {
        "id": f"resp_{ask.number}",
        "object": "response",
        "created_at": 1,
        "status": "incomplete" if cut else "completed",
        "error": None,
        "incomplete_details": {"reason": reply.finish} if cut else None,
        "instructions": ask.body.get("instructions"),
        "metadata": {},
        "model": ask.model,
        "output": output,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": ask.body.get("tools") or [],
        "top_p": 1.0,
        "usage": {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": used.cached, "cache_write_tokens": 0},
            "output_tokens": completion,
            "output_tokens_details": {"reasoning_tokens": used.reasoning},
            "total_tokens": prompt + completion,
        },
    }


def _events(whole: dict[str, Any], output: list[dict[str, Any]]) -> list[bytes]:
    events: list[dict[str, Any]] = []
    begun = {**whole, "output": [], "usage": None, "status": "in_progress"}
    events.append({"type": "response.created", "response": begun})
    events.append({"type": "response.in_progress", "response": begun})
    for index, item in enumerate(output):
        events += _item_events(index, item)
    events.append({"type": f"response.{whole['status']}", "response": whole})
    return [
        sse({**event, "sequence_number": number}, event["type"])
        for number, event in enumerate(events)
    ]


def _item_events(index: int, item: dict[str, Any]) -> list[dict[str, Any]]:
    place: dict[str, Any] = {"output_index": index, "item_id": item["id"]}
    events: list[dict[str, Any]] = []
    kind = item["type"]
    if kind == "message":
        begun = {**item, "content": [], "status": "in_progress"}
        text = item["content"][0]["text"]
        part = {"type": "output_text", "text": "", "annotations": []}
        place["content_index"] = 0
        events.append({"type": "response.content_part.added", **place, "part": part})
        events += [
            {"type": "response.output_text.delta", **place, "delta": each, "logprobs": []}
            for each in pieces(text)
            if each
        ]
        done = {"type": "response.output_text.done", **place, "text": text, "logprobs": []}
        events.append(done)
        full = item["content"][0]
        events.append({"type": "response.content_part.done", **place, "part": full})
    elif kind == "reasoning":
        begun = {**item, "summary": []}
        text = item["summary"][0]["text"]
        place["summary_index"] = 0
        events += [
            {"type": "response.reasoning_summary_text.delta", **place, "delta": each}
            for each in pieces(text)
        ]
        events.append({"type": "response.reasoning_summary_text.done", **place, "text": text})
    else:
        begun = {**item, "arguments": "", "status": "in_progress"}
        text = item["arguments"]
        events += [
            {"type": "response.function_call_arguments.delta", **place, "delta": part}
            for part in (text[: len(text) // 2], text[len(text) // 2 :])
        ]
        done = {"type": "response.function_call_arguments.done", **place, "arguments": text}
        events.append({**done, "name": item["name"]})
    first = {"type": "response.output_item.added", "output_index": index, "item": begun}
    last = {"type": "response.output_item.done", "output_index": index, "item": item}
    return [first, *events, last]


def _conversation(body: dict[str, Any]) -> tuple[Message, ...]:
    """Read the input; refuse what the real service refuses."""
    found: list[Message] = []
    if body.get("instructions"):
        found.append(Message("system", body["instructions"]))
    given = body.get("input")
    if isinstance(given, str):
        return (*found, Message("user", given))
    if not isinstance(given, list) or not given:
        raise RefusalError(400, "Missing required parameter: 'input'.")
    open_calls: set[str] = set()
    for index, item in enumerate(given):
        kind = item.get("type", "message")
        if kind == "function_call":
            _add_call(found, item, index)
            open_calls.add(item["call_id"])
        elif kind == "function_call_output":
            if item["call_id"] not in open_calls:
                raise RefusalError(
                    400, f"No tool call found for function call output {item['call_id']}."
                )
            open_calls.discard(item["call_id"])
            found.append(Message("tool", str(item["output"]), call_id=item["call_id"]))
        elif kind == "reasoning":
            if not item.get("encrypted_content") and body.get("store") is False:
                raise RefusalError(404, f"Item with id '{item.get('id')}' not found.")
            found.append(Message("assistant", blocks=("reasoning",)))
        elif kind == "message":
            found.append(_message(item, index))
        else:
            raise RefusalError(400, f"Invalid value: '{kind}' in input[{index}].type.")
    if open_calls:
        raise RefusalError(400, f"No tool output found for function call {min(open_calls)}.")
    return tuple(found)


def _add_call(found: list[Message], item: dict[str, Any], index: int) -> None:
    """Add a call to the model's message, or as one."""
    if not isinstance(item["arguments"], str):
        raise RefusalError(400, f"Invalid type for 'input[{index}].arguments'.")
    before = found.pop() if found and found[-1].role == "assistant" else Message("assistant")
    call = Call(item["name"], item["arguments"], item["call_id"])
    found.append(Message("assistant", before.text, (*before.calls, call), "", before.blocks))


def _message(item: dict[str, Any], index: int) -> Message:
    role = {"developer": "system"}.get(item["role"], item["role"])
    if role not in {"system", "user", "assistant"}:
        raise RefusalError(400, f"Invalid value: '{role}' in input[{index}].role.")
    content = item["content"]
    if isinstance(content, str):
        return Message(role, content)
    texts = {"input_text", "output_text"}
    allowed = {"output_text", "refusal"} if role == "assistant" else {"input_text"}
    allowed |= {"input_image", "input_file"} if role == "user" else set()
    for part in content:
        if part["type"] not in allowed:
            raise RefusalError(400, f"Invalid value: '{part['type']}' in input[{index}].content.")
    blocks = tuple(part["type"] for part in content if part["type"] not in texts)
    text = "".join(part["text"] for part in content if part["type"] in texts)
    return Message(role, text, blocks=blocks)


def _tools(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {}
    for tool in body.get("tools") or ():
        if tool.get("type") != "function" or "name" not in tool:
            raise RefusalError(400, "Missing required parameter: 'tools[0].name'.")
        parameters = tool.get("parameters") or {"type": "object", "properties": {}}
        if tool.get("strict"):
            check_strict(tool["name"], parameters)
        found[tool["name"]] = parameters
    return found


def _schema(body: dict[str, Any]) -> dict[str, Any] | None:
    wanted = (body.get("text") or {}).get("format") or {}
    if wanted.get("type") != "json_schema":
        return None
    if wanted.get("strict"):
        check_strict(wanted["name"], wanted["schema"])
    schema: dict[str, Any] = wanted["schema"]
    return schema
