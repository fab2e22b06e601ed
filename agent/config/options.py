"""The settings that tamias itself knows, by name, with types, defaults and limits.

Every one can stand in a configuration file, after ``--set`` and in `Configuration.set`.
"""

from __future__ import annotations

from ..naming.public import public
from .agent_options import AgentExecutionOptions, ModelOptions
from .java_options import FlinkOptions, JavaOptions
from .memory_options import GROUPS_OF_MEMORY
from .observing.event_log_options import EventLogOptions
from .observing.record_options import RecordOptions
from .option import ConfigOption
from .profile_options import ProfileOptions
from .tool_options import ToolCallOptions
from .values import (
    AUTO,
    parse_cpus,
    parse_duration,
    parse_names,
    parse_share,
    parse_size,
    parse_size_or_auto,
)

__all__ = ["KNOWN_OPTIONS", "PoolOptions", "ServiceOptions"]


@public
class PoolOptions:
    """The pool of workers."""

    WORKERS = ConfigOption(
        "workers",
        int,
        0,
        minimum=0,
        fixed=True,
        description="Worker processes; 0 for one per CPU that the launcher may use.",
    )
    SHARDS = ConfigOption(
        "shards",
        int,
        16,
        minimum=1,
        fixed=True,
        description="Shards of the store; fixed when the state directory is created.",
    )
    DURABILITY = ConfigOption(
        "durability",
        str,
        "process",
        choices=("none", "process", "machine"),
        fixed=True,
        description="What state survives: nothing (temporary state is in memory then), the death of"
        " any process, a power loss.",
    )
    BATCH_SIZE = ConfigOption(
        "batch-size",
        int,
        256,
        minimum=1,
        fixed=True,
        description="Inputs per message to a worker, at most; a commit holds those of up to eight"
        " messages, fewer where they take longer than 20 ms.",
    )
    WINDOW = ConfigOption(
        "window",
        int,
        4096,
        minimum=1,
        fixed=True,
        description="Inputs in flight per worker, at most.",
    )
    MAX_ATTEMPTS = ConfigOption(
        "max-attempts",
        int,
        3,
        minimum=1,
        live=True,
        description="How often an input is tried before it goes to the dead letters; what fails"
        " because a service is down is tried retry-attempts times, unless this is 1.",
    )
    RETRY_ATTEMPTS = ConfigOption(
        "retry-attempts",
        int,
        25,
        minimum=1,
        live=True,
        description="How often an input is tried whose failure looks temporary: no connection, a"
        " time limit, status 429 or 5xx. For on-error=dead-letter.",
    )
    RETRY_WAIT = ConfigOption(
        "retry-wait",
        float,
        1.0,
        parse=parse_duration,
        live=True,
        description="The wait before the second attempt, unless the failure is one of the code"
        " itself, such as a TypeError, or says how long to wait (Retry-After).",
    )
    RETRY_FACTOR = ConfigOption(
        "retry-factor",
        float,
        2.0,
        minimum=1,
        live=True,
        description="By which each wait is longer than the one before.",
    )
    RETRY_LONGEST = ConfigOption(
        "retry-longest",
        float,
        300.0,
        parse=parse_duration,
        live=True,
        description="The longest wait between two attempts.",
    )
    RETRY_JITTER = ConfigOption(
        "retry-jitter",
        float,
        0.1,
        parse=parse_share,
        live=True,
        description="The share by which a wait is made longer or shorter, 0 to 1.",
    )
    CALL_ATTEMPTS = ConfigOption(
        "call-attempts",
        int,
        1,
        minimum=1,
        live=True,
        description="How often a durable call without a retry policy of its own is tried, with the"
        " waits of retry-wait, -factor, -longest and -jitter.",
    )
    ON_ERROR: ConfigOption[str | None] = ConfigOption(
        "on-error",
        str,
        None,
        choices=("fail", "dead-letter", "ignore"),
        live=True,
        description="What an exception of an action leads to. Not set: 'fail' for execute(),"
        " 'dead-letter' for tamias run.",
    )
    RUN_TIMEOUT = ConfigOption(
        "run-timeout",
        float,
        0.0,
        parse=parse_duration,
        live=True,
        description="The longest a run may take, as 30s or 5min; 0 for no limit.",
    )
    MEMORY_LIMIT: ConfigOption[int | str] = ConfigOption(
        "memory-limit",
        int,
        AUTO,
        parse=parse_size_or_auto,
        live=True,
        description="A worker that has more memory for itself alone than this (USS and swap,"
        " without the pages of its store) is killed, as 512MiB or 2g; 0 for no limit. 'auto' is a"
        " share for each worker of four fifths of what the machine, or its control group, has.",
    )
    MEMORY_SOFT_LIMIT = ConfigOption(
        "memory-soft-limit",
        int,
        0,
        parse=parse_size,
        live=True,
        description="A worker that has more than this is replaced between two runs, so that"
        " nothing is interrupted; measured as memory-limit. 0 for no limit.",
    )
    MEMORY_KERNEL_LIMIT = ConfigOption(
        "memory-kernel-limit",
        int,
        0,
        parse=parse_size,
        description="What a worker may reserve of private memory, touched or not (RLIMIT_DATA):"
        " beyond it allocations raise MemoryError. 0 for no limit.",
    )
    START_TIMEOUT = ConfigOption(
        "start-timeout",
        float,
        300.0,
        parse=parse_duration,
        live=True,
        description="The longest a worker may take until it is ready, import of the agent"
        " included; 0 for no limit.",
    )
    STOP_TIMEOUT = ConfigOption(
        "stop-timeout",
        float,
        10.0,
        parse=parse_duration,
        live=True,
        description="A worker that was stopped (SIGSTOP), or stands still in the kernel (a dead"
        " disk, swap), for longer than this is replaced; 0 for never.",
    )
    DRAIN_TIMEOUT = ConfigOption(
        "drain-timeout",
        float,
        30.0,
        parse=parse_duration,
        fixed=True,
        description="How long a pool that was asked to end (SIGTERM, Ctrl-C) waits for runs that"
        " are executed; then it ends, and the next life does them again. 0 for any time.",
    )
    SUSPEND_AFTER = ConfigOption(
        "suspend-after",
        float,
        2.0,
        parse=parse_duration,
        live=True,
        description="A run that waits for longer than this (ctx.sleep, a retry) leaves its worker"
        " until the wait is over; what is on record of it is not done again.",
    )
    WAITING_LIMIT = ConfigOption(
        "waiting-limit",
        int,
        10_000_000,
        minimum=1,
        fixed=True,
        description="So many inputs at most are kept in the store because a run of their key"
        " waits; then no more are read until there are fewer.",
    )
    AT_END = ConfigOption(
        "at-end",
        str,
        "auto",
        choices=("auto", "wait", "suspend"),
        fixed=True,
        description="What a job does about waiting runs at the end of its input: 'wait' for them,"
        " 'suspend' (it ends with exit code 4, and can be resumed), or 'auto': wait while"
        " something is due within at-end-limit, else suspend.",
    )
    AT_END_LIMIT = ConfigOption(
        "at-end-limit",
        float,
        60.0,
        parse=parse_duration,
        fixed=True,
        description="How far ahead the next timer or retry may be for at-end=auto to wait for it.",
    )
    OPEN_FILES = ConfigOption(
        "open-files",
        int,
        0,
        minimum=0,
        description="Open files per worker, at most; 0 for the launcher's own limit.",
    )
    CPU_AFFINITY = ConfigOption(
        "cpu-affinity",
        str,
        "",
        parse=parse_cpus,
        description="CPUs that workers may run on, as 0,2-5; 'spread' gives each worker one of"
        " the launcher's, in turn. Empty for all of the launcher's.",
    )
    NICE = ConfigOption(
        "nice",
        int,
        0,
        minimum=-20,
        description="Added to the workers' niceness: 19 lets everything else go first.",
    )
    RECYCLE_RUNS = ConfigOption(
        "recycle-runs",
        int,
        0,
        minimum=0,
        live=True,
        description="A worker is replaced, between two runs, after so many; 0 for never.",
    )
    RECYCLE_AFTER = ConfigOption(
        "recycle-after",
        float,
        0.0,
        parse=parse_duration,
        live=True,
        description="A worker is replaced, between two runs, at this age, as 12h; 0 for never.",
    )
    LOG_LIMIT = ConfigOption(
        "log-limit",
        int,
        64 << 20,
        parse=parse_size,
        fixed=True,
        description="Of what the workers print, about so much is kept, as 64MiB; 0 for all.",
    )
    SHOW_LOGS = ConfigOption(
        "show-logs",
        bool,
        False,
        fixed=True,
        description="Show on standard error what the workers print.",
    )
    USER = ConfigOption(
        "user",
        str,
        "",
        description="The user to run workers as when the launcher is root, by name or number;"
        " the state directory becomes that user's. Empty for the launcher's.",
    )
    PROGRESS = ConfigOption(
        "progress",
        bool,
        False,
        fixed=True,
        description="Whether execute() shows its progress on stderr, as tamias run does.",
    )
    MALFORMED_LIMIT = ConfigOption(
        "malformed-limit",
        int,
        100,
        minimum=0,
        fixed=True,
        description="So many malformed records at the beginning of an input, without a sound one,"
        " end the job: the key field or the format is another. 0 for no limit.",
    )
    BREAKER_FAILURES = ConfigOption(
        "breaker-failures",
        int,
        100,
        minimum=0,
        fixed=True,
        description="So many deaths and failed starts of workers within breaker-seconds, in the"
        " whole pool, are more than accidents: see on-breaker. 0 for no such number.",
    )
    BREAKER_SECONDS = ConfigOption(
        "breaker-seconds",
        float,
        60.0,
        parse=parse_duration,
        fixed=True,
        description="Within what time breaker-failures count.",
    )
    ON_BREAKER = ConfigOption(
        "on-breaker",
        str,
        "degraded",
        choices=("degraded", "stop"),
        fixed=True,
        description="What too many failures lead to: the pool says that it is degraded, and"
        " restarts workers with pauses; or it stops, resumably.",
    )
    SYNC_IN_THREADS = ConfigOption(
        "sync-in-threads",
        bool,
        False,
        live=True,
        description="Run plain (not async) actions in threads, so that one may block.",
    )
    STATE_DIR = ConfigOption(
        "state-dir",
        str,
        "",
        fixed=True,
        description="The state directory; empty for a temporary one.",
    )
    START_METHOD = ConfigOption(
        "start-method",
        str,
        "zygote",
        choices=("zygote", "spawn"),
        description="How workers start: forked from a warm interpreter, or each from scratch.",
    )
    TRANSPORT = ConfigOption(
        "transport",
        str,
        "direct",
        choices=("direct", "zeromq"),
        fixed=True,
        description="How launcher and workers talk: by Unix sockets alone, or by ZeroMQ over them.",
    )
    RELOAD_PROBATION = ConfigOption(
        "reload-probation",
        float,
        30.0,
        parse=parse_duration,
        live=True,
        description="How long the old workers stay ready to take everything back when a reload has"
        " moved it to new ones.",
    )
    RELOAD_CANARY = ConfigOption(
        "reload-canary",
        float,
        1.0,
        parse=parse_duration,
        live=True,
        description="How long the first shard that a reload moves goes alone, at most; a hundred"
        " runs end this early.",
    )
    RELOAD_DEATHS = ConfigOption(
        "reload-deaths",
        int,
        1,
        minimum=0,
        live=True,
        description="So many workers of a new generation may die; one more, and it is rolled back.",
    )
    RELOAD_FAILURES = ConfigOption(
        "reload-failures",
        int,
        10,
        minimum=0,
        live=True,
        description="So many inputs may fail in a new generation; one more, and it is rolled back,"
        " if they are more than twice as many as before, relatively.",
    )
    RELOAD_CHECK_TIMEOUT = ConfigOption(
        "reload-check-timeout",
        float,
        300.0,
        parse=parse_duration,
        live=True,
        description="The longest that the smoke input of a reload may take.",
    )
    WORKER_HOOKS = ConfigOption(
        "worker-hooks",
        str,
        "",
        parse=parse_names,
        description="Classes that are called at fixed points in the life of a run, as"
        " module:Class; several with commas in between or as a list.",
    )
    LAUNCHER_HOOKS = ConfigOption(
        "launcher-hooks",
        str,
        "",
        parse=parse_names,
        fixed=True,
        description="Classes that are called at fixed points in the life of a pool, as"
        " module:Class; several with commas in between or as a list.",
    )


