"""`AnthropicService`: requests through Anthropic's client library, and its errors as ours.

Requests are made by the library's own ``post``, with bodies and answers as plain data. Its retries
are off, because a durable call counts its attempts itself, and waits as the service says.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...agent.errors import AgentDefinitionError
from ...agent.resources.model_errors import ModelError
from ..shared.clients import Clients, Opened, OpenedSync
from ..shared.extras import import_sdk
from ..shared.failures import Service, without_password
from ..shared.http import (
    HttpSettings,
    async_http_client,
    sync_http_client,
)
from ..shared.sdk_failures import failure_on_the_way
from ..shared.sdk_requests import dict_events, read_seconds, timeout_of
from .answers import PROVIDER

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["KEY_HINT", "Answer", "AnthropicService", "Place", "has_credentials", "sdk"]

DEFAULT_URL: Final = "https://api.anthropic.com"
_PATH: Final = "/v1/messages"
KEY_HINT: Final = "Set ANTHROPIC_API_KEY, or give AnthropicChatModelConnection an api_key."
_CREDENTIALS: Final = (
    "API_KEY",
    "AUTH_TOKEN",
    "PROFILE",
    "IDENTITY_TOKEN",
    "IDENTITY_TOKEN_FILE",
)
_TELLING: Final = frozenset({"billing_error", "exceed_context_size_error", "request_too_large"})
"""Kinds of errors that say more than the status."""
_STATUS_OF: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""By the kind of an error that comes within a stream, whose status is 200."""


def sdk() -> Any:
    """Anthropic's client library.

    Raises:
        MissingExtraError: it is not installed.
    """
    return import_sdk("anthropic", "anthropic", major=2)


def has_credentials() -> bool:
    """Whether the environment has what the client library looks for, in place of a key."""
    folder = os.environ.get("ANTHROPIC_CONFIG_DIR") or "~/.config/anthropic"
    named = any(os.environ.get(f"ANTHROPIC_{name}") for name in _CREDENTIALS)
    return named or Path(folder).expanduser().is_dir()


class Answer(NamedTuple):
    """A whole answer."""

    body: dict[str, Any]
    request_id: str


class Place(NamedTuple):
    """Where the service is, and how to get in."""

    url: str
    key: str
    """Empty for what the library finds by itself."""
    read: float
    """Seconds between two pieces of an answer."""
    headers: Mapping[str, str]


class AnthropicService:
    """The service, or one that speaks its protocol."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.service = Service(
            name="Anthropic",
            provider=PROVIDER,
            url=without_password(place.url),
            secrets=(place.key, *place.headers.values()),
            key_hint=KEY_HINT,
        )
        self._clients: Clients[Any, Any] = Clients(self._open, self._open_sync)

    # -- clients ----------------------------------------------------------------------------------

    def _options(self) -> tuple[HttpSettings, dict[str, Any]]:
        place = self._place
        options = {
            "api_key": place.key or None,
            "base_url": place.url,
            "max_retries": 0,
            "default_headers": dict(place.headers),
            "timeout": timeout_of(place.read),
        }
        return HttpSettings(place.url, place.read), options

    def _open(self) -> Opened[Any]:
        library = sdk()
        import httpx2  # noqa: PLC0415 (comes with the library, which is an extra)

        settings, options = self._options()
        http = async_http_client(httpx2, settings)
        return Opened(_made(library.AsyncAnthropic, http, options), http.aclose)

    def _open_sync(self) -> OpenedSync[Any]:
        library = sdk()
        import httpx2  # noqa: PLC0415 (as above)

        settings, options = self._options()
        http = sync_http_client(httpx2, settings)
        return OpenedSync(_made(library.Anthropic, http, options), http.close)

    def close(self) -> None:
        """Close the client that blocks."""
        self._clients.close()

    async def aclose(self) -> None:
        """Close the clients of the running loop."""
        await self._clients.aclose()

    # -- requests ---------------------------------------------------------------------------------

    async def apost(self, body: dict[str, Any], how: Mapping[str, Any]) -> Answer:
        """Send a request for a message.

        Args:
            body: plain data.
            how: options of the library, as `split_options` makes them.

        Raises:
            ModelError: the service cannot be reached, or refuses.
        """
        client = self._clients.on_loop()
        import httpx2  # noqa: PLC0415 (as above)

        try:
            response = await client.post(_PATH, cast_to=httpx2.Response, body=body, options={**how})
        except Exception as error:  # noqa: BLE001 (what is no failure of the service is raised again)
            raise self._failure(error, how) from None
        return self._answer(response)

    def post(self, body: dict[str, Any], how: Mapping[str, Any]) -> Answer:
        """Send a request; blocks. Arguments and errors are those of `apost`."""
        client = self._clients.blocking()
        import httpx2  # noqa: PLC0415 (as above)

        try:
            response = client.post(_PATH, cast_to=httpx2.Response, body=body, options={**how})
        except Exception as error:  # noqa: BLE001 (what is no failure of the service is raised again)
            raise self._failure(error, how) from None
        return self._answer(response)

    async def astream(
        self, body: dict[str, Any], how: Mapping[str, Any]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Send a request whose answer comes as events.

        Arguments and errors are those of `apost`; an answer that breaks off is `Unavailable`.
        """
        client = self._clients.on_loop()
        try:
            stream = await client.post(
                _PATH,
                cast_to=object,
                body={**body, "stream": True},
                options={**how},
                stream=True,
                stream_cls=sdk().AsyncStream[object],
            )
            async with aclosing(dict_events(stream)) as events:
                async for event in events:
                    yield event
        except ModelError:
            raise
        except Exception as error:  # noqa: BLE001 (what is no failure of the service is raised again)
            raise self._failure(error, how) from None

    def _answer(self, response: Any) -> Answer:
        try:
            body = json.loads(response.content)
        except ValueError:
            body = None
        if not isinstance(body, dict) or not isinstance(body.get("content"), list):
            raise self.service.unreadable(response.text, status=response.status_code)
        return Answer(body, response.headers.get("request-id", ""))

    def _failure(self, error: Exception, how: Mapping[str, Any]) -> Exception:
        """Our error for one of the library; others, which are faults of a program, as they are."""
        library = sdk()
        if isinstance(error, library.APIStatusError):
            message, kind = _told(error.body)
            status = error.status_code
            return self.service.refused(
                status if status >= 400 else _STATUS_OF.get(kind, 500),
                message,
                # The kinds say no more than the status, but for those.
                code=kind if kind in _TELLING else "",
                headers=error.response.headers,
                request_id=error.request_id or "",
            )
        if isinstance(error, library.CredentialsError):
            return _no_key(f": {self.service.clean(str(error))}")
        if isinstance(error, TypeError) and "authentication method" in str(error):
            return _no_key(".")
        seconds = read_seconds(how, self._place.read)
        return failure_on_the_way(self.service, library, error, seconds) or error


def _made(clazz: Any, http: Any, options: dict[str, Any]) -> Any:
    """A client. What it finds by itself (profiles, tokens) may be wrong."""
    try:
        return clazz(http_client=http, **options)
    except sdk().CredentialsError as error:
        raise _no_key(f": {error}") from None


def _no_key(why: str) -> AgentDefinitionError:
    return AgentDefinitionError(f"The connection to Anthropic has no API key{why}", hint=KEY_HINT)


def _told(body: object) -> tuple[str, str]:
    """The text and the kind of an error; the library gives a body that is no JSON as text."""
    error = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(error, dict):
        return str(error.get("message") or ""), str(error.get("type") or "")
    return (error if isinstance(error, str) else ""), ""
