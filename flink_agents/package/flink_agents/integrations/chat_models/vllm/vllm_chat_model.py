"""As `flink_agents.integrations.chat_models.vllm.vllm_chat_model` of Flink Agents."""

from tamias import VLLMChatModelConnection, VLLMChatModelSetup

__all__ = ["VLLMChatModelConnection", "VLLMChatModelSetup"]
