"""As `flink_agents.integrations.chat_models.ollama_chat_model` of Flink Agents."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from pydantic import ConfigDict, Field, PrivateAttr

import tamias

from ...api.chat_models.chat_model import BaseChatModelConnection, BaseChatModelSetup
from .chat_model_utils import without_none
from .given_clients import GivenOllama, LibraryClient, PeerConnection

__all__ = [
    "DEFAULT_CONTEXT_WINDOW",
    "DEFAULT_REQUEST_TIMEOUT",
    "OllamaChatModelConnection",
    "OllamaChatModelSetup",
]

DEFAULT_CONTEXT_WINDOW: Final = 2048
DEFAULT_REQUEST_TIMEOUT: Final = 30.0


class OllamaChatModelConnection(
    LibraryClient, PeerConnection, tamias.OllamaChatModelConnection, BaseChatModelConnection
):
    """The way to chat models on an Ollama server."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, protected_namespaces=())

    base_url: str | None = Field(default=None, description="By default OLLAMA_HOST, or this host.")
    request_timeout: float | None = Field(  # type: ignore[assignment]  # None is for no limit
        default=DEFAULT_REQUEST_TIMEOUT, gt=0, description="Seconds of silence; None for no limit."
    )

    # Where a program of Flink Agents puts a client of its own.
    __client: Any = PrivateAttr(default=None)
    _client_name: ClassVar = "_OllamaChatModelConnection__client"
    _double: ClassVar = GivenOllama

    def _new_client(self) -> Any:
        from ollama import Client  # noqa: PLC0415 (an extra)

        return Client(host=self.base_url, timeout=self.request_timeout)


class OllamaChatModelSetup(BaseChatModelSetup, tamias.OllamaChatModelSetup):
    """A chat model on an Ollama server."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    def __init__(self, **data: Any) -> None:
        """Take the arguments; those that are None, and may not be, are as if not given."""
        super().__init__(**without_none(data, "additional_kwargs", "extract_reasoning"))
