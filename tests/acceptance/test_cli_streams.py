"""Commands whose standard streams are closed: they work, or say what is closed."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from support.cli import TAMIAS, Folder

if TYPE_CHECKING:
    from pathlib import Path

RUN = "run agent.py:Counter -i in.jsonl"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.inputs([1, 2, 3])
    return folder


def shell(folder: Folder, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of tamias in a shell, with what the shell is to do to its streams."""
    return subprocess.run(
        ["/bin/sh", "-c", f"exec {TAMIAS} {command}"],
        cwd=folder.path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_job_between_files_needs_no_stream(folder: Folder, closed: str) -> None:
    done = shell(folder, f"{RUN} -o out.jsonl {closed}")
    assert (done.returncode, done.stdout) == (0, "")
    assert "error" not in done.stderr
    assert len(folder.lines()) == 3  # and nothing that a stream was meant for


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (f"{RUN} >&-", "Standard output is closed, and is the output."),
        ("run agent.py:Counter -i - -o out.jsonl <&-", "Standard input is closed, and is the"),
    ],
)
def test_a_closed_stream_that_a_job_would_use(folder: Folder, command: str, says: str) -> None:
    done = shell(folder, command)
    assert done.returncode == 2
    assert says in done.stderr
    assert folder.everything() == {"agent.py", "in.jsonl"}


@pytest.mark.parametrize(
    ("stdout", "why"),
    [(">&-", "Bad file descriptor"), (">/dev/full", "No space left on device")],
)
def test_a_result_that_cannot_be_printed(folder: Folder, stdout: str, why: str) -> None:
    folder.tamias(*RUN.split(), "-o", "out.jsonl")
    for command in ("status out.jsonl.tamias", "inspect out.jsonl.tamias --key k0 --json"):
        done = shell(folder, f"{command} {stdout}")
        assert done.returncode == 1
        assert done.stderr == f"error: Cannot write to standard output: {why}.\n"


def test_colons_in_messages_stay(folder: Folder) -> None:
    done = shell(folder, "run nosuch:a:b -i in.jsonl")
    assert "nosuch:a" in done.stderr
