"""Long-term memory through a real pool, beside numpy, usearch and Chroma in the same run.

    scripts/bench --memory [--quick] [--large] [--json]

The texts are entries of a dictionary that a package carries, the vectors those of the embedding
model that runs in the process; both sides make them with it, and that is part of what is measured.
Each has one thread. `--large` adds a shared set of a million items, for which what builds graphs
(HNSW, Chroma) is left out.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[_threads] = "1"  # numpy reads it when it is imported
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import memory_peers as peers  # noqa: E402
import numpy as np  # noqa: E402
from memory_agents import Notes  # noqa: E402
from memory_texts import Embedding, short_texts  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

import tamias  # noqa: E402
from tamias.launcher.delivery.checkpointed import CheckpointedDelivery  # noqa: E402
from tamias.launcher.jobs.agent_spec import AgentSpec  # noqa: E402
from tamias.launcher.jobs.job import Job  # noqa: E402
from tamias.launcher.sinks.collect import CollectSink  # noqa: E402
from tamias.launcher.sources.factory import python_source  # noqa: E402
from tamias.worker.process.boot import pack_agent  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tamias import Agent

QUERIES = 200
WARM = 10
"""Searches at first that do not count: they read what they search for the first time."""
WRITERS = 64
"""Keys that add to a shared set."""
KEYS = 1000


@dataclass(frozen=True)
class Searched:
    """One line of the table of searches."""

    items: int
    name: str
    adds_per_second: float
    p50: float
    p99: float
    cpu: float
    """Milliseconds of a search; the last is the median of the thread's own time."""
    recall: float
    end_to_end: float
    """Seconds for all adds and searches."""


class Pool:
    """Runs inputs through workers, phase by phase, on one state directory."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.agent: Agent = Notes()
        self.state = folder / "state"
        self._options = {"long-term-memory.max-items": 2_000_000, **options}
        self._given: list[dict[str, Any]] = []

    def run(self, inputs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Run some inputs, and return what came of them."""

        def all_inputs() -> Iterator[dict[str, Any]]:
            yield from list(self._given)  # those of earlier phases are skipped
            for one in inputs:
                self._given.append(one)
                yield one

        job = Job(
            AgentSpec(
                "notes",
                pickled=pack_agent(self.agent, {}),
                config=self._options,
                on_error="fail",
                sys_path=sys.path,
            )
        )
        sink = CollectSink()
        with (
            python_source(all_inputs()) as source,
            job.open_state(self.state, {}) as state,
        ):
            job.run(state, source, CheckpointedDelivery(sink, state.progress, source))
            return [output for pair in sink.take_results() for output in pair.values()]

    def size(self) -> int:
        """Bytes on disk of the store."""
        files = (path for path in self.state.rglob("*") if path.is_file())
        return sum(path.stat().st_blocks * 512 for path in files)


def batches(texts: list[str], size: int, keys: int, **more: Any) -> Iterator[dict[str, Any]]:
    """Inputs that add texts, key by key in turn."""
    for number, first in enumerate(range(0, len(texts), size)):
        value = {"first": first, "add": texts[first : first + size], **more}
        yield {"key": f"key-{number % keys}", "value": value}


def percentile(values: list[float], share: float) -> float:
    """The value below which so much of them lies, in milliseconds."""
    return 1e3 * sorted(values)[min(len(values) - 1, int(len(values) * share))]


def recall(found: list[list[int]], exact: list[list[int]]) -> float:
    """Which share of what is to be found was found."""
    pairs = list(zip(found, exact, strict=True))
    return statistics.fmean(len(set(one) & set(other)) / len(other) for one, other in pairs)