@public
class ServiceOptions:
    """What a service takes on from its clients."""

    WINDOW = ConfigOption(
        "service-window",
        int,
        16_384,
        minimum=1,
        fixed=True,
        description="Submissions of one client without an outcome, at most: then it has to wait.",
    )
    BACKLOG = ConfigOption(
        "service-backlog",
        int,
        65_536,
        minimum=1,
        fixed=True,
        description="Submissions of all clients together without an outcome, at most.",
    )
    BACKLOG_BYTES = ConfigOption(
        "service-backlog-bytes",
        int,
        256 << 20,
        parse=parse_size,
        fixed=True,
        description="Their keys and values together, at most, as 256MiB; passed by one message.",
    )
    KEPT_OUTCOMES = ConfigOption(
        "service-kept-outcomes",
        int,
        65_536,
        minimum=1,
        fixed=True,
        description="Outcomes kept for a client that does not acknowledge them; the oldest go.",
    )
    RETENTION = ConfigOption(
        "service-retention",
        float,
        7 * 86400.0,
        parse=parse_duration,
        fixed=True,
        description="A client that was not seen for so long is forgotten, as 12h or 7d.",
    )


KNOWN_OPTIONS: dict[str, ConfigOption[object]] = {
    option.key: option
    for group in (
        AgentExecutionOptions,
        ModelOptions,
        PoolOptions,
        ServiceOptions,
        JavaOptions,
        FlinkOptions,
        ToolCallOptions,
        *GROUPS_OF_MEMORY,
        ProfileOptions,
        RecordOptions,
        EventLogOptions,
    )
    for option in vars(group).values()
    if isinstance(option, ConfigOption)
}
"""Every option of tamias, by key."""
