"""Requests through client libraries of one make (openai, anthropic): options, times, events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

from .http import CONNECT_SECONDS

__all__ = ["dict_events", "read_seconds", "split_options", "timeout_of"]

REQUEST_ID_HEADER: Final = "X-Client-Request-Id"
"""By which a client names a request, for the service's log."""
_ABOUT: Final = ("request_id", "timeout", "extra_headers", "extra_query", "extra_body")
"""Arguments of a call that are about its request, not in it."""


def split_options(kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of a request, without those that are None, and the library's options for it."""
    body = {name: value for name, value in kwargs.items() if value is not None}
    given = {name: body.pop(name) for name in _ABOUT if name in body}
    how: dict[str, Any] = {}
    if not given:
        return body, how
    headers = dict(given.get("extra_headers", {}))
    if "request_id" in given:
        headers[REQUEST_ID_HEADER] = given["request_id"]
    if headers:
        how["headers"] = headers
    if "extra_query" in given:
        how["params"] = dict(given["extra_query"])
    if "extra_body" in given:
        how["extra_json"] = dict(given["extra_body"])
    if "timeout" in given:
        how["timeout"] = timeout_of(given["timeout"])
    return body, how


def timeout_of(read: float) -> Any:
    """The times of a request, as the library takes them."""
    import httpx2  # noqa: PLC0415 (comes with the library, which is an extra)

    return httpx2.Timeout(read, connect=CONNECT_SECONDS, pool=None)


def read_seconds(how: Mapping[str, Any], default: float) -> float:
    """How long a request with these options waits for a piece of its answer."""
    read = getattr(how.get("timeout"), "read", None)
    return default if read is None else float(read)


async def dict_events(stream: Any) -> AsyncGenerator[dict[str, Any], None]:
    """The events of a stream, which is closed at their end, also an early one."""
    try:
        async for event in stream:
            if isinstance(event, dict):
                yield event
    finally:
        await stream.close()
