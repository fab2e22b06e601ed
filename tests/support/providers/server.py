"""The fake server of model providers: one port, all protocols, one script.

In a test: ``with fake_providers(script) as fake``, which runs in a thread. For other processes:
``python -m support.providers`` (see `__main__.py`).
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from .dialect import Dialect, RefusalError
from .dialects import dialects
from .http import Connection, Connections, Request, Response
from .log import RequestLog, entry
from .script import Answer, Ask, Embedded, Fault, Reply, Script, echo

PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


class FakeProviders:
    """Answers requests by a script.

    Attributes:
        script: what the model says; may be replaced at any time.
        faults: what goes wrong with the next requests, one each, before the script is asked.
        latency: seconds that each answer takes, in addition to the reply's own.
        count: of all requests.
        connections: of clients, in all and now.
        asked: the last thousand requests that reached the script, or a fault.
    """

    def __init__(
        self, script: Script = echo, *, log: Path | None = None, latency: float = 0, **limits: Any
    ) -> None:
        self.script = script
        self.faults: deque[Fault] = deque()
        self.latency = latency
        self.asked: deque[Ask] = deque(maxlen=1000)
        self.count = 0
        self.connections = Connections()
        self.port = 0
        self._dialects = dialects(**limits)
        self._log = None if log is None else RequestLog(log)
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where the server is, without a path: the base of Anthropic's and Ollama's clients."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def openai_url(self) -> str:
        """The base of OpenAI's clients."""
        return f"{self.url}/v1"

    async def start(self, port: int = 0) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self.handle, loop, self.connections), "127.0.0.1", port, backlog=4096
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
        if self._log is not None:
            self._log.close()

    def handle(self, request: Request) -> Response:
        """Answer a request."""
        if request.path.startswith("/_fake/"):
            return self._control(request)
        self.count += 1
        number = self.count
        for dialect in self._dialects:
            if dialect.speaks(request):
                return self._answer(dialect, request, number)
        self._record(number, request, {}, fault=404)
        return Response(status=404, body=b'{"error": {"message": "no such path"}}')

    def _answer(self, dialect: Dialect, request: Request, number: int) -> Response:
        try:
            ask = dialect.ask(request, number)
        except RefusalError as refusal:
            self._record(number, request, {}, fault=refusal.fault.status)
            return dialect.error(refusal.fault)
        if isinstance(ask, Response):
            self._record(number, request, {}, fault=None)
            return ask
        self.asked.append(ask)
        answer = self.faults.popleft() if self.faults else self.script(ask)
        fault = None
        if isinstance(answer, Fault):
            fault = answer.status if answer.kind == "status" else answer.kind
        self._record(number, request, ask.body, fault=fault, ask=ask)
        response = self._response(dialect, ask, answer)
        if self.latency:
            response = replace(response, delay=response.delay + self.latency)
        return response

    def _response(self, dialect: Dialect, ask: Ask, answer: Answer) -> Response:
        if isinstance(answer, Embedded):
            return dialect.vectors(ask, answer)
        if isinstance(answer, Reply):
            return dialect.reply(ask, answer)
        return replace(self._broken(dialect, ask, answer), delay=answer.delay)

    def _broken(self, dialect: Dialect, ask: Ask, fault: Fault) -> Response:
        if fault.kind == "status":
            return dialect.error(fault)
        if fault.kind == "hang":
            return Response(hang=True)
        if fault.kind == "html":
            return Response(body=PAGE, content_type="text/html")
        if fault.kind == "refused":
            return Response(refuse=True)
        good = dialect.reply(ask, Reply("This answer is not to arrive as a whole."))
        if fault.kind == "event":
            middle = len(good.chunks or ()) // 2
            return replace(good, chunks=(*(good.chunks or ())[:middle], dialect.error_event(fault)))
        if fault.kind == "malformed":
            if good.chunks is not None:
                middle = len(good.chunks) // 2
                half = b'event: content_block_delta\ndata: {"half": \n\n'
                chunks = (*good.chunks[:middle], half, *good.chunks[middle:])
                return replace(good, chunks=chunks)
            return replace(good, body=good.body[: len(good.body) // 2])
        size = len(good.body) if good.chunks is None else len(good.chunks)
        then = {"cut": "cut", "stall": "hang"}[fault.kind]
        return replace(good, keep=size // 2, then=then)

    def _record(
        self,
        number: int,
        request: Request,
        body: dict[str, Any],
        *,
        fault: int | str | None,
        ask: Ask | None = None,
    ) -> None:
        if self._log is None:
            return
        more: dict[str, Any] = {"fault": fault}
        if ask is not None:
            more["model"] = ask.model
            more["first"] = ask.first[:200]
            more["messages"] = len(ask.messages)
        self._log.write(entry(number, request.path, body, request.headers, **more))

    def _control(self, request: Request) -> Response:
        """Let other processes count requests and order faults."""
        if request.path == "/_fake/faults":
            self.faults.extend(Fault(**each) for each in json.loads(request.body))
        body = {"count": self.count, "faults": len(self.faults)}
        return Response(body=json.dumps(body).encode())


@contextmanager
def fake_providers(
    script: Script = echo,
    *,
    log: Path | None = None,
    latency: float = 0,
    port: int = 0,
    **limits: Any,
) -> Iterator[FakeProviders]:
    """Run a server in a thread; at a free port unless one is given."""
    fake = FakeProviders(script, log=log, latency=latency, **limits)
    loop = asyncio.new_event_loop()
    started = threading.Event()

    def serve() -> None:
        loop.run_until_complete(fake.start(port))
        started.set()
        loop.run_forever()
        fake.close()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=serve, name="fake providers", daemon=True)
    thread.start()
    started.wait(60)
    try:
        yield fake
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
