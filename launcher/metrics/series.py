"""The status of a pool as series for monitoring systems.

They are made of the JSON of the status, where they are shown: the pool's loop does not compute
them. A field that is missing, because an older version has written the status, gives no samples.

A family is `{"name", "type", "help", "unit", "samples": [[labels, value], ...]}`; `families` lists
all. The value of a histogram is `{"count", "sum", "buckets": {upper bound as text: cumulative
count}}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...agent.limits.prices import NANO
from ...worker.buckets import FIXED_BOUNDS
from ...worker.metering.shapes import MEASURES, SECOND
from .families import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    Samples: TypeAlias = "dict[str, list[list[Any]]]"

__all__ = ["series_of"]


def series_of(status: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All families that have samples, in the order of `FAMILIES`; `status` is that of a pool."""
    samples: Samples = {}
    _add_pool(samples, status)
    for worker in status.get("workers", ()):
        _add_worker(samples, worker)
    for slot, counts in status.get("former_slots", {}).items():
        _add_counts_of_slot(samples, slot, counts)
    for limit, state in status.get("limits", {}).items():
        _add_limit(samples, limit, state)
    _add_measures(samples, status.get("measures", {}))
    _add_metrics(samples, status)
    return [
        {
            "name": name,
            "type": family.type,
            "help": family.help,
            "unit": family.unit,
            "samples": samples[name],
        }
        for name, family in FAMILIES.items()
        if samples.get(name)
    ]


def _add(samples: Samples, name: str, value: Any, **labels: str) -> None:
    if value is not None:
        samples.setdefault(name, []).append([labels, value])


_POOL: Final = (
    ("tamias_pool_started_seconds", "started"),
    ("tamias_generation", "generation"),
    ("tamias_source_progress_ratio", "fraction"),
    ("tamias_inputs_total", "events"),
    ("tamias_outputs_total", "outputs"),
    ("tamias_inputs_failed_total", "failed"),
    ("tamias_inputs_ignored_total", "ignored"),
    ("tamias_retries_total", "retries"),
    ("tamias_inputs_requeued_total", "requeued"),
    ("tamias_runs_suspended", "waiting_runs"),
    ("tamias_inputs_held", "waiting_inputs"),
    ("tamias_timers", "timers"),
    ("tamias_questions", "questions"),
    ("tamias_shard_moves_total", "moves"),
    ("tamias_shard_move_longest_seconds", "longest_pause"),
    ("tamias_worker_deaths_total", "deaths"),
    ("tamias_hook_errors_total", "hook_errors"),
)
_SUMS: Final = (
    ("tamias_inputs_in_flight", "in_flight"),
    ("tamias_inputs_queued", "waiting"),
    ("tamias_credit", "credit"),
)
_GENERATION: Final = (
    ("tamias_generation_inputs_total", "completed"),
    ("tamias_generation_failed_total", "failed"),
    ("tamias_generation_deaths_total", "deaths"),
    ("tamias_generation_start_failures_total", "start_failures"),
)


def _add_pool(samples: Samples, status: Mapping[str, Any]) -> None:
    for name, field in _POOL:
        _add(samples, name, status.get(field))
    if "degraded" in status:
        _add(samples, "tamias_pool_degraded", int(bool(status["degraded"])))
    workers = status.get("workers", ())
    for name, field in _SUMS:
        _add(samples, name, sum(worker.get(field, 0) for worker in workers))
    _add(samples, "tamias_runs_active", sum(map(_running, workers)))
    if "oldest_age" in status:
        _add(samples, "tamias_oldest_input_age_seconds", status["oldest_age"] or 0.0)
    for cause, count in status.get("restarts", {}).items():
        _add(samples, "tamias_worker_restarts_total", count, cause=cause)
    for generation, counts in status.get("generations", {}).items():
        for name, field in _GENERATION:
            _add(samples, name, counts.get(field), generation=generation)
    store = status.get("store", {})
    _add(samples, "tamias_store_used_bytes", store.get("bytes"))
    _add(samples, "tamias_store_map_used_ratio", store.get("map_ratio"))


def _running(worker: Mapping[str, Any]) -> int:
    return min(int(worker.get("active", 0)), int(worker.get("in_flight", 0)))


_WORKER: Final = (
    ("tamias_worker_shards", "shards"),
    ("tamias_worker_in_flight", "in_flight"),
    ("tamias_worker_queued", "waiting"),
    ("tamias_worker_credit", "credit"),
    ("tamias_worker_loop_lag_seconds", "lag"),
)
_GAUGES: Final = (
    ("tamias_worker_resident_bytes", "rss"),
    ("tamias_worker_own_bytes", "own"),
    ("tamias_worker_descriptors", "descriptors"),
    ("tamias_worker_threads", "threads"),
)
_COUNTS: Final[tuple[tuple[str, str, dict[str, str]], ...]] = (
    ("tamias_worker_cpu_seconds_total", "cpu_user", {"mode": "user"}),
    ("tamias_worker_cpu_seconds_total", "cpu_system", {"mode": "system"}),
    ("tamias_worker_page_faults_total", "minor_faults", {"kind": "minor"}),
    ("tamias_worker_page_faults_total", "major_faults", {"kind": "major"}),
    ("tamias_worker_context_switches_total", "voluntary_switches", {"kind": "voluntary"}),
    ("tamias_worker_context_switches_total", "involuntary_switches", {"kind": "involuntary"}),
    ("tamias_worker_read_bytes_total", "read_bytes", {}),
    ("tamias_worker_written_bytes_total", "written_bytes", {}),
)


