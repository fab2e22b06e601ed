"""The status of a pool as series for monitoring systems.

A family is `{"name", "type", "help", "unit", "samples": [[labels, value], ...]}`; `families` lists
all. The value of a histogram is `{"count", "sum", "buckets": {upper bound as text: cumulative
count}}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .families import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Protocol, TypeAlias

    Sample: TypeAlias = tuple[dict[str, str], Any]

    class Worker(Protocol):
        """What is read of a worker's status."""

        slot: int
        state: str
        in_flight: int
        waiting: int
        began: float
        shards: int
        usage: dict[str, float]
        lag: float
        user_seconds: float

        @property
        def running(self) -> int:
            """Runs that are executed."""

    class Status(Protocol):
        """What is read of a pool's status."""

        started: float
        degraded: str
        generation: int
        fraction: float | None
        events: int
        outputs: int
        failed: int
        ignored: int
        dead_letters: int
        dead_letter_causes: dict[str, int]
        retries: int
        requeued: int
        waiting_runs: int
        waiting_inputs: int
        timers: int
        questions: int
        oldest_age: float | None
        moves: int
        longest_pause: float
        deaths: int
        restarts: dict[str, int]
        hook_errors: int
        limits: dict[str, dict[str, Any]]
        metrics: dict[str, Any]

        @property
        def workers(self) -> list[Any]:
            """The workers."""


__all__ = ["series_of"]


def series_of(status: Status) -> list[dict[str, Any]]:
    """All families that have samples, in the order of `FAMILIES`."""
    samples: dict[str, list[Sample]] = {}
    _add_pool(samples, status)
    for worker in status.workers:
        _add_worker(samples, worker)
    _add_limits(samples, status.limits)
    _add_metrics(samples, status.metrics)
    return [
        {
            "name": name,
            "type": family.type,
            "help": family.help,
            "unit": family.unit,
            "samples": [list(sample) for sample in samples[name]],
        }
        for name, family in FAMILIES.items()
        if samples.get(name)
    ]


def _add(
    samples: dict[str, list[Sample]], name: str, value: Any, labels: dict[str, str] | None = None
) -> None:
    samples.setdefault(name, []).append((labels or {}, value))


def _add_by(
    samples: dict[str, list[Sample]],
    name: str,
    label: str,
    values: Mapping[str, Any],
) -> None:
    for value, number in values.items():
        _add(samples, name, number, {label: value})


def _add_pool(samples: dict[str, list[Sample]], status: Status) -> None:
    workers = status.workers
    values: Iterable[tuple[str, Any]] = (
        ("tamias_pool_started_seconds", status.started),
        ("tamias_pool_degraded", int(bool(status.degraded))),
        ("tamias_generation", status.generation),
        ("tamias_source_progress_ratio", status.fraction),
        ("tamias_inputs_total", status.events),
        ("tamias_outputs_total", status.outputs),
        ("tamias_inputs_failed_total", status.failed),
        ("tamias_inputs_ignored_total", status.ignored),
        ("tamias_retries_total", status.retries),
        ("tamias_inputs_requeued_total", status.requeued),
        ("tamias_inputs_in_flight", sum(worker.in_flight for worker in workers)),
        ("tamias_inputs_queued", sum(worker.waiting for worker in workers)),
        ("tamias_runs_active", sum(worker.running for worker in workers)),
        ("tamias_runs_suspended", status.waiting_runs),
        ("tamias_inputs_held", status.waiting_inputs),
        ("tamias_timers", status.timers),
        ("tamias_questions", status.questions),
        ("tamias_oldest_input_age_seconds", status.oldest_age or 0.0),
        ("tamias_shard_moves_total", status.moves),
        ("tamias_shard_move_longest_seconds", status.longest_pause),
        ("tamias_worker_deaths_total", status.deaths),
        ("tamias_hook_errors_total", status.hook_errors),
    )
    for name, value in values:
        if value is not None:
            _add(samples, name, value)
    _add_by(samples, "tamias_dead_letters_total", "cause", status.dead_letter_causes)
    _add_by(samples, "tamias_worker_restarts_total", "cause", status.restarts)


_USAGE: Final[tuple[tuple[str, str, dict[str, str]], ...]] = (
    ("tamias_worker_cpu_seconds_total", "cpu_user", {"mode": "user"}),
    ("tamias_worker_cpu_seconds_total", "cpu_system", {"mode": "system"}),
    ("tamias_worker_resident_bytes", "rss", {}),
    ("tamias_worker_own_bytes", "own", {}),
    ("tamias_worker_page_faults_total", "minor_faults", {"kind": "minor"}),
    ("tamias_worker_page_faults_total", "major_faults", {"kind": "major"}),
    ("tamias_worker_context_switches_total", "voluntary_switches", {"kind": "voluntary"}),
    ("tamias_worker_context_switches_total", "involuntary_switches", {"kind": "involuntary"}),
    ("tamias_worker_read_bytes_total", "read_bytes", {}),
    ("tamias_worker_written_bytes_total", "written_bytes", {}),
    ("tamias_worker_descriptors", "descriptors", {}),
    ("tamias_worker_threads", "threads", {}),
)


def _add_worker(samples: dict[str, list[Sample]], worker: Worker) -> None:
    labels = {"worker": str(worker.slot)}
    _add(samples, "tamias_worker_ready", int(worker.state == "ready"), labels)
    _add(samples, "tamias_worker_shards", worker.shards, labels)
    _add(samples, "tamias_worker_in_flight", worker.in_flight, labels)
    _add(samples, "tamias_worker_queued", worker.waiting, labels)
    _add(samples, "tamias_worker_active", worker.running, labels)
    if worker.began:
        _add(samples, "tamias_worker_started_seconds", worker.began, labels)
    for name, field, more in _USAGE:
        if field in worker.usage:
            _add(samples, name, worker.usage[field], {**labels, **more})
    _add(samples, "tamias_worker_loop_lag_seconds", worker.lag, labels)
    _add(samples, "tamias_worker_user_code_seconds_total", worker.user_seconds, labels)


def _add_limits(samples: dict[str, list[Sample]], limits: Mapping[str, Mapping[str, Any]]) -> None:
    for limit, state in limits.items():
        for name, value in (
            ("tamias_limit_granted_total", state["granted"]),
            ("tamias_limit_waiting", state["waiting"]),
            ("tamias_limit_active", state["active"]),
            ("tamias_limit_breaker_open", int(state["breaker"] != "closed")),
            ("tamias_limit_breaker_opened_total", state["opened"]),
            ("tamias_limit_tokens_total", state["tokens"]),
            ("tamias_limit_cost_total", state["spent"]),
        ):
            _add(samples, name, value, {"limit": limit})


def _add_metrics(samples: dict[str, list[Sample]], metrics: Mapping[str, Any]) -> None:
    for metric, value in metrics.items():
        labels = {"metric": metric}
        if not isinstance(value, dict):
            _add(samples, "tamias_agent_counter", value, labels)
        elif "rate" in value:
            _add(samples, "tamias_agent_meter_total", value["count"], labels)
            _add(samples, "tamias_agent_meter_rate", value["rate"], labels)
