"""Decides what becomes of durable calls that are not on record: made, given a value, or refused."""

from __future__ import annotations

import sys
from contextlib import suppress
from reprlib import Repr
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ...agent.errors import DurableCallError
from ...agent.failures.error_text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...worker.intercepting.interceptor import Attempt

__all__ = ["ASK", "CALLS", "MAKE", "REFUSE", "CallDecisions", "EndedByUser", "shown_call"]

ASK: Final = "ask"
MAKE: Final = "make"
REFUSE: Final = "refuse"
CALLS: Final = (ASK, MAKE, REFUSE)

_short: Final = Repr()
_short.maxstring = _short.maxother = 80


class EndedByUser(BaseException):
    """Raised out of an action when the user ends the session."""


def shown_call(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """A call as text, shortened."""
    parts = [_shown(value) for value in args]
    parts += [f"{key}={_shown(value)}" for key, value in kwargs.items()]
    return f"{name}({', '.join(parts)})"


def _shown(value: Any) -> str:
    try:
        return _short.repr(value)
    except Exception as error:  # noqa: BLE001 (a user's class)
        return f"<{type(value).__name__}: {one_line(error)}>"


class CallDecisions:
    """Decides about durable calls and questions that are not on record."""

    def __init__(self, mode: str, write: Callable[[str], None]) -> None:
        """`mode`: one of `CALLS`. `write` prints a line."""
        self._mode = mode
        self._write = write

    def decide(self, attempt: Attempt) -> None:
        """Replace the work of a call, unless it is to be made."""
        call = shown_call(attempt.name, attempt.args, attempt.kwargs)
        answer: tuple[str, Any] = (self._mode, None)
        if self._mode == ASK:
            self._write(f"not on record: the durable call {call}")
            answer = self._ask("m: make it", attempt)
        kind, value = answer
        if kind == MAKE:
            self._write(f"made: {call}")
        elif kind == "value":
            attempt.work = lambda: value
        elif kind == "raise":
            attempt.work = lambda: _throw(value)
        else:
            attempt.work = lambda: _throw(
                DurableCallError(f"{call} is not on record, and was refused")
            )

    def answer(self, name: str, ask: Any) -> tuple[Any]:
        """Return the answer to a question that is not on record.

        Raises:
            DurableCallError: there is none.
        """
        if self._mode == ASK:
            self._write(f"not on record: an answer to ctx.wait_for({name!r}, ask={_shown(ask)})")
            kind, value = self._ask("")
            if kind == "value":
                return (value,)
            if kind == "raise":
                raise value
        raise DurableCallError(f"no answer to ctx.wait_for({name!r}) is on record")

    def _ask(self, first: str, attempt: Attempt | None = None) -> tuple[str, Any]:
        names = {} if attempt is None else {"args": attempt.args, "kwargs": attempt.kwargs}
        choices = ", ".join(filter(None, (first, "v: give a value", "r: have it raise", "q: end")))
        while True:
            word = _line(f"{choices}? ").strip()
            if word in ("m", MAKE) and first:
                return MAKE, None
            if word in ("v", "value"):
                given = self._evaluated("value, as Python: ", names)
                if given is not None:
                    return "value", given[0]
            elif word in ("r", "raise"):
                given = self._evaluated("exception, as ValueError('text'): ", names)
                if given is not None and isinstance(given[0], BaseException):
                    return "raise", given[0]
                self._write("That is no exception.")
            elif word in ("q", "quit", "exit"):
                raise EndedByUser

    def _evaluated(self, prompt: str, names: dict[str, Any]) -> tuple[Any] | None:
        text = _line(prompt)
        try:
            return (eval(text, {**vars(sys.modules["__main__"]), **names}),)  # noqa: S307 (typed by the user, as in a debugger)
        except Exception as error:  # noqa: BLE001 (a mistake in what was typed)
            self._write(one_line(error))
            return None


def _line(prompt: str) -> str:
    with suppress(EOFError):
        return input(prompt)
    raise EndedByUser


def _throw(error: BaseException) -> NoReturn:
    raise error
