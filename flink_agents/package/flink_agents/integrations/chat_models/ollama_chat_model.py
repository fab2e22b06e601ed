"""As `flink_agents.integrations.chat_models.ollama_chat_model` of Flink Agents."""

from tamias import OllamaChatModelConnection, OllamaChatModelSetup

__all__ = ["OllamaChatModelConnection", "OllamaChatModelSetup"]
