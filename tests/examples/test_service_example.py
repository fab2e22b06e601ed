"""The example of a service: its client may run as often as it likes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from support.cli import Folder

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "service"


def test_a_client_that_runs_twice_counts_once(tmp_path: Path) -> None:
    command = (
        "serve",
        EXAMPLE / "counter.py:Counter",
        "--state",
        "state",
        "--workers",
        1,
        "--json",
    )
    with Folder(tmp_path).started(*command) as process:
        assert process.stdout is not None
        told = [json.loads(process.stdout.readline())]
        outputs = [
            subprocess.run(
                [sys.executable, EXAMPLE / "client.py", tmp_path / "state"],
                check=True,
                capture_output=True,
                text=True,
                timeout=60,
            ).stdout
            for _ in range(2)
        ]
        process.terminate()
        told += [json.loads(line) for line in process.communicate(timeout=60)[0].splitlines()]
    assert outputs[0] == outputs[1]
    assert outputs[0].splitlines()[-1] == "1000 user9 [100]"
    assert [event["event"] for event in told] == ["ready", "stopped"]
    assert told[-1]["events"] == 1000
