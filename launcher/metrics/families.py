"""The families of series that a pool has: their names, types, labels and meanings.

Names are those of Prometheus: base units, `_total` behind counters. Values of labels come from
bounded sets, never from keys. `docs/metrics.md` has the same table.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

__all__ = ["FAMILIES", "Family"]


class Family(NamedTuple):
    """Series with one name."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    unit: str = ""


_ALL: Final = (
    # The pool.
    Family("tamias_pool_started_seconds", "gauge", (), "When the pool was started.", "seconds"),
    Family("tamias_pool_degraded", "gauge", (), "1 while too many workers fail, else 0."),
    Family("tamias_generation", "gauge", (), "The current generation of the agent's code."),
    Family("tamias_source_progress_ratio", "gauge", (), "How much of the input was read.", "ratio"),
    Family("tamias_inputs_total", "counter", (), "Inputs done, over all lives of the job."),
    Family("tamias_outputs_total", "counter", (), "Outputs, over all lives of the job."),
    Family("tamias_inputs_failed_total", "counter", (), "Inputs that have failed for good."),
    Family("tamias_inputs_ignored_total", "counter", (), "Of these, the ones that were ignored."),
    Family("tamias_dead_letters_total", "counter", ("cause",), "Inputs set aside, by cause."),
    Family("tamias_retries_total", "counter", (), "Attempts at inputs beyond the first."),
    Family(
        "tamias_inputs_requeued_total", "counter", (), "Inputs sent again after a worker's death."
    ),
    Family("tamias_inputs_in_flight", "gauge", (), "Inputs that workers have."),
    Family("tamias_inputs_queued", "gauge", (), "Inputs that were read and not sent yet."),
    Family("tamias_credit", "gauge", (), "How many more inputs workers may be sent now."),
    Family("tamias_runs_active", "gauge", (), "Runs that are executed."),
    Family("tamias_runs_suspended", "gauge", (), "Runs that are suspended in the store."),
    Family("tamias_inputs_held", "gauge", (), "Inputs in the store behind suspended runs."),
    Family("tamias_timers", "gauge", (), "Events that are scheduled."),
    Family("tamias_questions", "gauge", (), "Questions of suspended runs without an answer."),
    Family(
        "tamias_oldest_input_age_seconds",
        "gauge",
        (),
        "Seconds since the oldest input was read that is not done; 0 if there is none.",
        "seconds",
    ),
    Family("tamias_shard_moves_total", "counter", (), "Shards that have moved between workers."),
    Family(
        "tamias_shard_move_longest_seconds",
        "gauge",
        (),
        "Seconds that inputs of a shard have waited for its move, at most.",
        "seconds",
    ),
    Family("tamias_worker_deaths_total", "counter", (), "Workers that have died."),
    Family(
        "tamias_worker_restarts_total", "counter", ("cause",), "Workers started again, by cause."
    ),
    Family("tamias_hook_errors_total", "counter", (), "Errors of the launcher's hooks."),
    # Workers.
    Family("tamias_worker_ready", "gauge", ("worker",), "1 if the worker is ready, else 0."),
    Family("tamias_worker_shards", "gauge", ("worker",), "Shards that the worker has."),
    Family("tamias_worker_in_flight", "gauge", ("worker",), "Inputs that the worker has."),
    Family("tamias_worker_queued", "gauge", ("worker",), "Inputs that wait to be sent to it."),
    Family("tamias_worker_active", "gauge", ("worker",), "Runs that it executes."),
    Family(
        "tamias_worker_started_seconds",
        "gauge",
        ("worker",),
        "When its process began.",
        "seconds",
    ),
    Family(
        "tamias_worker_cpu_seconds_total",
        "counter",
        ("worker", "mode"),
        "CPU time, in user mode and in the kernel.",
        "seconds",
    ),
    Family(
        "tamias_worker_resident_bytes",
        "gauge",
        ("worker",),
        "Its resident memory (RSS), the store's pages included.",
        "bytes",
    ),
    Family(
        "tamias_worker_own_bytes",
        "gauge",
        ("worker",),
        "Memory that no other process shares.",
        "bytes",
    ),
    Family(
        "tamias_worker_page_faults_total", "counter", ("worker", "kind"), "Minor and major faults."
    ),
    Family(
        "tamias_worker_context_switches_total",
        "counter",
        ("worker", "kind"),
        "Voluntary and involuntary context switches.",
    ),
    Family(
        "tamias_worker_read_bytes_total",
        "counter",
        ("worker",),
        "Bytes read from storage.",
        "bytes",
    ),
    Family(
        "tamias_worker_written_bytes_total",
        "counter",
        ("worker",),
        "Bytes written to storage.",
        "bytes",
    ),
    Family("tamias_worker_descriptors", "gauge", ("worker",), "Open file descriptors."),
    Family("tamias_worker_threads", "gauge", ("worker",), "Threads."),
    Family(
        "tamias_worker_loop_lag_seconds",
        "gauge",
        ("worker",),
        "How late its event loop is.",
        "seconds",
    ),
    Family(
        "tamias_worker_user_code_seconds_total",
        "counter",
        ("worker",),
        "How long the agent's code was executed.",
        "seconds",
    ),
    # Limits of calls.
    Family("tamias_limit_granted_total", "counter", ("limit",), "Calls that were permitted."),
    Family("tamias_limit_waiting", "gauge", ("limit",), "Calls that wait for a permit."),
    Family("tamias_limit_active", "gauge", ("limit",), "Calls with a permit that are under way."),
    Family(
        "tamias_limit_breaker_open", "gauge", ("limit",), "1 if the breaker lets no call through."
    ),
    Family("tamias_limit_breaker_opened_total", "counter", ("limit",), "How often it has opened."),
    Family("tamias_limit_tokens_total", "counter", ("limit",), "Tokens used, over all lives."),
    Family(
        "tamias_limit_cost_total",
        "counter",
        ("limit",),
        "Money spent, over all lives, in the currency of the prices.",
    ),
    # What the agent measures itself.
    Family("tamias_agent_counter", "gauge", ("metric",), "Counters; they may go down."),
    Family("tamias_agent_meter_total", "counter", ("metric",), "What meters have counted."),
    Family(
        "tamias_agent_meter_rate", "gauge", ("metric",), "Events per second of the last minute."
    ),
    Family("tamias_agent_gauge", "gauge", ("metric",), "Gauges: the value that was set last."),
)

FAMILIES: Final[dict[str, Family]] = {family.name: family for family in _ALL}
"""All families, by name, in the order in which they are shown."""