def ours(
    texts: list[str], queries: list[str], embed: Any, *, shared: bool
) -> tuple[list[tuple[Searched, list[Any]]], float]:
    """Measure a set of one key, or a shared one; recall is filled in by the caller.

    Returns the lines with what was found: of searches of an action; of searches of this process by
    `open_memory`, which put nothing on record; and of an action that asks for the vector of its
    question, and multiplies it with a matrix of its own. And bytes on disk of an item.
    """
    with tempfile.TemporaryDirectory(prefix="tamias-bench-") as folder:
        pool = Pool(Path(folder), workers=1)
        keys = WRITERS if shared else 1
        added = pool.run(batches(texts, peers.BATCH, keys, shared=shared))
        adding = max(one["ended"] for one in added) - min(one["began"] for one in added)
        search = {"search": queries, "mode": "vector", "shared": shared}
        key = "key-0"
        found = pool.run([{"key": key, "value": search}])[0]
        matrix = Path(folder, "matrix.npy")
        np.save(matrix, embed(texts))
        scan = pool.run([{"key": key, "value": {**search, "scan": str(matrix)}}])[0]
        matrix.unlink()
        size = pool.size() / len(texts)
        with tamias.open_memory(pool.state) as memory:
            reader = (
                memory.get_shared_memory_set("notes")
                if shared
                else memory.get_memory_set(key, "notes")
            )
            read = peers.searches(
                queries, lambda text: reader.search(vector=embed([text])[0], limit=10)
            )
    wall, cpu = found["wall"][WARM:], found["cpu"][WARM:]
    line = Searched(
        len(texts),
        "tamias, shared set, in an action" if shared else "tamias, a key's set, in an action",
        len(texts) / adding,
        percentile(wall, 0.5),
        percentile(wall, 0.99),
        percentile(cpu, 0.5),
        0.0,
        adding + sum(found["wall"]),
    )
    inside = replace(
        line,
        name="tamias, by open_memory",
        p50=percentile(read.wall[WARM:], 0.5),
        p99=percentile(read.wall[WARM:], 0.99),
        cpu=percentile(read.cpu[WARM:], 0.5),
        end_to_end=adding + sum(read.wall),
    )
    by_hand = replace(
        line,
        name=f"{peers.NumpyScan.name}, in an action",
        p50=percentile(scan["wall"][WARM:], 0.5),
        p99=percentile(scan["wall"][WARM:], 0.99),
        cpu=percentile(scan["cpu"][WARM:], 0.5),
        adds_per_second=math.nan,
        end_to_end=math.nan,
    )
    numbers = [[int(item.id) for item in items] for items in read.found]
    return [(line, found["found"]), (inside, numbers), (by_hand, scan["found"])], size


def peers_of(texts: list[str], queries: list[str], embed: Any) -> list[peers.Measured]:
    """Measure the peers; the first is exact."""
    dimensions = embed.dimensions
    exact: list[peers.Peer] = [
        peers.NumpyScan(len(texts), dimensions),
        peers.UsearchScan(len(texts), dimensions),
    ]
    found = [peers.Measured(peer, texts, queries, embed) for peer in exact]
    if len(texts) <= 100_000:
        found.append(peers.Measured(peers.UsearchGraph(dimensions), texts, queries, embed))
        found.append(peers.Measured(peers.Chroma(), texts, queries, embed))
    return found


def searched(size: int, texts: list[str], embed: Any) -> tuple[list[Searched], float]:
    """All lines for sets of a size, and bytes on disk for each of our items."""
    items, queries = texts[:size], texts[-QUERIES - WARM :]
    shared = size >= 100_000
    mine, on_disk = ours(items, queries, embed, shared=shared)
    others = peers_of(items, queries, embed)
    exact = others[0].found
    lines = [replace(line, recall=recall(found, exact)) for line, found in mine]
    lines += [
        Searched(
            size,
            peer.name,
            size / peer.adding,
            percentile(peer.wall[WARM:], 0.5),
            percentile(peer.wall[WARM:], 0.99),
            percentile(peer.cpu[WARM:], 0.5),
            recall(peer.found, exact),
            peer.adding + sum(peer.wall),
        )
        for peer in others
    ]
    return lines, on_disk


