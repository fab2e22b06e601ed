"""The rows of `scripts/bench`: what is measured, beside what, and which goal it has.

A row's figure is one field of what a probe prints (`probe.py`). Rows with the same probe share one
measurement a round.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

KEYS = 1000
WORKERS = 2


@dataclass(frozen=True)
class Probe:
    """One measurement: the probe's name, its arguments, and which of them `--quick` divides."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    scaled: tuple[str, ...] = ()

    def scaled_by(self, factor: float) -> dict[str, Any]:
        """The arguments, with less to do."""
        less = {name: max(1, int(self.arguments[name] * factor)) for name in self.scaled}
        return {**self.arguments, **less}


@dataclass(frozen=True)
class Row:
    """One line of the result."""

    name: str
    group: str
    """Groups can be asked for by name, as rows can."""
    title: str
    unit: str
    probe: Probe
    figure: str
    beside: Probe | None = None
    """What is measured in turn with it."""
    beside_figure: str = ""
    beside_name: str = ""
    at_least: float | None = None
    """The goal: of the ratio to what is beside it, else of the figure itself."""
    at_most: float | None = None
    rounds: int | None = None
    """So many at most, for what takes long or is a median already."""

    @property
    def more_is_better(self) -> bool:
        """Whether a higher figure is the better one."""
        return self.unit.endswith("/s")

    @property
    def goal(self) -> str:
        """The goal in words."""
        of = f" of {self.beside_name}" if self.beside else ""
        if self.at_least is not None:
            return f">= {self.at_least:g}{of}"
        return f"<= {self.at_most:g}{of}" if self.at_most is not None else ""

    def is_met(self, value: float) -> bool:
        """Whether a ratio, or a figure without a peer, is as the goal says."""
        enough = self.at_least is None or value >= self.at_least
        return enough and (self.at_most is None or value <= self.at_most)


def _rate(kind: str, events: int = 400_000, **more: Any) -> Probe:
    arguments = {"kind": kind, "events": events, "workers": WORKERS, **more}
    return Probe("rate", arguments, ("events",))


def _engine(agent: str, events: int = 20_000, **more: Any) -> Probe:
    return Probe("engine", {"agent": agent, "events": events, **more}, ("events",))


_POOL = Probe("pool-rate", {"events": 400_000, "keys": KEYS, "workers": WORKERS}, ("events",))
_TRIP = {"count": 3000, "keys": KEYS, "workers": WORKERS}
_POOL_TRIP = Probe("pool-round-trip", _TRIP, ("count",))
_AGENTS = Probe("pool-rate", {**_POOL.arguments, "agent": True}, ("events",))
_AGENTS_TRIP = Probe("pool-round-trip", {**_TRIP, "agent": True}, ("count",))
_WITH_AGENT = "minimal pool with the agent"
_ROUND_TRIP = Probe("round-trip", _TRIP, ("count",))
_LIST, _FILE = _rate("list_to_list", keys=KEYS), _rate("file_to_file", keys=KEYS)
_FLIGHTS = _rate("flights", 60_000)
_MILLION, _FEW = (_rate("list_to_list", 1_000_000, keys=keys) for keys in (1_000_000, KEYS))
_COUNTER = _engine("Counter", 40_000)
_ZYGOTE = Probe("zygote", {"times": 15}, ("times",))


