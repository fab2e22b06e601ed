"""As `flink_agents.integrations.vector_stores.chroma.chroma_vector_store` of Flink Agents."""

from tamias import ChromaVectorStore

__all__ = ["ChromaVectorStore"]
