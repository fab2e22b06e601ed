"""A service that is down, then overloaded, then well: as many requests as the policy says."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tamias import Agent, Event, InputEvent, OutputEvent, action, run_agent

ANSWERS = [503, 503, 429, 429, 200]
REQUESTS: list[str] = []


class Service(BaseHTTPRequestHandler):
    """Answers 503, then 429 with Retry-After, then 200."""

    def do_GET(self) -> None:
        REQUESTS.append(self.path)
        status = ANSWERS[REQUESTS.count(self.path) - 1]
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "120")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[str]:
    httpd = HTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


class Asking(Agent):
    """Asks the service that its input names."""

    @action(InputEvent)
    @staticmethod
    def ask(event: Event, ctx: Any) -> None:
        if event.input is not None:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            try:
                opener.open(f"{event.input}/{ctx.key}", timeout=5).close()
            except urllib.error.HTTPError as error:
                error.close()
                raise
        ctx.send_event(OutputEvent(output=ctx.key))


def test_nothing_lands_in_the_dead_letters_and_other_keys_go_on(service: str) -> None:
    REQUESTS.clear()
    inputs = [("a", service), ("b", None), ("a", None), ("c", None)]
    run = run_agent(Asking, inputs, on_error="dead-letter")
    assert run.failures == []
    assert [*REQUESTS] == ["/a"] * 5
    assert [run.outputs_of(key) for key in "abc"] == [["a", "a"], ["b"], ["c"]]
