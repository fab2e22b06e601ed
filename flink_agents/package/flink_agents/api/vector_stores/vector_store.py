"""As `flink_agents.api.vector_stores.vector_store` of Flink Agents."""

from tamias import (
    BaseVectorStore,
    Collection,
    CollectionManageableVectorStore,
    Document,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

__all__ = [
    "BaseVectorStore",
    "Collection",
    "CollectionManageableVectorStore",
    "Document",
    "VectorStoreQuery",
    "VectorStoreQueryMode",
    "VectorStoreQueryResult",
]
