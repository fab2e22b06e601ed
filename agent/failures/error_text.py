"""Exceptions as text, whatever their classes do.

An exception of user code may raise another one when it is asked for its text, its class or its
attributes. The functions here then leave that part out. They never raise, so that a failure can
always be reported as what it is.
"""

from __future__ import annotations

import builtins
import traceback
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

__all__ = [
    "cause_of",
    "exceptions_in",
    "full_text",
    "is_of",
    "message_of",
    "one_line",
    "own_lines",
    "traceback_of",
]

LONGEST_LINE: Final = 10_000
"""Characters of an exception's own text that are kept in one line."""
LONGEST_TEXT: Final = 200_000
"""Characters of a traceback that are kept."""

_GROUP: Final[type[BaseException] | None] = getattr(builtins, "BaseExceptionGroup", None)


def is_of(error: object, kind: type | tuple[type, ...]) -> bool:
    """Whether an exception is of a kind, as `isinstance`, but without a look at `__class__`."""
    return issubclass(type(error), kind)


def cause_of(error: BaseException) -> BaseException | None:
    """The exception that `raise ... from` has named."""
    return _plain(error, "__cause__")


def exceptions_in(error: BaseException) -> Iterator[BaseException]:
    """The exception, its causes and contexts, and the members of exception groups among them."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        found = waiting.pop()
        if found is not None and id(found) not in seen:
            seen.add(id(found))
            yield found
            waiting += (_plain(found, "__cause__"), _plain(found, "__context__"), *_members(found))


def message_of(error: BaseException) -> str:
    """The exception's own text."""
    try:
        text = str(error)
    except BaseException as other:  # noqa: BLE001 (`__str__` may raise anything)
        text = f"<its text cannot be shown: {type(other).__name__}>"
    return _printable(text, LONGEST_LINE)


def own_lines(error: BaseException) -> str:
    """The exception as `module.Type: message`; a SyntaxError with the line that it is about."""
    try:
        text = "".join(traceback.format_exception_only(type(error), error))
    except BaseException:  # noqa: BLE001 (attributes may raise anything)
        kind = type(error)
        module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
        message = message_of(error)
        text = f"{module}{kind.__qualname__}" + (f": {message}" if message else "")
    return _printable(text, LONGEST_LINE)


def one_line(error: BaseException) -> str:
    """The exception as `module.Type: message`, on one line."""
    return " ".join(own_lines(error).split())


def full_text(error: BaseException, *, keep: Callable[[str], bool] = lambda _: True) -> str:
    """The exception with its traceback, causes and members.

    Args:
        error: the exception.
        keep: whether frames of the file of this name are shown; if none is left, all are.
    """
    try:
        shown = traceback.TracebackException.from_exception(error)
        _drop_frames(shown, keep)
        text = "".join(shown.format())
    except BaseException:  # noqa: BLE001 (attributes may raise anything, or lead too deep)
        text = _plain_text(error, keep)
    return _printable(text, LONGEST_TEXT)


def _drop_frames(shown: traceback.TracebackException, keep: Callable[[str], bool]) -> None:
    seen: set[int] = set()
    waiting = [shown]
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        frames = [frame for frame in part.stack if keep(frame.filename)]
        if frames:
            part.stack = traceback.StackSummary.from_list(frames)
        others = (part.__cause__, part.__context__, *(getattr(part, "exceptions", None) or ()))
        waiting.extend(other for other in others if other is not None)


def _plain_text(error: BaseException, keep: Callable[[str], bool]) -> str:
    """The text of an exception that the module `traceback` cannot deal with."""
    parts: list[str] = []
    for found in exceptions_in(error):
        frames = traceback.extract_tb(traceback_of(found))
        kept = [frame for frame in frames if keep(frame.filename)] or list(frames)
        stack = "".join(traceback.format_list(kept))
        head = "Traceback (most recent call last):\n" if stack else ""
        parts.append(f"{head}{stack}{one_line(found)}\n")
        if sum(map(len, parts)) > LONGEST_TEXT:
            break
    between = "\nThat exception was caused by this one, or raised while it was handled:\n\n"
    return between.join(parts)


def _plain(error: BaseException, name: str) -> BaseException | None:
    """An attribute of an exception, as Python keeps it."""
    found = BaseException.__dict__[name].__get__(error)
    return found if is_of(found, BaseException) else None


def traceback_of(error: BaseException) -> TracebackType | None:
    """The exception's traceback."""
    found: TracebackType | None = BaseException.__dict__["__traceback__"].__get__(error)
    return found


def _members(error: BaseException) -> list[BaseException]:
    if _GROUP is not None and is_of(error, _GROUP):
        return list(_GROUP.__dict__["exceptions"].__get__(error))
    try:  # groups of libraries for older versions of Python
        found = error.exceptions  # type: ignore[attr-defined]
    except BaseException:  # noqa: BLE001 (there are none, or `__getattr__` has raised anything)
        return []
    if type(found) not in (list, tuple):
        return []
    return [member for member in found if is_of(member, BaseException)]


def _printable(text: str, longest: int) -> str:
    if len(text) > longest:
        left_out = len(text) - longest
        text = f"{text[: longest // 2]} ... ({left_out} characters) ... {text[-longest // 2 :]}"
    return text.encode("utf-8", "backslashreplace").decode()
