"""tamias: event-driven agents in a crash-proof pool of processes, exactly once.

Every public name is here; the rooms behind it are free to move theirs.
"""

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
    StoreCorruptError,
    StoreError,
    StoreFormatError,
    StoreFullError,
    StoreLockedError,
    StoreUnwritableError,
    TamiasError,
    TargetError,
    UnserializableError,
    UsageError,
    WorkerStartError,
)
from .agent.event import Event, InputEvent, OutputEvent
from .agent.memory import MemoryObject, MemoryRef, MemoryType
from .agent.metrics import Counter, Gauge, Histogram, Meter, MetricGroup
from .agent.options import AgentExecutionOptions, PoolOptions
from .agent.plan import AgentPlan
from .agent.prompt import Prompt
from .agent.resource import Resource, ResourceDescriptor, ResourceType, SerializableResource
from .agent.tool import FunctionTool, Tool

__all__ = [
    "Action",
    "Agent",
    "AgentBuilder",
    "AgentDefinitionError",
    "AgentExecutionOptions",
    "AgentFailedError",
    "AgentPlan",
    "AgentsExecutionEnvironment",
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
    "RunError",
    "RunTimeoutError",
    "RunnerContext",
    "SerializableResource",
    "StoreCorruptError",
    "StoreError",
    "StoreFormatError",
    "StoreFullError",
    "StoreLockedError",
    "StoreUnwritableError",
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
