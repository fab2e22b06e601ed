"""As `flink_agents.integrations.embedding_models.openai_embedding_model` of Flink Agents."""

from tamias import OpenAIEmbeddingModelConnection, OpenAIEmbeddingModelSetup

__all__ = ["OpenAIEmbeddingModelConnection", "OpenAIEmbeddingModelSetup"]
