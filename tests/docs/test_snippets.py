"""Every snippet of the documentation is run as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from support.house.pages import PAGES, Block, blocks, fits, transcript

BIN = Path(sys.executable).parent
PATIENCE = 240.0
OTHERS = re.compile("Failed to import GCSFileSystem")
"""Lines of others: of Beam, below PyFlink, where those of OpenTelemetry are installed, too."""


NEEDS = {"docs/flink.md": "pyflink", "docs/java.md": "pyflink", "docs/memory.md": "tokenizers"}
"""Pages with packages that may be missing: PyFlink has no wheels for each Python."""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", PAGES)
def test_the_snippets_of(page: str, tmp_path: Path) -> None:
    if page in NEEDS and find_spec(NEEDS[page]) is None:
        pytest.skip(f"{NEEDS[page]} is not installed")
    for block in blocks(page):
        if block.file is not None:
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
        elif block.runs and block.language == "python":
            _run_program(block, tmp_path)
        elif block.runs:
            _type(block, tmp_path)


@pytest.mark.parametrize("page", PAGES)
def test_no_python_is_shown_that_is_not_run(page: str) -> None:
    idle = [
        block.where
        for block in blocks(page)
        if block.language == "python" and not block.runs and block.file is None
    ]
    assert idle == []


def _run_program(block: Block, folder: Path) -> None:
    program = folder / "snippet.py"
    program.write_text(block.text, encoding="utf-8")
    done = _done([sys.executable, program.name], folder)
    assert done.returncode == 0, f"{block.where}\n{done.stdout}"


def _type(block: Block, folder: Path) -> None:
    for command, shown in transcript(block.text):
        done = _done(["bash", "-c", command], folder)
        found = "".join(line for line in done.stdout.splitlines(True) if not OTHERS.match(line))
        assert fits(shown, found), f"{block.where}: {command}\n{done.stdout}"


def _done(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """A command that has ended; what it wrote, on either way, is in its `stdout`."""
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
