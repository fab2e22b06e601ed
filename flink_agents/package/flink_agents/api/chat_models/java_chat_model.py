"""As `flink_agents.api.chat_models.java_chat_model` of Flink Agents."""

from tamias import JavaChatModelConnection, JavaChatModelSetup

__all__ = ["JavaChatModelConnection", "JavaChatModelSetup"]
