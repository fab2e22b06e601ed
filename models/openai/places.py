"""`KeyedConnection`: where a service is, and the key to it, from arguments or the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from threading import Lock
from typing import Any, ClassVar

from pydantic import ConfigDict, Field, PrivateAttr

from ...agent.errors import AgentDefinitionError
from ...agent.resources.resource import Resource
from ..shared.arguments import check_arguments
from ..shared.http import preload_http
from ..shared.secrets import SecretText, revealed
from .service import DEFAULT_URL, OpenAIService, Place, sdk

__all__ = ["KeyedConnection"]


class KeyedConnection(Resource):
    """A connection with an API key. Its clients are made at the first call, in the worker.

    Class attributes:
        SERVICE: the service's name, for people.
        KEY_VARIABLE: the environment variable with the key.
        URL_VARIABLE: that with the address.
        DEFAULT_KEY: the key if none is given, for services without.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, protected_namespaces=())

    SERVICE: ClassVar[str]
    PROVIDER: ClassVar[str] = "openai"
    KEY_VARIABLE: ClassVar[str]
    URL_VARIABLE: ClassVar[str] = ""
    DEFAULT_URL: ClassVar[str] = DEFAULT_URL
    DEFAULT_KEY: ClassVar[str] = ""

    api_key: SecretText | None = Field(default=None, description="By default from the environment.")

    _made: OpenAIService | None = PrivateAttr(default=None)
    _lock: Any = PrivateAttr(default_factory=Lock)

    @classmethod
    def preload(cls, arguments: Mapping[str, Any]) -> None:
        """Import the client library, so that workers share it, and check the arguments."""
        check_arguments(cls, arguments)
        if not (arguments.get("api_key") or os.environ.get(cls.KEY_VARIABLE) or cls.DEFAULT_KEY):
            msg = f"{cls.__name__} has no API key."
            raise AgentDefinitionError(msg, hint=f"Set {cls.KEY_VARIABLE}, or give it api_key.")
        sdk()
        preload_http("httpx2")

    def close(self) -> None:
        """Close the client that blocks."""
        if self._made is not None:
            self._made.close()

    async def aclose(self) -> None:
        """Close the clients of the running loop."""
        if self._made is not None:
            await self._made.aclose()

    def _service(self) -> OpenAIService:
        if self._made is None:
            with self._lock:
                if self._made is None:
                    self._made = OpenAIService(self._place())
        return self._made

    def _place(self) -> Place:
        """Where the service is, by the fields that the class has."""
        given = revealed(self.api_key)
        url = getattr(self, "api_base_url", None) or getattr(self, "base_url", None) or ""
        if not url and self.URL_VARIABLE:
            url = os.environ.get(self.URL_VARIABLE, "")
        return Place(
            name=self.SERVICE,
            provider=self.PROVIDER,
            url=url or self.DEFAULT_URL,
            key=given or os.environ.get(self.KEY_VARIABLE, "").strip() or self.DEFAULT_KEY,
            read=self._read_seconds(),
            headers=getattr(self, "default_headers", None) or {},
            key_hint=self._key_hint(),
            reuse=getattr(self, "reuse_client", True),
        )

    def _read_seconds(self) -> float:
        seconds = getattr(self, "timeout", None) or getattr(self, "request_timeout", None)
        return float(seconds or 60)

    def _key_hint(self) -> str:
        return f"Set {self.KEY_VARIABLE}, or give {type(self).__name__} another api_key."
