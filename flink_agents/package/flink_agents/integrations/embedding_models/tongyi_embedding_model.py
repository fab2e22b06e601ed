"""As `flink_agents.integrations.embedding_models.tongyi_embedding_model` of Flink Agents."""

from tamias import TongyiEmbeddingModelConnection, TongyiEmbeddingModelSetup

__all__ = ["TongyiEmbeddingModelConnection", "TongyiEmbeddingModelSetup"]
