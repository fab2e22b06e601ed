"""The settings of an agent's actions, and of the built-in ones that call models and tools."""

from __future__ import annotations

from enum import Enum

from ..naming.public import public
from .option import ConfigOption
from .ttl_options import ShortTermMemoryTtlUpdate, ShortTermMemoryTtlVisibility
from .values import parse_milliseconds, parse_size

__all__ = [
    "AgentExecutionOptions",
    "ConditionEvaluationFailureStrategy",
    "ErrorHandlingStrategy",
    "ModelOptions",
]


@public
class ErrorHandlingStrategy(str, Enum):
    """What a failure of a chat model leads to, in the built-in action that asks it."""

    FAIL = "fail"
    RETRY = "retry"
    IGNORE = "ignore"

    def __str__(self) -> str:
        return self.value


@public
class ConditionEvaluationFailureStrategy(str, Enum):
    """What follows when a condition of an action cannot be evaluated for an event."""

    WARN_AND_SKIP = "WARN_AND_SKIP"
    """It does not hold, which is counted and logged once."""
    FAIL = "FAIL"
    """The run fails."""

    def __str__(self) -> str:
        return self.value


@public
class AgentExecutionOptions:
    """How the actions of an agent are executed; names as in Flink Agents."""

    NUM_ASYNC_THREADS = ConfigOption(
        "num-async-threads",
        int,
        16,
        minimum=1,
        description="Threads per worker, at most, for functions that block: they wait, they do not"
        " compute, so the number has nothing to do with that of CPUs.",
    )
    CONDITION_EVALUATION_FAILURE_STRATEGY = ConfigOption(
        "action.trigger-condition.evaluate-failure-strategy",
        ConditionEvaluationFailureStrategy,
        ConditionEvaluationFailureStrategy.WARN_AND_SKIP,
        description="What follows when a condition of an action cannot be evaluated for an event:"
        " it does not hold, which is counted and logged once, or the run fails.",
    )
    ERROR_HANDLING_STRATEGY = ConfigOption(
        "error-handling-strategy",
        ErrorHandlingStrategy,
        ErrorHandlingStrategy.FAIL,
        description="What a failure of a chat model leads to that was asked by a ChatRequestEvent:"
        " fail (the run fails, and is tried again as on-error says), retry (the call is tried again"
        " max-retries times), ignore (there is no response).",
    )
    MAX_RETRIES = ConfigOption(
        "max-retries",
        int,
        3,
        minimum=0,
        description="With the strategy retry: how often a call is tried again.",
    )
    RETRY_WAIT_INTERVAL = ConfigOption(
        "retry-wait-interval",
        float,
        1.0,
        minimum=0,
        description="With the strategy retry: seconds to wait before the second attempt; doubled"
        " for each further one.",
    )
    CHAT_ASYNC = ConfigOption(
        "chat.async",
        bool,
        True,
        description="Known from Flink Agents, and without effect: other keys go on in any case.",
    )
    TOOL_CALL_ASYNC = ConfigOption(
        "tool-call.async", bool, True, description="As chat.async: without effect."
    )
    RAG_ASYNC = ConfigOption("rag.async", bool, True, description="As chat.async: without effect.")
    AGENT_RUN_BEGIN_EVENT = ConfigOption(
        "agent-run.begin-event",
        bool,
        False,
        description="Whether the run of an input sends an AgentRunBeginEvent, with what short-term"
        " memory has of its key, before its first action, if one listens to it.",
    )
    MAX_TURNS = ConfigOption(
        "chat.max-turns",
        int,
        20,
        minimum=1,
        description="How often a chat model is asked for one ChatRequestEvent, at most, until it"
        " answers without asking for tools.",
    )
    SHORT_TERM_MEMORY_CACHE_MAX_BYTES = ConfigOption(
        "short-term-memory.cache-max-bytes",
        int,
        96 << 20,
        parse=parse_size,
        description="How much short-term memory of keys that are not in use a worker keeps in its"
        " process, about, and 2 MiB where few keys come back; what is not kept is read from the"
        " store.",
    )
    SHORT_TERM_MEMORY_STATE_TTL_MS = ConfigOption(
        "short-term-memory.state-ttl.ms",
        int,
        0,
        parse=parse_milliseconds,
        description="How long a field of short-term memory lives after its last use, in"
        " milliseconds or as 30d; 0 for ever.",
    )
    SHORT_TERM_MEMORY_STATE_TTL_UPDATE_TYPE = ConfigOption(
        "short-term-memory.state-ttl.update-type",
        ShortTermMemoryTtlUpdate,
        ShortTermMemoryTtlUpdate.ON_READ_AND_WRITE,
        description="Which uses count: ON_READ_AND_WRITE, or writes alone: ON_CREATE_AND_WRITE.",
    )
    SHORT_TERM_MEMORY_STATE_TTL_VISIBILITY = ConfigOption(
        "short-term-memory.state-ttl.visibility",
        ShortTermMemoryTtlVisibility,
        ShortTermMemoryTtlVisibility.NEVER_RETURN_EXPIRED,
        description="Whether expired fields are seen until a commit removes them"
        " (RETURN_EXPIRED_IF_NOT_CLEANED_UP) or not (NEVER_RETURN_EXPIRED).",
    )


@public
class ModelOptions:
    """Calls of models, recorded and replayed."""

    MODEL_CALLS = ConfigOption(
        "model-calls",
        str,
        "off",
        choices=("off", "record", "replay"),
        description="Calls of chat and embedding models are recorded in the cassette, or answered"
        " from it, without a network and without keys.",
    )
    CASSETTE = ConfigOption(
        "cassette",
        str,
        "",
        description="The file in which calls of models are recorded.",
    )
