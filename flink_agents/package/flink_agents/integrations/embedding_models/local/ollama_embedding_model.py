"""As `flink_agents.integrations.embedding_models.local.ollama_embedding_model` of Flink Agents."""

from tamias import OllamaEmbeddingModelConnection, OllamaEmbeddingModelSetup

__all__ = ["OllamaEmbeddingModelConnection", "OllamaEmbeddingModelSetup"]
