"""As `flink_agents.api.chat_message` of Flink Agents."""

from tamias import ChatMessage, MessageRole, find_first_system_message

__all__ = ["ChatMessage", "MessageRole", "find_first_system_message"]
