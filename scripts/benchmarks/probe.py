"""One measurement in a process of its own: probe.py NAME {JSON of arguments}, prints JSON.

`bench.py` starts it with the Python of the checkout that is measured, so the `tamias` that is
imported here is that checkout's, while this program and the agents are always the same.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def about() -> dict[str, Any]:
    """Which tamias this is."""
    import tamias  # noqa: PLC0415 (a probe imports what it measures)

    root = str(Path(tamias.__file__).parent)
    command = ["git", "-C", root, "describe", "--always", "--dirty"]
    commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    try:
        core = importlib.import_module("tamias.store.compiled").described_core()
    except ImportError:
        core = "plain Python"
    return {
        "tamias": importlib.metadata.version("tamias"),
        "commit": commit,
        "core": core,
        "python": platform.python_version(),
        "uvloop": importlib.util.find_spec("uvloop") is not None,
    }


def pool_rate(
    *, events: int, keys: int, workers: int, batch: int = 256, agent: bool = False
) -> dict[str, float]:
    """Events per second of the minimal pool, or of the one that runs the agent."""
    import minimal_pool  # noqa: PLC0415

    return {"rate": minimal_pool.throughput(events, keys, workers, batch, _work(agent=agent))}


def pool_round_trip(
    *, count: int, keys: int, workers: int, agent: bool = False
) -> dict[str, float]:
    """Microseconds of a single event in the minimal pool, or in the one that runs the agent."""
    import minimal_pool  # noqa: PLC0415

    return _trips(minimal_pool.round_trips(count, keys, workers, _work(agent=agent)))


def _work(*, agent: bool) -> Callable[[str, Path, int], None]:
    module = importlib.import_module("minimal_agents" if agent else "minimal_pool")
    work: Callable[[str, Path, int], None] = module.work
    return work


def store(*, keys: int) -> dict[str, float]:
    """CPU microseconds to read and write a field of a key, in LMDB alone."""
    import minimal_store  # noqa: PLC0415

    return {"cpu_us": minimal_store.cost(keys)}


def rate(kind: str, *, events: int, few: int = 2000, **more: Any) -> dict[str, float]:
    """Events per second of `measures.KIND` once the pool runs, and CPU seconds per 100,000."""
    import measures  # noqa: PLC0415

    measured: Callable[..., measures.Spent] = getattr(measures, kind)
    small, large = (measured(count, **more) for count in (few, events))
    beyond = events - few
    return {
        "rate": beyond / (large.seconds - small.seconds),
        "launcher": (large.launcher - small.launcher) / beyond * 1e5,
        "workers": (large.workers - small.workers) / beyond * 1e5,
    }


def round_trip(*, count: int, keys: int, workers: int) -> dict[str, float]:
    """Microseconds from reading a single input to having its committed output."""
    import measures  # noqa: PLC0415

    return _trips(measures.round_trips(count, keys, workers))


def _trips(found: list[float]) -> dict[str, float]:
    return {"p50": statistics.median(found), "p99": found[int(len(found) * 0.99)]}


def engine(agent: str, **more: Any) -> dict[str, float]:
    """CPU microseconds per input of a worker's engine."""
    import engine_cost  # noqa: PLC0415

    return engine_cost.cost(agent, **more)


def recovery(*, times: int) -> dict[str, float]:
    """Milliseconds from SIGKILL of the only worker to the next committed output."""
    import measures  # noqa: PLC0415

    return {"ms": statistics.median(measures.recovery(times))}


def zygote(*, times: int) -> dict[str, float]:
    """Milliseconds until a worker is ready, and its own memory."""
    import measures  # noqa: PLC0415

    ready, own = measures.zygote_start(times)
    return {"ms": statistics.median(ready), "MiB": statistics.median(own)}


def fresh(*, times: int) -> dict[str, float]:
    """Milliseconds until a fresh interpreter has imported what a worker needs."""
    import measures  # noqa: PLC0415

    return {"ms": statistics.median(measures.fresh_interpreter(times))}


def launcher_peak(*, events: int) -> dict[str, float]:
    """Peak MiB of a launcher that streams so many inputs from file to file."""
    import measures  # noqa: PLC0415

    return {"MiB": measures.launcher_peak(events)}


def large_store(*, fields: int) -> dict[str, float]:
    """Seconds to open a store of so many memory fields."""
    import measures  # noqa: PLC0415

    return {"s": measures.open_large_store(fields)}


def observed(**more: Any) -> dict[str, float]:
    """CPU seconds per 100,000 inputs, and memory, with what looks at a pool or without."""
    import observed  # noqa: PLC0415

    return observed.observed(**more)


def observed_engine(**more: Any) -> dict[str, float]:
    """How much more CPU time a worker's engine takes, in percent."""
    import observed_engine  # noqa: PLC0415

    return observed_engine.observed(**more)


PROBES: dict[str, Callable[..., dict[str, Any]]] = {
    "about": about,
    "pool-rate": pool_rate,
    "pool-round-trip": pool_round_trip,
    "store": store,
    "rate": rate,
    "round-trip": round_trip,
    "engine": engine,
    "recovery": recovery,
    "zygote": zygote,
    "fresh": fresh,
    "launcher-peak": launcher_peak,
    "large-store": large_store,
    "observed": observed,
    "observed-engine": observed_engine,
}


if __name__ == "__main__":
    print(json.dumps(PROBES[sys.argv[1]](**json.loads(sys.argv[2]))))
