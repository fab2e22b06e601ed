"""What a hundred workers of the counter agent own together, while they have nothing to do.

    .venv/bin/python scripts/benchmarks/crowd.py [--workers 100]

Each worker has done some inputs. Told are the sum of their own memory (USS), as psutil says it,
with and without the mapped pages of their stores, and what the pool's processes use of one core
while the pool is idle.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from measures import TARGET
from woken_source import WokenSource

from tamias.launcher.delivery.checkpointed import CheckpointedDelivery
from tamias.launcher.jobs.agent_spec import AgentSpec
from tamias.launcher.jobs.job import Job
from tamias.launcher.sinks.collect import CollectSink
from tamias.launcher.workers import procfs
from tamias.store.encoding.keys import encode_key
from tamias.store.encoding.values import dumps

if TYPE_CHECKING:
    from tamias.launcher.delivery.source import Record
    from tamias.launcher.pool.status import PoolStatus

INPUTS = 20_000
IDLE = 10.0


class Silent(WokenSource):
    """Some inputs, and then nothing until `end` is called."""

    def end(self) -> None:
        """Give no more inputs."""
        self.exhausted = True
        self.wake()

    def read(self, limit: int) -> list[Record]:
        """As `Source.read`."""
        first = self._offset
        self._offset = min(INPUTS, first + limit)
        value = dumps("hello")
        return [(encode_key(f"k{n % 5000}"), value, None) for n in range(first, self._offset)]


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", type=int, default=100)
    workers = parser.parse_args().workers
    source = Silent()
    statuses: list[PoolStatus] = []
    settings = {"workers": workers, "shards": workers, "start-timeout": "30min"}
    spec = AgentSpec("crowd", target=TARGET, config=settings, on_error="fail")
    job = Job(spec, on_status=statuses.append)

    def measure() -> None:
        while not statuses or statuses[-1].events < INPUTS:
            time.sleep(0.1)
        time.sleep(2.0)
        me = psutil.Process()
        children = me.children(recursive=True)
        ours = [child for child in children if child.cmdline()[0].startswith("tamias worker")]
        uss = [child.memory_full_info().uss for child in ours]
        own = [procfs.memory(child.pid) for child in ours]
        print(f"{len(ours)} workers own {sum(uss) / 2**30:.2f} GiB (USS),", end=" ")
        print(f"{sum(own) / 2**30:.2f} GiB without the pages of their stores;", end=" ")
        print(
            f"{max(uss) / 2**20:.1f} MiB the largest; a launcher and a zygote beside them:", end=" "
        )
        others = [me, *(child for child in children if child not in ours)]
        print(", ".join(f"{each.memory_full_info().uss / 2**20:.0f} MiB" for each in others))
        for name, processes in (("all processes", [me, *children]), ("the launcher", [me])):
            began = sum(sum(each.cpu_times()[:2]) for each in processes)
            time.sleep(IDLE)
            used = sum(sum(each.cpu_times()[:2]) for each in processes) - began
            print(f"idle, {name} use {100 * used / IDLE:.2f}% of one core")
        source.end()

    with (
        tempfile.TemporaryDirectory(prefix="tamias-crowd-") as folder,
        job.open_state(Path(folder) / "state", {}) as state,
    ):
        sink = CollectSink()
        thread = threading.Thread(target=measure)
        thread.start()
        job.run(state, source, CheckpointedDelivery(sink, state.progress))
        thread.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
