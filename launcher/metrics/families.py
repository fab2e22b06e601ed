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


_UNITS: Final = ("seconds", "bytes", "ratio")
_OF_WORKER: Final = ("worker",)
_OF_MODEL: Final = ("operation", "model")


def _unit(name: str) -> str:
    last = name.removesuffix("_total").rpartition("_")[2]
    return last if last in _UNITS else ""


def _counter(name: str, labels: tuple[str, ...], text: str) -> Family:
    return Family(name, "counter", labels, text, _unit(name))


def _gauge(name: str, labels: tuple[str, ...], text: str) -> Family:
    return Family(name, "gauge", labels, text, _unit(name))


def _histogram(name: str, labels: tuple[str, ...], text: str) -> Family:
    return Family(name, "histogram", labels, text, _unit(name))


_ALL: Final = (
    _gauge("tamias_pool_started_seconds", (), "When the pool was started, since the epoch."),
    _gauge("tamias_pool_degraded", (), "1 while workers fail too often, else 0."),
    _gauge("tamias_generation", (), "The current generation of the agent's code."),
    _gauge("tamias_source_progress_ratio", (), "How much of the input was read, if known."),
    _counter("tamias_inputs_total", (), "Inputs done, over all lives of the job."),
    _counter("tamias_outputs_total", (), "Outputs, over all lives of the job."),
    _counter("tamias_inputs_failed_total", (), "Inputs that have failed for good."),
    _counter("tamias_inputs_ignored_total", (), "Of these, the ones that were ignored."),
    _counter("tamias_dead_letters_total", ("cause",), "Of these, the ones that were set aside."),
    _counter("tamias_retries_total", (), "Attempts at inputs beyond the first."),
    _counter("tamias_inputs_requeued_total", (), "Inputs sent again after a worker's death."),
    _gauge("tamias_inputs_in_flight", (), "Inputs that workers have."),
    _gauge("tamias_inputs_queued", (), "Inputs that were read, and were not sent yet."),
    _gauge("tamias_credit", (), "How many more inputs workers may be sent now."),
    _gauge("tamias_runs_active", (), "Runs that are executed."),
    _gauge("tamias_runs_suspended", (), "Runs that are suspended in the store."),
    _gauge("tamias_inputs_held", (), "Inputs that are kept in the store behind these."),
    _gauge("tamias_timers", (), "Events that are scheduled."),
    _gauge("tamias_questions", (), "Questions that wait for an answer."),
    _gauge(
        "tamias_oldest_input_age_seconds",
        (),
        "How long ago the oldest input was read that is not done or suspended; 0 if all are.",
    ),
    _counter("tamias_shard_moves_total", (), "Shards that have moved from worker to worker."),
    _gauge(
        "tamias_shard_move_longest_seconds",
        (),
        "How long inputs of a shard have waited for its move, at most.",
    ),
    _counter("tamias_worker_deaths_total", (), "Workers that have died."),
    _counter("tamias_worker_restarts_total", ("cause",), "Workers that were started again."),
    _counter("tamias_hook_errors_total", (), "Errors of the launcher's hooks."),
    _counter(
        "tamias_generation_inputs_total",
        ("generation",),
        "Inputs done by a generation, but for those found done after a death.",
    ),
    _counter("tamias_generation_failed_total", ("generation",), "Of these, the failed ones."),
    _counter("tamias_generation_deaths_total", ("generation",), "Workers of it that have died."),
    _counter(
        "tamias_generation_start_failures_total",
        ("generation",),
        "Workers of it that have not become ready.",
    ),
    _gauge("tamias_worker_ready", _OF_WORKER, "1 if it gets inputs, else 0."),
    _gauge("tamias_worker_shards", _OF_WORKER, "Shards that it has."),
    _gauge("tamias_worker_in_flight", _OF_WORKER, "Inputs that it has."),
    _gauge("tamias_worker_queued", _OF_WORKER, "Inputs that wait to be sent to it."),
    _gauge("tamias_worker_credit", _OF_WORKER, "How many more inputs it may be sent now."),
    _gauge("tamias_worker_active", _OF_WORKER, "Runs that it executes."),
    _counter("tamias_worker_runs_total", _OF_WORKER, "Runs that have ended."),
    _counter("tamias_worker_respawns_total", _OF_WORKER, "How often it was started again."),
    _gauge("tamias_worker_started_seconds", _OF_WORKER, "When it was started, since the epoch."),
    _counter("tamias_worker_cpu_seconds_total", ("worker", "mode"), "CPU time."),
    _counter(
        "tamias_worker_user_code_seconds_total",
        _OF_WORKER,
        "How long the agent's code was executed, on all threads.",
    ),
    _gauge("tamias_worker_loop_lag_seconds", _OF_WORKER, "How late its event loop is."),
    _gauge("tamias_worker_resident_bytes", _OF_WORKER, "RSS, with pages of the store."),
    _gauge("tamias_worker_own_bytes", _OF_WORKER, "Memory that is freed when it ends."),
    _counter("tamias_worker_page_faults_total", ("worker", "kind"), "Page faults."),
    _counter(
        "tamias_worker_context_switches_total",
        ("worker", "kind"),
        "Context switches of its main thread.",
    ),
    _counter("tamias_worker_read_bytes_total", _OF_WORKER, "Read from disks."),
    _counter("tamias_worker_written_bytes_total", _OF_WORKER, "Written to disks."),
    _gauge("tamias_worker_descriptors", _OF_WORKER, "Open files and sockets."),
    _gauge("tamias_worker_threads", _OF_WORKER, "Threads."),
    _counter("tamias_action_executions_total", ("action",), "Executions without an error."),
    _counter("tamias_action_failures_total", ("action",), "Attempts at runs that failed in it."),
    _histogram("tamias_action_seconds", ("action",), "What executions have taken, waits included."),
    _counter("tamias_durable_calls_made_total", ("action",), "Durable calls with an outcome."),
    _counter("tamias_durable_calls_replayed_total", ("action",), "Those answered from record."),
    _counter("tamias_durable_call_failures_total", ("action",), "Attempts at them that failed."),
    _histogram("tamias_commit_seconds", (), "What commits of groups of runs have taken."),
    _counter("tamias_commit_bytes_total", (), "Bytes of records in these commits."),
    _gauge("tamias_store_used_bytes", (), "What the shards use, free pages included."),
    _gauge("tamias_store_map_used_ratio", (), "How much of its map the fullest shard uses."),
    _counter("tamias_limit_granted_total", ("limit",), "Calls that were permitted."),
    _gauge("tamias_limit_waiting", ("limit",), "Calls that wait for a permit."),
    _gauge("tamias_limit_active", ("limit",), "Calls with a permit that are under way."),
    _histogram("tamias_limit_wait_seconds", ("limit",), "How long calls have waited for permits."),
    _gauge("tamias_limit_breaker_open", ("limit",), "1 if the breaker is not closed, else 0."),
    _counter("tamias_limit_breaker_opened_total", ("limit",), "How often it has opened."),
    _counter("tamias_limit_tokens_total", ("limit",), "Tokens used, over all lives of the job."),
    _counter("tamias_limit_cost_total", ("limit",), "Money spent, over all lives of the job."),
    _histogram("tamias_model_call_seconds", _OF_MODEL, "What calls of models have taken."),
    _counter("tamias_model_call_failures_total", _OF_MODEL, "Of these, the ones that failed."),
    _histogram("tamias_model_tokens", (*_OF_MODEL, "type"), "Tokens of a call."),
    _counter("tamias_model_cost_total", _OF_MODEL, "Money spent, where prices are configured."),
    _counter("tamias_unwritten_total", ("file",), "Records that could not be written: disk full."),
    _gauge("tamias_agent_number", ("metric",), "The agent's counters, which may go down."),
    _gauge("tamias_agent_level", ("metric",), "The agent's gauges: the value that was set last."),
    _counter("tamias_agent_meter_total", ("metric",), "What the agent's meters have counted."),
    _gauge("tamias_agent_meter_rate", ("metric",), "The same per second, in the last minute."),
    _histogram("tamias_agent_histogram", ("metric",), "The agent's histograms."),
)

FAMILIES: Final[dict[str, Family]] = {family.name: family for family in _ALL}
"""All families, by name, in the order in which they are shown."""
