"""As `flink_agents.integrations.chat_models.openai.openai_chat_model` of Flink Agents."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

from pydantic import ConfigDict, Field, PrivateAttr, SecretStr

import tamias
from tamias.flink_agents.dialect import dialect

from ....api.chat_models.chat_model import BaseChatModelConnection, BaseChatModelSetup
from ..chat_model_utils import without_none
from ..given_clients import ClosedClient, GivenOpenAI, PeerConnection, plain_key
from .openai_utils import resolve_openai_credentials

__all__ = [
    "DEFAULT_OPENAI_MODEL",
    "DEFAULT_TEMPERATURE",
    "MAX_OPENAI_RETRIES",
    "MAX_OPENAI_TIMEOUT_SECONDS",
    "OpenAIChatModelConnection",
    "OpenAIChatModelSetup",
]

DEFAULT_OPENAI_MODEL: Final = "gpt-4o-mini" if dialect() == "0.4" else "gpt-3.5-turbo"
DEFAULT_TEMPERATURE: Final = 0.1
MAX_OPENAI_TIMEOUT_SECONDS: Final = 2_147_483.647
MAX_OPENAI_RETRIES: Final = 2_147_483_647

_NO_TEXT: Final = re.compile(r".*-(?:audio|realtime|transcribe|tts)")
_WITH_SCHEMAS: Final = re.compile(
    r"(?:gpt-4o-(?:mini|search-preview)|gpt-4\.1|gpt-5|o3|o4-mini).*"
    r"|gpt-4o(?:-2024-(?:08-06|11-20))?|o1(?:-2024-12-17)?"
)
"""Models of which OpenAI says that they keep to a JSON schema."""


class OpenAIConnection(ClosedClient, PeerConnection):
    """Has what all connections by OpenAI's library share."""

    _double: ClassVar = GivenOpenAI

    # As in Flink Agents a plain text, which nothing shows by itself.
    api_key: str | SecretStr | None = Field(default=None, repr=False)
    timeout: float = Field(
        default=60,
        ge=0,
        le=MAX_OPENAI_TIMEOUT_SECONDS,
        allow_inf_nan=False,
        description="Seconds that the service may be silent for; 0 for no limit.",
    )
    max_retries: int = Field(
        default=3,
        ge=0,
        le=MAX_OPENAI_RETRIES,
        description="Not used: durable calls have a retry policy of their own.",
    )

    def _read_seconds(self) -> float:
        return self.timeout or MAX_OPENAI_TIMEOUT_SECONDS

    def _client_arguments(self) -> dict[str, Any]:
        return {
            "api_key": plain_key(self.api_key),
            "timeout": self.timeout or None,
            "max_retries": self.max_retries,
        }


class OpenAIChatModelConnection(
    OpenAIConnection, tamias.OpenAIChatModelConnection, BaseChatModelConnection
):
    """The way to OpenAI, or to a service that speaks its protocol."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, protected_namespaces=())

    _http_client: Any = PrivateAttr(default=None)

    def __init__(self, **data: Any) -> None:
        """Find the key and the address, and take an HTTP client, if one is given."""
        http_client, _ = data.pop("http_client", None), data.pop("async_http_client", None)
        found = resolve_openai_credentials(data.get("api_key"), data.get("api_base_url"))
        super().__init__(**{**data, "api_key": found[0], "api_base_url": found[1]})
        self._http_client = http_client
        if http_client is not None and self.timeout == 0:
            http_client.timeout = None

    def _given(self) -> Any:
        return self.client if self._http_client is not None else self._client

    def _new_client(self) -> Any:
        from openai import OpenAI  # noqa: PLC0415 (an extra)

        return OpenAI(
            base_url=self.api_base_url,
            default_headers=self.default_headers,
            http_client=self._http_client,
            **self._client_arguments(),
        )

    def supports_native_structured_output(self, model: str | None = None) -> bool:
        """The models of which OpenAI says so; others are told the schema in words."""
        if not model or _NO_TEXT.match(model):
            return False
        return _WITH_SCHEMAS.fullmatch(model) is not None


class OpenAIChatModelSetup(BaseChatModelSetup, tamias.OpenAIChatModelSetup):
    """A chat model of OpenAI, or of a service that speaks its protocol."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    model: str = DEFAULT_OPENAI_MODEL

    def __init__(self, **data: Any) -> None:
        """Take the arguments; those that are None, and may not be, are as if not given."""
        super().__init__(**without_none(data, "additional_kwargs", "model"))
