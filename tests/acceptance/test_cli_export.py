"""`tamias export`: all memory of a state, at rest and while the job runs."""

from __future__ import annotations

import csv
import json
import shutil
from typing import TYPE_CHECKING

import pyarrow.parquet
import pytest

from support.cli import Folder, wait_for
from tamias.store.encoding.values import loads
from tamias.store.state.memories import all_memories
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    from pathlib import Path

STATE = "out.jsonl.tamias"
RUN = ("run", "agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl", "--workers", "2")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_all_formats_of_a_job_at_rest(folder: Folder) -> None:
    folder.inputs([3, 1, "four", 1, 5], keys=3)
    folder.tamias(*RUN)
    done = folder.tamias("export", STATE)
    lines = sorted(done.stdout.splitlines())
    assert lines == sorted(
        folder.tamias("inspect", STATE, "--key", key, "--json").stdout.strip()
        for key in ("k0", "k1", "k2")
    )
    assert done.stderr == "exported 3 keys\n"
    folder.tamias("export", STATE, "-o", "m.jsonl")
    assert sorted((folder.path / "m.jsonl").read_text("utf-8").splitlines()) == lines
    fields = ("--field", "n", "--field", "last.value", "--field", "last", "--field", "no")
    done = folder.tamias("export", STATE, "-o", "m.csv", *fields)
    assert done.stderr == "warning: no key has a field no\nexported 3 keys to m.csv\n"
    with (folder.path / "m.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["key", "n", "last.value", "last", "no"]
    assert sorted(rows) == [
        ["k0", "2", "1", '{"value":1}', ""],
        ["k1", "2", "5", '{"value":5}', ""],
        ["k2", "1", "four", '{"value":"four"}', ""],
    ]
    folder.tamias("export", STATE, "-o", "m.parquet", *fields[:4])
    table = pyarrow.parquet.read_table(folder.path / "m.parquet")
    assert [str(field.type) for field in table.schema] == ["string", "int64", "string"]
    assert sorted(map(str, table.to_pylist())) == [
        "{'key': 'k0', 'n': 2, 'last.value': '1'}",
        "{'key': 'k1', 'n': 2, 'last.value': '5'}",
        "{'key': 'k2', 'n': 1, 'last.value': '\"four\"'}",
    ]
    assert not [name for name in folder.everything() if name.endswith(".part")]


def test_while_a_job_runs(folder: Folder) -> None:
    folder.inputs([*range(2000), "wait"], keys=10)
    with folder.started(*RUN) as process:
        wait_for((folder.path / "waiting").exists)
        wait_for(lambda: folder.tamias("export", STATE).stdout != "")
        exported = [json.loads(line) for line in folder.tamias("export", STATE).stdout.splitlines()]
        # n and last.value are of one commit: the key's n-th input is number 10 n + its own number.
        for memory in exported:
            ahead = 10 * (memory["short_term"]["n"] - 1) + int(memory["key"][1:])
            assert memory["short_term"]["last"]["value"] == ahead
        assert exported
        (folder.path / "go").touch()
        assert process.wait() == 0


def test_what_is_committed_during_an_export_is_not_in_it(folder: Folder) -> None:
    folder.inputs([1, 2, 3, 4], keys=4)
    folder.tamias(*RUN)
    with StoreReader(folder.path / STATE) as reader, all_memories(reader, loads) as memories:
        first = list(memories)
        folder.inputs([1, 2, 3, 4, 5, 6, 7, 8], keys=4)
        folder.tamias(*RUN)
        assert list(memories) == first
    assert {memory["n"] for _, memory in first} == {1}
    assert folder.memory("k0")["n"] == 2


def test_keys_and_values_of_all_kinds(folder: Folder) -> None:
    keys = ["42", 42, True, None, 2.5, "x" * 600]
    folder.write("in.jsonl", "".join(json.dumps({"key": key, "value": 1}) + "\n" for key in keys))
    folder.tamias(*RUN)
    lines = [json.loads(line) for line in folder.tamias("export", STATE).stdout.splitlines()]
    assert sorted(map(repr, (line["key"] for line in lines))) == sorted(map(repr, keys))


def test_classes_that_are_gone_are_shown_as_by_inspect(folder: Folder) -> None:
    folder.write(
        "vanished.py",
        "from tamias import Agent, InputEvent, action\n"
        "class Own:\n"
        "    pass\n"
        "class Odd(Agent):\n"
        "    @action(InputEvent)\n"
        "    @staticmethod\n"
        "    def go(event, ctx):\n"
        "        ctx.short_term_memory.set('own', Own())\n"
        "        ctx.short_term_memory.set('n', 1)\n",
    )
    folder.inputs([1])
    folder.tamias("run", "vanished.py:Odd", "-i", "in.jsonl", "-o", "out.jsonl")
    (folder.path / "vanished.py").unlink()
    memory = json.loads(folder.tamias("export", STATE).stdout)["short_term"]
    assert memory["n"] == 1
    assert memory["own"].startswith("<not readable here: ")


def test_mistakes(folder: Folder) -> None:
    folder.inputs([1, 2])
    folder.tamias(*RUN)

    def refused(*words: str) -> str:
        return folder.tamias("export", *words, code=2).stderr

    assert "is not a state directory" in refused("nowhere")
    assert "CSV needs columns" in refused(STATE, "--format", "csv")
    assert "--field last.value --field n" in refused(STATE, "--format", "tsv")
    assert "says no format" in refused(STATE, "-o", "memory.xml")
    assert "named twice" in refused(STATE, "--field", "n", "--field", "n")
    assert "is inside the state directory" in refused(STATE, "-o", f"{STATE}/m.jsonl")
    assert "is a directory" in refused(STATE, "-o", ".", "--format", "json")
    assert "cannot be written" in refused(STATE, "-o", "no/m.jsonl")
    (folder.path / "m.jsonl").write_text("old\n")
    assert "m.jsonl exists" in refused(STATE, "-o", "m.jsonl")
    assert (folder.path / "m.jsonl").read_text() == "old\n"
    folder.tamias("export", STATE, "-o", "m.jsonl", "--overwrite")
    assert len(folder.lines("m.jsonl")) == 2
    shutil.rmtree(folder.path / STATE / "shards" / "03")
    assert "is missing" in refused(STATE, "-o", "m2.jsonl")
    assert not (folder.path / "m2.jsonl").exists()
