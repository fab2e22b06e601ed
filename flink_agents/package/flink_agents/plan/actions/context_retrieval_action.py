"""As `flink_agents.plan.actions.context_retrieval_action` of Flink Agents."""

from __future__ import annotations

from typing import Final

from tamias import ContextRetrievalRequestEvent, Event, RunnerContext
from tamias.agent.chat.built_in import context_retrieval_action

from .action import built_in

__all__ = ["CONTEXT_RETRIEVAL_ACTION", "process_context_retrieval_request"]


async def process_context_retrieval_request(event: Event, ctx: RunnerContext) -> None:
    """Look up documents."""
    await context_retrieval_action(event, ctx)


CONTEXT_RETRIEVAL_ACTION: Final = built_in(
    "context_retrieval_action", process_context_retrieval_request, ContextRetrievalRequestEvent
)
