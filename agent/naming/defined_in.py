"""Where public names are defined that are imported when they are needed: by module, in one text."""

from typing import Final

__all__ = ["DEFINED_IN"]

DEFINED_IN: Final = {
    ".agent.chat.events": (
        "ChatErrorEvent ChatRequestEvent ChatResponseEvent "
        "ContextRetrievalRequestEvent ContextRetrievalResponseEvent "
        "ToolRequestEvent ToolResponseEvent"
    ),
    ".agent.chat.react": "ReActAgent",
    ".agent.chat.turn_limit": "TurnLimitError",
    ".agent.long_term.events": "MemoryCompactionEvent",
    ".agent.long_term.memory_set": (
        "CompactionConfig DatetimeRange LongTermMemory MemorySet MemorySetItem"
    ),
    ".agent.models.chat_model": "BaseChatModelConnection BaseChatModelSetup",
    ".agent.models.embedding_model": (
        "BaseEmbeddingModelConnection BaseEmbeddingModelSetup EmbeddingResult EmbeddingTokenUsage"
    ),
    ".agent.models.output_schema": "OutputParseError OutputSchema STRUCTURED_OUTPUT",
    ".agent.models.vector_store": (
        "BaseVectorStore Collection CollectionManageableVectorStore Document "
        "VectorStoreQuery VectorStoreQueryMode VectorStoreQueryResult"
    ),
    ".agent.observing.events": "AgentRunBeginEvent MemoryEvent",
    ".agent.skills.skill_set": "BaseSkills",
    ".agent.sub_agents.inner_run": "SubAgentError",
    ".agent.sub_agents.sub_agent": "SubAgent",
    ".agent.tools.calling": "call_tools",
    ".agent.tools.results": "ToolResult ToolResults",
    ".bridge.resources.chat_model": "JavaChatModelConnection JavaChatModelSetup",
    ".bridge.resources.embedding_model": ("JavaEmbeddingModelConnection JavaEmbeddingModelSetup"),
    ".bridge.resources.prompt": "JavaPrompt",
    ".bridge.resources.tool": "JavaTool",
    ".bridge.resources.vector_store": "JavaCollectionManageableVectorStore JavaVectorStore",
    ".launcher.testing.in_process": "AgentRun FailedInput run_agent",
    ".models.anthropic.chat_model": "AnthropicChatModelConnection AnthropicChatModelSetup",
    ".models.embeddings.local": "LocalEmbeddingModelConnection LocalEmbeddingModelSetup",
    ".models.mcp.prompt": "MCPPrompt",
    ".models.mcp.server": "MCPServer",
    ".models.mcp.tool": "MCPTool",
    ".models.ollama.chat_model": "OllamaChatModelConnection OllamaChatModelSetup",
    ".models.ollama.embeddings": "OllamaEmbeddingModelConnection OllamaEmbeddingModelSetup",
    ".models.openai.azure": "AzureOpenAIChatModelConnection AzureOpenAIChatModelSetup",
    ".models.openai.chat_model": "OpenAIChatModelConnection OpenAIChatModelSetup",
    ".models.openai.compatible": (
        "TongyiChatModelConnection TongyiChatModelSetup "
        "TongyiEmbeddingModelConnection TongyiEmbeddingModelSetup "
        "VLLMChatModelConnection VLLMChatModelSetup"
    ),
    ".models.openai.embeddings": "OpenAIEmbeddingModelConnection OpenAIEmbeddingModelSetup",
    ".models.openai.responses": "OpenAIResponsesModelConnection OpenAIResponsesModelSetup",
    ".models.skills.skills": "Skills",
    ".models.stores.chroma": "ChromaVectorStore",
    ".models.stores.memory": "MemoryVectorStore",
    ".service.client.aioclient": "AsyncClient",
    ".service.client.client": "Client",
    ".service.client.submission": "AsyncSubmission Submission",
    ".service.client.text_parts": "StreamPart TextParts",
    ".store.memory.reader": "MemoryReader open_memory",
    ".store.memory.set_reader": "MemorySetReader",
    ".worker.importing.yaml_files": "load_yaml",
}
