"""`OpenAIService`: requests through OpenAI's client library, and its errors as ours.

Requests are made by the library's own ``post``, with bodies and answers as plain data: its typed
methods, which rewrite both, take twice the time. Its retries are off, because a durable call counts
its attempts itself, and waits as the service says.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...agent.errors import AgentDefinitionError
from ...agent.resources.model_errors import ModelError
from ..shared.clients import Clients, Opened, OpenedSync
from ..shared.extras import import_sdk
from ..shared.failures import Service, without_password
from ..shared.http import HttpSettings, async_http_client, sync_http_client
from ..shared.sdk_failures import failure_on_the_way
from ..shared.sdk_requests import dict_events, read_seconds, timeout_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Answer", "OpenAIService", "Place", "sdk"]

DEFAULT_URL: Final = "https://api.openai.com/v1"
MAJOR: Final = 3


def sdk() -> Any:
    """OpenAI's client library.

    Raises:
        MissingExtraError: it is not installed.
    """
    return import_sdk("openai", "openai", major=MAJOR)


class Answer(NamedTuple):
    """A whole answer."""

    body: dict[str, Any]
    request_id: str


class Place(NamedTuple):
    """Where a service is, and how to get in."""

    name: str
    """For people."""
    provider: str
    """For programs."""
    url: str
    key: str
    read: float
    """Seconds between two pieces of an answer."""
    headers: Mapping[str, str]
    key_hint: str
    api_version: str = ""
    """Azure's; its key and paths are of another form."""
    reuse: bool = True
    """Whether calls share a client."""


