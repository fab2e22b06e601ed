"""As `flink_agents.integrations.chat_models.anthropic.anthropic_chat_model` of Flink Agents."""

from tamias import AnthropicChatModelConnection, AnthropicChatModelSetup

__all__ = ["AnthropicChatModelConnection", "AnthropicChatModelSetup"]
