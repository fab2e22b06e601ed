"""`RetryPolicy`: how often something that failed is tried again, and after which waits.

A wait before the attempt ``n + 1`` is ``wait * factor ** (n - 1)``, at most ``longest``, made
longer or shorter by up to the share ``jitter``. The jitter is derived from what is tried, not
drawn, so a replay finds the same moments. An exception may say how long to wait: a `retry_after`,
or a header ``Retry-After`` of its response. That is kept to, within ``longest``, with jitter on
top only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from hashlib import blake2b
from math import isfinite
from typing import Final

from ..config.values import as_float, parse_duration, to_float, to_int
from ..errors import ConfigError
from ..failures.error_text import is_of
from ..naming.public import public
from .error_kinds import ErrorKinds, NamedKinds, is_one_of, parse_kinds
from .temporary import said_wait

__all__ = ["RetryPolicy"]

_BYTES: Final = 8


@public
@dataclass(frozen=True, init=False)
class RetryPolicy:
    """How often something is tried, and after which waits.

    Attributes:
        attempts: how often it is tried at most, the first time included.
        wait: the wait after the first attempt, in seconds; also a `timedelta`, or text as "500ms".
        factor: by which each wait is longer than the one before.
        longest: no wait is longer.
        jitter: a share of the wait, 0 to 1, by which it is made longer or shorter.
        retry_on: exceptions that are tried again: classes, or their names, with or without the
            module. None for all that are `Exception`.
        give_up_on: exceptions that are not, whatever `retry_on` says.
        timeout: the time limit of each attempt; None for none.
    """

    attempts: int
    wait: float
    factor: float
    longest: float
    jitter: float
    retry_on: ErrorKinds | None
    give_up_on: ErrorKinds
    timeout: float | None

    def __init__(  # noqa: PLR0917 (each has a name and a default)
        self,
        attempts: int = 5,
        wait: float | str | timedelta = 1.0,
        factor: float = 2.0,
        longest: float | str | timedelta = 300.0,
        jitter: float = 0.1,
        retry_on: NamedKinds | None = None,
        give_up_on: NamedKinds = (),
        timeout: float | str | timedelta | None = None,
    ) -> None:
        """Convert and check all that is given.

        Raises:
            ConfigError: something is of no use.
        """
        assign = object.__setattr__
        assign(self, "attempts", _attempts(attempts))
        assign(self, "wait", _duration("wait", wait))
        assign(self, "factor", _number("factor", factor, 1.0, None))
        assign(self, "longest", _duration("longest", longest))
        assign(self, "jitter", _number("jitter", jitter, 0.0, 1.0))
        assign(self, "retry_on", None if retry_on is None else _kinds("retry_on", retry_on))
        assign(self, "give_up_on", _kinds("give_up_on", give_up_on))
        limit = None if timeout is None else _duration("timeout", timeout)
        if limit == 0:
            raise _bad("timeout", timeout, "longer than 0, or None for no limit")
        assign(self, "timeout", limit)

    @classmethod
    def of(cls, value: object, what: str = "retry") -> RetryPolicy:
        """The policy itself, or the one that a mapping describes, as it stands in YAML.

        Raises:
            ConfigError: it is neither, or the mapping has an unknown key.
        """
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise ConfigError(
                f"{what} is {value!r}, which is no retry policy.",
                hint="Give a tamias.RetryPolicy, or a mapping, as {'attempts': 5, 'wait': '1s'}.",
            )
        known = {field.name for field in fields(cls)}
        given = {str(key).replace("-", "_"): each for key, each in value.items()}
        unknown = sorted(given.keys() - known)
        if unknown:
            raise ConfigError(
                f"{what} has {', '.join(map(repr, unknown))}, which no retry policy has.",
                hint=f"A policy has {', '.join(sorted(known))}.",
            )
        return cls(**given)

    def retries(self, error: BaseException) -> bool:
        """Whether this exception is one that is tried again, while attempts are left."""
        if is_one_of(error, self.give_up_on):
            return False
        if self.retry_on is not None:
            return is_one_of(error, self.retry_on)
        return is_of(error, Exception)

    def wait_after(self, failed: int, error: BaseException, *, now: float, seed: bytes) -> float:
        """Seconds to wait after the n-th failed attempt; `seed` names what is tried.

        `now` is in seconds since the epoch.
        """
        share = _share(seed, failed)
        said = said_wait(error, now)
        if said is not None:
            return min(said * (1 + self.jitter * share), self.longest)
        try:
            wait = self.wait * self.factor ** (failed - 1)
        except OverflowError:
            wait = self.longest
        return min(min(wait, self.longest) * (1 + self.jitter * (2 * share - 1)), self.longest)


def _share(seed: bytes, failed: int) -> float:
    """A number from 0 to 1 that is always the same for these arguments."""
    digest = blake2b(seed + failed.to_bytes(_BYTES, "big"), digest_size=_BYTES).digest()
    return float(int.from_bytes(digest, "big") / 2 ** (8 * _BYTES))


def _attempts(value: object) -> int:
    try:
        attempts = to_int(value)
    except (ValueError, OverflowError):
        attempts = 0
    if attempts < 1:
        raise _bad("attempts", value, "a whole number from 1 on; a policy has to end")
    return attempts


def _duration(name: str, value: object) -> float:
    given = value.total_seconds() if isinstance(value, timedelta) else value
    try:
        return parse_duration(given)
    except ValueError as error:
        raise _bad(name, value, str(error)) from None


def _number(name: str, value: object, least: float, most: float | None) -> float:
    try:
        number = to_float(value)
    except ValueError:
        number = least - 1
    if not isfinite(number) or number < least or (most is not None and number > most):
        wanted = f"a number from {least:g} " + ("on" if most is None else f"to {most:g}")
        raise _bad(name, value, wanted)
    return number


def _kinds(name: str, value: object) -> ErrorKinds:
    try:
        return parse_kinds(value)
    except ValueError as error:
        raise ConfigError(
            f"{name!r} of a retry policy is {value!r}: {error}.",
            hint="Give classes of exceptions, or their names, as 'ConnectionError' or"
            " 'httpx.ConnectError'.",
        ) from None


def _bad(name: str, value: object, wanted: str) -> ConfigError:
    is_huge = type(value) is int and not isfinite(as_float(value))
    shown = "a huge number" if is_huge else repr(value)  # Python refuses to write such an integer
    return ConfigError(f"{name!r} of a retry policy is {shown}, wanted: {wanted}.")
