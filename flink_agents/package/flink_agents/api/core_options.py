"""As `flink_agents.api.core_options` of Flink Agents.

Options that tamias has, by the same keys, are its own; all others can be set and read, and have no
effect.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

from tamias import (
    AgentExecutionOptions as _AgentExecutionOptions,
)
from tamias import (
    ConditionEvaluationFailureStrategy,
    ConfigOption,
    ErrorHandlingStrategy,
    EventLogLevel,
    EventLogOptions,
    ShortTermMemoryTtlUpdate,
    ShortTermMemoryTtlVisibility,
)
from tamias.flink_agents.dialect import dialect

__all__ = [
    "AgentConfigOptions",
    "AgentConfigOptionsMeta",
    "AgentExecutionOptions",
    "ConditionEvaluationFailureStrategy",
    "ErrorHandlingStrategy",
    "EventLogLevel",
    "LoggerType",
    "MemoryEventOptions",
    "ShortTermMemoryTtlUpdate",
    "ShortTermMemoryTtlVisibility",
    "covert_j_option_to_python_option",
]

_OF_JAVA: Final[dict[str, type[Any]]] = {
    "Boolean": bool,
    "Double": float,
    "Float": float,
    "Integer": int,
    "Long": int,
    "String": str,
}


class LoggerType(Enum):
    """Where Flink Agents writes its event log."""

    SLF4J = "slf4j"
    FILE = "file"


class _LatestConfigOptions:
    """Those that only 0.4 has."""

    CONDITION_EVALUATION_FAILURE_STRATEGY = (
        _AgentExecutionOptions.CONDITION_EVALUATION_FAILURE_STRATEGY
    )
    EVENT_LOG_TRACE_ENABLED = ConfigOption("event-log.trace.enabled", bool, False)


class AgentConfigOptions(_LatestConfigOptions):
    """The options of a job."""

    JOB_IDENTIFIER = ConfigOption("job-identifier", str, None)

    EVENT_LOG_LEVEL = EventLogOptions.LEVEL
    EVENT_LOG_MAX_STRING_LENGTH = EventLogOptions.MAX_STRING_LENGTH
    EVENT_LOG_MAX_ARRAY_ELEMENTS = EventLogOptions.MAX_ARRAY_ELEMENTS
    EVENT_LOG_MAX_DEPTH = EventLogOptions.MAX_DEPTH
    EVENT_LOGGER_TYPE = ConfigOption("eventLoggerType", LoggerType, LoggerType.SLF4J)
    BASE_LOG_DIR = ConfigOption("baseLogDir", str, None)
    PRETTY_PRINT = ConfigOption("prettyPrint", bool, False)
    EVENT_LISTENERS = ConfigOption("event-listeners", list, None)

    ACTION_STATE_STORE_BACKEND = ConfigOption("actionStateStoreBackend", str, None)
    KAFKA_BOOTSTRAP_SERVERS = ConfigOption("kafkaBootstrapServers", str, "localhost:9092")
    KAFKA_ACTION_STATE_TOPIC = ConfigOption("kafkaActionStateTopic", str, None)
    KAFKA_ACTION_STATE_TOPIC_NUM_PARTITIONS = ConfigOption(
        "kafkaActionStateTopicNumPartitions", int, 64
    )
    KAFKA_ACTION_STATE_TOPIC_REPLICATION_FACTOR = ConfigOption(
        "kafkaActionStateTopicReplicationFactor", int, 1
    )
    FLUSS_BOOTSTRAP_SERVERS = ConfigOption("flussBootstrapServers", str, "localhost:9123")
    FLUSS_ACTION_STATE_DATABASE = ConfigOption("flussActionStateDatabase", str, "flink_agents")
    FLUSS_ACTION_STATE_TABLE = ConfigOption("flussActionStateTable", str, None)
    FLUSS_ACTION_STATE_TABLE_BUCKETS = ConfigOption("flussActionStateTableBuckets", int, 64)
    FLUSS_SECURITY_PROTOCOL = ConfigOption("flussSecurityProtocol", str, "PLAINTEXT")
    FLUSS_SASL_MECHANISM = ConfigOption("flussSaslMechanism", str, "PLAIN")
    FLUSS_SASL_JAAS_CONFIG = ConfigOption("flussSaslJaasConfig", str, None)
    FLUSS_SASL_USERNAME = ConfigOption("flussSaslUsername", str, None)
    FLUSS_SASL_PASSWORD = ConfigOption("flussSaslPassword", str, None)


if dialect() == "0.4":  # programs that list the options find them all in the class itself
    for _name, _option in vars(_LatestConfigOptions).items():
        if isinstance(_option, ConfigOption):
            setattr(AgentConfigOptions, _name, _option)


class AgentExecutionOptions(_AgentExecutionOptions):
    """How the actions of an agent are executed."""

    AGENT_RUN_BEGIN_EVENT = ConfigOption("agent-run.begin-event", bool, False)


def _on(name: str) -> ConfigOption[bool | None]:
    return ConfigOption(f"memory.generate-event{name}", bool, None)


class MemoryEventOptions:
    """Which uses of memory make events; None for what the wider option says."""

    MEMORY_GENERATE_EVENT = _on("")
    SHORT_TERM_WRITE = _on(".short-term-write")
    SHORT_TERM_READ = _on(".short-term-read")
    SENSORY_WRITE = _on(".sensory-write")
    SENSORY_READ = _on(".sensory-read")
    LONG_TERM_UPDATE = _on(".long-term-update")
    LONG_TERM_GET = _on(".long-term-get")
    LONG_TERM_SEARCH = _on(".long-term-search")


AgentConfigOptionsMeta = type(AgentConfigOptions)


def covert_j_option_to_python_option(j_option: Any) -> ConfigOption[Any]:
    """The option that one of Java's is.

    Raises TypeError for one whose values are none of the plain types.
    """
    name = str(j_option.getTypeName())
    kind = _OF_JAVA.get(name.removeprefix("java.lang."))
    if kind is None:
        raise TypeError(f"The option {j_option.getKey()} is of type {name}.")
    return ConfigOption(j_option.getKey(), kind, j_option.getDefaultValue())
