"""Where Flink Agents has the classes that here are tamias's: its plans name them so."""

from __future__ import annotations

from typing import Final

__all__ = ["peer_name", "peer_path"]

_NAMES: Final = {
    "api.agents.types": "OutputSchema",
    "api.chat_models.java_chat_model": "JavaChatModelConnection JavaChatModelSetup",
    "api.embedding_models.java_embedding_model": (
        "JavaEmbeddingModelConnection JavaEmbeddingModelSetup"
    ),
    "api.events.chat_event": "ChatRequestEvent ChatResponseEvent",
    "api.events.context_retrieval_event": (
        "ContextRetrievalRequestEvent ContextRetrievalResponseEvent"
    ),
    "api.events.event": "Event InputEvent OutputEvent",
    "api.events.tool_event": "ToolRequestEvent ToolResponseEvent",
    "api.prompts.prompt": "LocalPrompt Prompt",
    "api.skills": "Skills",
    "api.vector_stores.java_vector_store": "JavaCollectionManageableVectorStore JavaVectorStore",
    "integrations.chat_models.anthropic.anthropic_chat_model": (
        "AnthropicChatModelConnection AnthropicChatModelSetup"
    ),
    "integrations.chat_models.azure.azure_openai_chat_model": (
        "AzureOpenAIChatModelConnection AzureOpenAIChatModelSetup"
    ),
    "integrations.chat_models.ollama_chat_model": "OllamaChatModelConnection OllamaChatModelSetup",
    "integrations.chat_models.openai.openai_chat_model": (
        "OpenAIChatModelConnection OpenAIChatModelSetup"
    ),
    "integrations.chat_models.tongyi_chat_model": "TongyiChatModelConnection TongyiChatModelSetup",
    "integrations.chat_models.vllm.vllm_chat_model": "VLLMChatModelConnection VLLMChatModelSetup",
    "integrations.embedding_models.local.ollama_embedding_model": (
        "OllamaEmbeddingModelConnection OllamaEmbeddingModelSetup"
    ),
    "integrations.embedding_models.openai_embedding_model": (
        "OpenAIEmbeddingModelConnection OpenAIEmbeddingModelSetup"
    ),
    "integrations.embedding_models.tongyi_embedding_model": (
        "TongyiEmbeddingModelConnection TongyiEmbeddingModelSetup"
    ),
    "integrations.mcp.mcp": "MCPPrompt MCPServer MCPTool",
    "integrations.vector_stores.chroma.chroma_vector_store": "ChromaVectorStore",
}
_MODULES: Final = {
    name: f"flink_agents.{module}" for module, names in _NAMES.items() for name in names.split()
}


def peer_name(module: str, name: str) -> tuple[str, str]:
    """The module and the name that a class has in Flink Agents; others keep theirs."""
    return (_MODULES.get(name, module) if module == "tamias" else module), name


def peer_path(path: str) -> str:
    """As `peer_name`, of both with a dot in between."""
    module, dot, name = path.rpartition(".")
    return dot.join(peer_name(module, name))
