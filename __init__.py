"""tamias: event-driven agents in a crash-proof pool of processes, exactly once.

Every public name is here; the rooms behind it are free to move theirs.
"""

from typing import TYPE_CHECKING

from .agent.action import Action
from .agent.agent import Agent
from .agent.config.agent_options import (
    AgentExecutionOptions,
    ErrorHandlingStrategy,
    ModelOptions,
)
from .agent.config.configuration import Configuration
from .agent.config.java_options import JavaOptions
from .agent.config.option import ConfigOption
from .agent.config.options import PoolOptions, ServiceOptions
from .agent.config.tool_options import ToolCallOptions
from .agent.config.values import parse_duration, parse_size
from .agent.context import RunnerContext
from .agent.decorators import (
    action,
    chat_model_connection,
    chat_model_setup,
    embedding_model_connection,
    embedding_model_setup,
    mcp_server,
    prompt,
    skills,
    tool,
    vector_store,
)
from .agent.environment import AgentBuilder, AgentsExecutionEnvironment
from .agent.errors import (
    ActionResultError,
    AgentDefinitionError,
    AgentFailedError,
    AnswerError,
    BridgeError,
    ConfigError,
    DivergenceError,
    DurableCallError,
    EnvironmentSetupError,
    EnvironmentUseError,
    FencedError,
    ForeignStoreError,
    InputError,
    JavaCallError,
    JavaTimeoutError,
    JvmError,
    LeaseHeldError,
    MemoryAccessError,
    MissingExtraError,
    PoolError,
    ResourceNotFoundError,
    RunError,
    RunTimeoutError,
    ServiceError,
    ServiceTimeoutError,
    StoreCorruptError,
    StoreError,
    StoreFormatError,
    StoreFullError,
    StoreLockedError,
    StoreUnwritableError,
    SubmissionFailedError,
    TamiasError,
    TargetError,
    TimerError,
    TriggerConditionError,
    UnserializableError,
    UsageError,
    WaitTimeoutError,
    WorkerStartError,
)
from .agent.event import EndOfInputEvent, Event, InputEvent, OutputEvent
from .agent.events.triggers import EventType
from .agent.memory import MemoryObject, MemoryRef, MemoryType
from .agent.metrics import Counter, Gauge, Histogram, Meter, MetricGroup
from .agent.naming.lazy import lazily
from .agent.plan import AgentPlan
from .agent.resources.chat_message import (
    ChatDelta,
    ChatMessage,
    MessageRole,
    find_first_system_message,
)
from .agent.resources.content import DocumentBlock, ImageBlock, TextBlock
from .agent.resources.mcp_server import (
    BaseMCPServer,
    MCPInterruptedError,
    MCPServerError,
    MCPToolChangedError,
    MCPToolError,
    MCPUnavailableError,
)
from .agent.resources.model_errors import (
    AuthFailed,
    BadRequest,
    BudgetExceeded,
    ContextTooLong,
    ModelError,
    Overloaded,
    RateLimited,
    Unavailable,
)
from .agent.resources.prompt import LocalPrompt, Prompt, SafeFormatter, format_string
from .agent.resources.recording import MissingRecordingError
from .agent.resources.resource import (
    Resource,
    ResourceDescriptor,
    ResourceType,
    SerializableResource,
)
from .agent.resources.resource_name import ResourceName
from .agent.resources.usage import TokenUsage
from .agent.row import Row
from .agent.tools.injection import InjectedArg, ToolParameterSource
from .agent.tools.metadata import InputRequired, ToolMetadata, ToolResponse, ToolType
from .agent.tools.settings import ToolSettings
from .agent.tools.tool import FunctionTool, Tool
from .agent.waiting.questions import Answer, Question
from .agent.waiting.retry import RetryPolicy

