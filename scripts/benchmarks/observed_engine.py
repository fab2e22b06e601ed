"""What a worker's engine costs with all that looks at it by default, and without, in turn.

Both are in one process, so they have the same machine, caches and compiled code, and take turns
many times: a difference of a hundredth is seen, which between processes is noise.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import unmeasured
from engine_cost import CODEC, Bench, Feed

import agents
from tamias.store.state.layout import StateLayout
from tamias.worker.profiling.profiler import Profiler
from tamias.worker.profiling.sampler import Sampler, action_codes
from tamias.worker.tracing.tracer import Tracer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tamias import AgentPlan

KEYS: Final = 1000
HZ: Final = 20.0
"""As `profile-rate` is by default."""


def observed(*, how: str, agent: str, events: int, rounds: int) -> dict[str, float]:
    """How much more CPU time a worker takes, in percent: the median of all rounds.

    `how` is `on`, or one of `metrics`, `profile` and `log` alone. Of `off`, a second engine is
    measured that has nothing either: what is seen then is noise.
    """
    return asyncio.run(_measured(how, agent, events, rounds))


async def _measured(how: str, agent: str, events: int, rounds: int) -> dict[str, float]:
    found, shares, costs = [], [], []
    with tempfile.TemporaryDirectory(prefix="tamias-bench-") as name:
        folder = Path(name)
        with_all = _bench(agent, folder / "on", is_logged=how in ("on", "log"))
        without = _bench(agent, folder / "off", is_logged=False)
        feed = Feed(KEYS, 7, 0)
        for each in (with_all, without):
            await each.work(feed.each_key_once())
        for number in range(rounds):
            cpu, wall = {}, {}
            for is_on in ((True, False), (False, True))[number % 2]:
                messages = feed.drawn(events)
                bench = with_all if is_on else without
                unmeasured.switch(measured=is_on and how in ("on", "metrics"))
                with _profiled(bench, folder, is_on=is_on and how in ("on", "profile")):
                    began, began_wall = time.process_time(), time.perf_counter()
                    await bench.work(messages)
                    cpu[is_on] = time.process_time() - began
                    wall[is_on] = time.perf_counter() - began_wall
            found.append(100 * (cpu[True] / cpu[False] - 1))
            shares.append(100 * (cpu[True] - cpu[False]) / wall[True])
            costs.append(cpu[True] / events * 1e5)
    return {
        "percent": statistics.median(found),
        "of_core": statistics.median(shares),
        "cpu": statistics.median(costs),
    }


def _bench(agent: str, folder: Path, *, is_logged: bool) -> Bench:
    (folder / "events").mkdir(parents=True)

    def tracer(plan: AgentPlan) -> Tracer | None:
        pool: Any = SimpleNamespace(state=str(folder), generation=0, input_codec=CODEC)
        return Tracer.of(plan, pool, 0) if is_logged else None

    return Bench(getattr(agents, agent), folder, "process", tracer)


@contextmanager
def _profiled(bench: Bench, folder: Path, *, is_on: bool) -> Iterator[None]:
    if not is_on:
        yield
        return
    profiles = StateLayout(folder).profiles
    profiles.mkdir(exist_ok=True)
    functions = bench.engine.plan.actions.items()
    sampler = Sampler(action_codes({name: action.fn for name, action in functions}))
    loop = asyncio.get_running_loop()
    profiler = Profiler(sampler, loop, profiles, 0, 0, hz=HZ)
    profiler.know(bench.beacon, bench.engine.execution_of)
    profiler.start()
    try:
        yield
    finally:
        profiler.stop()
