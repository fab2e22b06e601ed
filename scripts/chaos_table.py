"""Chaos for a terminal: `scripts/chaos`."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from support.chaos.checker import PROMISES, by_bad_code, judge
from support.chaos.drives import DRIVES, drive, faults_of, planned
from support.chaos.history import History
from support.chaos.plan import LENGTHY, Shape

if TYPE_CHECKING:
    from support.chaos.history import Operation

COLUMNS = "{:>6}  {:8} {:>7} {:>7} {:>6} {:>8} {:>8}  {}"


def main() -> int:
    """Do what the command line asks for; the exit code tells whether all was right."""
    options = _options()
    shape = Shape(faults=options.each)
    if options.judge:
        return _judge(options.judge)
    if options.plan is not None:
        for name in options.drives:
            for deed in planned(name, options.plan, shape):
                print(name, deed)
        return 0
    where = Path(tempfile.mkdtemp(prefix="tamias-chaos-", dir=options.directory))
    failed = _seeds(where, options, shape)
    if failed:
        print(f"What is left of the failures is in {where}.")
    else:
        shutil.rmtree(where)
    return 1 if failed else 0


def _seeds(where: Path, options: argparse.Namespace, shape: Shape) -> int:
    """Seed after seed, until enough has happened; how many went wrong."""
    print(COLUMNS.format("seed", "drive", "inputs", "faults", "lives", "MiB", "seconds", ""))
    faults: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    began = time.monotonic()
    failed: list[str] = []
    outcomes: Counter[str] = Counter()
    clearing = 0.0
    seed = options.first
    while sum(faults.values()) < options.faults:
        name = options.drives[seed % len(options.drives)]
        place = where / f"{name}-{seed}"
        place.mkdir()
        at = time.monotonic()
        verdict = drive(name, place, seed, shape)
        history = verdict.history
        found = faults_of(history)
        faults += found
        totals.update(
            inputs=len(history.submitted),
            answers=len(history.answers),
            letters=len(history.letters),
            spoilt=by_bad_code(history.letters),
            calls=len(history.calls),
            repeated=len(history.calls) - len({(call.i, call.name) for call in history.calls}),
            lives=len(history.lives),
            seeds=1,
        )
        outcomes.update(map(outcome_of, history.operations))
        clearing = max([clearing, *(life.clearing for life in history.lives)])
        rss = max((sample.rss for sample in history.samples), default=0) >> 20
        text = f"WRONG: {'; '.join(verdict.wrong)[:500]}" if verdict.wrong else "ok"
        seconds = f"{time.monotonic() - at:.1f}"
        counts = (len(history.submitted), sum(found.values()), len(history.lives), rss, seconds)
        print(COLUMNS.format(seed, name, *counts, text), flush=True)
        if verdict.wrong:
            failed.append(f"{name} {seed}")
            (place / "wrong").write_text("\n".join(verdict.wrong), encoding="utf-8")
        else:
            shutil.rmtree(place)
        seed += 1
    _tell(faults, totals, outcomes, time.monotonic() - began, clearing)
    print(f"{len(failed)} of {totals['seeds']} seeds wrong {failed or ''}")
    return len(failed)


def outcome_of(operation: Operation) -> str:
    """How a reload or a change of scale has ended, in few words."""
    outcome = operation.outcome.partition(":")[0]
    outcome = {
        "ReloadError": "rolled back",
        "NoAnswerError": "cut off",
        "PoolError": "cut off",
    }.get(outcome, outcome)
    return f"{operation.kind}: {outcome}"


def _tell(
    faults: Counter[str],
    totals: Counter[str],
    outcomes: Counter[str],
    seconds: float,
    clearing: float,
) -> None:
    for table in (faults, outcomes):
        print()
        for kind, count in sorted(table.items()):
            print(f"{count:>6}  {kind}")
    operations = sum(count for kind, count in faults.items() if kind.partition(":")[0] in LENGTHY)
    print(
        f"\n{sum(faults.values()):,} faults, {operations:,} of them reloads and changes of scale; "
        f"{totals['inputs']:,} inputs, {totals['letters']:,} dead letters ({totals['spoilt']:,} by "
        f"code that was rolled back), {totals['lives']:,} lives of launchers, "
        f"{totals['calls']:,} durable calls, {totals['repeated']:,} of them repeated because a "
        f"kill fell between call and record; the last process of a dead launcher was gone after "
        f"{clearing:.2f} s at most; {seconds:.0f} s"
    )


def _judge(path: Path) -> int:
    violations = judge(History.load(path))
    for violation in violations:
        print(f"promise {violation.promise} ({PROMISES[violation.promise]}): {violation.text}")
    print(f"{len(violations)} violations")
    return 1 if violations else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=1000, help="until so many (default: 1000)")
    parser.add_argument("--each", type=int, default=100, help="planned of a seed (default: 100)")
    parser.add_argument("--from", dest="first", type=int, default=0, help="first seed (default: 0)")
    parser.add_argument(
        "--drives",
        type=lambda text: text.split(","),
        default=list(DRIVES),
        help="take turns, by seed (default: all): " + ",".join(DRIVES),
    )
    parser.add_argument("--plan", type=int, metavar="SEED", help="print what a seed stands for")
    parser.add_argument("--judge", type=Path, metavar="HISTORY", help="judge a saved history")
    parser.add_argument("--directory", default=None, help="where to work (default: $TMPDIR)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
