"""The page that Prometheus reads: families as objects of its library, which renders them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from ..exporting.families import Families, Family, Spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..exporting.states import JobState


class JobCollector(Collector):
    """Collects the metrics of some jobs.

    Args:
        jobs: the jobs.
        names: the names of samples that are wanted; without, all are.
    """

    def __init__(self, jobs: Sequence[JobState], names: Iterable[str] = ()) -> None:
        self._jobs = jobs
        self._names = frozenset(names)
        self._lock = threading.Lock()

    def collect(self) -> Iterator[Metric]:
        """As `Collector.collect`; may be called by several threads."""
        with self._lock:
            families = Families.of(job.read() for job in self._jobs)
        for family in families:
            metric = as_metric(family)
            if self._names:
                metric.samples = [
                    sample
                    for sample in metric.samples
                    if sample.name in self._names or metric.name in self._names
                ]
            if metric.samples:
                yield metric

    def restricted_registry(self, names: Iterable[str]) -> JobCollector:
        """Return a collector of some names, which a request has named by `name[]`."""
        restricted = JobCollector(self._jobs, names)
        restricted._lock = self._lock
        return restricted


def as_metric(family: Family) -> Metric:
    """Return a family as the library has them."""
    metric = Metric(family.name, family.help, family.kind, family.unit)
    for labels, value in family.samples.items():
        named = dict(labels)
        if isinstance(value, Spread):
            for bound, number in value.buckets:
                le = floatToGoString(bound)  # type: ignore[no-untyped-call]
                metric.add_sample(f"{family.name}_bucket", {**named, "le": le}, number)
            metric.add_sample(f"{family.name}_count", named, value.count)
            metric.add_sample(f"{family.name}_sum", named, value.sum)
        else:
            suffix = "_total" if family.kind == "counter" else ""
            metric.add_sample(f"{family.name}{suffix}", named, value)
    return metric


def rendered(jobs: Sequence[JobState], accept: str = "") -> tuple[bytes, str]:
    """Return a page and its content type: what the header `Accept` asks for, or plain text."""
    encode, content_type = choose_encoder(accept)
    return encode(JobCollector(jobs)), content_type
