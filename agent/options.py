"""The settings that tamias itself knows, by name, with types, defaults and limits.

Every one can stand in a configuration file, after ``--set`` and in `Configuration.set`.
"""

from __future__ import annotations

from .config_option import ConfigOption
from .config_values import parse_duration, parse_size

__all__ = ["KNOWN_OPTIONS", "AgentExecutionOptions", "PoolOptions"]


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


class PoolOptions:
    """The pool of workers."""

    WORKERS = ConfigOption(
        "workers",
        int,
        0,
        minimum=0,
        description="Worker processes; 0 for one per CPU that the launcher may use.",
    )
    SHARDS = ConfigOption(
        "shards",
        int,
        16,
        minimum=1,
        description="Shards of the store; fixed when the state directory is created.",
    )
    DURABILITY = ConfigOption(
        "durability",
        str,
        "process",
        choices=("none", "process", "machine"),
        description="What state survives: nothing (temporary state is in memory then), the death of"
        " any process, a power loss.",
    )
    BATCH_SIZE = ConfigOption(
        "batch-size",
        int,
        256,
        minimum=1,
        description="Inputs per message to a worker, at most; a commit holds those of up to four"
        " messages, fewer where they take longer than 20 ms.",
    )
    WINDOW = ConfigOption(
        "window",
        int,
        2048,
        minimum=1,
        description="Inputs in flight per worker, at most.",
    )
    MAX_ATTEMPTS = ConfigOption(
        "max-attempts",
        int,
        3,
        minimum=1,
        description="How often an input is tried before it goes to the dead letters.",
    )
    ON_ERROR: ConfigOption[str | None] = ConfigOption(
        "on-error",
        str,
        None,
        choices=("fail", "dead-letter", "ignore"),
        description=(
            "What an exception of an action leads to. Not set: 'fail' for execute(),"
            " 'dead-letter' for tamias run."
        ),
    )
    RUN_TIMEOUT = ConfigOption(
        "run-timeout",
        float,
        0.0,
        parse=parse_duration,
        description="The longest a run may take, as 30s or 5min; 0 for no limit.",
    )
    MEMORY_LIMIT = ConfigOption(
        "memory-limit",
        int,
        0,
        parse=parse_size,
        description="The most memory a worker may use, as 512MiB or 2g; 0 for no limit.",
    )
    SYNC_IN_THREADS = ConfigOption(
        "sync-in-threads",
        bool,
        False,
        description="Run plain (not async) actions in threads, so that one may block.",
    )
    STATE_DIR = ConfigOption(
        "state-dir",
        str,
        "",
        description="The state directory; empty for a temporary one.",
    )
    START_METHOD = ConfigOption(
        "start-method",
        str,
        "zygote",
        choices=("zygote", "spawn"),
        description="How workers start: forked from a warm interpreter, or each from scratch.",
    )


KNOWN_OPTIONS: dict[str, ConfigOption[object]] = {
    option.key: option
    for group in (AgentExecutionOptions, PoolOptions)
    for option in vars(group).values()
    if isinstance(option, ConfigOption)
}
"""Every option above, by key."""