if TYPE_CHECKING:
    from .agent.chat.events import (
        ChatErrorEvent,
        ChatRequestEvent,
        ChatResponseEvent,
        ContextRetrievalRequestEvent,
        ContextRetrievalResponseEvent,
        ToolRequestEvent,
        ToolResponseEvent,
    )
    from .agent.chat.react import ReActAgent
    from .agent.chat.turn_limit import TurnLimitError
    from .agent.models.chat_model import BaseChatModelConnection, BaseChatModelSetup
    from .agent.models.embedding_model import (
        BaseEmbeddingModelConnection,
        BaseEmbeddingModelSetup,
    )
    from .agent.models.output_schema import STRUCTURED_OUTPUT, OutputParseError, OutputSchema
    from .agent.models.vector_store import (
        BaseVectorStore,
        Collection,
        CollectionManageableVectorStore,
        Document,
        VectorStoreQuery,
        VectorStoreQueryMode,
        VectorStoreQueryResult,
    )
    from .agent.skills.skill_set import BaseSkills
    from .agent.sub_agents.inner_run import SubAgentError
    from .agent.sub_agents.sub_agent import SubAgent
    from .agent.tools.calling import call_tools
    from .agent.tools.results import ToolResult, ToolResults
    from .bridge.resources.chat_model import JavaChatModelConnection, JavaChatModelSetup
    from .bridge.resources.embedding_model import (
        JavaEmbeddingModelConnection,
        JavaEmbeddingModelSetup,
    )
    from .bridge.resources.prompt import JavaPrompt
    from .bridge.resources.tool import JavaTool
    from .bridge.resources.vector_store import JavaCollectionManageableVectorStore, JavaVectorStore
    from .launcher.testing.in_process import AgentRun, FailedInput, run_agent
    from .models.anthropic.chat_model import (
        AnthropicChatModelConnection,
        AnthropicChatModelSetup,
    )
    from .models.embeddings.local import LocalEmbeddingModelConnection, LocalEmbeddingModelSetup
    from .models.mcp.prompt import MCPPrompt
    from .models.mcp.server import MCPServer
    from .models.mcp.tool import MCPTool
    from .models.ollama.chat_model import OllamaChatModelConnection, OllamaChatModelSetup
    from .models.ollama.embeddings import (
        OllamaEmbeddingModelConnection,
        OllamaEmbeddingModelSetup,
    )
    from .models.openai.azure import (
        AzureOpenAIChatModelConnection,
        AzureOpenAIChatModelSetup,
    )
    from .models.openai.chat_model import (
        OpenAIChatModelConnection,
        OpenAIChatModelSetup,
    )
    from .models.openai.compatible import (
        TongyiChatModelConnection,
        TongyiChatModelSetup,
        TongyiEmbeddingModelConnection,
        TongyiEmbeddingModelSetup,
        VLLMChatModelConnection,
        VLLMChatModelSetup,
    )
    from .models.openai.embeddings import (
        OpenAIEmbeddingModelConnection,
        OpenAIEmbeddingModelSetup,
    )
    from .models.openai.responses import (
        OpenAIResponsesModelConnection,
        OpenAIResponsesModelSetup,
    )
    from .models.skills.skills import Skills
    from .models.stores.chroma import ChromaVectorStore
    from .service.client.aioclient import AsyncClient
    from .service.client.client import Client
    from .service.client.submission import AsyncSubmission, Submission
    from .service.client.text_parts import StreamPart, TextParts
    from .worker.importing.yaml_files import load_yaml