def writes(texts: list[str], embed: Any) -> dict[str, float]:
    """Adds, and what they take on disk."""
    del embed
    with tempfile.TemporaryDirectory(prefix="tamias-bench-") as folder:
        pool = Pool(Path(folder), workers=2)
        few = 20_000
        added = pool.run(batches(texts[:few], 1, KEYS))
        seconds = max(one["ended"] for one in added) - min(one["began"] for one in added)
        result = {"adds per second, one each, 1,000 keys, 2 workers": few / seconds}
    with tempfile.TemporaryDirectory(prefix="tamias-bench-") as folder:
        pool = Pool(Path(folder), workers=1)
        added = sorted(pool.run(batches(texts, 10, 1)), key=lambda one: one["began"])
        tenth = len(added) // 10
        # The worker's own time, because what else the machine does changes meanwhile.
        first = added[tenth]["cpu time"] - added[0]["cpu time"]
        last = added[-1]["cpu time"] - added[-tenth]["cpu time"]
        result |= {
            "adds per second, ten each": len(texts) / (added[-1]["ended"] - added[0]["began"]),
            "items of the set in the end": float(len(texts)),
            "CPU us of an add, the first tenth": first * 1e6 / (tenth * 10),
            "CPU us of an add, the last tenth": last * 1e6 / (tenth * 10 - 10),
            "bytes on disk, an item": pool.size() / len(texts),
            "bytes of its text": statistics.fmean(len(text.encode()) for text in texts),
        }
    return result


def show(lines: list[Searched], written: dict[str, float], dimensions: int) -> None:
    """Print tables."""
    table = Table("items", "", "adds/s", "p50 ms", "p99 ms", "CPU ms", "recall@10", "end to end s")
    for line in lines:
        table.add_row(
            f"{line.items:,}",
            line.name,
            "" if math.isnan(line.adds_per_second) else f"{line.adds_per_second:,.0f}",
            f"{line.p50:.3f}",
            f"{line.p99:.3f}",
            f"{line.cpu:.3f}",
            f"{line.recall:.4f}",
            "" if math.isnan(line.end_to_end) else f"{line.end_to_end:.2f}",
        )
    console = Console(width=130)
    console.print(table)
    for name, value in written.items():
        console.print(f"{name}: {value:,.0f}")
    console.print(f"bytes of a raw vector, f32: {4 * dimensions:,}")


def main() -> int:
    """Measure, print, and exit with 1 if a goal was missed."""
    parser = argparse.ArgumentParser(description="Benchmarks of long-term memory.")
    parser.add_argument("--memory", action="store_true", help="these benchmarks")
    parser.add_argument("--quick", action="store_true", help="small sets only")
    parser.add_argument("--large", action="store_true", help="a set of a million, too")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    sizes = [100, 10_000]
    if not arguments.quick:
        sizes.append(100_000)
    if arguments.large:
        sizes.append(1_000_000)
    texts = short_texts(max(sizes) + QUERIES + WARM)
    embed = Embedding()
    lines: list[Searched] = []
    for size in sizes:
        found, _ = searched(size, texts[: size + QUERIES + WARM], embed)
        lines += found
    written = writes(texts[: min(max(sizes), 100_000)], embed)
    if arguments.json:
        print(json.dumps({"searches": [_plain(line) for line in lines], "writes": written}))
    else:
        show(lines, written, embed.dimensions)
    missed = [problem for size in sizes for problem in problems(size, lines)]
    for problem in missed:
        print(f"MISSED: {problem}", file=sys.stderr)
    return 1 if missed else 0


def _plain(line: Searched) -> dict[str, Any]:
    return {name: None if value != value else value for name, value in asdict(line).items()}  # noqa: PLR0124 (NaN)


def problems(size: int, lines: list[Searched]) -> Iterator[str]:
    """Goals that were missed for sets of a size."""
    mine, inside, by_hand, *others = [line for line in lines if line.items == size]
    if mine.recall < 0.99:
        yield f"{size:,} items: recall {mine.recall}"
    # CPU time, because the wall's is that of all that runs on the machine.
    for own, other in ((mine, by_hand), (inside, others[0])):
        # What Python does for a search is more than the product of a few rows.
        is_held = own is mine or size >= 10_000
        if is_held and own.cpu > 1.5 * other.cpu:
            yield f"{size:,} items: {own.name} takes {own.cpu / other.cpu:.2f} of {other.name}"
    for other in others:
        if other.name.startswith("Chroma") and mine.end_to_end > other.end_to_end:
            yield f"{size:,} items: slower than {other.name}"


if __name__ == "__main__":
    raise SystemExit(main())
