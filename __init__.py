"""tamias: event-driven agents in a crash-proof pool of processes, exactly once.

Every public name is here; the rooms behind it are free to move theirs.
"""

from typing import TYPE_CHECKING

from .agent.action import Action
from .agent.agent import Agent
from .agent.config_values import parse_duration, parse_size
from .agent.configuration import ConfigOption, Configuration
from .agent.context import RunnerContext
from .agent.decorators import (
    action,
    chat_model_connection,
    chat_model_setup,
    embedding_model_connection,
    embedding_model_setup,
    mcp_server,
    prompt,
    tool,
    vector_store,
)
from .agent.environment import AgentBuilder, AgentsExecutionEnvironment
from .agent.errors import (
    AgentDefinitionError,
    AgentFailedError,
    BridgeError,
    ConfigError,
    DivergenceError,
    DurableCallError,
    EnvironmentSetupError,
    FencedError,
    ForeignStoreError,
    InputError,
    LeaseHeldError,
    MemoryAccessError,
    MissingExtraError,
    PoolError,
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
    UnserializableError,
    UsageError,
    WorkerStartError,
)
from .agent.event import Event, InputEvent, OutputEvent
from .agent.lazy import lazily
from .agent.memory import MemoryObject, MemoryRef, MemoryType
from .agent.metrics import Counter, Gauge, Histogram, Meter, MetricGroup
from .agent.options import AgentExecutionOptions, PoolOptions, ServiceOptions
from .agent.plan import AgentPlan
from .agent.prompt import Prompt
from .agent.resource import Resource, ResourceDescriptor, ResourceType, SerializableResource
from .agent.row import Row
from .agent.tool import FunctionTool, Tool

if TYPE_CHECKING:
    from .launcher.service.aioclient import AsyncClient
    from .launcher.service.client import Client
    from .launcher.service.submission import AsyncSubmission, Submission

__getattr__ = lazily(
    __name__,
    AsyncClient=".launcher.service.aioclient",
    AsyncSubmission=".launcher.service.submission",
    Client=".launcher.service.client",
    Submission=".launcher.service.submission",
)

__all__ = [
    "Action",
    "Agent",
    "AgentBuilder",
    "AgentDefinitionError",
    "AgentExecutionOptions",
    "AgentFailedError",
    "AgentPlan",
    "AgentsExecutionEnvironment",
    "AsyncClient",
    "AsyncSubmission",
    "BridgeError",
    "Client",
    "ConfigError",
    "ConfigOption",
    "Configuration",
    "Counter",
    "DivergenceError",
    "DurableCallError",
    "EnvironmentSetupError",
    "Event",
    "FencedError",
    "ForeignStoreError",
    "FunctionTool",
    "Gauge",
    "Histogram",
    "InputError",
    "InputEvent",
    "LeaseHeldError",
    "MemoryAccessError",
    "MemoryObject",
    "MemoryRef",
    "MemoryType",
    "Meter",
    "MetricGroup",
    "MissingExtraError",
    "OutputEvent",
    "PoolError",
    "PoolOptions",
    "Prompt",
    "Resource",
    "ResourceDescriptor",
    "ResourceType",
    "Row",
    "RunError",
    "RunTimeoutError",
    "RunnerContext",
    "SerializableResource",
    "ServiceError",
    "ServiceOptions",
    "ServiceTimeoutError",
    "StoreCorruptError",
    "StoreError",
    "StoreFormatError",
    "StoreFullError",
    "StoreLockedError",
    "StoreUnwritableError",
    "Submission",
    "SubmissionFailedError",
    "TamiasError",
    "TargetError",
    "Tool",
    "UnserializableError",
    "UsageError",
    "WorkerStartError",
    "action",
    "chat_model_connection",
    "chat_model_setup",
    "embedding_model_connection",
    "embedding_model_setup",
    "mcp_server",
    "parse_duration",
    "parse_size",
    "prompt",
    "tool",
    "vector_store",
]
