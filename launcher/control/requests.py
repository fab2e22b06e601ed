"""Turns the requests of the control socket into commands of the pool."""

from __future__ import annotations

import json
from contextlib import contextmanager
from types import NoneType
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import UsageError
from .commands import (
    AnswerQuestion,
    Describe,
    Drain,
    Reload,
    RetryDeadLetters,
    Rollback,
    Scale,
    Stop,
    Swap,
)
from .server import Control

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from ...store.state.directory import StateDirectory
    from .commands import Command

METHODS: Final = {
    "status": "GET",
    "scale": "POST",
    "swap": "POST",
    "reload": "POST",
    "rollback": "POST",
    "drain": "POST",
    "stop": "POST",
    "answer": "POST",
    "retry": "POST",
}
"""The requests, each with its method."""

_PLAIN: Final[dict[str, Command]] = {
    "status": Describe(),
    "rollback": Rollback(),
    "drain": Drain(),
    "stop": Stop(),
}


@contextmanager
def control_socket(
    post: Callable[[Command], Future[dict[str, Any]]], state: StateDirectory
) -> Iterator[None]:
    """Serve a control socket in this block; `post` hands each command to the pool."""

    def handle(name: str, arguments: dict[str, Any]) -> Future[dict[str, Any]]:
        return post(command_of(name, arguments))

    with Control(state.path, METHODS, handle):
        yield


def command_of(name: str, arguments: dict[str, Any]) -> Command:
    """Return the command for a request.

    Raises:
        UsageError: its arguments are wrong.
    """
    if name == "scale":
        return Scale(_number(arguments, "workers"))
    if name == "swap":
        return Swap(_number(arguments, "slot"))
    if name == "reload":
        return _reload(arguments)
    if name == "answer":
        return _answer(arguments)
    if name == "retry":
        return _retry(arguments)
    return _PLAIN[name]


def _number(arguments: dict[str, Any], name: str) -> int:
    try:
        return int(arguments[name])
    except (KeyError, TypeError, ValueError):
        raise UsageError(
            f"{arguments.get(name)!r} is not a number for {name!r}.", hint=f"Write {name}=N."
        ) from None


def _answer(arguments: dict[str, Any]) -> AnswerQuestion:
    unknown = arguments.keys() - {"token", "value", "by", "request"}
    token, by = arguments.get("token"), arguments.get("by")
    request = arguments.get("request", "")
    if (
        unknown
        or "value" not in arguments
        or not isinstance(token, str)
        or not isinstance(request, str)
        or not isinstance(by, (str, NoneType))
    ):
        raise UsageError(
            f"An answer takes no {', '.join(sorted(unknown)) or 'values of such types'}.",
            hint="It takes token, a text; value, any JSON; and, if you like, by, a text, and "
            "request, a text under which it may be repeated.",
        )
    return AnswerQuestion(token, json.dumps(arguments["value"]).encode(), "json", by, request)


def _retry(arguments: dict[str, Any]) -> RetryDeadLetters:
    unknown = arguments.keys() - {"numbers", "cause", "wait"}
    numbers, cause = arguments.get("numbers"), arguments.get("cause")
    wait = arguments.get("wait", True)
    named = isinstance(numbers, list) and all(type(n) is int and 0 <= n < 1 << 63 for n in numbers)
    if (
        unknown
        or not (named or numbers is None)
        or not isinstance(cause, (str, NoneType))
        or not isinstance(wait, bool)
        or (numbers is not None and cause is not None)
    ):
        raise UsageError(
            f"A retry takes no {', '.join(sorted(unknown)) or 'values of such types'}.",
            hint="It takes numbers, a list, or cause, a text, or neither, for all dead letters; "
            "and wait, true or false.",
        )
    return RetryDeadLetters(None if numbers is None else tuple(numbers), cause, wait)


def _reload(arguments: dict[str, Any]) -> Reload:
    settings = arguments.get("settings", {})
    environment = arguments.get("environment")
    target, smoke = arguments.get("target"), arguments.get("smoke")
    unknown = arguments.keys() - {"settings", "target", "environment", "smoke"}
    right = isinstance(settings, dict) and isinstance(environment, (dict, NoneType))
    if (
        unknown
        or not right
        or not all(isinstance(text, (str, NoneType)) for text in (target, smoke))
    ):
        raise UsageError(
            f"A reload takes no {', '.join(sorted(unknown)) or 'values of such types'}.",
            hint="It takes settings and environment, which are objects, and target and smoke.",
        )
    return Reload(settings, target, environment, smoke)
