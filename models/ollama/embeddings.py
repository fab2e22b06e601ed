"""`OllamaEmbeddingModelConnection` and its setup: vectors of texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import ConfigDict, Field

from ...agent.models.embedding_model import (
    BaseEmbeddingModelConnection,
    BaseEmbeddingModelSetup,
    Vectors,
)
from ...agent.naming.public import public
from ..shared.arguments import check_arguments
from .messages import request_body
from .service import OllamaConnection

__all__ = ["OllamaEmbeddingModelConnection", "OllamaEmbeddingModelSetup"]

_PATH: Final = "/api/embed"
_TEXTS: Final = 128
"""In one request: a server works on them one after the other."""


@public
class OllamaEmbeddingModelConnection(OllamaConnection, BaseEmbeddingModelConnection):
    """The way to embedding models on an Ollama server."""

    def embed(self, text: str | Sequence[str], **kwargs: Any) -> Vectors:
        """The vector of a text, or a list of vectors for several, which may be any number.

        Args:
            text: one text, or several.
            kwargs: ``model``, ``truncate``, ``keep_alive``, ``dimensions``, ``timeout``; others are
                options of the model.

        Raises:
            ModelError: the server refuses, fails, or cannot be reached.
            MissingExtraError: the extra ``ollama`` is not installed.
        """
        body, read = _request(kwargs)
        vectors: list[list[float]] = []
        for batch in _batches(text):
            answer = self._service().post(_PATH, {**body, "input": batch}, read)
            vectors += self._vectors(answer, len(batch))
        return vectors[0] if isinstance(text, str) else vectors

    async def aembed(self, text: str | Sequence[str], **kwargs: Any) -> Vectors:
        """The awaitable form of `embed`."""
        body, read = _request(kwargs)
        vectors: list[list[float]] = []
        for batch in _batches(text):
            answer = await self._service().apost(_PATH, {**body, "input": batch}, read)
            vectors += self._vectors(answer, len(batch))
        return vectors[0] if isinstance(text, str) else vectors

    def _vectors(self, answer: Mapping[str, Any], count: int) -> list[list[float]]:
        try:
            vectors = [[float(number) for number in each] for each in answer["embeddings"]]
        except (KeyError, TypeError, ValueError):
            vectors = []
        if len(vectors) != count:
            raise self._service().service.unreadable(str(answer)[:200])
        return vectors


@public
class OllamaEmbeddingModelSetup(BaseEmbeddingModelSetup):
    """An embedding model on an Ollama server."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    truncate: bool | None = Field(
        default=None, description="Whether texts that are too long are cut, not refused."
    )
    keep_alive: float | str | None = Field(
        default=None, description="How long the server keeps the model loaded, as 5m."
    )
    dimensions: int | None = Field(default=None, gt=0)
    additional_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="Further options of the model."
    )

    @classmethod
    def preload(cls, arguments: Mapping[str, Any]) -> None:
        """Check the arguments."""
        check_arguments(cls, arguments)

    @property
    def model_kwargs(self) -> dict[str, Any]:
        """The model and its parameters."""
        fields = {
            "model": self.model,
            "truncate": self.truncate,
            "keep_alive": self.keep_alive,
            "dimensions": self.dimensions,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        return {**given, **self.additional_kwargs}


def _request(kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], float | None]:
    given = dict(kwargs)
    dimensions, read = given.pop("dimensions", None), given.pop("timeout", None)
    body = request_body(given)
    if dimensions is not None:
        body["dimensions"] = dimensions
    return body, read


def _batches(text: str | Sequence[str]) -> Iterator[list[str]]:
    """Texts in the portions that are sent at a time."""
    texts = [text] if isinstance(text, str) else list(text)
    for begin in range(0, len(texts), _TEXTS):
        yield texts[begin : begin + _TEXTS]
