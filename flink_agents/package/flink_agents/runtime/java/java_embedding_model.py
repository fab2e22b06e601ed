"""As `flink_agents.runtime.java.java_embedding_model` of Flink Agents: embeddings over Java's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...api.embedding_models.embedding_model import (
    BaseEmbeddingModelConnection,
    BaseEmbeddingModelSetup,
    EmbeddingResult,
    EmbeddingTokenUsage,
)
from .java_resource_wrapper import OfJavaObject

__all__ = ["JavaEmbeddingModelConnectionImpl", "JavaEmbeddingModelSetupImpl"]


class _Embeds(OfJavaObject):
    def embed(self, text: str | Sequence[str], **kwargs: Any) -> Any:
        """The vector of a text, or those of several."""
        return _vectors(self._j_resource.embed(_given(text), kwargs), text)

    def embed_with_usage(self, text: str | Sequence[str], **kwargs: Any) -> EmbeddingResult[Any]:
        """The same, and the tokens that it took."""
        found = self._j_resource.embedWithUsage(_given(text), kwargs)
        usage = found.getTokenUsage()
        return EmbeddingResult(
            embeddings=_vectors(found.getEmbeddings(), text),
            token_usage=None
            if usage is None
            else EmbeddingTokenUsage(
                prompt_tokens=usage.getPromptTokens(), total_tokens=usage.getTotalTokens()
            ),
        )


class JavaEmbeddingModelConnectionImpl(_Embeds, BaseEmbeddingModelConnection):
    """A connection that is an object of Java."""


class JavaEmbeddingModelSetupImpl(_Embeds, BaseEmbeddingModelSetup):
    """A setup that is an object of Java."""

    connection: str = ""
    model: str = ""

    @property
    def model_kwargs(self) -> dict[str, Any]:
        """Nothing: only Java knows the arguments."""
        return {}


def _given(text: str | Sequence[str]) -> str | list[str]:
    return text if isinstance(text, str) else list(text)


def _vectors(found: Any, text: str | Sequence[str]) -> list[Any]:
    return list(found) if isinstance(text, str) else [list(each) for each in found]