__getattr__ = lazily(
    __name__,
    AgentRun=".launcher.testing.in_process",
    AnthropicChatModelConnection=".models.anthropic.chat_model",
    AnthropicChatModelSetup=".models.anthropic.chat_model",
    AsyncClient=".service.client.aioclient",
    AsyncSubmission=".service.client.submission",
    AzureOpenAIChatModelConnection=".models.openai.azure",
    AzureOpenAIChatModelSetup=".models.openai.azure",
    BaseChatModelConnection=".agent.models.chat_model",
    BaseChatModelSetup=".agent.models.chat_model",
    BaseEmbeddingModelConnection=".agent.models.embedding_model",
    BaseEmbeddingModelSetup=".agent.models.embedding_model",
    BaseSkills=".agent.skills.skill_set",
    BaseVectorStore=".agent.models.vector_store",
    ChatErrorEvent=".agent.chat.events",
    ChatRequestEvent=".agent.chat.events",
    ChatResponseEvent=".agent.chat.events",
    ChromaVectorStore=".models.stores.chroma",
    Client=".service.client.client",
    Collection=".agent.models.vector_store",
    CollectionManageableVectorStore=".agent.models.vector_store",
    ContextRetrievalRequestEvent=".agent.chat.events",
    ContextRetrievalResponseEvent=".agent.chat.events",
    Document=".agent.models.vector_store",
    FailedInput=".launcher.testing.in_process",
    JavaChatModelConnection=".bridge.resources.chat_model",
    JavaChatModelSetup=".bridge.resources.chat_model",
    JavaCollectionManageableVectorStore=".bridge.resources.vector_store",
    JavaEmbeddingModelConnection=".bridge.resources.embedding_model",
    JavaEmbeddingModelSetup=".bridge.resources.embedding_model",
    JavaPrompt=".bridge.resources.prompt",
    JavaTool=".bridge.resources.tool",
    JavaVectorStore=".bridge.resources.vector_store",
    LocalEmbeddingModelConnection=".models.embeddings.local",
    LocalEmbeddingModelSetup=".models.embeddings.local",
    MCPPrompt=".models.mcp.prompt",
    MCPServer=".models.mcp.server",
    MCPTool=".models.mcp.tool",
    OllamaChatModelConnection=".models.ollama.chat_model",
    OllamaChatModelSetup=".models.ollama.chat_model",
    OllamaEmbeddingModelConnection=".models.ollama.embeddings",
    OllamaEmbeddingModelSetup=".models.ollama.embeddings",
    OpenAIChatModelConnection=".models.openai.chat_model",
    OpenAIChatModelSetup=".models.openai.chat_model",
    OpenAIEmbeddingModelConnection=".models.openai.embeddings",
    OpenAIEmbeddingModelSetup=".models.openai.embeddings",
    OpenAIResponsesModelConnection=".models.openai.responses",
    OpenAIResponsesModelSetup=".models.openai.responses",
    OutputParseError=".agent.models.output_schema",
    OutputSchema=".agent.models.output_schema",
    ReActAgent=".agent.chat.react",
    STRUCTURED_OUTPUT=".agent.models.output_schema",
    Skills=".models.skills.skills",
    StreamPart=".service.client.text_parts",
    SubAgent=".agent.sub_agents.sub_agent",
    SubAgentError=".agent.sub_agents.inner_run",
    Submission=".service.client.submission",
    TextParts=".service.client.text_parts",
    TongyiChatModelConnection=".models.openai.compatible",
    TongyiChatModelSetup=".models.openai.compatible",
    TongyiEmbeddingModelConnection=".models.openai.compatible",
    TongyiEmbeddingModelSetup=".models.openai.compatible",
    ToolRequestEvent=".agent.chat.events",
    ToolResponseEvent=".agent.chat.events",
    ToolResult=".agent.tools.results",
    ToolResults=".agent.tools.results",
    TurnLimitError=".agent.chat.turn_limit",
    VLLMChatModelConnection=".models.openai.compatible",
    VLLMChatModelSetup=".models.openai.compatible",
    VectorStoreQuery=".agent.models.vector_store",
    VectorStoreQueryMode=".agent.models.vector_store",
    VectorStoreQueryResult=".agent.models.vector_store",
    call_tools=".agent.tools.calling",
    load_yaml=".worker.importing.yaml_files",
    run_agent=".launcher.testing.in_process",
)

