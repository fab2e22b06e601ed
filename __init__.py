"""tamias: event-driven agents in a crash-proof pool of processes, exactly once.

Every public name is here; the rooms behind it are free to move theirs.
"""

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
from .agent.errors import *  # noqa: F403
from .agent.errors import __all__ as _errors
from .agent.event import Event, InputEvent, OutputEvent
from .agent.memory import MemoryObject, MemoryRef, MemoryType
from .agent.metrics import Counter, Gauge, Histogram, Meter, MetricGroup
from .agent.options import AgentExecutionOptions, ErrorHandlingStrategy, PoolOptions
from .agent.plan import Action, AgentPlan
from .agent.prompt import Prompt
from .agent.resource import Resource, ResourceDescriptor, ResourceType, SerializableResource
from .agent.tool import FunctionTool, Tool
