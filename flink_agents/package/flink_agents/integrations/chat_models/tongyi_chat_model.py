"""As `flink_agents.integrations.chat_models.tongyi_chat_model` of Flink Agents."""

from tamias import TongyiChatModelConnection, TongyiChatModelSetup

__all__ = ["TongyiChatModelConnection", "TongyiChatModelSetup"]
