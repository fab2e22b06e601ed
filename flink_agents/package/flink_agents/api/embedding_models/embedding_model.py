"""As `flink_agents.api.embedding_models.embedding_model` of Flink Agents."""

from typing import TypeVar

from tamias import (
    BaseEmbeddingModelConnection,
    BaseEmbeddingModelSetup,
    EmbeddingResult,
    EmbeddingTokenUsage,
)

__all__ = [
    "BaseEmbeddingModelConnection",
    "BaseEmbeddingModelSetup",
    "EmbeddingResult",
    "EmbeddingTokenUsage",
    "EmbeddingValue",
]

EmbeddingValue = TypeVar("EmbeddingValue", list[float], list[list[float]])
