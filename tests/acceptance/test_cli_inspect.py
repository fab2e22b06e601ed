"""`tamias inspect`, `status` and `doctor`: looking at jobs, also while they run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.cli import Folder, wait_for

if TYPE_CHECKING:
    from pathlib import Path

STATE = "out.jsonl.tamias"
RUN = ("run", "agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl", "--workers", "2")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_the_memory_of_a_key(folder: Folder) -> None:
    folder.inputs([3, 1, 4, 1, 5], keys=2)
    folder.tamias(*RUN)
    done = folder.tamias("inspect", STATE, "--key", "k0", "--json")
    assert json.loads(done.stdout) == {"key": "k0", "short_term": {"n": 3, "last": {"value": 5}}}
    tree = folder.tamias("inspect", STATE, "--key", "k0").stdout
    assert "last" in tree
    assert "value = 5" in tree


def test_keys_are_text_first_and_json_second(folder: Folder) -> None:
    keys = ["42", 43, True, None, 2.5, "true story", "[x]"]
    folder.write("in.jsonl", "".join(json.dumps({"key": key, "value": 1}) + "\n" for key in keys))
    folder.tamias(*RUN)
    for text, key in (
        *(("42", "42"), ("43", 43), ("true", True), ("null", None), ("2.5", 2.5)),
        *(("true story", "true story"), ("[x]", "[x]"), ('"42"', "42")),
    ):
        done = folder.tamias("inspect", STATE, "--key", text, "--json")
        assert json.loads(done.stdout)["key"] == key
    for text in ("null", "true story"):
        folder.tamias("inspect", STATE, "--key", text)
    assert "no memory of a key" in folder.tamias("inspect", STATE, "--key", "44", code=2).stderr


def test_a_key_that_is_both_a_text_and_json_shows_both(folder: Folder) -> None:
    lines = [{"key": None, "value": 1}, {"key": "null", "value": 2}]
    folder.write("in.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    folder.tamias(*RUN)
    done = folder.tamias("inspect", STATE, "--key", "null", "--json")
    text, none = (json.loads(line) for line in done.stdout.splitlines())
    assert (text["key"], text["short_term"]["last"]["value"]) == ("null", 2)
    assert (none["key"], none["short_term"]["last"]["value"]) == (None, 1)
    done = folder.tamias("inspect", STATE, "--key", '"null"', "--json")
    assert json.loads(done.stdout)["key"] == "null"
    assert folder.tamias("inspect", STATE, "--key", "null").stdout == (
        '"null"\n├── last\n│   └── value = 2\n└── n = 1\n'
        "null\n├── last\n│   └── value = 1\n└── n = 1\n"
    )
    assert '"null", null' in folder.tamias("inspect", STATE).stdout


def test_values_that_json_does_not_know(folder: Folder) -> None:
    folder.write(
        "odd.py",
        "from tamias import Agent, InputEvent, action\n"
        "class Own:\n"
        "    def __init__(self):\n"
        "        self.x = 1\n"
        "class Odd(Agent):\n"
        "    @action(InputEvent)\n"
        "    @staticmethod\n"
        "    def go(event, ctx):\n"
        "        memory = ctx.short_term_memory\n"
        "        memory.set('a', {'set': {1, 2}, 'bytes': b'x', 'tuple': (1, b'y')})\n"
        "        memory.set('own', Own())\n"
        "        memory.new_object('empty')\n",
    )
    folder.inputs([1])
    folder.tamias("run", "odd.py:Odd", "-i", "in.jsonl", "-o", "out.jsonl")
    memory = folder.memory("k0")
    assert memory["a"] == {"set": [1, 2], "bytes": "x", "tuple": [1, "y"]}
    assert "odd" in memory["own"]  # the class is only known where the agent is
    assert memory["empty"] == {}


def test_the_overview(folder: Folder) -> None:
    folder.inputs([*range(95), "raise"], keys=12)
    folder.tamias(*RUN, code=3)
    overview = json.loads(folder.tamias("inspect", STATE, "--json", "--limit", 3).stdout)
    assert overview["agent"] == "agent:Counter"
    assert overview["keys"] == 12
    assert overview["fields"] == 24  # n and last.value of each
    assert (overview["inputs_done"], overview["outputs"]) == (96, 95)
    assert overview["dead_letters"] == 1
    assert overview["unfinished"] == 0
    assert overview["launcher"] is None
    assert len(overview["first_keys"]) == 3
    text = folder.tamias("inspect", STATE).stdout
    assert "12 keys" in text
    assert "and 2 more" in text


def test_looking_at_a_job_that_runs(folder: Folder) -> None:
    folder.inputs([*range(5000), "wait", *range(500)], keys=10)
    with folder.started(*RUN) as process:
        wait_for((folder.path / "waiting").exists)
        status = json.loads(folder.tamias("status", STATE, "--json").stdout)
        assert status["running"] is True
        assert status["launcher"] == process.pid
        assert status["agent"] == "agent:Counter"
        assert len(status["workers"]) == 2
        assert folder.memory("k1")["n"] > 0
        overview = json.loads(folder.tamias("inspect", STATE, "--json").stdout)
        assert overview["launcher"] == process.pid
        wait_for(lambda: "running" in folder.tamias("status", STATE).stdout)
        assert "sound" in folder.tamias("doctor", STATE).stdout
        (folder.path / "go").touch()
        assert process.wait() == 0
    status = json.loads(folder.tamias("status", STATE, "--json").stdout)
    assert (status["running"], status["phase"], status["events"]) == (False, "finished", 5501)
    assert "finished" in folder.tamias("status", STATE).stdout


def test_the_doctor_of_this_machine(folder: Folder) -> None:
    done = folder.tamias("doctor", "--json")
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    assert {finding["verdict"] for finding in findings} <= {"ok", "note"}
    assert "pool" in {finding["name"] for finding in findings}


def test_the_doctor_finds_a_damaged_shard(folder: Folder) -> None:
    folder.inputs(list(range(100)))
    folder.tamias(*RUN)
    assert "in order" in folder.tamias("doctor", STATE).stderr
    data = folder.path / STATE / "shards" / "03" / "data.mdb"
    data.write_bytes(b"nonsense" * 10_000)
    done = folder.tamias("doctor", STATE, code=1)
    assert "shard 3" in done.stdout
    assert "15 of 16 sound" in done.stdout


def test_the_doctor_reads_all_records_when_asked_to(folder: Folder) -> None:
    folder.inputs(list(range(200)))
    folder.tamias(*RUN)
    done = folder.tamias("doctor", "--deep", STATE)
    assert "shard 0" in done.stdout
    assert "records read" in done.stdout
    shard = folder.path / STATE / "shards" / "00" / "data.mdb"
    with shard.open("r+b") as file:
        for page in range(2, shard.stat().st_size // 4096):
            file.seek(page * 4096 + 200)
            file.write(b"\xa5" * 3800)
    done = folder.tamias("doctor", "--deep", "--json", STATE, code=1)
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    bad = [each for each in findings if each["verdict"] == "bad" and each["name"] == "shard 0"]
    assert bad
    assert all("Restore" in each["text"] for each in bad)
