"""As `flink_agents.integrations.chat_models.openai.openai_chat_model` of Flink Agents."""

from tamias import OpenAIChatModelConnection, OpenAIChatModelSetup

__all__ = ["OpenAIChatModelConnection", "OpenAIChatModelSetup"]
