"""A worker's options on failures, time limits and threads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..agent.config.agent_options import AgentExecutionOptions
from ..agent.config.observing.record_options import RecordOptions
from ..agent.config.options import PoolOptions
from ..agent.config.ttl_options import ShortTermMemoryTtlUpdate, ShortTermMemoryTtlVisibility
from ..agent.waiting.retry import RetryPolicy
from ..store.shard.field_ttl import FieldTtl

if TYPE_CHECKING:
    from ..agent.config.configuration import Configuration


@dataclass(frozen=True, slots=True)
class Policy:
    """Options of a worker; a change replaces the whole object."""

    on_error: str
    """"fail", "dead-letter" or "ignore": what follows a failed run (see `completion.py`)."""
    max_attempts: int
    run_timeout: float
    """Seconds, 0 for none."""
    sync_in_threads: bool
    threads: int
    """Size of the pool for durable calls of plain functions."""
    suspend_after: float
    """Seconds; a run that waits for longer leaves the worker."""
    retry: RetryPolicy
    """For failures of runs that look temporary."""
    call_retry: RetryPolicy | None
    """For durable calls without a policy of their own; None if they are tried once."""
    codec: str
    """How payloads are encoded, for the dead letters."""
    memory_cache: int = 96 << 20
    """How many bytes of memory of keys are kept in the process, about."""
    record_limit: int = 0
    """How many bytes of what a run has found are kept with its dead letter."""

    @property
    def timed(self) -> bool:
        """Whether runs have a time limit."""
        return self.run_timeout > 0

    @classmethod
    def of(cls, config: Configuration, *, on_error: str, codec: str) -> Policy:
        """The policy that a configuration describes."""
        retry = RetryPolicy(
            attempts=config.get(PoolOptions.RETRY_ATTEMPTS),
            wait=config.get(PoolOptions.RETRY_WAIT),
            factor=config.get(PoolOptions.RETRY_FACTOR),
            longest=config.get(PoolOptions.RETRY_LONGEST),
            jitter=config.get(PoolOptions.RETRY_JITTER),
        )
        call_attempts = config.get(PoolOptions.CALL_ATTEMPTS)
        return cls(
            on_error=on_error,
            max_attempts=max(1, config.get(PoolOptions.MAX_ATTEMPTS)),
            run_timeout=config.get(PoolOptions.RUN_TIMEOUT),
            sync_in_threads=config.get(PoolOptions.SYNC_IN_THREADS),
            threads=config.get(AgentExecutionOptions.NUM_ASYNC_THREADS),
            suspend_after=config.get(PoolOptions.SUSPEND_AFTER),
            retry=retry,
            call_retry=replace(retry, attempts=call_attempts) if call_attempts > 1 else None,
            codec=codec,
            memory_cache=config.get(AgentExecutionOptions.SHORT_TERM_MEMORY_CACHE_MAX_BYTES),
            record_limit=config.get(RecordOptions.DEAD_LETTER_RECORD),
        )


def field_ttl_of(config: Configuration) -> FieldTtl:
    """How long fields of short-term memory live, by a configuration."""
    update = config.get(AgentExecutionOptions.SHORT_TERM_MEMORY_STATE_TTL_UPDATE_TYPE)
    visibility = config.get(AgentExecutionOptions.SHORT_TERM_MEMORY_STATE_TTL_VISIBILITY)
    return FieldTtl(
        config.get(AgentExecutionOptions.SHORT_TERM_MEMORY_STATE_TTL_MS),
        reading_counts=update is ShortTermMemoryTtlUpdate.ON_READ_AND_WRITE,
        shows_expired=visibility is ShortTermMemoryTtlVisibility.RETURN_EXPIRED_IF_NOT_CLEANED_UP,
    )
