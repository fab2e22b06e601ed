"""Programs of Flink Agents, each in a process of its own: the package changes tamias's events."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

PACKAGE = Path(__file__).parents[3] / "flink_agents" / "package"

RunProgram = Callable[..., str]


@pytest.fixture
def run_program(tmp_path: Path) -> RunProgram:
    """Run a program in a dialect, and return what it prints."""

    def run(program: str, dialect: str = "0.3") -> str:
        path = tmp_path / "program.py"
        path.write_text(dedent(program), encoding="utf-8")
        known = os.environ.get("PYTHONPATH")
        places = [str(PACKAGE), *([known] if known else [])]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(places),
            "TAMIAS_FLINK_AGENTS": dialect,
        }
        done = subprocess.run(
            [sys.executable, str(path)],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
