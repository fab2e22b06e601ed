"""In a mini-cluster: the flights agent, unchanged, over a table and over a stream."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support import flights, flink_outputs

pytest.importorskip("pyflink", reason="PyFlink is not installed: it has no wheels for this Python")

pytestmark = pytest.mark.timeout(900)


@pytest.mark.parametrize("kind", ["table", "stream"])
def test_the_flights_agent_gives_the_same_as_without_flink(tmp_path: Path, kind: str) -> None:
    data = flights.write_data(tmp_path / "data", flights.random_rows(1500, 3))
    program = [sys.executable, str(flights.EXAMPLE / "flink.py"), str(tmp_path / "out")]
    options = ["--data", str(data), "--from", kind, "--parallelism", "2"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [*program, *options],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert flights.by_key(flink_outputs.lines(tmp_path / "out")) == flights.expected(data)
