"""Failures on the way, as client libraries of one make (openai, anthropic) raise them.

Their errors, and those of the HTTP library below them, have the same names.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .http import CONNECT_SECONDS

if TYPE_CHECKING:
    from ...agent.resources.model_errors import ModelError
    from .failures import Service

__all__ = ["failure_on_the_way"]

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
    cause = error.__cause__ if isinstance(error, library.APIConnectionError) else error
    name = type(cause).__name__
    reason = f"{cause}" or name
    if name == "ConnectTimeout":
        return service.unreachable(f"no connection within {CONNECT_SECONDS:g} s")
    if name.endswith("Timeout") or isinstance(error, library.APITimeoutError):
        return service.silent(seconds)
    if name in _UNREACHABLE:
        return service.unreachable(reason)
    if isinstance(error, library.APIConnectionError) or name in _CUT:
        return service.cut(reason)
    if isinstance(error, (library.APIResponseValidationError, json.JSONDecodeError)):
        return service.unreadable(getattr(error, "doc", ""))
    return None
