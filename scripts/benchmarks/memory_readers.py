"""Other processes read memory sets while a pool writes them.

    .venv/memory/bin/python scripts/benchmarks/memory_readers.py [--readers 10] [--seconds 10]

Two workers write without pause, first alone and then beside so many readers, which search and list
the sets of random keys. Each answer has to be what one commit has left: whole pairs, in one row.
What an answer takes, and what is written meanwhile, is printed; exits with 1 if an answer was none
that a commit has left.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memory_agents import KEPT, Pairs
from memory_texts import Embedding, short_texts

import memory
import tamias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KEYS = 100
TEXTS = 10_000


def is_left_by_a_commit(names: Sequence[str]) -> bool:
    """Whether these are whole pairs of successive numbers, and no more than are kept."""
    numbers = sorted({int(name[:-2]) for name in names})
    whole = {f"{number}-{half}" for number in numbers for half in "ab"}
    in_a_row = not numbers or numbers[-1] - numbers[0] + 1 == len(numbers) <= KEPT
    return in_a_row and len(names) == len(whole) and set(names) == whole


def read(state: Path, seconds: float, seed: int) -> dict[str, Any]:
    """Read for a while; what it took, and what was found wrong."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    texts, embed = short_texts(TEXTS), Embedding()
    vectors = embed(texts[:1000])
    taken: dict[str, list[float]] = {"search": [], "list": []}
    wrong: list[Any] = []
    with tamias.open_memory(state) as opened:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pairs = opened.get_memory_set(f"key-{chance.randrange(KEYS)}", "pairs")
            place = chance.randrange(len(vectors))
            began = time.perf_counter()
            found = pairs.search(texts[place], limit=4 * KEPT, vector=vectors[place])
            taken["search"].append(time.perf_counter() - began)
            began = time.perf_counter()
            listed = pairs.get(limit=None)
            taken["list"].append(time.perf_counter() - began)
            for items in (found, listed):
                names = [item.id for item in items]
                if not names or not is_left_by_a_commit(names):
                    wrong.append(sorted(names))
    return {"taken": taken, "wrong": wrong[:3]}


class Writers(memory.Pool):
    """Two workers that write without pause."""

    def __init__(self, folder: Path, texts: list[str]) -> None:
        super().__init__(folder, workers=2)
        self.agent = Pairs()
        self._texts = texts
        self._next = 0

    def write(self, seconds: float) -> float:
        """Write for a while; returns runs per second."""
        before, until = self._next, time.monotonic() + seconds
        began = time.monotonic()

        def inputs() -> Iterator[dict[str, Any]]:
            while time.monotonic() < until:
                number, key = divmod(self._next, KEYS)
                text = self._texts[self._next % len(self._texts)]
                yield {"key": f"key-{key}", "value": {"number": number, "text": text}}
                self._next += 1

        self.run(inputs())
        return (self._next - before) / (time.monotonic() - began)


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description="Readers of memory sets beside a pool.")
    parser.add_argument("--readers", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--read", nargs=2, metavar=("STATE", "SEED"), help="be one of the readers")
    arguments = parser.parse_args()
    if arguments.read:
        state, seed = arguments.read
        print(json.dumps(read(Path(state), arguments.seconds, int(seed))))
        return 0
    with tempfile.TemporaryDirectory(prefix="tamias-bench-") as folder:
        writers = Writers(Path(folder), short_texts(TEXTS))
        alone = writers.write(arguments.seconds)
        command = [sys.executable, __file__, "--seconds", str(arguments.seconds), "--read"]
        readers = [
            subprocess.Popen([*command, str(writers.state), str(seed)], stdout=subprocess.PIPE)
            for seed in range(arguments.readers)
        ]
        beside = writers.write(arguments.seconds + 5)  # they take a while to begin
        results = [json.loads(reader.communicate()[0]) for reader in readers]
    print(f"runs per second: {alone:,.0f} alone, {beside:,.0f} beside {len(readers)} readers")
    for what in ("search", "list"):
        taken = [seconds for result in results for seconds in result["taken"][what]]
        print(
            f"{what}: {len(taken):,} answers, p50 {memory.percentile(taken, 0.5):.2f} ms, "
            f"p99 {memory.percentile(taken, 0.99):.2f} ms, at most {1e3 * max(taken):.0f} ms"
        )
    wrong = [names for result in results for names in result["wrong"]]
    for names in wrong:
        print(f"no state that a commit has left: {names}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
