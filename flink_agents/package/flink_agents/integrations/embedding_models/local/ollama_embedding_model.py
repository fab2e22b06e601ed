"""As `flink_agents.integrations.embedding_models.local.ollama_embedding_model` of Flink Agents."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from pydantic import ConfigDict, Field, PrivateAttr

import tamias

from ...chat_models.chat_model_utils import without_none
from ...chat_models.given_clients import GivenOllama, LibraryClient

__all__ = [
    "DEFAULT_REQUEST_TIMEOUT",
    "OllamaEmbeddingModelConnection",
    "OllamaEmbeddingModelSetup",
]

DEFAULT_REQUEST_TIMEOUT: Final = 30.0


class OllamaEmbeddingModelConnection(LibraryClient, tamias.OllamaEmbeddingModelConnection):
    """The way to embedding models on an Ollama server."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, protected_namespaces=())

    request_timeout: float | None = Field(  # type: ignore[assignment]  # None is for no limit
        default=DEFAULT_REQUEST_TIMEOUT, gt=0, description="Seconds of silence; None for no limit."
    )

    # Where a program of Flink Agents puts a client of its own.
    __client: Any = PrivateAttr(default=None)
    _client_name: ClassVar = "_OllamaEmbeddingModelConnection__client"
    _double: ClassVar = GivenOllama

    def _new_client(self) -> Any:
        from ollama import Client  # noqa: PLC0415 (an extra)

        return Client(host=self.base_url, timeout=self.request_timeout)


class OllamaEmbeddingModelSetup(tamias.OllamaEmbeddingModelSetup):
    """An embedding model on an Ollama server."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    truncate: bool | None = True

    def __init__(self, **data: Any) -> None:
        """Take the arguments; those that are None, and may not be, are as if not given."""
        super().__init__(**without_none(data, "additional_kwargs"))
