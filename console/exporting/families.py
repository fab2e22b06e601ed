"""Series of jobs as families that any monitoring system accepts.

What a status has as `series` is made by the launcher; names and labels in it may come from an
agent. Here they are made to fit the rules of Prometheus and OpenMetrics, which are the strictest:

- names and labels have the characters that are allowed, and text has no lone surrogates;
- no family has a name that another one uses for its samples;
- counters are neither negative nor NaN, the buckets of a histogram are in order and its last one
  is its count.

A sample that does not fit is left out and counted, so that it does not cost the whole page.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .states import JobReading

AGENT: Final = "agent"
"""The label that names the job."""

_SUFFIXES: Final = {
    "counter": ("", "_total", "_created"),
    "gauge": ("",),
    "histogram": ("", "_count", "_sum", "_bucket", "_created"),
}
"""By kind, what is added to the name of a family for its samples."""

_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_]")  # a colon is for rules
_NOT_IN_LABELS: Final = re.compile(r"[^a-zA-Z0-9_]")
_UNIT: Final = re.compile(r"[a-z][a-z0-9_]*")

Labels = tuple[tuple[str, str], ...]
"""Names and values of labels, sorted."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The value of a histogram."""

    count: int
    sum: float
    buckets: tuple[tuple[float, int], ...]
    """Upper bounds and cumulative counts, in order; the last bound is infinite."""


@dataclass(slots=True)
class Family:
    """All samples of one name."""

    name: str
    """Without the `_total` of counters."""
    kind: str
    """"counter", "gauge" or "histogram"."""
    help: str
    unit: str
    """Empty unless the name ends with it."""
    samples: dict[Labels, float | Spread] = field(default_factory=dict)


class Families:
    """The families of some jobs.

    Attributes:
        dropped: how many samples were left out because they do not fit, by job.
    """

    def __init__(self) -> None:
        self.dropped: dict[str, int] = {}
        self._families: dict[str, Family] = {}
        self._taken: set[str] = set()

    @classmethod
    def of(cls, readings: Iterable[JobReading]) -> Families:
        """The families of all jobs, with those of the exporter itself."""
        families = cls()
        readings = list(readings)
        families._add_own(readings)  # first: no series can take their names
        for reading in readings:
            families._add_job(reading)
        dropped = families._family(
            "tamias_exporter_dropped_samples",
            "gauge",
            "Samples that are left out of this page because they do not fit its format.",
        )
        for agent, count in families.dropped.items():
            dropped.samples[((AGENT, clean_text(agent)),)] = count
        return families

    def __iter__(self) -> Iterator[Family]:
        return iter(self._families.values())

    def _add_own(self, readings: list[JobReading]) -> None:
        up = self._family("tamias_up", "gauge", "Whether a launcher uses the state directory.")
        age = self._family(
            "tamias_status_age_seconds",
            "gauge",
            "Seconds since the launcher has written its status.",
            "seconds",
        )
        self._family("tamias_exporter_dropped_samples", "gauge", "")
        for reading in readings:
            labels = ((AGENT, clean_text(reading.agent)),)
            up.samples[labels] = float(reading.running)
            if reading.age is not None:
                age.samples[labels] = reading.age

    def _add_job(self, reading: JobReading) -> None:
        self.dropped.setdefault(reading.agent, 0)
        if reading.problem:
            self.dropped[reading.agent] += 1
        for each in reading.series:
            try:
                self._add_family(each, reading)
            except (KeyError, TypeError, ValueError, AttributeError):
                self.dropped[reading.agent] += 1

    def _add_family(self, content: Mapping[str, Any], reading: JobReading) -> None:
        kind = content["type"]
        if kind not in _SUFFIXES:
            raise ValueError("an unknown kind")
        name = _legal(str(content["name"]), _NOT_IN_NAMES)
        if kind == "counter":
            name = name.removesuffix("_total") or name
        unit = str(content.get("unit") or "")
        if not (_UNIT.fullmatch(unit) and name.endswith(f"_{unit}")):
            unit = ""
        family = self._family(name, kind, str(content.get("help") or ""), unit)
        for labels, value in content["samples"]:
            if value is None or (kind == "gauge" and not reading.running and "worker" in labels):
                continue  # of a worker that has ended
            try:
                key = _labels(labels, reading.agent, kind)
                cleaned = _spread(value) if kind == "histogram" else _number(value, kind)
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
                self.dropped[reading.agent] += 1
            else:
                if key in family.samples:
                    self.dropped[reading.agent] += 1
                else:
                    family.samples[key] = cleaned

    def _family(self, name: str, kind: str, text: str, unit: str = "") -> Family:
        """Return the family of a name, a new one if there is none.

        Raises:
            ValueError: there is one of another kind, or one whose samples have such names.
        """
        found = self._families.get(name)
        if found is not None and found.kind == kind:
            found.help = found.help or clean_text(text)
            return found
        names = {name + suffix for suffix in _SUFFIXES[kind]}
        if names & self._taken:
            raise ValueError("the name is taken")
        self._taken |= names
        family = Family(name, kind, clean_text(text), unit)
        self._families[name] = family
        return family


def _number(value: Any, kind: str) -> float:
    number = float(value)
    if kind == "counter" and not number >= 0:
        raise ValueError("counters are not negative")
    return number


def _spread(value: Mapping[str, Any]) -> Spread:
    count, total = int(value["count"]), float(value["sum"])
    buckets = sorted((float(bound), int(number)) for bound, number in value["buckets"].items())
    if not buckets or buckets[-1][0] != math.inf:
        buckets.append((math.inf, count))
    numbers = [number for _, number in buckets]
    bounds = [bound for bound, _ in buckets]
    if (
        numbers != sorted(numbers)
        or numbers[0] < 0
        or numbers[-1] != count
        or len(set(bounds)) != len(bounds)
        or any(math.isnan(bound) for bound in bounds)
        or bounds[0] < 0
        or not total >= 0
    ):
        raise ValueError("no histogram")
    return Spread(count, total, tuple(buckets))


def _labels(labels: Mapping[str, Any], agent: str, kind: str) -> Labels:
    found = {AGENT: clean_text(agent)}
    for name, value in labels.items():
        label = _legal(str(name), _NOT_IN_LABELS).lstrip("_") or "label"
        if label[0].isdigit():
            label = f"_{label}"
        if label == AGENT or (label == "le" and kind == "histogram"):
            label = f"exported_{label}"
        if label in found:
            raise ValueError("twice the same label")
        found[label] = clean_text(str(value))
    return tuple(sorted(found.items()))


def _legal(name: str, illegal: re.Pattern[str]) -> str:
    cleaned = illegal.sub("_", name) or "_"
    return f"_{cleaned}" if cleaned[0].isdigit() else cleaned


def clean_text(text: str) -> str:
    """Return a text that can be encoded: lone surrogates as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
