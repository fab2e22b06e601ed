"""`OllamaService`: requests through Ollama's client library, and its errors as ours.

The library's client knows the server's address and the key; requests are sent by the HTTP client in
it, as plain data: its typed methods drop what they do not know of a tool's schema (nested objects,
alternatives), and its errors have lost the headers.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Mapping
from threading import Lock
from typing import Any, Final

from pydantic import ConfigDict, Field, PrivateAttr

from ...agent.resources.model_errors import ModelError
from ...agent.resources.resource import Resource
from ..shared.arguments import check_arguments
from ..shared.clients import Clients, Opened, OpenedSync
from ..shared.extras import import_sdk
from ..shared.failures import Service, without_password
from ..shared.http import (
    CONNECT_SECONDS,
    HttpSettings,
    async_client_options,
    preload_http,
    sync_client_options,
)
from ..shared.sdk_failures import http_failure

__all__ = ["PROVIDER", "OllamaConnection", "OllamaService"]

PROVIDER: Final = "ollama"
DEFAULT_URL: Final = "http://localhost:11434"


def sdk() -> Any:
    """Ollama's client library.

    Raises:
        MissingExtraError: it is not installed.
    """
    return import_sdk("ollama", "ollama")


class OllamaService:
    """A server."""

    def __init__(self, url: str, read: float, headers: Mapping[str, str]) -> None:
        """Make no connection yet.

        Args:
            url: where the server is.
            read: seconds that it may be silent for.
            headers: of all requests.
        """
        self._url = url if "://" in url else f"http://{url}"
        self._read = read
        self._headers = headers
        self.service = Service(
            name="Ollama",
            provider=PROVIDER,
            url=without_password(self._url),
            secrets=(os.environ.get("OLLAMA_API_KEY", ""), *headers.values()),
            key_hint="Set OLLAMA_API_KEY.",
            model_hint="Check the model's name, or have the server load it: ollama pull MODEL.",
        )
        self._clients: Clients[Any, Any] = Clients(self._open, self._open_sync)

    # -- clients ----------------------------------------------------------------------------------

    def _open(self) -> Opened[Any]:
        library = sdk()
        import httpx  # noqa: PLC0415 (comes with the library, which is an extra)

        options = async_client_options(httpx, HttpSettings(self._url, self._read))
        client = library.AsyncClient(self._url, headers=dict(self._headers), **options)
        return Opened(client, client.close)

    def _open_sync(self) -> OpenedSync[Any]:
        library = sdk()
        import httpx  # noqa: PLC0415 (as above)

        options = sync_client_options(httpx, HttpSettings(self._url, self._read))
        client = library.Client(self._url, headers=dict(self._headers), **options)
        return OpenedSync(client, client.close)

    def close(self) -> None:
        """Close the client that blocks."""
        self._clients.close()

    async def aclose(self) -> None:
        """Close the clients of the running loop."""
        await self._clients.aclose()

    # -- requests ---------------------------------------------------------------------------------

    async def apost(self, path: str, body: dict[str, Any], read: float | None) -> dict[str, Any]:
        """Send a request; its answer as plain data.

        Args:
            path: as ``/api/chat``.
            body: plain data.
            read: seconds that the server may be silent for, if others than usual.

        Raises:
            ModelError: the server cannot be reached, or refuses.
        """
        client = self._clients.on_loop()._client  # noqa: SLF001 (see the module)
        try:
            response = await client.post(path, json=body, timeout=self._timeout(read))
        except Exception as error:  # noqa: BLE001 (what is no failure of the server is raised again)
            raise self._failure(error, read) from None
        return self._answer(response)

    def post(self, path: str, body: dict[str, Any], read: float | None) -> dict[str, Any]:
        """Send a request; blocks. Arguments and errors are those of `apost`."""
        client = self._clients.blocking()._client  # noqa: SLF001 (see the module)
        try:
            response = client.post(path, json=body, timeout=self._timeout(read))
        except Exception as error:  # noqa: BLE001 (what is no failure of the server is raised again)
            raise self._failure(error, read) from None
        return self._answer(response)

    async def astream(
        self, path: str, body: dict[str, Any], read: float | None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Send a request whose answer comes in lines.

        Arguments and errors are those of `apost`; an answer that breaks off is `Unavailable`.
        """
        client = self._clients.on_loop()._client  # noqa: SLF001 (see the module)
        timeout = self._timeout(read)
        try:
            async with client.stream("POST", path, json=body, timeout=timeout) as response:
                await self._check(response)
                async for line in response.aiter_lines():
                    if line.strip():
                        yield self._checked(json.loads(line))
        except ModelError:
            raise
        except Exception as error:  # noqa: BLE001 (what is no failure of the server is raised again)
            raise self._failure(error, read) from None

    async def _check(self, response: Any) -> None:
        if response.status_code >= 400:
            await response.aread()
            raise self._refused(response)

    def _timeout(self, read: float | None) -> Any:
        import httpx  # noqa: PLC0415 (as above)

        return httpx.Timeout(read or self._read, connect=CONNECT_SECONDS, pool=None)

    def _answer(self, response: Any) -> dict[str, Any]:
        if response.status_code >= 400:
            raise self._refused(response)
        try:
            body = json.loads(response.content)
        except ValueError:
            raise self.service.unreadable(response.text, status=response.status_code) from None
        return self._checked(body)

    def _checked(self, body: Any) -> dict[str, Any]:
        if not isinstance(body, dict):
            raise self.service.unreadable(str(body))
        if body.get("error"):
            raise self.service.refused(500, str(body["error"]))
        return body

    def _refused(self, response: Any) -> ModelError:
        try:
            told = json.loads(response.content)
            message = str(told.get("error") or told)
        except (ValueError, AttributeError):
            message = response.text
        return self.service.refused(response.status_code, message, headers=response.headers)

    def _failure(self, error: Exception, read: float | None) -> Exception:
        """Our error for one on the way; others, which are faults of a program, as they are."""
        return http_failure(self.service, error, read or self._read) or error


class OllamaConnection(Resource):
    """What connections to a server share. Clients are made at the first call, in the worker."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, protected_namespaces=())

    base_url: str | None = Field(
        default=None, description=f"By default OLLAMA_HOST, or {DEFAULT_URL}."
    )
    request_timeout: float = Field(
        default=30, gt=0, description="Seconds that the server may be silent for."
    )
    default_headers: dict[str, str] | None = Field(default=None, repr=False)

    _made: OllamaService | None = PrivateAttr(default=None)
    _lock: Any = PrivateAttr(default_factory=Lock)

    @classmethod
    def preload(cls, arguments: Mapping[str, Any]) -> None:
        """Import the client library, so that workers share it, and check the arguments."""
        check_arguments(cls, arguments)
        sdk()
        preload_http("httpx")

    def _service(self) -> OllamaService:
        if self._made is None:
            with self._lock:
                if self._made is None:
                    url = self.base_url or os.environ.get("OLLAMA_HOST") or DEFAULT_URL
                    headers = self.default_headers or {}
                    self._made = OllamaService(url, self.request_timeout, headers)
        return self._made

    def close(self) -> None:
        """Close the client that blocks."""
        if self._made is not None:
            self._made.close()

    async def aclose(self) -> None:
        """Close the clients of the running loop."""
        if self._made is not None:
            await self._made.aclose()
