"""Short names in documents: for types of events, and for classes of resources.

They are those of Flink Agents, and stand for tamias's classes. A class in Java is named by its own
package, and wrapped in a resource that lives in Java.
"""

from __future__ import annotations

from typing import Final

from ..resources.resource import ResourceType

EVENT_TYPES: Final = {
    name: f"_{name}_event"
    for name in (
        "input",
        "output",
        "chat_request",
        "chat_response",
        "tool_request",
        "tool_response",
        "context_retrieval_request",
        "context_retrieval_response",
        "end_of_input",
    )
}

_CHAT: Final = {
    "openai": "OpenAIChatModel",
    "openai_responses": "OpenAIResponsesModel",
    "azure_openai": "AzureOpenAIChatModel",
    "vllm": "VLLMChatModel",
    "tongyi": "TongyiChatModel",
    "anthropic": "AnthropicChatModel",
    "ollama": "OllamaChatModel",
}
_EMBEDDING: Final = {
    "openai": "OpenAIEmbeddingModel",
    "ollama": "OllamaEmbeddingModel",
    "tongyi": "TongyiEmbeddingModel",
    "local": "LocalEmbeddingModel",
}
_PYTHON: Final = {
    ResourceType.CHAT_MODEL_CONNECTION: {
        name: f"tamias.{clazz}Connection" for name, clazz in _CHAT.items()
    },
    ResourceType.CHAT_MODEL: {name: f"tamias.{clazz}Setup" for name, clazz in _CHAT.items()},
    ResourceType.EMBEDDING_MODEL_CONNECTION: {
        name: f"tamias.{clazz}Connection" for name, clazz in _EMBEDDING.items()
    },
    ResourceType.EMBEDDING_MODEL: {
        name: f"tamias.{clazz}Setup" for name, clazz in _EMBEDDING.items()
    },
    ResourceType.VECTOR_STORE: {
        "chroma": "tamias.ChromaVectorStore",
        "memory": "tamias.MemoryVectorStore",
    },
    ResourceType.MCP_SERVER: {"mcp": "tamias.MCPServer"},
}

_JAVA_ROOT: Final = "org.apache.flink.agents.integrations"
_JAVA_CHAT: Final = {
    "ollama": "ollama.OllamaChatModel",
    "anthropic": "anthropic.AnthropicChatModel",
    "azure_openai": "openai.AzureOpenAIChatModel",
    "openai_completions": "openai.OpenAICompletions",
    "openai_responses": "openai.OpenAIResponsesModel",
    "vllm": "openai.VLLMChatModel",
    "gemini": "gemini.GeminiChatModel",
    "bedrock": "bedrock.BedrockChatModel",
}
_JAVA_EMBEDDING: Final = {
    "ollama": "ollama.OllamaEmbeddingModel",
    "bedrock": "bedrock.BedrockEmbeddingModel",
}
_JAVA: Final = {
    ResourceType.CHAT_MODEL_CONNECTION: {
        name: f"{_JAVA_ROOT}.chatmodels.{clazz}Connection" for name, clazz in _JAVA_CHAT.items()
    },
    ResourceType.CHAT_MODEL: {
        name: f"{_JAVA_ROOT}.chatmodels.{clazz}Setup" for name, clazz in _JAVA_CHAT.items()
    },
    ResourceType.EMBEDDING_MODEL_CONNECTION: {
        name: f"{_JAVA_ROOT}.embeddingmodels.{clazz}Connection"
        for name, clazz in _JAVA_EMBEDDING.items()
    },
    ResourceType.EMBEDDING_MODEL: {
        name: f"{_JAVA_ROOT}.embeddingmodels.{clazz}Setup"
        for name, clazz in _JAVA_EMBEDDING.items()
    },
    ResourceType.VECTOR_STORE: {
        "elasticsearch": f"{_JAVA_ROOT}.vectorstores.elasticsearch.ElasticsearchVectorStore",
        "opensearch": f"{_JAVA_ROOT}.vectorstores.opensearch.OpenSearchVectorStore",
        "s3_vectors": f"{_JAVA_ROOT}.vectorstores.s3vectors.S3VectorsVectorStore",
        "milvus": f"{_JAVA_ROOT}.vectorstores.milvus.MilvusVectorStore",
    },
}

JAVA_WRAPPERS: Final = {
    ResourceType.CHAT_MODEL_CONNECTION: "tamias.JavaChatModelConnection",
    ResourceType.CHAT_MODEL: "tamias.JavaChatModelSetup",
    ResourceType.EMBEDDING_MODEL_CONNECTION: "tamias.JavaEmbeddingModelConnection",
    ResourceType.EMBEDDING_MODEL: "tamias.JavaEmbeddingModelSetup",
    ResourceType.VECTOR_STORE: "tamias.JavaVectorStore",
}
"""The classes of resources that live in Java, by type."""


def class_names(kind: ResourceType, *, java: bool = False) -> dict[str, str]:
    """The short names of classes of a type: full names by short ones."""
    return (_JAVA if java else _PYTHON).get(kind, {})
