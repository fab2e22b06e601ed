"""As `flink_agents.runtime.java.java_chat_model` of Flink Agents."""

from tamias import JavaChatModelConnection as JavaChatModelConnectionImpl
from tamias import JavaChatModelSetup as JavaChatModelSetupImpl

__all__ = ["JavaChatModelConnectionImpl", "JavaChatModelSetupImpl"]
