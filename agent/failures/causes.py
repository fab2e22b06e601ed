"""`raise ... from` in compiled modules, whose sources `scripts/packaging/core.py` changes."""

from __future__ import annotations

from typing import TypeVar

_Error = TypeVar("_Error", bound=BaseException)


def with_cause(error: _Error, cause: BaseException | None) -> _Error:
    """Return an exception that is to be raised, with its cause; None hides what came before."""
    error.__cause__ = cause
    return error
