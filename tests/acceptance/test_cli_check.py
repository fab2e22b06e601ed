"""`tamias up --check`: all that is wrong with a deployment, in one round; nothing is made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.cli import Folder

if TYPE_CHECKING:
    from pathlib import Path

WRONG = """
agents:
  name:
    target: agent.py:Countr
    input: in.jsonl
    output: name.jsonl
  files:
    target: nowhere.py:Counter
    input: missing.jsonl
    output: nodir/out.jsonl
    environment: {requirements: none.txt}
  import:
    target: broken.py:Broken
    input: in.jsonl
    output: full.jsonl
    key: user
  unbuilt:
    target: agent.py:Countr
    input: in.jsonl
    output: unbuilt.jsonl
    environment: {requirements: [numpy]}
  settings:
    target: agent.py:Counter
    input: in.jsonl
    output: settings.jsonl
    settings: {user: nosuchuser, launcher-hooks: "nosuch:Hook"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.inputs([1, 2, 3])
    folder.write("full.jsonl", "something\n")
    folder.write("broken.py", "print('words')\nimport nosuchmodule\n")
    folder.write("wrong.yaml", WRONG)
    return folder


def test_all_that_the_agents_need_is_checked_at_once(folder: Folder) -> None:
    before = folder.everything()
    done = folder.tamias("up", "wrong.yaml", "--check", "--json", code=2)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    told = {
        record["agent"]: [problem["message"] for problem in record["problems"]]
        for record in records
    }
    path = folder.path
    assert told["name"] == [f"{path}/agent.py has no 'Countr'."]
    assert told["files"] == [
        f"There is no file {path}/nowhere.py.",
        f"There is no file {path}/none.txt.",
        f"There is no file {path}/missing.jsonl.",
        f"There is no directory {path}/nodir for the output.",
    ]
    broken, field, full = told["import"]
    assert "No module named 'nosuchmodule'" in broken
    assert "broken.py" in broken
    assert field.startswith("The first 3 records of the input are all malformed")
    assert "it has no field 'user'" in field
    assert full == f"The output {path}/full.jsonl exists and is not empty."
    assert told["unbuilt"] == [f"{path}/agent.py has no 'Countr'."]
    user, hook = told["settings"]
    assert user == "user is 'nosuchuser', and this machine has no such user."
    assert hook.startswith("The hook nosuch:Hook cannot be made")
    assert records[0]["problem"] == {
        "message": f"{path}/agent.py has no 'Countr'.",
        "hint": "Did you mean 'Counter'?",
    }
    assert folder.everything() == before
    lines = folder.tamias("up", "wrong.yaml", "--check", code=2).stderr
    assert "Did you mean 'Counter'? (line 4)" in lines
    assert lines.count("error: ") == 11


def test_mistakes_of_the_file_and_of_what_it_names_come_together(folder: Folder) -> None:
    text = WRONG.replace("    key: user\n", "    keys: user\n    workers: 99\n")
    folder.write("wrong.yaml", text)
    lines = folder.tamias("up", "wrong.yaml", "--check", code=2).stderr.splitlines()
    assert lines[0] == "error: wrong.yaml has mistakes:"
    told = "\n".join(lines)
    assert "line 4: agents.name.target: " in told
    assert "line 9: agents.files.input: There is no file" in told
    assert "agents.import.keys: there is no such key" in told
    assert "agents.import.workers: 99 workers cannot share 16 shards" in told
    assert "agents.import.target: " in told


def test_a_state_directory_must_belong_to_the_agent(folder: Folder) -> None:
    good = "{target: agent.py:Counter, input: in.jsonl, output: out.jsonl, workers: 1}"
    folder.write("all.yaml", f"defaults: {{shards: 2}}\nagents:\n  a: {good}\n")
    assert folder.tamias("up", "all.yaml", "--check").stdout == "a: agent:Counter to out.jsonl\n"
    folder.tamias("up", "all.yaml")
    assert folder.tamias("up", "all.yaml", "--check").stdout == "a: agent:Counter to out.jsonl\n"
    other = good.replace("Counter", "Other").replace("workers: 1", "workers: 3")
    folder.write("all.yaml", f"agents:\n  a: {other}\n")
    told = folder.tamias("up", "all.yaml", "--check", code=2).stderr
    assert "belongs to the agent agent:Counter, not to agent:Other" in told
    folder.write("all.yaml", f"agents:\n  a: {good.replace('workers: 1', 'workers: 3')}\n")
    told = folder.tamias("up", "all.yaml", "--check", code=2).stderr
    assert "3 workers cannot share 2 shards" in told