def _pool_rows() -> list[Row]:
    pool: dict[str, Any] = {"beside": _POOL, "beside_figure": "rate"}
    pool |= {"beside_name": "minimal pool"}
    trips: dict[str, Any] = {"beside": _POOL_TRIP, "beside_name": "minimal pool"}
    few: dict[str, Any] = {"beside": _FEW, "beside_figure": "rate", "beside_name": "1,000 keys"}
    cpu = "CPU s per 100,000"
    return [
        Row("list", "pool", "list to list", "events/s", _LIST, "rate", **pool, at_least=0.6),
        Row("list-launcher", "pool", "list to list, launcher", cpu, _LIST, "launcher"),
        Row("list-workers", "pool", "list to list, workers", cpu, _LIST, "workers"),
        Row("file", "pool", "file to file", "events/s", _FILE, "rate", **pool, at_least=0.6),
        Row("file-launcher", "pool", "file to file, launcher", cpu, _FILE, "launcher"),
        Row("file-workers", "pool", "file to file, workers", cpu, _FILE, "workers"),
        Row("flights", "flights", "flights, CSV to JSON lines", "rows/s", _FLIGHTS, "rate"),
        Row("flights-launcher", "flights", "flights, launcher", cpu, _FLIGHTS, "launcher"),
        Row("flights-workers", "flights", "flights, workers", cpu, _FLIGHTS, "workers"),
        Row(
            *("round-trip", "round-trip", "round trip of one event, median", "us"),
            *(_ROUND_TRIP, "p50"),
            **trips,
            beside_figure="p50",
            at_most=1.5,
        ),
        Row(
            *("round-trip-p99", "round-trip", "round trip of one event, 99th percentile", "us"),
            *(_ROUND_TRIP, "p99"),
            **trips,
            beside_figure="p99",
        ),
        Row(
            *("list-1m-keys", "keys", "list to list, 1,000,000 keys", "events/s"),
            *(_MILLION, "rate"),
            **few,
            at_least=1 / 1.3,
            rounds=1,
        ),
    ]


def _cost(name: str, group: str, title: str, probe: Probe, *, at_most: float | None = None) -> Row:
    """A row of the engine alone, beside the counter of 1,000 keys."""
    return Row(
        *(name, group, title, "us of CPU", probe, "cpu_us"),
        beside=_COUNTER,
        beside_figure="cpu_us",
        beside_name="counter",
        at_most=at_most,
    )


def _key_rows() -> list[Row]:
    def counter(**more: Any) -> Probe:
        return _engine("Counter", 40_000, **more)

    big = _engine("Keeping", 200, keys=100, rounds=3, size=1_000_000)
    return [
        Row("counter", "engine", "counter, 1,000 keys", "us of CPU", _COUNTER, "cpu_us"),
        _cost("100k-keys", "keys", "100,000 keys", counter(keys=100_000), at_most=1.3),
        _cost("1m-keys", "keys", "1,000,000 keys", counter(keys=1_000_000, rounds=3), at_most=1.3),
        _cost("skew", "keys", "90 % on one of 1,000 keys", counter(skew=90), at_most=1.3),
        _cost("10kb", "values", "values of 10 KB", _engine("Keeping", 4000, size=10_000)),
        _cost("1mb", "values", "values of 1 MB", big),
    ]


def _step_rows() -> list[Row]:
    def calls(agent: str, times: int, durability: str = "process", events: int = 4000) -> Probe:
        return _engine(agent, events, value=times, durability=durability, rounds=3)

    awaiting = _engine("Awaiting", 20_000, keys=10_000, rounds=3)
    rows = [
        _cost("async", "async", "async, awaits nothing", _engine("AsyncCounter"), at_most=1.5),
        _cost("awaiting", "async", "10,000 keys awaiting 10 ms", awaiting),
        Row(
            "awaiting-rate",
            "async",
            "10,000 keys awaiting 10 ms, rate",
            "events/s",
            awaiting,
            "rate",
        ),
        _cost("five-actions", "steps", "five actions", _engine("FiveActions", 10_000)),
        _cost("five-calls", "steps", "five durable calls", calls("Calls", 5)),
        _cost("five-async-calls", "steps", "five async durable calls", calls("AsyncCalls", 5)),
    ]
    for agent, name, title in (
        ("Calls", "call", "durable calls"),
        ("AsyncCalls", "async-call", "async durable calls"),
    ):
        fast, safe = calls(agent, 1), calls(agent, 1, "machine", 2000)
        rows += [
            Row(name, "calls", f"{title}, per core", "calls/s", fast, "per_core"),
            Row(f"{name}-machine", "calls", f"{title}, at `machine`", "calls/s", safe, "rate"),
        ]
    return rows


