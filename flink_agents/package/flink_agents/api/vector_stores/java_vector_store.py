"""As `flink_agents.api.vector_stores.java_vector_store` of Flink Agents."""

from tamias import JavaCollectionManageableVectorStore, JavaVectorStore

__all__ = ["JavaCollectionManageableVectorStore", "JavaVectorStore"]
