"""In a mini-cluster: the flights agent, inputs of all forms, and what a job brings along."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from support import flights
from support.flink import outputs

pytest.importorskip("pyflink", reason="PyFlink is not installed: it has no wheels for this Python")

pytestmark = pytest.mark.timeout(900)

SUPPORT = Path(__file__).parents[1] / "support" / "flink"


def run(program: Path, *arguments: object) -> str:
    """What the program prints."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, str(program), *map(str, arguments)],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ["table", pytest.param("stream", marks=pytest.mark.nightly)])
def test_the_flights_agent_gives_the_same_as_without_flink(tmp_path: Path, kind: str) -> None:
    data = flights.write_data(tmp_path / "data", flights.random_rows(1500, 3))
    out = tmp_path / "out"
    run(flights.EXAMPLE / "flink.py", out, "--data", data, "--from", kind, "--parallelism", 2)
    assert flights.by_key(outputs.lines(out)) == flights.expected(data)


def test_inputs_and_outputs_of_all_forms(tmp_path: Path) -> None:
    run(SUPPORT / "inputs_job.py", tmp_path)
    numbers = range(60)

    def counts(name: str) -> list[tuple[object, int]]:
        found = [(line["key"], line["count"]) for line in outputs.lines(tmp_path / name)]
        return sorted(found, key=str)

    def values(name: str) -> list[object]:
        found = [line["value"] for line in outputs.lines(tmp_path / name)]
        return sorted(found, key=str)

    def expected(key: object = lambda n: n % 7) -> list[tuple[object, int]]:
        sizes = Counter(key(n) for n in numbers)  # type: ignore[operator]
        pairs = [(key, count) for key, size in sizes.items() for count in range(1, size + 1)]
        return sorted(pairs, key=str)

    for name in ("selector", "function", "keyed", "rows"):
        assert counts(name) == expected(), name
    assert counts("keyed-rows") == expected(lambda n: f"key {n % 7}")
    assert counts("table") == [pair for pair in expected() if pair[1] > 1]
    rows = sorted(({"n": n, "text": f"text {n}"} for n in numbers), key=str)
    assert values("selector") == values("keyed-rows") == rows
    assert values("function") == sorted(({"n": n} for n in numbers), key=str)
    assert values("keyed") == sorted(numbers, key=str)


def test_the_agent_has_what_the_job_brings_along(tmp_path: Path) -> None:
    found = json.loads(run(SUPPORT / "dependencies_job.py", tmp_path).splitlines()[-1])
    brought = {
        "file": "shipped",
        "wheel": "installed",
        "archive": "unpacked",
        "started by": "archive",
    }
    assert sorted(found, key=lambda told: told["n"]) == [{**brought, "n": n} for n in range(3)]
