"""What `scripts/limits-check` runs."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from support.limits.trial import Kills, Trial, windows

_LEAST = 0.9


def main() -> int:
    """Run the trials; returns 1 if one has not kept to its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--seconds", type=float, default=150.0)
    parser.add_argument("--per-minute", type=int, default=600)
    parser.add_argument("--kill-worker", type=float, default=10.0, help="seconds between two")
    parser.add_argument("--kill-launcher", type=float, default=40.0, help="seconds between two")
    arguments = parser.parse_args()
    failed = False
    sys.stdout.write("workers  requests  killed: workers, launchers  in any 60 s: most, fewest\n")
    for workers in arguments.workers:
        with tempfile.TemporaryDirectory() as directory:
            trial = Trial(
                Path(directory),
                workers,
                {"api": {"requests-per-minute": arguments.per_minute}},
                inputs=int(arguments.per_minute * (arguments.seconds / 60 + 1)),
                kills=Kills(arguments.kill_worker, arguments.kill_launcher),
                seconds=arguments.seconds,
            ).run()
        fewest, most = windows(trial.arrivals)
        failed |= most > arguments.per_minute or fewest < _LEAST * arguments.per_minute
        deaths = trial.deaths
        sys.stdout.write(
            f"{workers:7}  {len(trial.arrivals):8}  {deaths['worker']:15}, {deaths['launcher']:9}"
            f"  {most:18}, {fewest:6}\n"
        )
        sys.stdout.flush()
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
