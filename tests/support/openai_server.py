"""A server that speaks the chat protocol of OpenAI, as far as a chat model with tools needs it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class OpenAIServer(ThreadingHTTPServer):
    """Has every sum done by the tool `add`, and then says what that has returned.

    Attributes:
        requests_seen: the bodies of all requests, in order.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests_seen: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        """The base of the protocol's paths."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: OpenAIServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests_seen.append(
            {"path": self.path, "key": self.headers["Authorization"], **body}
        )
        last = body["messages"][-1]
        message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
        if last["role"] == "tool":
            message["content"] = f"It is {last['content']}, of {last['tool_call_id']}."
        elif last["content"] == "break":
            self._answer(400, {"error": {"message": "broken", "type": "invalid_request_error"}})
            return
        else:
            a, b = map(int, last["content"].split("+"))
            function = {"name": "add", "arguments": json.dumps({"a": a, "b": b})}
            call = {"id": f"call-{a}-{b}", "type": "function", "function": function}
            message["tool_calls"] = [call]
        self._answer(
            200,
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1,
                "model": body["model"],
                "choices": [
                    {
                        "index": 0,
                        "message": message,
                        "finish_reason": "tool_calls" if "tool_calls" in message else "stop",
                        "logprobs": None,
                    }
                ],
                "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
            },
        )

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def openai_server() -> Iterator[OpenAIServer]:
    """A running server."""
    with OpenAIServer() as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
