"""As `flink_agents.plan.actions.chat_model_action` of Flink Agents."""

from __future__ import annotations

from typing import Final

from tamias import ChatRequestEvent, Event, RunnerContext, ToolResponseEvent
from tamias.agent.chat.built_in import chat_model_action

from .action import built_in

__all__ = ["CHAT_MODEL_ACTION", "process_chat_request_or_tool_response"]


async def process_chat_request_or_tool_response(event: Event, ctx: RunnerContext) -> None:
    """Ask a chat model."""
    await chat_model_action(event, ctx)


CHAT_MODEL_ACTION: Final = built_in(
    "chat_model_action", process_chat_request_or_tool_response, ChatRequestEvent, ToolResponseEvent
)