class OpenAIService:
    """A service that speaks a protocol of OpenAI."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.service = Service(
            name=place.name,
            provider=place.provider,
            url=without_password(place.url),
            secrets=(place.key, *place.headers.values()),
            key_hint=place.key_hint,
        )
        self._clients: Clients[Any, Any] = Clients(self._open, self._open_sync)

    # -- clients ----------------------------------------------------------------------------------

    def _options(self) -> tuple[HttpSettings, dict[str, Any]]:
        place = self._place
        if not place.key:
            msg = f"The connection to {place.name} has no API key."
            raise AgentDefinitionError(msg, hint=place.key_hint)
        if not place.key.isascii() or not place.key.isprintable() or " " in place.key:
            msg = f"The API key of {place.name} has characters that no key has."
            raise AgentDefinitionError(msg, hint=place.key_hint)
        options: dict[str, Any] = {
            "api_key": place.key,
            "max_retries": 0,
            "default_headers": dict(place.headers),
            "timeout": timeout_of(place.read),
        }
        if place.api_version:
            options.update(azure_endpoint=place.url, api_version=place.api_version)
        else:
            options["base_url"] = place.url
        return HttpSettings(place.url, place.read), options

    def _open(self) -> Opened[Any]:
        library = sdk()
        import httpx2  # noqa: PLC0415 (as above)

        settings, options = self._options()
        clazz = library.AsyncAzureOpenAI if self._place.api_version else library.AsyncOpenAI
        http = async_http_client(httpx2, settings)
        return Opened(clazz(http_client=http, **options), http.aclose)

    def _open_sync(self) -> OpenedSync[Any]:
        library = sdk()
        import httpx2  # noqa: PLC0415 (as above)

        settings, options = self._options()
        clazz = library.AzureOpenAI if self._place.api_version else library.OpenAI
        http = sync_http_client(httpx2, settings)
        return OpenedSync(clazz(http_client=http, **options), http.close)

    def close(self) -> None:
        """Close the client that blocks."""
        self._clients.close()

    async def aclose(self) -> None:
        """Close the clients of the running loop."""
        await self._clients.aclose()

    # -- requests ---------------------------------------------------------------------------------

    async def apost(self, path: str, body: dict[str, Any], how: Mapping[str, Any]) -> Answer:
        """Send a request.

        Args:
            path: relative to the service's address.
            body: plain data.
            how: options of the library, as `split_options` makes them.

        Raises:
            ModelError: the service cannot be reached, or refuses.
        """
        if not self._place.reuse:
            opened = self._open()
            try:
                return await self._apost(opened.client, path, body, how)
            finally:
                await opened.aclose()
        return await self._apost(self._clients.on_loop(), path, body, how)

    async def _apost(
        self, client: Any, path: str, body: dict[str, Any], how: Mapping[str, Any]
    ) -> Answer:
        import httpx2  # noqa: PLC0415 (as above)

        try:
            response = await client.post(
                path,
                cast_to=httpx2.Response,
                body=body,
                options={**how},
            )
        except Exception as error:  # noqa: BLE001 (what is no failure of the service is raised again)
            raise self._failure(error, how) from None
        return self._answer(response)

    def post(self, path: str, body: dict[str, Any], how: Mapping[str, Any]) -> Answer:
        """Send a request; blocks. Arguments and errors are those of `apost`."""
        import httpx2  # noqa: PLC0415 (as above)

        opened = None if self._place.reuse else self._open_sync()
        client = self._clients.blocking() if opened is None else opened.client
        try:
            response = client.post(
                path,
                cast_to=httpx2.Response,
                body=body,
                options={**how},
            )
        except Exception as error:  # noqa: BLE001 (what is no failure of the service is raised again)
            raise self._failure(error, how) from None
        finally:
            if opened is not None:
                opened.close()
        return self._answer(response)

    async def astream(
        self, path: str, body: dict[str, Any], how: Mapping[str, Any]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Send a request whose answer comes in pieces.

        Arguments and errors are those of `apost`; an answer that breaks off is `Unavailable`.
        """
        opened = None if self._place.reuse else self._open()
        client = self._clients.on_loop() if opened is None else opened.client
        library = sdk()
        try:
            stream = await client.post(
                path,
                cast_to=object,
                body=body,
                options={**how},
                stream=True,
                stream_cls=library.AsyncStream[object],
            )
            async with aclosing(dict_events(stream)) as events:
                async for event in events:
                    yield event
        except ModelError:
            raise
        except Exception as error:  # noqa: BLE001 (what is no failure of the service is raised again)
            raise self._failure(error, how) from None
        finally:
            if opened is not None:
                await opened.aclose()

    def _answer(self, response: Any) -> Answer:
        try:
            body = json.loads(response.content)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise self.service.unreadable(response.text, status=response.status_code)
        if isinstance(body.get("error"), dict) and len(body) <= 2:
            # Some services answer 200 with an error in place of an answer.
            raise self.told(body["error"], response.headers.get("x-request-id", ""))
        return Answer(body, response.headers.get("x-request-id", ""))

    # -- errors -----------------------------------------------------------------------------------

    def _failure(self, error: Exception, how: Mapping[str, Any]) -> Exception:
        """Our error for one of the library; others, which are faults of a program, as they are."""
        library = sdk()
        if isinstance(error, library.APIStatusError):
            response = error.response
            text, code = _told(error.body, response.text)
            return self.service.refused(
                error.status_code,
                text,
                code=code,
                headers=response.headers,
                request_id=error.request_id or "",
            )
        seconds = read_seconds(how, self._place.read)
        failure = failure_on_the_way(self.service, library, error, seconds)
        if failure is not None:
            return failure
        if isinstance(error, library.APIError):
            body = error.body if isinstance(error.body, dict) else {"message": error.message}
            return self.told(body, "")
        return error

    def told(self, error: dict[str, Any], request_id: str) -> ModelError:
        """The error for one that came in a body, without a status of its own."""
        text, code = _told({"error": error}, "")
        status = error.get("status_code", error.get("status", error.get("code")))
        if not isinstance(status, int) or status < 400:
            status = _STATUS_OF.get(str(error.get("code") or error.get("type")), 500)
        return self.service.refused(status, text, code=code, request_id=request_id)


_STATUS_OF: Final = {
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "exceed_context_size_error": 400,
    "invalid_prompt": 400,
    "overloaded": 503,
}


def _told(body: object, text: str) -> tuple[str, str]:
    """The text and the code of an error's body; services differ in where they have them."""
    error = body
    if isinstance(body, dict):
        error = body.get("error", body)
    if isinstance(error, dict):
        code = error.get("code") or error.get("type") or ""
        message = error.get("message") or error.get("msg") or error.get("detail") or ""
        return str(message), "" if isinstance(code, int) else str(code)
    return (error if isinstance(error, str) else text), ""
