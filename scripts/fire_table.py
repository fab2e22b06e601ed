"""The long-running version of the fire tests, for a terminal: `scripts/fire`."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from support.fire.points import (
    ELSEWHERE,
    MOVED,
    POISONED,
    SHAPE,
    UNDER_POISON,
    WHILE_MOVING,
    chains,
    die_at,
    named_points,
    reached,
)
from support.fire.run import Outcome, Shape
from support.fire.seeds import under_fire

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = "{:>6} {:>6} {:>7} {:>7} {:>9} {:>6} {:>6} {:>6} {:>8} {:>7}  {}"
VICTIMS = ("worker", "zygote", "launcher", "drain", "all")


def main() -> int:
    """Do what the command line asks for; the exit code tells whether all was right."""
    options = _options()
    where = Path(tempfile.mkdtemp(prefix="tamias-fire-", dir=options.directory))
    failed = _points(where, options.jobs) if options.points else _seeds(where, options)
    if failed:
        print(f"What is left of the failures is in {where}.")
    else:
        shutil.rmtree(where)
    return 1 if failed else 0


def _seeds(where: Path, options: argparse.Namespace) -> int:
    """Run seeds, and print a line for each; how many went wrong."""
    base = Shape(
        inputs=options.inputs,
        config={
            "durability": options.durability,
            "start-method": options.start_method,
            "transport": options.transport,
        },
    )
    print(COLUMNS.format("seed", "lives", *VICTIMS, "calls", "repeated", "seconds", ""))
    totals: Counter[str] = Counter()
    failed: list[int] = []
    began = time.monotonic()

    def one(seed: int) -> tuple[int, Outcome]:
        place = where / str(seed)
        field, outcome = under_fire(place, seed, base)
        _tidy(place, [*outcome.wrong, field.last_words()] if outcome.wrong else [])
        return seed, outcome

    with ThreadPoolExecutor(options.jobs) as pool:
        for seed, outcome in pool.map(one, range(options.first, options.first + options.seeds)):
            kills = [outcome.kills.get(victim, 0) for victim in VICTIMS]
            counts = (seed, outcome.lives, *kills, outcome.calls, outcome.repeated)
            text = f"WRONG: {'; '.join(outcome.wrong)[:300]}" if outcome.wrong else "ok"
            print(COLUMNS.format(*counts, f"{outcome.seconds:.1f}", text), flush=True)
            totals.update(outcome.kills, calls=outcome.calls, repeated=outcome.repeated)
            if outcome.wrong:
                failed.append(seed)
    print(
        f"\n{options.seeds} seeds, {len(failed)} wrong {failed or ''}: {totals['worker']} workers, "
        f"{totals['zygote']} zygotes and {totals['launcher']} launchers killed, "
        f"{totals['all']} more processes all at once, {totals['drain']} launchers drained; "
        f"{totals['calls']} durable calls, {totals['repeated']} of them repeated because a kill "
        f"fell between call and record; {time.monotonic() - began:.0f} s"
    )
    return len(failed)


def _points(where: Path, jobs: int) -> int:
    """Die at every write point at several counts, and print what was hit; how many went wrong."""
    counted = reached(where / "undisturbed")
    tries = [(chain, SHAPE) for chain in chains(counted)]
    tries += [([(point, count)], POISONED) for point in UNDER_POISON for count in (1, 2)]
    tries += [([(point, count)], MOVED) for point in WHILE_MOVING for count in (1, 2, 3)]
    wrong = 0
    died: Counter[str] = Counter()

    def one(number: int) -> tuple[list[bool], Sequence[str]]:
        place = where / str(number)
        hits, outcome = die_at(place, *tries[number])
        _tidy(place, outcome.wrong)
        return hits, outcome.wrong

    with ThreadPoolExecutor(jobs) as pool:
        results = pool.map(one, range(len(tries)))
        for (chain, _), (hits, problems) in zip(tries, results, strict=True):
            died.update(point for (point, _), hit in zip(chain, hits, strict=True) if hit)
            if problems:
                wrong += 1
                print("WRONG:", chain, "; ".join(problems)[:600], flush=True)
    print(f"{'point':<24} {'reached':>8} {'deaths':>8}")
    points = named_points().difference(*ELSEWHERE.values())
    for point in sorted(points):
        print(f"{point:<24} {counted[point]:>8} {died[point]:>8}")
    missed = points - {point for point, deaths in died.items() if deaths}
    print(f"\n{len(tries)} runs, {sum(died.values())} deaths, {wrong} wrong")
    for place, others in ELSEWHERE.items():
        print(f"{', '.join(others)}: see {place}")
    if missed:
        print(f"Nobody died at {', '.join(sorted(missed))}.")
    return wrong + len(missed)


def _tidy(place: Path, problems: Sequence[str]) -> None:
    """Keep the place of a failure, with its description; remove any other."""
    if problems:
        (place / "wrong").write_text("\n".join(problems))
    else:
        shutil.rmtree(place)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/fire", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many (default: 200)")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first (default: 0)")
    parser.add_argument("--points", action="store_true", help="write points instead of seeds")
    parser.add_argument("--inputs", type=int, default=1500, help="size of a job (default: 1500)")
    parser.add_argument("--durability", default="process", choices=["none", "process", "machine"])
    parser.add_argument("--start-method", default="zygote", choices=["zygote", "spawn"])
    parser.add_argument("--transport", default="direct", choices=["direct", "zeromq"])
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time (default: 1)")
    parser.add_argument("--directory", default=None, help="where to work (default: $TMPDIR)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
