"""As `flink_agents.integrations.chat_models.ollama_chat_model` of Flink Agents."""

from __future__ import annotations

from typing import Any, Final

from pydantic import ConfigDict, Field, PrivateAttr

import tamias

from ...api.chat_models.chat_model import BaseChatModelConnection, BaseChatModelSetup
from .given_clients import GivenOllama, PeerConnection

__all__ = [
    "DEFAULT_CONTEXT_WINDOW",
    "DEFAULT_REQUEST_TIMEOUT",
    "OllamaChatModelConnection",
    "OllamaChatModelSetup",
]

DEFAULT_CONTEXT_WINDOW: Final = 2048
DEFAULT_REQUEST_TIMEOUT: Final = 30.0


class OllamaChatModelConnection(
    PeerConnection, tamias.OllamaChatModelConnection, BaseChatModelConnection
):
    """The way to chat models on an Ollama server."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, protected_namespaces=())

    base_url: str | None = Field(default=None, description="By default OLLAMA_HOST, or this host.")
    request_timeout: float | None = Field(  # type: ignore[assignment]  # None is for no limit
        default=DEFAULT_REQUEST_TIMEOUT, gt=0, description="Seconds of silence; None for no limit."
    )

    # Where a program of Flink Agents puts a client of its own.
    __client: Any = PrivateAttr(default=None)
    _made_client: Any = PrivateAttr(default=None)

    def _given(self) -> Any:
        return self.__client

    @property
    def client(self) -> Any:
        """A client of Ollama's library: the one that was given, or one of its own.

        Calls of the model are not made by the latter, which blocks.
        """
        if self.__client is not None:
            return self.__client
        if self._made_client is None:
            from ollama import Client  # noqa: PLC0415 (an extra)

            self._made_client = Client(host=self.base_url, timeout=self.request_timeout)
        return self._made_client

    def _service(self) -> Any:
        given = self._given()
        real = super()._service
        return real() if given is None else GivenOllama(given, real)


class OllamaChatModelSetup(BaseChatModelSetup, tamias.OllamaChatModelSetup):
    """A chat model on an Ollama server."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    def __init__(self, **data: Any) -> None:
        """Take the arguments; those that are None, and may not be, are as if not given."""
        may_not = ("additional_kwargs", "extract_reasoning")
        super().__init__(
            **{name: each for name, each in data.items() if each is not None or name not in may_not}
        )
