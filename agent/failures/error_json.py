"""Errors as JSON: how one process reports to another why something has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import errors
from ..errors import AgentFailedError, PoolError, TamiasError
from .error_text import full_text, is_of, message_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["error_from_json", "error_to_json"]


def error_to_json(error: BaseException, *, with_traceback: bool = True) -> dict[str, str]:
    """Return the `type`, `message`, `hint` and, unless it is unwanted, `traceback` of an error.

    The traceback is the one of the user's code. Errors of tamias explain themselves, so theirs is
    empty, except for that of `AgentFailedError`.
    """
    name = type(error).__name__
    trace = ""
    if is_of(error, TamiasError):
        assert isinstance(error, TamiasError)  # noqa: S101 (for the type checker)
        body = {"type": name, "message": error.message, "hint": error.hint}
        if isinstance(error, AgentFailedError):
            trace = error.user_traceback
    else:
        body = {"type": name, "message": f"{name}: {message_of(error)}", "hint": ""}
        if with_traceback:
            trace = full_text(error)
    if with_traceback:
        body["traceback"] = trace
    return body


def error_from_json(
    body: Mapping[str, Any], *, otherwise: type[TamiasError] = PoolError
) -> TamiasError:
    """Return the error that `error_to_json` has described.

    An error of a class that is not in `errors` becomes one of `otherwise`, which names the class.
    A traceback becomes part of the message.
    """
    name, message, trace = body["type"], body["message"], body.get("traceback", "")
    kind = getattr(errors, name, None)
    if not (isinstance(kind, type) and issubclass(kind, TamiasError)):
        kind = otherwise
        if not message.startswith(f"{name}: "):
            message = f"{name}: {message}"
    if trace and issubclass(kind, AgentFailedError):
        return kind(message, hint=body["hint"], user_traceback=trace)
    if trace:
        message = f"{message}\n\n{trace.rstrip()}"
    return kind(message, hint=body["hint"])