__all__ = [
    "STRUCTURED_OUTPUT",
    "Action",
    "ActionResultError",
    "Agent",
    "AgentBuilder",
    "AgentDefinitionError",
    "AgentExecutionOptions",
    "AgentFailedError",
    "AgentPlan",
    "AgentRun",
    "AgentsExecutionEnvironment",
    "Answer",
    "AnswerError",
    "AnthropicChatModelConnection",
    "AnthropicChatModelSetup",
    "AsyncClient",
    "AsyncSubmission",
    "AuthFailed",
    "AzureOpenAIChatModelConnection",
    "AzureOpenAIChatModelSetup",
    "BadRequest",
    "BaseChatModelConnection",
    "BaseChatModelSetup",
    "BaseEmbeddingModelConnection",
    "BaseEmbeddingModelSetup",
    "BaseMCPServer",
    "BaseSkills",
    "BaseVectorStore",
    "BridgeError",
    "BudgetExceeded",
    "ChatDelta",
    "ChatErrorEvent",
    "ChatMessage",
    "ChatRequestEvent",
    "ChatResponseEvent",
    "ChromaVectorStore",
    "Client",
    "Collection",
    "CollectionManageableVectorStore",
    "ConfigError",
    "ConfigOption",
    "Configuration",
    "ContextRetrievalRequestEvent",
    "ContextRetrievalResponseEvent",
    "ContextTooLong",
    "Counter",
    "DivergenceError",
    "Document",
    "DocumentBlock",
    "DurableCallError",
    "EndOfInputEvent",
    "EnvironmentSetupError",
    "EnvironmentUseError",
    "ErrorHandlingStrategy",
    "Event",
    "EventType",
    "FailedInput",
    "FencedError",
    "ForeignStoreError",
    "FunctionTool",
    "Gauge",
    "Histogram",
    "ImageBlock",
    "InjectedArg",
    "InputError",
    "InputEvent",
    "InputRequired",
    "JavaCallError",
    "JavaChatModelConnection",
    "JavaChatModelSetup",
    "JavaCollectionManageableVectorStore",
    "JavaEmbeddingModelConnection",
    "JavaEmbeddingModelSetup",
    "JavaOptions",
    "JavaPrompt",
    "JavaTimeoutError",
    "JavaTool",
    "JavaVectorStore",
    "JvmError",
    "LeaseHeldError",
    "LocalEmbeddingModelConnection",
    "LocalEmbeddingModelSetup",
    "LocalPrompt",
    "MCPInterruptedError",
    "MCPPrompt",
    "MCPServer",
    "MCPServerError",
    "MCPTool",
    "MCPToolChangedError",
    "MCPToolError",
    "MCPUnavailableError",
    "MemoryAccessError",
    "MemoryObject",
    "MemoryRef",
    "MemoryType",
    "MessageRole",
    "Meter",
    "MetricGroup",
    "MissingExtraError",
    "MissingRecordingError",
    "ModelError",
    "ModelOptions",
    "OllamaChatModelConnection",
    "OllamaChatModelSetup",
    "OllamaEmbeddingModelConnection",
    "OllamaEmbeddingModelSetup",
    "OpenAIChatModelConnection",
    "OpenAIChatModelSetup",
    "OpenAIEmbeddingModelConnection",
    "OpenAIEmbeddingModelSetup",
    "OpenAIResponsesModelConnection",
    "OpenAIResponsesModelSetup",
    "OutputEvent",
    "OutputParseError",
    "OutputSchema",
    "Overloaded",
    "PoolError",
    "PoolOptions",
    "Prompt",
    "Question",
    "RateLimited",
    "ReActAgent",
    "Resource",
    "ResourceDescriptor",
    "ResourceName",
    "ResourceNotFoundError",
    "ResourceType",
    "RetryPolicy",
    "Row",
    "RunError",
    "RunTimeoutError",
    "RunnerContext",
    "SafeFormatter",
    "SerializableResource",
    "ServiceError",
    "ServiceOptions",
    "ServiceTimeoutError",
    "Skills",
    "StoreCorruptError",
    "StoreError",
    "StoreFormatError",
    "StoreFullError",
    "StoreLockedError",
    "StoreUnwritableError",
    "StreamPart",
    "SubAgent",
    "SubAgentError",
    "Submission",
    "SubmissionFailedError",
    "TamiasError",
    "TargetError",
    "TextBlock",
    "TextParts",
    "TimerError",
    "TokenUsage",
    "TongyiChatModelConnection",
    "TongyiChatModelSetup",
    "TongyiEmbeddingModelConnection",
    "TongyiEmbeddingModelSetup",
    "Tool",
    "ToolCallOptions",
    "ToolMetadata",
    "ToolParameterSource",
    "ToolRequestEvent",
    "ToolResponse",
    "ToolResponseEvent",
    "ToolResult",
    "ToolResults",
    "ToolSettings",
    "ToolType",
    "TriggerConditionError",
    "TurnLimitError",
    "Unavailable",
    "UnserializableError",
    "UsageError",
    "VLLMChatModelConnection",
    "VLLMChatModelSetup",
    "VectorStoreQuery",
    "VectorStoreQueryMode",
    "VectorStoreQueryResult",
    "WaitTimeoutError",
    "WorkerStartError",
    "action",
    "call_tools",
    "chat_model_connection",
    "chat_model_setup",
    "embedding_model_connection",
    "embedding_model_setup",
    "find_first_system_message",
    "format_string",
    "load_yaml",
    "mcp_server",
    "parse_duration",
    "parse_size",
    "prompt",
    "run_agent",
    "skills",
    "tool",
    "vector_store",
]
