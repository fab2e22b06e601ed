"""As `flink_agents.integrations.embedding_models.local.ollama_embedding_model` of Flink Agents."""

from __future__ import annotations

from typing import Any, Final

from pydantic import ConfigDict, Field, PrivateAttr

import tamias

from ...chat_models.given_clients import GivenOllama

__all__ = [
    "DEFAULT_REQUEST_TIMEOUT",
    "OllamaEmbeddingModelConnection",
    "OllamaEmbeddingModelSetup",
]

DEFAULT_REQUEST_TIMEOUT: Final = 30.0


class OllamaEmbeddingModelConnection(tamias.OllamaEmbeddingModelConnection):
    """The way to embedding models on an Ollama server."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, protected_namespaces=())

    request_timeout: float | None = Field(  # type: ignore[assignment]  # None is for no limit
        default=DEFAULT_REQUEST_TIMEOUT, gt=0, description="Seconds of silence; None for no limit."
    )

    # Where a program of Flink Agents puts a client of its own.
    __client: Any = PrivateAttr(default=None)
    _made_client: Any = PrivateAttr(default=None)

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
        real = super()._service
        return real() if self.__client is None else GivenOllama(self.__client, real)


class OllamaEmbeddingModelSetup(tamias.OllamaEmbeddingModelSetup):
    """An embedding model on an Ollama server."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    truncate: bool | None = True

    def __init__(self, **data: Any) -> None:
        """Take the arguments; those that are None, and may not be, are as if not given."""
        super().__init__(
            **{
                name: each
                for name, each in data.items()
                if each is not None or name != "additional_kwargs"
            }
        )
