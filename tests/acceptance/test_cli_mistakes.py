"""Commands that cannot work as they stand: one clear error, exit code 2, nothing left behind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.cli import Folder

if TYPE_CHECKING:
    from pathlib import Path

RUN = ("run", "agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.inputs([1, 2, 3])
    return folder


def _refused(folder: Folder, *arguments: object, says: str) -> str:
    """Run a command that must be refused, and leave everything as it was."""
    before = folder.everything()
    done = folder.tamias(*arguments, code=2)
    assert done.stdout == ""
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert folder.everything() == before
    return done.stderr


def _with_target(target: str) -> tuple[str, ...]:
    return ("run", target, "-i", "in.jsonl", "-o", "out.jsonl")


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("nosuch.py:Counter", "There is no file nosuch.py"),
        ("nosuch:Counter", "There is no module nosuch"),
        ("os.nosuch:Counter", "There is no module os.nosuch"),
        ("nosuch.agents:Counter", "There is no module nosuch.agents"),
        (":Counter", "names no module"),
        ("agent.py:Conter", "Did you mean 'Counter'?"),
        ("agent.py:not_an_agent", "not an agent"),
        ("agent.py", "several agents: Counter, Other"),
        ("agent:Counter.count.nosuch", "has no 'Counter.count.nosuch'"),
    ],
)
def test_targets_that_are_no_agent(folder: Folder, target: str, says: str) -> None:
    _refused(folder, *_with_target(target), says=says)


def test_a_file_given_as_a_module(folder: Folder) -> None:
    (folder.path / "sub").mkdir()
    folder.write("sub/agent.py", "")
    error = _refused(folder, *_with_target("sub.agents:Counter"), says="There is no module")
    assert "sub/agent.py" not in error
    _refused(folder, *_with_target("sub.agent.py"), says="There is no file sub.agent.py")


def test_an_agent_that_does_not_import(folder: Folder) -> None:
    folder.write("broken.py", "import json\n\ndef helper():\n    return 1 / 0\n\nx = helper()\n")
    error = _refused(folder, *_with_target("broken.py:A"), says="ZeroDivisionError")
    assert 'broken.py", line 4, in helper' in error  # where it went wrong, in the user's own code
    assert "importlib" not in error


def test_an_agent_that_is_declared_wrongly(folder: Folder) -> None:
    folder.write(
        "wrong.py",
        "from tamias import Agent, InputEvent, action\n"
        "class A(Agent):\n"
        "    @action(InputEvent)\n"
        "    @staticmethod\n"
        "    def go(event):\n"
        "        pass\n",
    )
    _refused(folder, *_with_target("wrong.py:A"), says="go")


def test_after_a_mistake_the_right_command_works(folder: Folder) -> None:
    _refused(folder, *_with_target("agent.py:Conter"), says="Conter")
    folder.tamias(*RUN)
    assert len(folder.lines()) == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--durability", "eternal"), "one of none, process, machine"),
        (("--on-error", "shrug"), "one of fail, dead-letter, ignore"),
        (("--memory-limit", "lots"), "a size in bytes"),
        (("--run-timeout", "soon"), "a duration"),
        (("--max-attempts", "0"), "at least 1"),
        (("--workers", "99"), "16 shards"),
        (("--workers", "many"), "--workers"),
        (("--set", "workers"), "KEY=VALUE"),
        (("--set", "wrokers=2"), "Did you mean 'workers'?"),
        (("--config", "nosuch.yaml"), "nosuch.yaml"),
        (("--input-format", "xml"), "json, csv or tsv"),
        (("--nosuch",), "--nosuch"),
    ],
)
def test_settings_that_are_none(folder: Folder, arguments: tuple[str, ...], says: str) -> None:
    _refused(folder, *RUN, *arguments, says=says)


def test_a_configuration_file_that_is_none(folder: Folder) -> None:
    folder.write("bad.yaml", "agent: [1, 2\n")
    _refused(folder, *RUN, "--config", "bad.yaml", says="not valid YAML")
    folder.write("bad.yaml", "agent:\n  max-attempt: 2\n")
    _refused(folder, *RUN, "--config", "bad.yaml", says="Did you mean 'max-attempts'?")


def test_inputs_and_outputs_that_cannot_be(folder: Folder) -> None:
    run = ("run", "agent.py:Counter")
    _refused(folder, *run, "-i", "nosuch", "-o", "out.jsonl", says="There is no input")
    _refused(folder, *run, "-i", ".", "-o", "out.jsonl", says="is a directory")
    _refused(folder, *run, "-i", "in.jsonl", "-o", ".", says="is a directory")
    _refused(folder, *run, "-i", "in.jsonl", "-o", "no/out.jsonl", says="no directory no")
    _refused(folder, *run, "-i", "in.jsonl", "-o", "in.jsonl", says="is the input")
    (folder.path / "link.jsonl").symlink_to(folder.path / "in.jsonl")
    _refused(folder, *run, "-i", "in.jsonl", "-o", "link.jsonl", says="is the input")
    _refused(folder, *run, "-i", "in.jsonl", "--json", says="stdout")


def test_a_state_directory_of_something_else(folder: Folder) -> None:
    folder.tamias(*RUN)
    # of another agent
    other = ("run", "agent.py:Other", "-i", "in.jsonl", "-o", "out.jsonl")
    _refused(folder, *other, says="belongs to the agent agent:Counter")
    # of another job
    folder.inputs([1, 2, 3], name="other.jsonl")
    changed = ("run", "agent.py:Counter", "--state", "out.jsonl.tamias")
    _refused(folder, *changed, "-i", "other.jsonl", "-o", "out.jsonl", says="--input")
    _refused(folder, *changed, "-i", "in.jsonl", "-o", "new.jsonl", says="--output")
    _refused(folder, *RUN, "--ordered", says="no --ordered; this command has --ordered")
    _refused(folder, *RUN, "--key", "key", says="no --key; this command has --key key")
    # the same input by name, but another by content
    folder.inputs([7, 8, 9, 10])
    _refused(folder, *RUN, says="not the one this job was begun with")
    # of nobody
    _refused(folder, *RUN, "--state", ".", says="is not a state directory")
    for command in (["resume"], ["inspect"], ["status"], ["dead-letters", "list"]):
        _refused(folder, *command, "nosuch", says="is not a state directory")
        _refused(folder, *command, ".", says="is not a state directory")


def _manifest(folder: Folder, **changes: Any) -> None:
    path = folder.path / "out.jsonl.tamias" / "tamias.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_state_directory_of_a_newer_format(folder: Folder) -> None:
    folder.tamias(*RUN)
    _manifest(folder, format=99, tamias="9.9")
    for command in (RUN, ("resume", "out.jsonl.tamias"), ("inspect", "out.jsonl.tamias")):
        error = _refused(folder, *command, says="format 99")
        assert "tamias 9.9" in error


def test_a_state_directory_that_no_command_has_made(folder: Folder) -> None:
    folder.tamias(*RUN)
    _manifest(folder, job={})
    _refused(folder, "resume", "out.jsonl.tamias", says="not made by `tamias run`")
    _refused(folder, *RUN, says="not made by `tamias run`")


def test_the_state_of_a_service_is_carried_on_by_serve(folder: Folder) -> None:
    folder.tamias(*RUN)
    _manifest(folder, job={"input": {"kind": "service"}, "service": {}})
    for command in (RUN, ("resume", "out.jsonl.tamias")):
        assert "tamias serve TARGET" in _refused(folder, *command, says="the state of a service")


def test_a_damaged_manifest(folder: Folder) -> None:
    folder.tamias(*RUN)
    (folder.path / "out.jsonl.tamias" / "tamias.json").write_text("{")
    _refused(folder, *RUN, says="damaged")


def test_an_output_that_was_taken_away_or_cut(folder: Folder) -> None:
    folder.tamias(*RUN)
    path = folder.path / "out.jsonl"
    content = path.read_bytes()
    path.write_bytes(content[:10])
    _refused(folder, "resume", "out.jsonl.tamias", says="10 bytes long")
    path.unlink()
    _refused(folder, "resume", "out.jsonl.tamias", says="is gone")


def test_with_debug_our_own_traceback_is_shown(folder: Folder) -> None:
    environment = {"TAMIAS_DEBUG": "1"}
    before = folder.everything()
    import subprocess

    from support.cli import TAMIAS

    done = subprocess.run(
        [TAMIAS, "resume", "nosuch"],
        cwd=folder.path,
        env={"PATH": "/usr/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert folder.everything() == before
