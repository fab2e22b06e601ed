"""A long stream with ten poisons in it: who ends where, and what it costs the others.

    .venv/bin/python scripts/benchmarks/quarantine.py [--inputs 100000] [--workers 2]

Ten inputs each kill, hang or fill their worker, or cannot be written; one in ten of the others goes
through an asynchronous action. Exactly the ten must be dead letters, each with its cause, and each
other input must have exactly one output, in the order of its key. Then the rate is told: the best
tenth of a second before the first of them was set aside, and after each, until the next one was.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from bisect import bisect_left
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from tamias.launcher.jobs.file_job import JobSpec, run_file_job
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    from tamias.store.records.dead_letters import DeadLetter

AGENT = f"{Path(__file__).with_name('poison_agent.py')}:Poison"
POISONS = {
    "segv": "crash",
    "async-segv": "crash",
    "exit": "crash",
    "async-exit": "crash",
    "spin": "timeout",
    "async-hang": "timeout",
    "bomb": "memory",
    "async-bomb": "memory",
    "overflow": "crash",
    "unpicklable": "unserializable",
}
WINDOW = 0.1
KEYS = 1000


def main() -> int:
    """Run it, check it, tell about it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    inputs = arguments.inputs
    places = {
        (2 * number + 1) * inputs // (2 * len(POISONS)) + number: kind
        for number, kind in enumerate(POISONS)
    }
    with tempfile.TemporaryDirectory(prefix="tamias-quarantine-") as folder:
        source, output, state = (Path(folder) / name for name in ("in.jsonl", "out.jsonl", "state"))
        with source.open("w") as lines:
            for offset in range(inputs):
                plain = "async-plain" if offset % 10 == 0 else "plain"
                value = places.get(offset, plain)
                lines.write(json.dumps({"key": f"k{offset % KEYS}", "value": value}) + "\n")
        config = {
            "workers": arguments.workers,
            "run-timeout": "3s",
            "memory-limit": "400MiB",
        }
        began = time.monotonic()
        report = run_file_job(
            JobSpec(target=AGENT, input=str(source), output=str(output), config=config), state
        )
        seconds = time.monotonic() - began
        done = [json.loads(line) for line in output.read_text().splitlines()]
        with StoreReader(state) as reader:
            letters: dict[int, DeadLetter] = {}
            for number in range(reader.view.manifest.shards):
                with reader.shard(number) as snapshot:
                    found = snapshot.dead_letters() if snapshot is not None else ()
                    letters.update((letter.offset, letter) for letter in found)
    for offset, letter in sorted(letters.items()):
        kind = places.get(offset, "nobody's")
        print(f"{offset:>8}  {kind:12} {letter.cause:15} {letter.attempts} tries  {letter.error}")
    wrong = {
        f"input {offset} ({kind}) has no letter of cause {POISONS[kind]}"
        for offset, kind in places.items()
        if offset not in letters or letters[offset].cause != POISONS[kind]
    }
    wrong |= {f"input {offset} was set aside" for offset in letters if offset not in places}
    last: dict[str, int] = {}
    for line in done:
        if last.get(line["key"], -1) >= line["offset"]:
            wrong.add(f"the output of {line['offset']} is out of its order, or there twice")
        last[line["key"]] = line["offset"]
    missing = {*range(inputs)} - {line["offset"] for line in done} - {*places}
    wrong |= {f"the output of {offset} is missing" for offset in sorted(missing)[:10]}
    print(f"{inputs:,} inputs in {seconds:.1f} s, {report.deaths} deaths, {report.retries} retries")
    tell_rates([line["output"][2] for line in done], [letter.at for letter in letters.values()])
    print("\n".join(sorted(wrong)) or "exactly as it must be")
    return 1 if wrong else 0


def tell_rates(times: list[float], set_aside: list[float]) -> None:
    """Outputs per second before the first poison was set aside, and between one and the next."""
    since_epoch = time.time() - time.monotonic()
    times.sort()
    bounds = [0.0, *sorted(at - since_epoch for at in set_aside), float("inf")]
    stretches = [
        times[bisect_left(times, begin) : bisect_left(times, end)]
        for begin, end in pairwise(bounds)
    ]
    before, *after = [best_rate(stretch) for stretch in stretches]
    told = ", ".join(f"{number:,.0f}" for number in after)
    print(f"outputs per second before the first: {before:,.0f}; after each: {told}")
    print(f"median after: {statistics.median(after):,.0f}")


def best_rate(times: list[float]) -> float:
    """The most outputs in any WINDOW of these sorted times, per second."""
    ends = (bisect_left(times, begin + WINDOW) for begin in times)
    return max((end - start for start, end in enumerate(ends)), default=0) / WINDOW


if __name__ == "__main__":
    sys.exit(main())
