"""Inputs that no agent can use, and inputs that an agent cannot stand: they are set aside."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from support.cli import Folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_malformed_lines_and_missing_keys(folder: Folder) -> None:
    folder.write(
        "in.jsonl",
        '{"key": "a", "value": 1}\n'
        '{"key": "a", "value":\n'
        '{"value": 1}\n'
        '{"key": "a"}\n'
        "[1, 2]\n"
        "\n"
        '{"key": {"no": "scalar"}, "value": 1}\n'
        '{"key": "a", "value": 2}\n',
    )
    done = folder.tamias("run", "agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl", code=3)
    assert [line["output"] for line in folder.lines()] == [[1, 1], [2, 2]]
    assert "5 inputs are in the dead letters" in done.stderr
    letters = folder.dead_letters()
    assert [letter["offset"] for letter in letters] == [1, 2, 3, 4, 5]
    assert {letter["cause"] for letter in letters} == {"bad-input"}
    assert "line 2: not JSON" in letters[0]["error"]
    assert "'key' or 'k'" in letters[1]["error"]
    assert "line 7" in letters[4]["error"]  # the blank line is none of the inputs


def test_a_missing_key_field(folder: Folder) -> None:
    folder.write("in.jsonl", '{"plane": "a"}\n{"airplane": "b"}\n')
    folder.tamias(
        "run", "agent.py:Other", "-i", "in.jsonl", "-o", "out.jsonl", "--key", "plane", code=3
    )
    assert [line["key"] for line in folder.lines()] == ["a"]
    assert "'plane'" in folder.dead_letters()[0]["error"]


def test_a_csv_without_the_key_column_is_the_commands_mistake(folder: Folder) -> None:
    folder.write("in.csv", "plane,late\nN1,3\n")
    done = folder.tamias("run", "agent.py:Other", "-i", "in.csv", "--key", "plain", code=2)
    assert "Did you mean 'plane'?" in done.stderr


def test_a_value_of_64_mib(folder: Folder) -> None:
    size = 64 << 20
    with (folder.path / "in.jsonl").open("w") as file:
        file.write('{"key": "a", "value": 1}\n{"key": "a", "value": "')
        file.write("x" * size)
        file.write('"}\n{"key": "a", "value": 2}\n')
    folder.tamias("run", "agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl")
    assert [line["output"] for line in folder.lines()] == [[1, 1], [size, 2], [2, 3]]


def test_a_huge_dead_letter_comes_back(folder: Folder) -> None:
    size = 64 << 20
    with (folder.path / "in.jsonl").open("w") as file:
        file.write('{"key": "a", "value": {"big": "')
        file.write("x" * size)
        file.write('", "then": "fail"}}\n')
    folder.write(
        "big.py",
        "from pathlib import Path\n"
        "from tamias import Agent, InputEvent, OutputEvent, action\n"
        "class Big(Agent):\n"
        "    @action(InputEvent)\n"
        "    @staticmethod\n"
        "    def go(event, ctx):\n"
        "        if not (Path(__file__).parent / 'repaired').exists():\n"
        "            raise ValueError('no')\n"
        "        ctx.send_event(OutputEvent(output=event.input['big']))\n",
    )
    folder.tamias("run", "big.py:Big", "-i", "in.jsonl", "-o", "out.jsonl", code=3)
    shown = folder.tamias("dead-letters", "show", "out.jsonl.tamias", 0).stdout
    assert "64.0 MiB in all" in shown
    assert len(shown) < 10_000
    folder.write("repaired", "")
    folder.tamias("dead-letters", "retry", "out.jsonl.tamias", "--all")
    assert len(folder.lines()[0]["output"]) == size


def test_an_output_that_has_no_json_form(folder: Folder) -> None:
    folder.inputs([1, "object", 2], keys=1)
    folder.tamias("run", "agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl", code=3)
    assert [line["output"] for line in folder.lines()] == [[1, 1], [2, 2]]
    (letter,) = folder.dead_letters()
    assert letter["cause"] == "unserializable"
    assert "type object" in letter["error"]
    shown = folder.tamias("dead-letters", "show", "out.jsonl.tamias", 1).stdout
    assert "agent.py" in shown
    assert "worker/" not in shown  # the traceback is the agent's, not ours


def test_an_exception_is_tried_again_and_set_aside(folder: Folder) -> None:
    folder.inputs([1, "raise", 2], keys=1)
    folder.tamias(
        "run", "agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl", "--max-attempts", 4, code=3
    )
    assert [line["output"] for line in folder.lines()] == [[1, 1], [2, 2]]
    (letter,) = folder.dead_letters()
    assert (letter["offset"], letter["key"], letter["attempts"]) == (1, "k0", 4)
    assert letter["error"] == "ValueError: this is trouble"
    assert letter["action"] == "count"
    shown = json.loads(
        folder.tamias("dead-letters", "show", "out.jsonl.tamias", 1, "--json").stdout
    )
    assert shown["input"] == "raise"
    assert 'raise ValueError("this is trouble")' in shown["traceback"]


def test_an_input_that_kills_its_worker_is_found(folder: Folder) -> None:
    folder.inputs([*range(50), "crash", *range(50)], keys=7)
    folder.tamias("run", "agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl", code=3)
    assert sorted(line["offset"] for line in folder.lines()) == [*range(50), *range(51, 101)]
    (letter,) = folder.dead_letters()
    assert (letter["offset"], letter["cause"]) == (50, "crash")
    assert letter["signal"] == signal.SIGSEGV
    shown = folder.tamias("dead-letters", "show", "out.jsonl.tamias", 50).stdout
    assert "SIGSEGV" in shown
    assert "in count" in shown  # the stack at that moment


def test_on_error_fail_ends_the_job_which_can_go_on_once_repaired(folder: Folder) -> None:
    folder.inputs([1, 2, "raise", 3], keys=1)
    command = ("run", "agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl", "--on-error", "fail")
    done = folder.tamias(*command, code=1)
    assert 'raise ValueError("this is trouble")' in done.stderr
    assert "input 2" in done.stderr
    assert "tamias resume out.jsonl.tamias" in done.stderr
    folder.write("repaired", "")
    folder.tamias("resume", "out.jsonl.tamias")
    assert [line["output"][1] for line in folder.lines()] == [1, 2, 3, 4]


def test_on_error_ignore_goes_on_without_a_trace(folder: Folder) -> None:
    folder.inputs([1, "raise", 2], keys=1)
    done = folder.tamias(
        "run", "agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl", "--on-error", "ignore"
    )
    assert [line["output"] for line in folder.lines()] == [[1, 1], [2, 2]]
    assert folder.dead_letters() == []
    assert "1 ignored" in done.stderr


def test_a_run_that_takes_too_long_is_set_aside(folder: Folder) -> None:
    folder.inputs([1, "wait", 2], keys=1)
    folder.tamias(
        *("run", "agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl"),
        *("--run-timeout", "300ms", "--max-attempts", "1"),
        code=3,
    )
    assert [line["output"] for line in folder.lines()] == [[1, 1], [2, 2]]
    assert folder.dead_letters()[0]["cause"] == "timeout"
