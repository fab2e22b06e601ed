"""Jobs whose workers have another Python than the command, with packages of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.cli import Folder, is_dead, pool_of, wait_for
from support.environments.pythons import (
    HERE,
    from_folder,
    other_python,
    other_pythons,
    shared_cache,
    slow_project,
    tarred,
    warm,
    wheel,
)
from tamias.environments.interpreters import find

if TYPE_CHECKING:
    from collections.abc import Iterator

AGENT = """
import os, sys, time
from pathlib import Path

import tiny
from tamias import Agent, InputEvent, OutputEvent, action

class Teller(Agent):
    @action(InputEvent)
    @staticmethod
    def tell(event, ctx):
        memory = ctx.short_term_memory
        memory.set("n", (memory.get("n") or 0) + 1)
        if event.input == "wait":
            Path("waiting").touch()
            while not Path("go").exists():
                time.sleep(0.005)
        if event.input == "raise" and not Path("repaired").exists():
            raise ValueError("trouble")
        version = "%d.%d" % sys.version_info[:2]
        ctx.send_event(OutputEvent(output=[version, tiny.VERSION, memory.get("n")]))
"""


@pytest.fixture(scope="module")
def cache(pytestconfig: pytest.Config) -> Iterator[str]:
    with shared_cache(pytestconfig) as folder:
        yield str(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.write("teller.py", AGENT)
    for version in (1, 2):
        wheel(tmp_path, "tiny", f"{version}.0", {"tiny.py": f"VERSION = {version}\n"})
        lines = from_folder(tmp_path, f"tiny=={version}.0")
        folder.write(f"tiny{version}.txt", "\n".join(lines))
    return folder


def _run(
    folder: Folder, cache: str, *flags: object, **options: Any
) -> subprocess.CompletedProcess[str]:
    return folder.tamias(
        *("run", "teller.py:Teller", "--input", "in.jsonl", "--workers", 2, *flags),
        TAMIAS_CACHE=cache,
        **options,
    )


def _outputs(folder: Folder, name: str = "out.jsonl") -> list[Any]:
    return [line["output"] for line in sorted(folder.lines(name), key=lambda line: line["offset"])]


def test_two_interpreters_with_two_versions_of_a_package(folder: Folder, cache: str) -> None:
    folder.inputs([1, 2, 3, 4], keys=2)
    first = "{}.{}".format(*other_python().minor)
    second = "{}.{}".format(*other_pythons()[0].minor) if len(other_pythons()) > 1 else HERE
    warm(Path(cache), find(second))
    for version, python, start in ((1, first, "zygote"), (2, second, "spawn")):
        flags = ("--python", python, "--requirements", f"tiny{version}.txt")
        out = f"out{version}.jsonl"
        _run(folder, cache, "--output", out, *flags, "--set", f"start-method={start}")
        assert _outputs(folder, out) == [[python, version, n] for n in (1, 1, 2, 2)]


def test_resuming_and_retrying_use_the_same_environment(folder: Folder, cache: str) -> None:
    folder.inputs([1, "raise", 3, "wait", 5], keys=1)
    python = "{}.{}".format(*other_python().minor)
    command = ("run", "teller.py:Teller", "--input", "in.jsonl", "--output", "out.jsonl")
    flags = ("--python", python, "--requirements", "tiny1.txt", "--max-attempts", 1)
    with folder.started(*command, *flags, TAMIAS_CACHE=cache) as process:
        wait_for((folder.path / "waiting").exists)
        process.kill()
    (folder.path / "go").touch()
    folder.tamias("resume", "out.jsonl.tamias", code=3, TAMIAS_CACHE=cache)
    (folder.path / "repaired").touch()
    folder.tamias("dead-letters", "retry", "out.jsonl.tamias", "--all", TAMIAS_CACHE=cache)
    outputs = _outputs(folder)
    assert [output[:2] for output in outputs] == [[python, 1]] * 5
    status = folder.tamias("status", "out.jsonl.tamias", "--json").stdout
    assert json.loads(status)["environment"]["python"] == python
    told = f"Python {python}, requirements of tiny1.txt"
    assert f"workers have {told}" in folder.tamias("status", "out.jsonl.tamias").stdout
    assert told in folder.tamias("doctor", "out.jsonl.tamias").stdout


def test_a_packed_environment_as_interpreter(folder: Folder, cache: str) -> None:
    folder.inputs([1, 2], keys=1)
    base = other_python()
    venv = folder.path / "venv"
    subprocess.run([base.path, "-m", "venv", "--without-pip", venv], check=True)
    (site,) = venv.glob("lib/python3*/site-packages")
    (site / "tiny.py").write_text("VERSION = 'packed'\n")
    tarred(venv, folder.path / "packed.tar.gz")
    python = "packed/bin/python"
    _run(folder, cache, "--output", "out.jsonl", "--archive", "packed.tar.gz", "--python", python)
    version = "{}.{}".format(*base.minor)
    assert _outputs(folder) == [[version, "packed", 1], [version, "packed", 2]]


def test_variables_paths_and_a_working_directory(folder: Folder, cache: str) -> None:
    folder.write(
        "teller.py",
        AGENT.replace(
            "version = ",
            "return ctx.send_event(OutputEvent(output=[os.getcwd(), "
            "os.environ['A'], os.environ['B'], os.environ.get('C')]))\n        version = ",
        ),
    )
    (folder.path / "lib").mkdir()
    (folder.path / "lib" / "tiny.py").write_text("VERSION = 3\n")
    folder.inputs([1], keys=1)
    flags = ("--cwd", "lib", "--pythonpath", "lib", "--env", "A=b=c", "--env", "B")
    _run(folder, cache, "--output", "out.jsonl", *flags, B="from here", C="not asked for")
    assert _outputs(folder) == [[str(folder.path / "lib"), "b=c", "from here", None]]


def test_a_requirement_that_cannot_be_found_leaves_a_job_as_it_was(
    folder: Folder, cache: str
) -> None:
    folder.inputs([1, 2], keys=1)
    python = "{}.{}".format(*other_python().minor)
    flags = ("--output", "out.jsonl", "--python", python, "--requirements", "tiny1.txt")
    _run(folder, cache, *flags)
    before = {path: path.read_bytes() for path in folder.path.glob("out*/**/*") if path.is_file()}
    folder.write("tiny1.txt", "\n".join(from_folder(folder.path, "tiny==3.0")))
    error = _run(folder, cache, *flags, code=2).stderr
    assert "Could not install the requirements" in error
    assert "No matching distribution found for tiny==3.0" in error
    assert before == {
        path: path.read_bytes() for path in folder.path.glob("out*/**/*") if path.is_file()
    }


def test_a_mistake_leaves_nothing_behind(folder: Folder, cache: str) -> None:
    folder.inputs([1])
    there = folder.everything()
    for flags, told in (
        (("--python", "3.99"), "No Python 3.99 was found"),
        (("--python", "nowhere/python"), "There is no interpreter"),
        (("--requirements", "missing.txt"), "cannot be read"),
        (("--archive", "teller.py"), "cannot be unpacked"),
        (("--archive", "missing.zip"), "cannot be read"),
        (("--cwd", "nowhere"), "There is no directory"),
        (("--env", "NOT_SET_ANYWHERE"), "there is no such variable here"),
        (("--set", "environment.pyhton=3"), "there is no such setting"),
    ):
        error = _run(folder, cache, "--output", "out.jsonl", *flags, code=2).stderr
        assert told in error, error
        assert folder.everything() == there


def test_an_agent_that_does_not_import_in_its_environment_is_an_error(
    folder: Folder, cache: str
) -> None:
    folder.inputs([1])
    there = folder.everything()
    python = "{}.{}".format(*other_python().minor)
    error = _run(folder, cache, "--output", "out.jsonl", "--python", python, code=2).stderr
    assert "No module named 'tiny'" in error
    assert folder.everything() == there


def test_a_killed_command_leaves_no_process_and_is_repeated(folder: Folder, cache: str) -> None:
    folder.inputs([1, 2], keys=1)
    project, marks = slow_project(folder.path), folder.path / "marks"
    wanted = [*from_folder(folder.path, "tiny==1.0"), str(project)]
    folder.write("all.txt", "\n".join(wanted))
    command = ("run", "teller.py:Teller", "--input", "in.jsonl", "--output", "out.jsonl")
    python = "{}.{}".format(*other_python().minor)
    flags = ("--python", python, "--requirements", "all.txt")
    with folder.started(*command, *flags, TAMIAS_CACHE=cache) as process:
        wait_for((marks / "begun").exists)
        tools = pool_of(process)
        process.kill()
        process.wait()
    for tool in tools:
        wait_for(lambda tool=tool: is_dead(tool))  # type: ignore[misc]
    assert "out.jsonl" not in folder.everything()
    (marks / "go").touch()
    folder.tamias(*command, *flags, TAMIAS_CACHE=cache)
    assert _outputs(folder) == [[python, 1, 1], [python, 1, 2]]


def test_what_is_there_is_listed_and_what_is_not_in_use_is_pruned(
    folder: Folder, tmp_path: Path
) -> None:
    # This interpreter's own environment needs no libraries of ours: the cache can be a new one.
    (folder.path / "lib").mkdir()
    (folder.path / "lib" / "tiny.py").write_text("VERSION = 3\n")
    cache = str(tmp_path / "cache")
    folder.inputs(["wait"], keys=1)
    command = ("run", "teller.py:Teller", "--input", "in.jsonl", "--output", "out.jsonl")
    flags = ("--python", sys.executable, "--file", "lib", "--pythonpath", "lib")
    with folder.started(*command, *flags, TAMIAS_CACHE=cache) as process:
        wait_for((folder.path / "waiting").exists)
        listed = [json.loads(line) for line in _env(folder, cache, "list")]
        (entry,) = (each for each in listed if each["kind"] == "env")
        assert entry["in_use"]
        assert entry["python"] == "{}.{}.{}".format(*sys.version_info)
        assert entry["size"] > 0
        assert Path(entry["path"]).is_dir()
        assert not any(json.loads(line)["removed"] for line in _env(folder, cache, "prune"))
        (folder.path / "go").touch()
        assert process.wait() == 0
    assert all(json.loads(line)["removed"] for line in _env(folder, cache, "prune"))
    assert list(Path(cache).iterdir()) == []
    assert "Nothing is in" in folder.tamias("env", "list", TAMIAS_CACHE=cache).stdout


def _env(folder: Folder, cache: str, command: str) -> list[str]:
    return folder.tamias("env", command, "--json", TAMIAS_CACHE=cache).stdout.splitlines()
