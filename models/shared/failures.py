"""From what a client library raises to `ModelError`: the part that is the same for all providers.

Texts of services go into errors, which go into logs and dead letters, so keys are taken out of
them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from ...agent.resources.model_errors import (
    AuthFailed,
    BadRequest,
    ContextTooLong,
    ModelError,
    Overloaded,
    RateLimited,
    Unavailable,
)

__all__ = ["Service", "retry_after"]

_LONGEST = 600
"""Characters of a service's text that are kept."""
_TOO_LONG = re.compile(
    r"context[ _](?:length|window|size)|maximum context|(?:prompt|input) is too long"
    r"|too many (?:input )?tokens|exceeds? (?:the )?(?:available )?context|range of input length",
    re.IGNORECASE,
)
_TOO_LARGE = re.compile(r"request too large", re.IGNORECASE)
"""More than the account may send in a minute: waiting does not help."""
_TOO_LONG_CODES = frozenset(
    {"context_length_exceeded", "exceed_context_size_error", "request_too_large"}
)
_QUOTA_CODES = frozenset(
    {
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "billing_error",
        "arrearage",
        "credit_balance_too_low",
    }
)
_LOOKS_LIKE_A_KEY = re.compile(r"\b(?:sk|pk|api|key)-[\w*.-]{6,}|Bearer\s+\S+", re.IGNORECASE)
_HTML = re.compile(r"\s*<(?:!doctype|html)", re.IGNORECASE)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a service wants a client to wait; None if it names no time.

    ``retry-after-ms`` are milliseconds, ``retry-after`` are seconds or a date.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None or not text:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, IndexError):
        return None


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


class Service(NamedTuple):
    """A service, as errors speak of it."""

    name: str
    """For people: "OpenAI"."""
    provider: str
    """For programs: "openai"."""
    url: str
    """Where it is; without a password."""
    secrets: tuple[str, ...] = ()
    """What no text may contain."""
    key_hint: str = "Check the API key."
    """What to do about a key that is not accepted."""
    model_hint: str = "Check the model's name, and that the account may use it."

    def refused(
        self,
        status: int,
        message: str,
        *,
        code: str = "",
        headers: Mapping[str, str] | None = None,
        request_id: str = "",
    ) -> ModelError:
        """The error for an answer with a status of 400 or more."""
        kind, sentence, hint = self._kind(status, message, code)
        said = "" if kind is AuthFailed and status == 401 else self._quoted(message)
        coded = f", {self.clean(code)}" if code and not _HTML.match(code) else ""
        return kind(
            f"{self.name} {sentence} (status {status}{coded}){said or '.'}",
            hint=hint,
            status=status,
            retry_after=retry_after(headers or {}),
            provider=self.provider,
            request_id=request_id,
        )

    def _kind(self, status: int, message: str, code: str) -> tuple[type[ModelError], str, str]:
        """The class of an error, what happened, and what to do."""
        if code.lower() in _QUOTA_CODES or status == 402:
            return AuthFailed, "says that the account's quota is used up", "Add credit to it."
        if (
            status in {400, 413, 422} and (code in _TOO_LONG_CODES or _TOO_LONG.search(message))
        ) or (status == 429 and _TOO_LARGE.match(message)):
            hint = "Shorten the conversation, or use a model that takes more."
            return ContextTooLong, "says that the conversation is too long", hint
        if status == 401:
            return AuthFailed, "does not accept the API key", self.key_hint
        if status == 403:
            return AuthFailed, "does not allow this call", self.model_hint
        if status == 404:
            hint = f"{self.model_hint} The address is {self.url}."
            return BadRequest, "knows no such model or path", hint
        if status == 429:
            hint = "Fewer calls at a time, or a limit in the configuration, avoid this."
            return RateLimited, "takes no more requests for now", hint
        if status in {503, 529}:
            return Overloaded, "has too much to do", "Try again later."
        if status in {408, 409, 425} or status >= 500:
            return Unavailable, "has failed", "Try again later."
        return BadRequest, "refuses the request", ""

    def unreachable(self, reason: str) -> ModelError:
        """The error for a connection that could not be made."""
        hint = "Check the address, and that the service runs."
        return self._unavailable(f"cannot be reached at {self.url}: {self.clean(reason)}", hint)

    def silent(self, seconds: float) -> ModelError:
        """The error for an answer that did not come, or did not go on, in time."""
        hint = "A longer timeout of the connection waits longer."
        return self._unavailable(f"has sent nothing for {seconds:g} s", hint)

    def cut(self, reason: str) -> ModelError:
        """The error for an answer that has ended in the middle."""
        text = f"has broken off its answer: {self.clean(reason)}"
        return self._unavailable(text, "Try again.")

    def unreadable(self, text: str, *, status: int | None = None) -> ModelError:
        """The error for an answer that is not what the protocol has."""
        hint = f"If it goes on, check the address: {self.url}."
        return self._unavailable(f"has sent no valid answer{self._quoted(text)}", hint, status)

    def _unavailable(self, text: str, hint: str, status: int | None = None) -> ModelError:
        return Unavailable(
            f"{self.name} {text}.".replace("..", "."),
            hint=hint,
            provider=self.provider,
            status=status,
        )

    def _quoted(self, text: str) -> str:
        if _HTML.match(text):
            return ": an HTML page"
        text = " ".join(self.clean(text).split())
        return f": {text[:_LONGEST]}" if text else ""

    def clean(self, text: str) -> str:
        """The text without keys."""
        return cleaned(text, self.secrets)


def cleaned(text: str, secrets: Iterable[str] = ()) -> str:
    """A text without secrets, and without what looks like a key."""
    for secret in secrets:
        if len(secret) >= 6:
            text = text.replace(secret, "***")
    return _LOOKS_LIKE_A_KEY.sub("***", text)


def without_password(url: str) -> str:
    """A URL without the user and the password in it."""
    return re.sub(r"//[^/@]*@", "//", url)
