"""`tamias run`: inputs of every kind, outputs to every place, settings from every side."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from support.cli import Folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_every_input_gives_its_output_once(folder: Folder) -> None:
    folder.inputs(list(range(1000)))
    done = folder.tamias("run", "agent.py:Counter", "--input", "in.jsonl", "--output", "out.jsonl")
    assert done.stdout == ""
    lines = folder.lines()
    assert sorted(line["offset"] for line in lines) == list(range(1000))
    for key in range(5):
        counts = [line["output"][1] for line in lines if line["key"] == f"k{key}"]
        assert counts == list(range(1, 201))  # in the order of the inputs
    # The summary says where things are.
    assert "1,000 inputs" in done.stderr
    assert "out.jsonl" in done.stderr
    assert "out.jsonl.tamias" in done.stderr


def test_ordered_lines_come_in_input_order(folder: Folder) -> None:
    folder.inputs(list(range(2000)), keys=50)
    folder.tamias("run", "agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl", "--ordered")
    assert [line["offset"] for line in folder.lines()] == list(range(2000))


def test_outputs_on_stdout_and_nothing_else(folder: Folder) -> None:
    folder.inputs(list(range(100)))
    done = folder.tamias("run", "agent.py:Counter", "-i", "in.jsonl")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(line["offset"] for line in lines) == list(range(100))
    assert folder.everything() == {"agent.py", "in.jsonl"}  # the state was temporary


def test_stdin_is_an_input(folder: Folder) -> None:
    text = "".join(json.dumps({"k": n, "v": n}) + "\n" for n in range(50))
    done = folder.tamias("run", "agent.py:Counter", "-i", "-", "--ordered", stdin=text)
    assert [json.loads(line)["key"] for line in done.stdout.splitlines()] == list(range(50))


def test_a_key_field_makes_the_object_the_value(folder: Folder) -> None:
    folder.write("in.jsonl", '{"plane": "N1", "late": 3}\n{"plane": "N2", "late": 5}\n')
    folder.tamias("run", "agent.py:Other", "-i", "in.jsonl", "-o", "out.jsonl", "--key", "plane")
    found = {line["key"]: line["output"] for line in folder.lines()}
    assert found == {"N1": {"plane": "N1", "late": 3}, "N2": {"plane": "N2", "late": 5}}


def test_csv_by_name_or_by_flag_also_compressed(folder: Folder) -> None:
    text = "plane,late\nN1,3\nN2,\n"
    with gzip.open(folder.path / "in.csv.gz", "wt") as file:
        file.write(text)
    folder.write("in.txt", text)
    arguments = ("run", "agent.py:Other", "--key", "plane", "--ordered")
    folder.tamias(*arguments, "-i", "in.csv.gz", "-o", "1.jsonl")
    folder.tamias(*arguments, "-i", "in.txt", "-o", "2.jsonl", "--input-format", "csv")
    expected = [{"plane": "N1", "late": "3"}, {"plane": "N2", "late": None}]
    assert [line["output"] for line in folder.lines("1.jsonl")] == expected
    assert [line["output"] for line in folder.lines("2.jsonl")] == expected


def test_an_agent_in_a_module(folder: Folder) -> None:
    package = folder.path / "my" / "agents"
    package.mkdir(parents=True)
    (folder.path / "agent.py").rename(package / "counting.py")
    folder.inputs([1, 2, 3])
    folder.tamias("run", "my.agents.counting:Counter", "-i", "in.jsonl", "-o", "out.jsonl")
    assert len(folder.lines()) == 3
    # The job knows where it was begun: it can be carried on from anywhere.
    folder.inputs([1, 2, 3, 4])
    state = folder.path / "out.jsonl.tamias"
    elsewhere = Folder(package)
    elsewhere.tamias("resume", state)
    assert len(folder.lines()) == 4


def test_json_report(folder: Folder) -> None:
    folder.inputs([1, 2, "raise"])
    done = folder.tamias(
        "run", "agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl", "--json", "--quiet", code=3
    )
    report = json.loads(done.stdout)
    assert report["finished"] is True
    assert report["exit_code"] == 3
    assert (report["events"], report["outputs"], report["dead_letters"]) == (3, 2, 1)
    assert report["retries"] == 2
    assert report["state"] == str(folder.path / "out.jsonl.tamias")


def test_quiet_is_quiet_when_all_is_well(folder: Folder) -> None:
    folder.inputs([1, 2])
    done = folder.tamias("run", "agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl", "-q")
    assert (done.stdout, done.stderr) == ("", "")


def test_flags_stand_above_set_above_the_file(folder: Folder) -> None:
    folder.inputs(["raise"])
    folder.write("settings.yaml", "agent:\n  max-attempts: 2\n  workers: 1\n")

    def attempts(name: str, *more: str) -> int:
        command = ("run", "agent.py:Counter", "-i", "in.jsonl", "-o", name, "-c", "settings.yaml")
        folder.tamias(*command, *more, code=3)
        number: int = folder.dead_letters(f"{name}.tamias")[0]["attempts"]
        return number

    assert attempts("1") == 2
    assert attempts("2", "--set", "max-attempts=4") == 4
    assert attempts("3", "--set", "max-attempts=4", "--max-attempts", "5") == 5


def test_repeating_a_finished_command_changes_nothing(folder: Folder) -> None:
    folder.inputs(list(range(10)))
    command = ("run", "agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl")
    folder.tamias(*command)
    before = (folder.path / "out.jsonl").read_bytes()
    assert "done before" in folder.tamias(*command).stderr
    assert (folder.path / "out.jsonl").read_bytes() == before


def test_an_input_that_has_grown_is_carried_on_with(folder: Folder) -> None:
    folder.inputs(list(range(10)))
    command = ("run", "agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl")
    folder.tamias(*command)
    folder.inputs(list(range(25)))
    folder.tamias(*command)
    assert sorted(line["offset"] for line in folder.lines()) == list(range(25))
    assert folder.memory("k0")["n"] == 5


def test_an_existing_output_is_emptied_only_if_asked(folder: Folder) -> None:
    folder.inputs([1])
    folder.write("out.jsonl", "precious\n")
    command = ("run", "agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl")
    assert "--overwrite" in folder.tamias(*command, code=2).stderr
    assert (folder.path / "out.jsonl").read_text() == "precious\n"
    folder.tamias(*command, "--overwrite")
    assert len(folder.lines()) == 1


def test_a_reader_that_has_seen_enough_is_no_error(folder: Folder) -> None:
    folder.inputs(list(range(20_000)))
    with folder.started("run", "agent.py:Counter", "-i", "in.jsonl") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        process.wait()
        assert "error" not in process.stderr.read()


def test_help_says_what_there_is(folder: Folder) -> None:
    text = folder.tamias("--help").stdout
    for command in ("run", "resume", "status", "inspect", "dead-letters", "doctor"):
        assert f"\n  {command}" in text
    assert "130" in text
    assert folder.tamias("--version").stdout.startswith("tamias ")
