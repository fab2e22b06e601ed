"""The flights agent, run by the command in a real pool, says what the reference says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from support.flights import EXAMPLE, random_rows, row, run_program, write_data

TAMIAS = Path(sys.executable).with_name("tamias")


def _run(data: Path) -> subprocess.CompletedProcess[str]:
    """What the example's README tells people to type, with a small data set."""
    command: list[str | Path] = [TAMIAS, "run", f"{EXAMPLE / 'agent.py'}:FlightsAgent"]
    command += ["--key", "tailnum"]
    command += ["--input", data / "flights.csv", "--output", data / "out.jsonl"]
    command += ["--state", data / "state", "--workers", "2"]
    settings = {"FLIGHTS_DATA": str(data), "FLIGHTS_CALLS": str(data / "calls")}
    return subprocess.run(
        command,
        env={**os.environ, **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_line_is_as_computed_independently(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", random_rows(3000, seed=5))
    done = _run(data)
    assert done.returncode == 0, done.stderr
    checked = run_program("check.py", data / "out.jsonl", "--data", data, "--calls", data / "calls")
    assert checked.returncode == 0, checked.stdout
    # Nothing was killed, so nothing was looked up twice.
    assert "Look-ups made again after a kill: 0" in checked.stdout


def test_a_delay_that_is_no_number_is_set_aside_and_the_rest_goes_on(tmp_path: Path) -> None:
    rows = [row("N001", "20"), row("N001", "late"), row("N001", "30"), row("N002", "5")]
    data = write_data(tmp_path / "data", rows)
    done = _run(data)
    assert done.returncode == 3, done.stderr
    lines = [json.loads(line) for line in (data / "out.jsonl").read_text().splitlines()]
    assert sorted((line["offset"], line["output"]["delay"]) for line in lines) == [
        (0, 20),
        (2, 50),
        (3, 5),
    ]
