"""As `flink_agents.integrations.chat_models.azure.azure_openai_chat_model` of Flink Agents."""

from tamias import AzureOpenAIChatModelConnection, AzureOpenAIChatModelSetup

__all__ = ["AzureOpenAIChatModelConnection", "AzureOpenAIChatModelSetup"]