def _life_rows() -> list[Row]:
    peak = {"events": 400_000}
    quarter = Probe("launcher-peak", {"events": 100_000}, ("events",))
    few = 1
    return [
        Row(
            *("sigkill", "start", "SIGKILL to next commit", "ms"),
            *(Probe("recovery", {"times": 15}, ("times",)), "ms"),
            at_most=100,
            rounds=few,
        ),
        Row(
            *("zygote", "start", "worker from the zygote", "ms", _ZYGOTE, "ms"),
            beside=Probe("fresh", {"times": 5}),
            beside_figure="ms",
            beside_name="a fresh interpreter",
            at_most=0.1,
            rounds=few,
        ),
        Row(
            *("own-memory", "start", "worker's own memory", "MiB", _ZYGOTE, "MiB"),
            at_most=15,
            rounds=few,
        ),
        Row(
            *("launcher-memory", "scale", "launcher's memory, 4 x the input", "MiB"),
            *(Probe("launcher-peak", peak, ("events",)), "MiB"),
            beside=quarter,
            beside_figure="MiB",
            beside_name="the quarter",
            at_most=1.2,
            rounds=few,
        ),
        Row(
            *("large-store", "scale", "open a store of 10,000,000 fields", "s"),
            *(Probe("large-store", {"fields": 10_000_000}, ("fields",)), "s"),
            at_most=1,
            rounds=few,
        ),
    ]


def _observing_rows() -> list[Row]:
    def probe(how: str) -> Probe:
        return Probe("observed", {"how": how, "events": 200_000, "workers": WORKERS}, ("events",))

    on, quiet, off = probe("on"), probe("quiet"), probe("off")
    in_turn = {"how": "on", "agent": "Counter", "events": 100_000, "rounds": 15}
    cpu, group = "CPU s per 100,000", "observing"
    return [
        Row(
            *("observed", group, "metrics, profile, event log", cpu, on, "cpu"),
            beside=off,
            beside_figure="cpu",
            beside_name="a pool without",
            at_most=1.02,
        ),
        Row(
            *("observed-quiet", group, "metrics, and no profile or log", cpu, quiet, "cpu"),
            beside=off,
            beside_figure="cpu",
            beside_name="a pool without",
        ),
        Row(
            *("observed-engine", group, "the same, of a worker's engine", "% more CPU"),
            *(Probe("observed-engine", in_turn, ("rounds",)), "percent"),
            at_most=2,
            rounds=1,
        ),
        Row(
            *("observed-memory", group, "worker's memory with all of it", "MiB", on, "MiB"),
            beside=off,
            beside_figure="MiB",
            beside_name="a pool without",
        ),
    ]


def _floor_rows() -> list[Row]:
    """What no version of tamias can do better: the API, and the store, by themselves."""
    agents: dict[str, Any] = {"beside": _AGENTS, "beside_figure": "rate"}
    agents |= {"beside_name": _WITH_AGENT}
    title = f"{_WITH_AGENT}, round trip of one event"
    few = Probe("store", {"keys": KEYS})
    stores = [
        Row(
            *(name, "floor", f"LMDB alone, a field of {keys:,} keys", "us of CPU"),
            *(Probe("store", {"keys": keys}), "cpu_us"),
            beside=few,
            beside_figure="cpu_us",
            beside_name="of 1,000 keys",
            rounds=1,
        )
        for name, keys in (("store-100k", 100_000), ("store", 1_000_000))
    ]
    return [
        Row(
            *("agents", "floor", _WITH_AGENT, "events/s", _AGENTS, "rate"),
            beside=_POOL,
            beside_figure="rate",
            beside_name="minimal pool",
        ),
        Row("agents-list", "floor", "tamias, list to list", "events/s", _LIST, "rate", **agents),
        Row("agents-file", "floor", "tamias, file to file", "events/s", _FILE, "rate", **agents),
        Row(
            *("agents-trip", "floor", title, "us", _AGENTS_TRIP, "p50"),
            beside=_POOL_TRIP,
            beside_figure="p50",
            beside_name="minimal pool",
        ),
        *stores,
    ]


ROWS = [
    *_pool_rows(),
    *_floor_rows(),
    *_key_rows(),
    *_step_rows(),
    *_life_rows(),
    *_observing_rows(),
]


def chosen(names: list[str]) -> list[Row]:
    """The rows of these names or groups; all of them if there are none.

    Raises:
        ValueError: there is none of a name.
    """
    known = {name for row in ROWS for name in (row.name, row.group)}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no row or group {', '.join(unknown)}: there are {', '.join(known)}")
    return [row for row in ROWS if not names or row.name in names or row.group in names]
