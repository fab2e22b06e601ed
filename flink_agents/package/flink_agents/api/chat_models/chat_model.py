"""As `flink_agents.api.chat_models.chat_model` of Flink Agents."""

from tamias import BaseChatModelConnection, BaseChatModelSetup

__all__ = ["BaseChatModelConnection", "BaseChatModelSetup"]
