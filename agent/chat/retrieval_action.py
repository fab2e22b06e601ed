"""`context_retrieval_action`: looks up documents in a vector store."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ..models.vector_store import VectorStoreQuery
from ..resources.resource import ResourceType
from .events import ContextRetrievalRequestEvent, ContextRetrievalResponseEvent

if TYPE_CHECKING:
    from ..context import RunnerContext
    from ..event import Event
    from ..models.vector_store import BaseVectorStore

__all__ = ["context_retrieval_action"]


async def context_retrieval_action(event: Event, ctx: RunnerContext) -> None:
    """Find the documents that are nearest to a text, and send them."""
    request = ContextRetrievalRequestEvent.from_event(event)
    store = cast(
        "BaseVectorStore", ctx.get_resource(request.vector_store, ResourceType.VECTOR_STORE)
    )
    query = VectorStoreQuery(query_text=request.query, limit=request.max_results)
    found = await store.aquery(query)
    response = ContextRetrievalResponseEvent(
        request_id=request.id, query=request.query, documents=found.documents
    )
    ctx.send_event(response)
