"""tamias: event-driven agents in a crash-proof pool of processes, exactly once.

Every public name is here; the rooms behind it are free to move theirs.
"""

from typing import TYPE_CHECKING

from .agent.action import Action
from .agent.agent import Agent
from .agent.config.agent_options import (
    AgentExecutionOptions,
    ConditionEvaluationFailureStrategy,
    ErrorHandlingStrategy,
    ModelOptions,
)
from .agent.config.configuration import Configuration
from .agent.config.java_options import FlinkOptions, JavaOptions
from .agent.config.memory_options import LongTermMemoryBackend, LongTermMemoryOptions
from .agent.config.observing.event_log_options import EventLogLevel, EventLogOptions
from .agent.config.observing.record_options import RecordOptions
from .agent.config.option import ConfigOption
from .agent.config.options import PoolOptions, ServiceOptions
from .agent.config.profile_options import ProfileOptions
from .agent.config.tool_options import ToolCallOptions
from .agent.config.ttl_options import ShortTermMemoryTtlUpdate, ShortTermMemoryTtlVisibility
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
    MemorySetError,
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
from .agent.naming.defined_in import DEFINED_IN
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
    ResourceContext,
    ResourceDescriptor,
    ResourceType,
    SerializableResource,
)
from .agent.resources.resource_name import ResourceName
from .agent.resources.usage import TokenUsage
from .agent.row import JsonRow, Row
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
    from .agent.long_term.events import MemoryCompactionEvent
    from .agent.long_term.memory_set import (
        CompactionConfig,
        DatetimeRange,
        LongTermMemory,
        MemorySet,
        MemorySetItem,
    )
    from .agent.models.chat_model import BaseChatModelConnection, BaseChatModelSetup
    from .agent.models.embedding_model import (
        BaseEmbeddingModelConnection,
        BaseEmbeddingModelSetup,
        EmbeddingResult,
        EmbeddingTokenUsage,
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
    from .agent.observing.events import AgentRunBeginEvent, MemoryEvent
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
    from .models.anthropic.chat_model import AnthropicChatModelConnection, AnthropicChatModelSetup
    from .models.embeddings.local import LocalEmbeddingModelConnection, LocalEmbeddingModelSetup
    from .models.mcp.prompt import MCPPrompt
    from .models.mcp.server import MCPServer
    from .models.mcp.tool import MCPTool
    from .models.ollama.chat_model import OllamaChatModelConnection, OllamaChatModelSetup
    from .models.ollama.embeddings import OllamaEmbeddingModelConnection, OllamaEmbeddingModelSetup
    from .models.openai.azure import AzureOpenAIChatModelConnection, AzureOpenAIChatModelSetup
    from .models.openai.chat_model import OpenAIChatModelConnection, OpenAIChatModelSetup
    from .models.openai.compatible import (
        TongyiChatModelConnection,
        TongyiChatModelSetup,
        TongyiEmbeddingModelConnection,
        TongyiEmbeddingModelSetup,
        VLLMChatModelConnection,
        VLLMChatModelSetup,
    )
    from .models.openai.embeddings import OpenAIEmbeddingModelConnection, OpenAIEmbeddingModelSetup
    from .models.openai.responses import OpenAIResponsesModelConnection, OpenAIResponsesModelSetup
    from .models.skills.skills import Skills
    from .models.stores.chroma import ChromaVectorStore
    from .models.stores.memory import MemoryVectorStore
    from .service.client.aioclient import AsyncClient
    from .service.client.client import Client
    from .service.client.submission import AsyncSubmission, Submission
    from .service.client.text_parts import StreamPart, TextParts
    from .store.memory.reader import MemoryReader, open_memory
    from .store.memory.set_reader import MemorySetReader
    from .worker.importing.yaml_files import load_yaml

__getattr__ = lazily(__name__, DEFINED_IN)

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
    "AgentRunBeginEvent",
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
    "CompactionConfig",
    "ConditionEvaluationFailureStrategy",
    "ConfigError",
    "ConfigOption",
    "Configuration",
    "ContextRetrievalRequestEvent",
    "ContextRetrievalResponseEvent",
    "ContextTooLong",
    "Counter",
    "DatetimeRange",
    "DivergenceError",
    "Document",
    "DocumentBlock",
    "DurableCallError",
    "EmbeddingResult",
    "EmbeddingTokenUsage",
    "EndOfInputEvent",
    "EnvironmentSetupError",
    "EnvironmentUseError",
    "ErrorHandlingStrategy",
    "Event",
    "EventLogLevel",
    "EventLogOptions",
    "EventType",
    "FailedInput",
    "FencedError",
    "FlinkOptions",
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
    "JsonRow",
    "JvmError",
    "LeaseHeldError",
    "LocalEmbeddingModelConnection",
    "LocalEmbeddingModelSetup",
    "LocalPrompt",
    "LongTermMemory",
    "LongTermMemoryBackend",
    "LongTermMemoryOptions",
    "MCPInterruptedError",
    "MCPPrompt",
    "MCPServer",
    "MCPServerError",
    "MCPTool",
    "MCPToolChangedError",
    "MCPToolError",
    "MCPUnavailableError",
    "MemoryAccessError",
    "MemoryCompactionEvent",
    "MemoryEvent",
    "MemoryObject",
    "MemoryReader",
    "MemoryRef",
    "MemorySet",
    "MemorySetError",
    "MemorySetItem",
    "MemorySetReader",
    "MemoryType",
    "MemoryVectorStore",
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
    "ProfileOptions",
    "Prompt",
    "Question",
    "RateLimited",
    "ReActAgent",
    "RecordOptions",
    "Resource",
    "ResourceContext",
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
    "ShortTermMemoryTtlUpdate",
    "ShortTermMemoryTtlVisibility",
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
    "open_memory",
    "parse_duration",
    "parse_size",
    "prompt",
    "run_agent",
    "skills",
    "tool",
    "vector_store",
]
