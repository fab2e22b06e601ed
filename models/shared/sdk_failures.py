"""Failures on the way, as client libraries and the HTTP libraries below them raise them.

httpx and httpx2 have the same names of errors, and so have openai and anthropic, which are of one
make.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .http import CONNECT_SECONDS

if TYPE_CHECKING:
    from ...agent.resources.model_errors import ModelError
    from .failures import Service

__all__ = ["failure_on_the_way", "http_failure"]

_UNREACHABLE = frozenset({"ConnectError", "ProxyError", "UnsupportedProtocol", "InvalidURL"})
_CUT = frozenset({"RemoteProtocolError", "ReadError", "WriteError", "CloseError", "DecodingError"})


def failure_on_the_way(
    service: Service, library: Any, error: Exception, seconds: float
) -> ModelError | None:
    """The error for a request without a whole answer; None if it is something else.

    Args:
        service: which service it is.
        library: the client library.
        error: what it has raised.
        seconds: how long it waits for a piece of an answer.
    """
    if isinstance(error, library.APIConnectionError):
        cause = error.__cause__ or error
        is_late = isinstance(error, library.APITimeoutError)
        found = http_failure(service, cause, seconds)
        return found or (service.silent(seconds) if is_late else service.cut(str(cause)))
    if isinstance(error, library.APIResponseValidationError):
        return service.unreadable("")
    return http_failure(service, error, seconds)


def http_failure(service: Service, error: BaseException, seconds: float) -> ModelError | None:
    """The error for one of the HTTP library, or of the reader of its answer; None for another."""
    name = type(error).__name__
    reason = f"{error}" or name
    if name == "ConnectTimeout":
        return service.unreachable(f"no connection within {CONNECT_SECONDS:g} s")
    if name.endswith("Timeout"):
        return service.silent(seconds)
    if name in _UNREACHABLE:
        return service.unreachable(reason)
    if name in _CUT:
        return service.cut(reason)
    if isinstance(error, json.JSONDecodeError):
        return service.unreadable(error.doc)
    return None
