"""An HTTP API that renders films, which takes a while. It ends by itself after ten minutes.

    POST /films {"title": ..., "key": ...}  begins a film, and answers {"film": 0}; the same film if
                                            the key is the same
    GET /films/0                            {"state": "rendering"}, {"state": "ready", "link": ...}
    GET /requests                           how many requests were answered, how many refused

As such services are, it is overloaded now and then: each third request is refused, with the status
429 and a header `Retry-After: 1`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECONDS = float(sys.argv[2]) if sys.argv[2:] else 3.0  # that a film takes

lock = threading.Lock()
films: list[dict[str, Any]] = []
requests = {"answered": 0, "refused": 0}


class Films(BaseHTTPRequestHandler):
    """Answers requests."""

    def do_POST(self) -> None:
        """Begin a film."""
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.is_refused():
            return
        with lock:
            known = [film for film in films if film["key"] == order["key"]]
            if not known:
                films.append({**order, "ready": time.monotonic() + SECONDS})
            number = films.index(known[0]) if known else len(films) - 1
        self.answer(202, {"film": number})

    def do_GET(self) -> None:
        """Report on a film, or on the requests."""
        if self.path == "/requests":
            self.answer(200, {**requests, "films": len(films)})
        elif not self.is_refused():
            number = int(self.path.rpartition("/")[2])
            if time.monotonic() < films[number]["ready"]:
                self.answer(200, {"state": "rendering"})
            else:
                self.answer(200, {"state": "ready", "link": f"{films[number]['title']}.mp4"})

    def is_refused(self) -> bool:
        """Refuse each third request."""
        with lock:
            refused = sum(requests.values()) % 3 == 2
            requests["refused" if refused else "answered"] += 1
        if refused:
            self.answer(429, "too many requests", {"Retry-After": "1"})
        return refused

    def answer(self, status: int, content: object, headers: dict[str, str] | None = None) -> None:
        """Send an answer."""
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


if __name__ == "__main__":
    threading.Timer(600, os._exit, [0]).start()
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Films)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
