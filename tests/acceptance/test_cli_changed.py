"""What has changed between two runs of the same command is told, or refused; never passed over."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from support.cli import Folder

if TYPE_CHECKING:
    from pathlib import Path

RUN = ("run", "agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl")
CSV = ("run", "rows.py:Rows", "-i", "in.csv", "-o", "out.jsonl")
ROWS = """
from tamias import Agent, InputEvent, OutputEvent, action

class Rows(Agent):
    @action(InputEvent)
    @staticmethod
    def act(event, ctx):
        ctx.send_event(OutputEvent(output=event.input["v"]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.write("rows.py", ROWS)
    folder.inputs([1, 2, 3])
    return folder


def outputs(folder: Folder) -> list[object]:
    return [line["output"] for line in folder.lines()]


def test_a_last_line_that_its_writer_has_completed(folder: Folder) -> None:
    folder.write("in.csv", "key,v\na,1\nb,12")
    folder.tamias(*CSV)
    assert sorted(map(str, outputs(folder))) == ["1", "12"]
    folder.write("in.csv", "key,v\na,1\nb,12345\n")
    refused = folder.tamias(*CSV, code=2)
    assert "has been completed since" in refused.stderr
    folder.tamias(*CSV, "--fresh")
    assert sorted(map(str, outputs(folder))) == ["1", "12345"]


def test_half_a_last_line_waits_for_its_end(folder: Folder) -> None:
    whole = (folder.path / "in.jsonl").read_text()
    folder.write("in.jsonl", whole[:-5])
    for _ in range(2):
        told = folder.tamias(*RUN, code=3)
        assert "The last line of" in told.stderr
        assert "the same command reads it" in told.stderr
        assert len(folder.lines()) == 2
    assert folder.dead_letters() == []
    folder.write("in.jsonl", whole)
    folder.tamias(*RUN)
    assert len(folder.lines()) == 3


def test_an_input_whose_done_part_is_another(folder: Folder) -> None:
    folder.tamias(*RUN)
    text = (folder.path / "in.jsonl").read_text()
    folder.write("in.jsonl", text.replace("3}", "4}"))
    assert "was begun with" in folder.tamias(*RUN, code=2).stderr
    folder.write("in.jsonl", text + text)
    folder.tamias(*RUN)
    assert len(folder.lines()) == 6


def test_changed_code_is_told_and_fresh_begins_anew(folder: Folder) -> None:
    folder.write("in.csv", "key,v\na,1\n")
    folder.tamias(*CSV)
    agent = folder.path / "rows.py"
    agent.write_text(ROWS.replace('["v"]', '["v"] + "!"'))
    os.utime(agent, (1, 1))
    for extra in ((), ("--overwrite",), ("--set", "batch-size=7")):
        told = folder.tamias(*CSV, *extra).stderr
        assert "nothing is new" in told
        assert "rows.py" in told or extra
        assert outputs(folder) == ["1"]
    told = folder.tamias(*CSV, "--fresh").stderr
    assert "nothing is new" not in told
    assert outputs(folder) == ["1!"]
    assert "Changed since" not in folder.tamias(*CSV).stderr


def test_fresh_after_an_interruption_before_anything_has_begun(folder: Folder) -> None:
    (folder.path / "out.jsonl.tamias").mkdir()
    folder.write("out.jsonl.tamias/launcher.lock", "")
    folder.tamias(*RUN, "--fresh")
    assert len(folder.lines()) == 3


def test_fresh_removes_nothing_that_is_not_the_jobs(folder: Folder) -> None:
    folder.write("out.jsonl", "precious\n")
    assert "--overwrite" in folder.tamias(*RUN, "--fresh", code=2).stderr
    assert (folder.path / "out.jsonl").read_text() == "precious\n"
    (folder.path / "out.jsonl").unlink()
    folder.tamias(*RUN)
    other = folder.tamias(*RUN[:-1], "other.jsonl", "--state", "out.jsonl.tamias", code=2)
    assert "belongs to a job with --output" in other.stderr
    (folder.path / "mine").mkdir()
    folder.write("mine/file", "precious")
    refused = folder.tamias(*RUN, "--fresh", "--state", "mine", code=2)
    assert "not a state directory" in refused.stderr
    assert (folder.path / "mine" / "file").read_text() == "precious"


@pytest.mark.parametrize(
    "mistake",
    [
        ("--input", "nosuch.jsonl"),
        ("--input", "malformed.jsonl"),
        ("--workers", "99"),
        ("--requirements", "nosuch.txt"),
    ],
)
def test_a_mistake_beside_fresh_loses_nothing(folder: Folder, mistake: tuple[str, str]) -> None:
    folder.write("malformed.jsonl", "no json\n" * 200)
    folder.tamias(*RUN)
    before, everything = (folder.path / "out.jsonl").read_text(), folder.everything()
    arguments = [*RUN, "--fresh", *mistake]
    folder.tamias(*arguments, code=2)
    assert (folder.path / "out.jsonl").read_text() == before
    assert folder.everything() == everything
    assert "nothing is new" in folder.tamias(*RUN).stderr


def test_an_agent_that_does_not_import_loses_nothing_beside_fresh(folder: Folder) -> None:
    folder.write("in.csv", "key,v\na,1\n")
    folder.tamias(*CSV)
    before, everything = (folder.path / "out.jsonl").read_text(), folder.everything()
    folder.write("rows.py", "import no_such_module\n" + ROWS)
    folder.tamias(*CSV, "--fresh", code=2)
    assert (folder.path / "out.jsonl").read_text() == before
    assert folder.everything() == everything
    folder.write("out.jsonl.replaced", "precious")
    folder.write("rows.py", ROWS)
    assert "is in the way" in folder.tamias(*CSV, "--fresh", code=2).stderr
    (folder.path / "out.jsonl.replaced").unlink()
    folder.tamias(*CSV, "--fresh")
    assert folder.everything() == everything
    assert outputs(folder) == ["1"]


def test_an_edited_output_is_neither_cut_nor_appended_to(folder: Folder) -> None:
    folder.tamias(*RUN)
    out = folder.path / "out.jsonl"
    for edited in (out.read_text() + "# mine\n", "#" + out.read_text()[1:], "", "a\nb\n" * 99):
        before = out.read_text()
        out.write_text(edited)
        assert "Put the old file back" in folder.tamias(*RUN, code=2).stderr
        assert out.read_text() == edited
        out.write_text(before)
    folder.tamias(*RUN)
