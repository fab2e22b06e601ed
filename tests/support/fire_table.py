"""The long-running version of the fire tests: `scripts/fire`."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support.fire import Outcome, Shape
from support.fire_random import under_fire

COLUMNS = "{:>6} {:>6} {:>7} {:>7} {:>9} {:>6} {:>8} {:>7}  {}"


def main() -> int:
    """Run the seeds; the exit code tells whether all were right."""
    options = _options()
    base = Shape(
        inputs=options.inputs,
        config={"durability": options.durability, "start-method": options.start_method},
    )
    where = Path(tempfile.mkdtemp(prefix="tamias-fire-", dir=options.directory))
    print(COLUMNS.format(*"seed lives worker zygote launcher calls repeated seconds".split(), ""))
    totals: Counter[str] = Counter()
    failed: list[int] = []
    began = time.monotonic()

    def one(seed: int) -> tuple[int, Outcome]:
        field, outcome = under_fire(where / str(seed), seed, base)
        if outcome.wrong:
            (where / str(seed) / "wrong").write_text(
                "\n".join([*outcome.wrong, field.last_words()])
            )
        else:
            shutil.rmtree(where / str(seed))
        return seed, outcome

    with ThreadPoolExecutor(options.jobs) as pool:
        for seed, outcome in pool.map(one, range(options.first, options.first + options.seeds)):
            kills = [outcome.kills.get(what, 0) for what in ("worker", "zygote", "launcher")]
            text = "ok" if not outcome.wrong else "WRONG: " + "; ".join(outcome.wrong)[:300]
            print(
                COLUMNS.format(
                    seed, outcome.lives, *kills, outcome.calls, outcome.repeated,
                    f"{outcome.seconds:.1f}", text,
                ),
                flush=True,
            )  # fmt: skip
            totals.update(outcome.kills, calls=outcome.calls, repeated=outcome.repeated)
            if outcome.wrong:
                failed.append(seed)
    print(
        f"\n{options.seeds} seeds, {len(failed)} wrong {failed or ''}: "
        f"{totals['worker']} workers, {totals['zygote']} zygotes and {totals['launcher']} launchers "
        f"killed; {totals['calls']} durable calls, {totals['repeated']} of them repeated because a "
        f"kill fell between call and record; {time.monotonic() - began:.0f} s"
    )
    if failed:
        print(f"What is left of the failures is in {where}.")
    else:
        where.rmdir()
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many (default: 200)")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first (default: 0)")
    parser.add_argument("--inputs", type=int, default=1500, help="size of a job (default: 1500)")
    parser.add_argument("--durability", default="process", choices=["none", "process", "machine"])
    parser.add_argument("--start-method", default="zygote", choices=["zygote", "spawn"])
    parser.add_argument("--jobs", type=int, default=1, help="seeds at a time (default: 1)")
    parser.add_argument("--directory", default=None, help="where to work (default: $TMPDIR)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
