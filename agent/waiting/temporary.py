"""What an exception says about another attempt: whether it is worth one, and when.

Classes of client libraries are known by module and name, so that none need be imported. An
exception that a client raised may be the cause of the one at hand, or a member of its group; those
are asked, too. Attributes of exceptions are read with care: they may run any code.
"""

from __future__ import annotations

import errno
import json
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, Final, NamedTuple

from ..config.values import any_duration, as_float
from ..errors import (
    JavaCallError,
    JavaTimeoutError,
    RunTimeoutError,
    TamiasError,
    WaitTimeoutError,
)
from ..failures.error_text import exceptions_in, is_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Kind", "kind_of", "said_wait", "status_of"]


class Kind(Enum):
    """What kind of failure an exception is."""

    TEMPORARY = "temporary"
    """A service is down, overloaded or slow."""
    CODE = "code"
    """The code is wrong, or the input: waiting changes nothing."""
    OTHER = "other"


_TEMPORARY_STATUS: Final = frozenset({408, 409, 425, 429})
_FIRST_STATUS, _FIRST_SERVER_ERROR, _LAST_STATUS = 100, 500, 599
_CODE_ERRORS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    NotImplementedError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)
_OUTCOMES: Final = (JavaCallError, JavaTimeoutError, RunTimeoutError, WaitTimeoutError)
"""Errors of tamias that are not about the code."""
_FILE_ERRORS: Final = (
    FileExistsError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)
_FILE_ERRNOS: Final = frozenset(
    {
        errno.EBADF,
        errno.EFBIG,
        errno.EINVAL,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENOSPC,
        errno.ENOTEMPTY,
        errno.EROFS,
        errno.EXDEV,
    }
)
_CLIENTS: Final = frozenset(
    {
        "aiohttp",
        "anthropic",
        "asyncio",
        "http",
        "httpcore",
        "httpx",
        "ollama",
        "openai",
        "requests",
        "urllib3",
    }
)
_TEMPORARY_NAMES: Final = frozenset(
    {
        "APIConnectionError",
        "APITimeoutError",
        "ChunkedEncodingError",
        "ClientConnectionError",
        "ClientPayloadError",
        "ConnectError",
        "ConnectTimeout",
        "ConnectTimeoutError",
        "ConnectionError",
        "IncompleteRead",
        "InternalServerError",
        "NetworkError",
        "NewConnectionError",
        "OverloadedError",
        "PoolTimeout",
        "ProtocolError",
        "RateLimitError",
        "ReadError",
        "ReadTimeout",
        "ReadTimeoutError",
        "RemoteDisconnected",
        "RemoteProtocolError",
        "ServerDisconnectedError",
        "ServerTimeoutError",
        "ServiceUnavailableError",
        "Timeout",
        "TimeoutError",
        "TimeoutException",
        "WriteError",
        "WriteTimeout",
    }
)


def kind_of(error: BaseException) -> Kind:
    """Tell what kind of failure an exception is, from it and what has caused it."""
    if any(_is_temporary(each) for each in exceptions_in(error)):
        return Kind.TEMPORARY
    if is_of(error, TamiasError):
        return Kind.OTHER if is_of(error, _OUTCOMES) else Kind.CODE
    if is_of(error, json.JSONDecodeError):
        return Kind.OTHER
    if is_of(error, _CODE_ERRORS) or not is_of(error, Exception):
        return Kind.CODE
    return Kind.OTHER


def _is_temporary(error: BaseException) -> bool:
    if is_of(error, TamiasError):
        return bool(_attribute(error, "is_temporary"))
    status = status_of(error)
    if status is not None:
        return status in _TEMPORARY_STATUS or _FIRST_SERVER_ERROR <= status <= _LAST_STATUS
    if _said(error) is not None or _is_of_client(error):
        return True
    if is_of(error, TimeoutError):
        return True
    if not is_of(error, OSError) or is_of(error, (*_FILE_ERRORS, ValueError)):
        return False
    return _attribute(error, "errno") not in _FILE_ERRNOS


def _is_of_client(error: BaseException) -> bool:
    return any(
        clazz.__name__ in _TEMPORARY_NAMES and clazz.__module__.partition(".")[0] in _CLIENTS
        for clazz in type(error).__mro__
    )


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status that an exception carries; None for none."""
    response = _attribute(error, "response")
    places: list[tuple[object, str]] = [(error, "status_code"), (error, "status"), (error, "code")]
    places += [(response, "status_code"), (response, "status")]
    for owner, name in places:
        status = _attribute(owner, name)
        if type(status) is int and _FIRST_STATUS <= status <= _LAST_STATUS:
            return status
    return None


def said_wait(error: BaseException, now: float) -> float | None:
    """Return the seconds that an exception, or what has caused it, says to wait; None for none."""
    for each in exceptions_in(error):
        said = _said(each)
        if said is not None:
            return max(0.0, said.seconds - now) if said.is_moment else said.seconds
    return None


_LONGEST_WAIT: Final = 1e9
"""Seconds; a number that is larger is a moment, in seconds since the epoch."""


class _Said(NamedTuple):
    """For how long to wait, or (`is_moment`) until when, in seconds since the epoch."""

    seconds: float
    is_moment: bool


def _said(error: BaseException) -> _Said | None:
    """What an exception says about a wait; None for nothing."""
    said = _seconds(_attribute(error, "retry_after"))
    if said is not None:
        return said
    for owner in (error, _attribute(error, "response")):
        headers = _attribute(owner, "headers")
        milliseconds = _seconds(_header(headers, "retry-after-ms"))
        if milliseconds is not None:
            return _Said(milliseconds.seconds / 1000, is_moment=False)
        said = _seconds(_header(headers, "retry-after"))
        if said is not None:
            return said
    return None


def _seconds(value: object) -> _Said | None:
    if isinstance(value, timedelta):
        return _Said(max(0.0, value.total_seconds()), is_moment=False)
    if isinstance(value, datetime):
        return _moment(lambda: value)
    if isinstance(value, str):
        return _of_text(value.strip())
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return _of_number(as_float(value))


def _of_text(text: str) -> _Said | None:
    try:
        return _of_number(any_duration(text))
    except ValueError:
        return _moment(lambda: _http_date(text))


def _of_number(seconds: float) -> _Said | None:
    if not isfinite(seconds):
        return None
    return _Said(max(0.0, seconds), is_moment=seconds > _LONGEST_WAIT)


def _moment(read: Callable[[], datetime]) -> _Said | None:
    try:
        return _Said(read().timestamp(), is_moment=True)
    except (ValueError, TypeError, OverflowError, OSError):  # no date, or one that no clock shows
        return None


def _http_date(text: str) -> datetime:
    moment = parsedate_to_datetime(text)
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment


def _attribute(owner: object, name: str) -> object:
    if owner is None:
        return None
    try:
        return getattr(owner, name, None)
    except BaseException:  # noqa: BLE001 (an exception's own code may raise anything)
        return None


def _header(headers: object, name: str) -> object:
    """A header by its name; a mapping may tell upper from lower case."""
    for spelled in (name, name.title(), name.upper()):
        try:
            found = headers.get(spelled)  # type: ignore[attr-defined]
        except BaseException:  # noqa: BLE001 (as above)
            return None
        if found is not None:
            return found.decode("latin-1") if isinstance(found, bytes) else found
    return None
