"""As `flink_agents.api.embedding_models.embedding_model` of Flink Agents."""

from tamias import BaseEmbeddingModelConnection, BaseEmbeddingModelSetup

__all__ = ["BaseEmbeddingModelConnection", "BaseEmbeddingModelSetup"]
