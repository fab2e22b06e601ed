"""Exceptions whose classes do what they like, by name."""

from __future__ import annotations

import asyncio
import builtins
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class AttributesError(Exception):
    def __getattr__(self, name: str) -> Any:
        raise KeyError(name)


class TextError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class LoopTextError(RuntimeError):
    def __str__(self) -> str:
        raise SystemExit(7)


class MembersError(Exception):
    exceptions = ("text",)


class MembersPropertyError(Exception):
    @property
    def exceptions(self) -> Any:
        raise KeyError("exceptions")


class ConstructorError(Exception):
    """It can be pickled, and not be unpickled."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(first)
        self.second = second


class LyingError(Exception):
    def __reduce__(self) -> Any:
        return dict, ()


class QuittingError(Exception):
    def __reduce__(self) -> Any:
        return sys.exit, (4,)


class StateError(Exception):
    def __reduce__(self) -> Any:
        return StateError, (), {"a": 1}

    def __setstate__(self, state: Any) -> None:
        raise SystemExit(5)


class UnpicklableError(Exception):
    def __reduce__(self) -> Any:
        raise SystemExit(6)


class ClassError(Exception):
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise KeyError("class")


class CauseError(Exception):
    @property
    def __cause__(self) -> Any:  # type: ignore[override]
        raise KeyError("cause")


class TracebackError(Exception):
    @property
    def __traceback__(self) -> Any:  # type: ignore[override]
        raise KeyError("traceback")

    @property
    def __notes__(self) -> Any:
        raise KeyError("notes")


class BadSyntaxError(SyntaxError):
    lineno: Any = object()
    text: Any = 3


class Abort(BaseException):
    pass


def in_a_circle() -> Exception:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    return one


def in_a_long_chain() -> Exception:
    error = ValueError("first")
    for number in range(3000):
        last, error = error, ValueError(number)
        error.__cause__ = last
    return error


def grouped(*errors: BaseException) -> BaseException:
    kind: Any = getattr(builtins, "BaseExceptionGroup", None)
    if kind is None:
        return MembersError()
    group: BaseException = kind("some", errors)
    return group


MADE: dict[str, Callable[[], BaseException]] = {
    "attributes": AttributesError,
    "text": TextError,
    "text that exits": LoopTextError,
    "members": MembersError,
    "members that raise": MembersPropertyError,
    "constructor": lambda: ConstructorError(1, 2),
    "lying": LyingError,
    "quitting": QuittingError,
    "state": StateError,
    "no pickle": UnpicklableError,
    "class": ClassError,
    "cause": CauseError,
    "traceback": TracebackError,
    "syntax": BadSyntaxError,
    "abort": Abort,
    "circle": in_a_circle,
    "long": in_a_long_chain,
    "group": lambda: grouped(AttributesError(), TextError(), ConstructorError(1, 2)),
    "base group": lambda: grouped(Abort(), KeyboardInterrupt(), grouped(ClassError())),
    "stop": lambda: StopIteration(3),
    "asynchronous stop": lambda: StopAsyncIteration(3),
    "generator exit": GeneratorExit,
    "cancellation": asyncio.CancelledError,
    "exit": lambda: SystemExit(3),
    "interrupt": KeyboardInterrupt,
    "half a surrogate pair": lambda: ValueError("\udc80"),
    "long text": lambda: ValueError("x" * 3_000_000),
}


def raise_one(name: str) -> None:
    error = give(name)
    raise error


async def raise_later(name: str) -> None:
    await asyncio.sleep(0)
    error = give(name)
    raise error


def give(name: str) -> BaseException:
    return MADE[name]()
