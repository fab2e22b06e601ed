"""As `flink_agents.api.resource` of Flink Agents."""

from __future__ import annotations

import importlib
from typing import Any, Final

from tamias import Resource, ResourceDescriptor, ResourceType, SerializableResource
from tamias import ResourceName as _Names

__all__ = [
    "Resource",
    "ResourceDescriptor",
    "ResourceName",
    "ResourceType",
    "SerializableResource",
    "get_resource_class",
]

_CHAT: Final = "flink_agents.integrations.chat_models"
_EMBEDDING: Final = "flink_agents.integrations.embedding_models"
_STORES: Final = "flink_agents.integrations.vector_stores"
_API: Final = "flink_agents.api"
_JAVA: Final = "org.apache.flink.agents.integrations.chatmodels"


def get_resource_class(module_path: str, class_name: str) -> type[Resource]:
    """The class of a resource, by its module and its name there."""
    found: Any = importlib.import_module(module_path)
    for part in class_name.split("."):
        found = getattr(found, part)
    clazz: type[Resource] = found
    return clazz


class ResourceName:
    """Names of classes of resources, of all versions."""

    class ChatModel:
        """Chat models."""

        ANTHROPIC_CONNECTION: Final = (
            f"{_CHAT}.anthropic.anthropic_chat_model.AnthropicChatModelConnection"
        )
        ANTHROPIC_SETUP: Final = f"{_CHAT}.anthropic.anthropic_chat_model.AnthropicChatModelSetup"
        AZURE_OPENAI_CONNECTION: Final = (
            f"{_CHAT}.azure.azure_openai_chat_model.AzureOpenAIChatModelConnection"
        )
        AZURE_OPENAI_SETUP: Final = (
            f"{_CHAT}.azure.azure_openai_chat_model.AzureOpenAIChatModelSetup"
        )
        OLLAMA_CONNECTION: Final = f"{_CHAT}.ollama_chat_model.OllamaChatModelConnection"
        OLLAMA_SETUP: Final = f"{_CHAT}.ollama_chat_model.OllamaChatModelSetup"
        OPENAI_COMPLETIONS_CONNECTION: Final = (
            f"{_CHAT}.openai.openai_chat_model.OpenAIChatModelConnection"
        )
        OPENAI_COMPLETIONS_SETUP: Final = f"{_CHAT}.openai.openai_chat_model.OpenAIChatModelSetup"
        OPENAI_CONNECTION: Final = OPENAI_COMPLETIONS_CONNECTION
        """The name in 0.2."""
        OPENAI_SETUP: Final = OPENAI_COMPLETIONS_SETUP
        """The name in 0.2."""
        TONGYI_CONNECTION: Final = f"{_CHAT}.tongyi_chat_model.TongyiChatModelConnection"
        TONGYI_SETUP: Final = f"{_CHAT}.tongyi_chat_model.TongyiChatModelSetup"
        VLLM_CONNECTION: Final = f"{_CHAT}.vllm.vllm_chat_model.VLLMChatModelConnection"
        VLLM_SETUP: Final = f"{_CHAT}.vllm.vllm_chat_model.VLLMChatModelSetup"
        JAVA_WRAPPER_CONNECTION: Final = (
            f"{_API}.chat_models.java_chat_model.JavaChatModelConnection"
        )
        JAVA_WRAPPER_SETUP: Final = f"{_API}.chat_models.java_chat_model.JavaChatModelSetup"

        class Java(_Names.ChatModel.Java):
            """Those in Java."""

            AZURE_CONNECTION: Final = f"{_JAVA}.azureai.AzureAIChatModelConnection"
            AZURE_SETUP: Final = f"{_JAVA}.azureai.AzureAIChatModelSetup"
            OPENAI_CONNECTION: Final = f"{_JAVA}.openai.OpenAIChatModelConnection"
            OPENAI_SETUP: Final = f"{_JAVA}.openai.OpenAIChatModelSetup"

    class EmbeddingModel:
        """Embedding models."""

        OLLAMA_CONNECTION: Final = (
            f"{_EMBEDDING}.local.ollama_embedding_model.OllamaEmbeddingModelConnection"
        )
        OLLAMA_SETUP: Final = f"{_EMBEDDING}.local.ollama_embedding_model.OllamaEmbeddingModelSetup"
        OPENAI_CONNECTION: Final = (
            f"{_EMBEDDING}.openai_embedding_model.OpenAIEmbeddingModelConnection"
        )
        OPENAI_SETUP: Final = f"{_EMBEDDING}.openai_embedding_model.OpenAIEmbeddingModelSetup"
        TONGYI_CONNECTION: Final = (
            f"{_EMBEDDING}.tongyi_embedding_model.TongyiEmbeddingModelConnection"
        )
        TONGYI_SETUP: Final = f"{_EMBEDDING}.tongyi_embedding_model.TongyiEmbeddingModelSetup"
        JAVA_WRAPPER_CONNECTION: Final = (
            f"{_API}.embedding_models.java_embedding_model.JavaEmbeddingModelConnection"
        )
        JAVA_WRAPPER_SETUP: Final = (
            f"{_API}.embedding_models.java_embedding_model.JavaEmbeddingModelSetup"
        )

        class Java(_Names.EmbeddingModel.Java):
            """Those in Java."""

    class VectorStore:
        """Vector stores."""

        CHROMA_VECTOR_STORE: Final = f"{_STORES}.chroma.chroma_vector_store.ChromaVectorStore"
        MEM0_VECTOR_STORE: Final = f"{_STORES}.mem0.mem0_vector_store.Mem0VectorStore"
        JAVA_WRAPPER_VECTOR_STORE: Final = f"{_API}.vector_stores.java_vector_store.JavaVectorStore"
        JAVA_WRAPPER_COLLECTION_MANAGEABLE_VECTOR_STORE: Final = (
            f"{_API}.vector_stores.java_vector_store.JavaCollectionManageableVectorStore"
        )

        class Java(_Names.VectorStore.Java):
            """Those in Java."""

    MCP_SERVER: Final = "flink_agents.integrations.mcp.mcp.MCPServer"
