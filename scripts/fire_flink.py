"""Seeded kills on a real Flink cluster, for as long as you like: `scripts/fire --flink`."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from support.flink.cluster import cluster
from support.flink.kills import Field, Outcome

KINDS = ("worker", "zygote", "launcher", "all of a pool", "task manager")
COLUMNS = "{:>6} {:>7} {:>7} {:>9} {:>14} {:>13} {:>9} {:>8} {:>9} {:>8}  {}"


def main() -> int:
    """Run the seeds that the command line asks for; the exit code tells whether all was right."""
    parser = argparse.ArgumentParser(prog="scripts/fire --flink", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="how many (default: 5)")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first (default: 0)")
    parser.add_argument("--kills", type=int, default=8, help="in each half of a job (default: 8)")
    parser.add_argument("--directory", default=None, help="where to work (default: $TMPDIR)")
    parser.add_argument("--waiting", action="store_true", help="with an agent whose runs wait")
    options = parser.parse_args()
    where = Path(tempfile.mkdtemp(prefix="tamias-fire-", dir=options.directory))
    wrong = []
    totals: Counter[str] = Counter()
    print(COLUMNS.format("seed", *KINDS, "restarts", "outputs", "repeated", "seconds", ""))
    for seed in range(options.first, options.first + options.seeds):
        text = "ok"
        place = where / str(seed)
        outcome = Outcome()
        try:
            # A cluster for each, so that one seed's trouble is not the next one's.
            with cluster(place, task_managers=2) as flink:
                field = Field(flink, place, seed, waits=options.waiting)
                outcome = field.outcome
                field.run(options.kills)
        except AssertionError as error:
            wrong.append(seed)
            text = f"WRONG: {str(error)[-1500:]}"
        else:
            shutil.rmtree(place)
        kills = [outcome.kills[kind] for kind in KINDS]
        figures = (outcome.restarts, outcome.outputs, outcome.repeated, f"{outcome.seconds:.0f}")
        print(COLUMNS.format(seed, *kills, *figures, text), flush=True)
        totals.update(outcome.kills, outputs=outcome.outputs)
    killed = ", ".join(f"{totals[kind]} x {kind}" for kind in KINDS)
    print(
        f"\n{options.seeds} seeds, {len(wrong)} wrong {wrong or ''}: killed were {killed};"
        f" {totals['outputs']} outputs"
    )
    if wrong:
        print(f"What is left of the failures is in {where}.")
    else:
        shutil.rmtree(where)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
