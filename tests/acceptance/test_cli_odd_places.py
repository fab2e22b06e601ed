"""The command where things are not as usual: few open files, no working directory, alone."""

from __future__ import annotations

import gzip
import json
import os
import resource
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from support.cli import TAMIAS, Folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def run(folder: Folder, *command: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)),
        cwd=folder.path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **options,
    )


def test_endings_in_capitals_are_the_same(folder: Folder) -> None:
    with gzip.open(folder.path / "A.JSONL.GZ", "wt") as file:
        file.write(json.dumps({"key": "a", "value": 1}) + "\n")
    with gzip.open(folder.path / "B.CSV.Gz", "wt") as file:
        file.write("k,v\na,1\n")
    folder.write("C.TSV", "k\tv\na\t1\n")
    folder.tamias("run", "agent.py:Other", "-i", "A.JSONL.GZ", "-o", "a.jsonl")
    assert [line["output"] for line in folder.lines("a.jsonl")] == [1]
    for name in ("B.CSV.Gz", "C.TSV"):
        folder.tamias("run", "agent.py:Other", "-i", name, "-o", f"{name}.out", "--key", "k")
        assert [line["output"] for line in folder.lines(f"{name}.out")] == [{"k": "a", "v": "1"}]


def test_the_package_is_a_command_too(folder: Folder) -> None:
    folder.inputs([1])
    done = run(folder, sys.executable, "-m", "tamias", "run", "agent.py:Other", "-i", "in.jsonl")
    assert done.returncode == 0
    assert json.loads(done.stdout)["output"] == 1
    help_text = run(folder, sys.executable, "-m", "tamias", "--help").stdout
    assert help_text.split()[:2] == ["Usage:", "tamias"]


def limited(soft: int, hard: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("workers", "soft", "hard", "enough"),
    [(2, 64, 64, True), (1, 64, 64, False), (1, 40, 1000, True), (2, 20, 20, False)],
)
def test_few_open_files_are_enough_or_one_clear_error(
    folder: Folder,
    workers: int,
    soft: int,
    hard: int,
    enough: bool,  # noqa: FBT001 (of a table)
) -> None:
    folder.inputs([1, 2, 3])
    command = (TAMIAS, "run", "agent.py:Other", "-i", "in.jsonl", "-o", "out.jsonl", "-w", workers)
    done = run(folder, *command, preexec_fn=limited(soft, hard))
    if enough:
        assert done.returncode == 0, done.stderr
        assert len(folder.lines()) == 3
    else:
        assert done.returncode == 2
        assert f"open files, and {hard} are allowed" in done.stderr
        assert "ulimit -n" in done.stderr
        assert folder.everything() == {"agent.py", "in.jsonl"}


def test_a_working_directory_that_is_deleted_is_one_clear_error(folder: Folder) -> None:
    gone = folder.path / "gone"
    gone.mkdir()

    def delete() -> None:
        os.chdir(gone)
        gone.rmdir()

    for command in (("run", "agent.py:Other", "-i", "in.jsonl"), ("status", "state")):
        done = run(folder, TAMIAS, *command, preexec_fn=delete)
        assert done.returncode == 2
        assert done.stderr.splitlines()[0] == "error: The working directory has been deleted."
        gone.mkdir()


CONTAINED = """
import os, sys, time
from pathlib import Path
from tamias.cli.init import run_below_init
assert os.getpid() == 1
run_below_init()
if os.fork() == 0:  # the parent of an orphan
    if os.fork() == 0:
        time.sleep(0.05)
        os._exit(0)
    os._exit(0)
os.wait()
def children_of_the_first():
    texts = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat")]
    stats = [text.rpartition(")")[2].split() for text in texts]
    return [fields[0] for fields in stats if fields[1] == "1"]
assert len(children_of_the_first()) == 2  # the orphan, and this process
while len(children_of_the_first()) > 1:
    time.sleep(0.01)
sys.exit(7)
"""


def test_the_first_process_of_a_container_collects_orphans(folder: Folder) -> None:
    alone = ("unshare", "--pid", "--fork", "--mount-proc")
    try:
        if run(folder, *alone, "true").returncode != 0:
            pytest.skip("this user may not make a namespace of processes")
    except FileNotFoundError:
        pytest.skip("there is no unshare")
    assert run(folder, *alone, sys.executable, "-c", CONTAINED).returncode == 7
    folder.inputs([1])
    done = run(folder, *alone, TAMIAS, "run", "agent.py:Other", "-i", "in.jsonl")
    assert done.returncode == 0
    assert json.loads(done.stdout)["output"] == 1
