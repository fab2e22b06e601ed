"""As `flink_agents.api.embedding_models.java_embedding_model` of Flink Agents."""

from tamias import JavaEmbeddingModelConnection, JavaEmbeddingModelSetup

__all__ = ["JavaEmbeddingModelConnection", "JavaEmbeddingModelSetup"]