def _add_worker(samples: Samples, worker: Mapping[str, Any]) -> None:
    slot = str(worker["slot"])
    _add(samples, "tamias_worker_ready", int(worker.get("state") == "ready"), worker=slot)
    _add(samples, "tamias_worker_active", _running(worker), worker=slot)
    if worker.get("began"):
        _add(samples, "tamias_worker_started_seconds", worker["began"], worker=slot)
    for name, field in _WORKER:
        _add(samples, name, worker.get(field), worker=slot)
    usage = worker.get("usage", {})
    for name, field in _GAUGES:
        _add(samples, name, usage.get(field), worker=slot)
    _add_counts_of_slot(samples, slot, worker)


def _add_counts_of_slot(samples: Samples, slot: str, counts: Mapping[str, Any]) -> None:
    """What the workers of a slot have used and done, which may have no worker any more."""
    usage = counts.get("usage", {})
    for name, field, labels in _COUNTS:
        _add(samples, name, usage.get(field), worker=slot, **labels)
    seconds = counts.get("user_seconds")
    _add(samples, "tamias_worker_user_code_seconds_total", seconds, worker=slot)
    _add(samples, "tamias_worker_runs_total", counts.get("runs"), worker=slot)
    _add(samples, "tamias_worker_respawns_total", counts.get("restarts"), worker=slot)


_LIMIT: Final = (
    ("tamias_limit_granted_total", "granted"),
    ("tamias_limit_waiting", "waiting"),
    ("tamias_limit_active", "active"),
    ("tamias_limit_breaker_opened_total", "opened"),
    ("tamias_limit_tokens_total", "tokens"),
    ("tamias_limit_cost_total", "spent"),
)


def _add_limit(samples: Samples, limit: str, state: Mapping[str, Any]) -> None:
    for name, field in _LIMIT:
        _add(samples, name, state.get(field), limit=limit)
    if "breaker" in state:
        is_open = int(state["breaker"] != "closed")
        _add(samples, "tamias_limit_breaker_open", is_open, limit=limit)
    if "waited" in state:
        waited = _histogram(state["waited"], MEASURES["action_ns"], SECOND)
        _add(samples, "tamias_limit_wait_seconds", waited, limit=limit)


_MEASURES: Final[tuple[tuple[str, str, str, int, dict[str, str]], ...]] = (
    ("executed", "tamias_action_executions_total", "action", 1, {}),
    ("failed", "tamias_action_failures_total", "action", 1, {}),
    ("action_ns", "tamias_action_seconds", "action", SECOND, {}),
    ("calls_made", "tamias_durable_calls_made_total", "action", 1, {}),
    ("calls_replayed", "tamias_durable_calls_replayed_total", "action", 1, {}),
    ("call_failures", "tamias_durable_call_failures_total", "action", 1, {}),
    ("commit_ns", "tamias_commit_seconds", "", SECOND, {}),
    ("commit_bytes", "tamias_commit_bytes_total", "", 1, {}),
    ("dead_letters", "tamias_dead_letters_total", "cause", 1, {}),
    ("unwritten", "tamias_unwritten_total", "file", 1, {}),
    ("model_ns", "tamias_model_call_seconds", "model", SECOND, {}),
    ("model_failures", "tamias_model_call_failures_total", "model", 1, {}),
    ("model_input", "tamias_model_tokens", "model", 1, {"type": "input"}),
    ("model_output", "tamias_model_tokens", "model", 1, {"type": "output"}),
    ("model_cost", "tamias_model_cost_total", "model", NANO, {}),
)
"""Measure, family, the label's name, the unit that it is counted in, other labels."""


def _add_measures(samples: Samples, measures: Mapping[str, Mapping[str, Any]]) -> None:
    for measure, name, label, unit, more in _MEASURES:
        for value, counted in measures.get(measure, {}).items():
            shown = counted
            if isinstance(counted, list):
                shown = _histogram(counted, MEASURES[measure], unit)
            elif unit != 1:
                shown = counted / unit
            labels = {label: value} if label else {}
            if label == "model":  # written by `count_attempt`
                operation, _, model = value.partition(" ")
                labels = {"operation": operation, "model": model or operation}
            _add(samples, name, shown, **labels, **more)


def _histogram(counted: Sequence[float], bounds: Sequence[float], unit: int) -> dict[str, Any]:
    """The value of a histogram: its sum, then the counts of its buckets are given."""
    total, *counts = counted
    buckets, below = {}, 0.0
    for bound, count in zip((*bounds, None), counts, strict=True):
        below += count
        buckets["+Inf" if bound is None else f"{bound / unit:.12g}"] = int(below)
    return {"count": int(below), "sum": total / unit, "buckets": buckets}


def _add_metrics(samples: Samples, status: Mapping[str, Any]) -> None:
    """Add what the agent measures itself."""
    histograms = status.get("histograms", {})
    gauges = frozenset(status.get("gauges", ()))
    for metric, value in status.get("metrics", {}).items():
        if metric in histograms:
            shown = _histogram(histograms[metric], FIXED_BOUNDS, 1)
            _add(samples, "tamias_agent_histogram", shown, metric=metric)
        elif not isinstance(value, dict):
            kind = "level" if metric in gauges else "number"
            _add(samples, f"tamias_agent_{kind}", value, metric=metric)
        elif "rate" in value:
            _add(samples, "tamias_agent_meter_total", value["count"], metric=metric)
            _add(samples, "tamias_agent_meter_rate", value["rate"], metric=metric)
