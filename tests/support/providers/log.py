"""The log of requests: a file of JSON lines, each written with one call before the answer is.

So it is whole whatever happens to clients, and, but for its last line, to the server.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

KEYS = ("idempotency-key", "x-client-request-id")
"""Headers by which a client names a request."""


def digest(body: dict[str, Any]) -> str:
    """Identify a body, whatever the order of its fields."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class RequestLog:
    """Appends to the file."""

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o644)

    def write(self, entry: dict[str, Any]) -> None:
        """Append one line."""
        os.write(self._descriptor, json.dumps(entry).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def entry(
    number: int, path: str, body: dict[str, Any], headers: dict[str, str], **more: Any
) -> dict[str, Any]:
    """Describe a request: when, what, and by which name of the client's."""
    named = next((headers[name] for name in KEYS if name in headers), None)
    return {
        "time": time.time(),
        "number": number,
        "path": path,
        "digest": digest(body),
        "idempotency": named,
        **more,
    }


def read(path: Path) -> list[dict[str, Any]]:
    """Return all requests on record; a half line at the end is none."""
    lines = path.read_bytes().split(b"\n")[:-1]
    return [json.loads(line) for line in lines]


def repeated(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the requests that were answered whole and came again, by their bodies."""
    answered = [each for each in entries if each.get("fault") is None]
    counts = Counter(each["digest"] for each in answered)
    return [each for each in answered if counts[each["digest"]] > 1]


def most_in_a_window(entries: list[dict[str, Any]], seconds: float = 60) -> int:
    """Return the largest number of requests within any window of that length."""
    times = sorted(each["time"] for each in entries)
    most = start = 0
    for end, moment in enumerate(times):
        while times[start] <= moment - seconds:
            start += 1
        most = max(most, end - start + 1)
    return most
