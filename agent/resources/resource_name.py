"""`ResourceName`: the classes of resources that come with tamias, by the names of Flink Agents.

They are plain texts, for `ResourceDescriptor(clazz=...)`: naming a class imports nothing.
"""

from __future__ import annotations

from typing import Final

from ..naming.public import public

__all__ = ["ResourceName"]

_JAVA: Final = "org.apache.flink.agents.integrations"
_CHAT: Final = f"{_JAVA}.chatmodels"
_EMBEDDING: Final = f"{_JAVA}.embeddingmodels"
_STORES: Final = f"{_JAVA}.vectorstores"


@public
class ResourceName:
    """Names of classes, as ``ResourceName.ChatModel.OPENAI_COMPLETIONS_CONNECTION``.

    Those in ``Java`` are for the argument ``java_clazz`` of the classes named ``JAVA_WRAPPER_...``.
    """

    class ChatModel:
        """Chat models."""

        ANTHROPIC_CONNECTION: Final = "tamias.AnthropicChatModelConnection"
        ANTHROPIC_SETUP: Final = "tamias.AnthropicChatModelSetup"
        AZURE_OPENAI_CONNECTION: Final = "tamias.AzureOpenAIChatModelConnection"
        AZURE_OPENAI_SETUP: Final = "tamias.AzureOpenAIChatModelSetup"
        OLLAMA_CONNECTION: Final = "tamias.OllamaChatModelConnection"
        OLLAMA_SETUP: Final = "tamias.OllamaChatModelSetup"
        OPENAI_COMPLETIONS_CONNECTION: Final = "tamias.OpenAIChatModelConnection"
        OPENAI_COMPLETIONS_SETUP: Final = "tamias.OpenAIChatModelSetup"
        OPENAI_CONNECTION: Final = OPENAI_COMPLETIONS_CONNECTION
        """The name in Flink Agents 0.2."""
        OPENAI_SETUP: Final = OPENAI_COMPLETIONS_SETUP
        """The name in Flink Agents 0.2."""
        OPENAI_RESPONSES_CONNECTION: Final = "tamias.OpenAIResponsesModelConnection"
        OPENAI_RESPONSES_SETUP: Final = "tamias.OpenAIResponsesModelSetup"
        TONGYI_CONNECTION: Final = "tamias.TongyiChatModelConnection"
        TONGYI_SETUP: Final = "tamias.TongyiChatModelSetup"
        VLLM_CONNECTION: Final = "tamias.VLLMChatModelConnection"
        VLLM_SETUP: Final = "tamias.VLLMChatModelSetup"
        JAVA_WRAPPER_CONNECTION: Final = "tamias.JavaChatModelConnection"
        JAVA_WRAPPER_SETUP: Final = "tamias.JavaChatModelSetup"

        class Java:
            """Those of Flink Agents in Java."""

            ANTHROPIC_CONNECTION: Final = f"{_CHAT}.anthropic.AnthropicChatModelConnection"
            ANTHROPIC_SETUP: Final = f"{_CHAT}.anthropic.AnthropicChatModelSetup"
            AZURE_OPENAI_CONNECTION: Final = f"{_CHAT}.openai.AzureOpenAIChatModelConnection"
            AZURE_OPENAI_SETUP: Final = f"{_CHAT}.openai.AzureOpenAIChatModelSetup"
            BEDROCK_CONNECTION: Final = f"{_CHAT}.bedrock.BedrockChatModelConnection"
            BEDROCK_SETUP: Final = f"{_CHAT}.bedrock.BedrockChatModelSetup"
            GEMINI_CONNECTION: Final = f"{_CHAT}.gemini.GeminiChatModelConnection"
            GEMINI_SETUP: Final = f"{_CHAT}.gemini.GeminiChatModelSetup"
            OLLAMA_CONNECTION: Final = f"{_CHAT}.ollama.OllamaChatModelConnection"
            OLLAMA_SETUP: Final = f"{_CHAT}.ollama.OllamaChatModelSetup"
            OPENAI_COMPLETIONS_CONNECTION: Final = f"{_CHAT}.openai.OpenAICompletionsConnection"
            OPENAI_COMPLETIONS_SETUP: Final = f"{_CHAT}.openai.OpenAICompletionsSetup"
            OPENAI_RESPONSES_CONNECTION: Final = f"{_CHAT}.openai.OpenAIResponsesModelConnection"
            OPENAI_RESPONSES_SETUP: Final = f"{_CHAT}.openai.OpenAIResponsesModelSetup"
            VLLM_CONNECTION: Final = f"{_CHAT}.openai.VLLMChatModelConnection"
            VLLM_SETUP: Final = f"{_CHAT}.openai.VLLMChatModelSetup"
            WATSONX_CONNECTION: Final = f"{_CHAT}.watsonx.WatsonxChatModelConnection"
            WATSONX_SETUP: Final = f"{_CHAT}.watsonx.WatsonxChatModelSetup"

    class EmbeddingModel:
        """Embedding models."""

        LOCAL_CONNECTION: Final = "tamias.LocalEmbeddingModelConnection"
        LOCAL_SETUP: Final = "tamias.LocalEmbeddingModelSetup"
        OLLAMA_CONNECTION: Final = "tamias.OllamaEmbeddingModelConnection"
        OLLAMA_SETUP: Final = "tamias.OllamaEmbeddingModelSetup"
        OPENAI_CONNECTION: Final = "tamias.OpenAIEmbeddingModelConnection"
        OPENAI_SETUP: Final = "tamias.OpenAIEmbeddingModelSetup"
        TONGYI_CONNECTION: Final = "tamias.TongyiEmbeddingModelConnection"
        TONGYI_SETUP: Final = "tamias.TongyiEmbeddingModelSetup"
        JAVA_WRAPPER_CONNECTION: Final = "tamias.JavaEmbeddingModelConnection"
        JAVA_WRAPPER_SETUP: Final = "tamias.JavaEmbeddingModelSetup"

        class Java:
            """Those of Flink Agents in Java."""

            BEDROCK_CONNECTION: Final = f"{_EMBEDDING}.bedrock.BedrockEmbeddingModelConnection"
            BEDROCK_SETUP: Final = f"{_EMBEDDING}.bedrock.BedrockEmbeddingModelSetup"
            OLLAMA_CONNECTION: Final = f"{_EMBEDDING}.ollama.OllamaEmbeddingModelConnection"
            OLLAMA_SETUP: Final = f"{_EMBEDDING}.ollama.OllamaEmbeddingModelSetup"
            OPENAI_CONNECTION: Final = f"{_EMBEDDING}.openai.OpenAIEmbeddingModelConnection"
            OPENAI_SETUP: Final = f"{_EMBEDDING}.openai.OpenAIEmbeddingModelSetup"

    class VectorStore:
        """Vector stores."""

        CHROMA_VECTOR_STORE: Final = "tamias.ChromaVectorStore"
        MEMORY_VECTOR_STORE: Final = "tamias.MemoryVectorStore"
        JAVA_WRAPPER_VECTOR_STORE: Final = "tamias.JavaVectorStore"
        JAVA_WRAPPER_COLLECTION_MANAGEABLE_VECTOR_STORE: Final = (
            "tamias.JavaCollectionManageableVectorStore"
        )

        class Java:
            """Those of Flink Agents in Java."""

            ELASTICSEARCH_VECTOR_STORE: Final = f"{_STORES}.elasticsearch.ElasticsearchVectorStore"
            MILVUS_VECTOR_STORE: Final = f"{_STORES}.milvus.MilvusVectorStore"
            OPENSEARCH_VECTOR_STORE: Final = f"{_STORES}.opensearch.OpenSearchVectorStore"
            PGVECTOR_VECTOR_STORE: Final = f"{_STORES}.pgvector.PgVectorVectorStore"
            S3_VECTORS_VECTOR_STORE: Final = f"{_STORES}.s3vectors.S3VectorsVectorStore"

    MCP_SERVER: Final = "tamias.MCPServer"
