"""Ray: two actors that have the keys among them, fed with batches of events.

Ray restarts an actor that dies and calls its method again, with the state that the program itself
has saved: the documentation leaves that to the application. Modes: `saved` writes the state to a
file after each batch; `memory` does not.
"""

from __future__ import annotations

import pickle
import time
import zlib
from pathlib import Path
from typing import Any

import ray
from contract import Adapter, Output, inputs, main, timed

ACTORS, BATCH, UNDER_WAY = 2, 256, 8


@ray.remote(max_restarts=-1, max_task_retries=-1)
class Counter:
    """The agent."""

    def __init__(self, path: str | None) -> None:
        self.path = Path(path) if path else None
        self.counts: dict[str, int] = {}
        if self.path and self.path.exists():
            self.counts = pickle.loads(self.path.read_bytes())

    def count(self, events: list[tuple[str, int]]) -> list[dict[str, Any]]:
        """Read the state, add, emit; then keep the state, if it is to be kept."""
        found = []
        for key, value in events:
            total = self.counts[key] = self.counts.get(key, 0) + 1
            found.append({"key": key, "value": value, "count": total})
        if self.path:
            unfinished = self.path.with_suffix(".part")
            unfinished.write_bytes(pickle.dumps(self.counts))
            unfinished.replace(self.path)
        return found


class OnRay(Adapter):
    """A driver on this machine."""

    def _actors(self, folder: Path, mode: str) -> list[Any]:
        ray.init(num_cpus=ACTORS, include_dashboard=False, log_to_driver=False)
        paths = [str(folder / f"state-{n}") if mode == "saved" else None for n in range(ACTORS)]
        return [Counter.remote(path) for path in paths]  # type: ignore[attr-defined]

    def run(self, folder: Path, mode: str) -> None:
        """As `Adapter.run`."""
        output = Output(folder)
        actors = self._actors(folder, mode)
        waiting: list[Any] = []
        batches: list[list[tuple[str, int]]] = [[] for _ in actors]

        def send(number: int, room: int) -> None:
            if batches[number]:
                waiting.append(actors[number].count.remote(batches[number]))
                batches[number] = []
            while len(waiting) > room:
                done, waiting[:] = ray.wait(waiting)
                for found in ray.get(done):
                    output.write(found)

        for key, value in inputs(folder):
            if value in output.written:
                continue
            number = zlib.crc32(key.encode()) % ACTORS
            batches[number].append((key, value))
            if len(batches[number]) == BATCH:
                send(number, UNDER_WAY)
        for number in range(ACTORS):
            send(number, UNDER_WAY)
        send(0, 0)
        ray.shutdown()

    def trips(self, folder: Path, mode: str, count: int) -> list[float]:
        """As `Adapter.trips`."""
        actors = self._actors(folder, mode)
        time.sleep(1)
        return timed(
            lambda n: ray.get(actors[n % ACTORS].count.remote([(f"key-{n % 1000}", n)])), count
        )


if __name__ == "__main__":
    main(OnRay())
