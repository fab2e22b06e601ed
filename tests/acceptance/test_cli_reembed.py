"""`tamias memory reembed`: sets go over to another embedding model, each in one commit."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

import tamias
from support.cli import TAMIAS, Folder
from support.processes import run
from support.store.memory_sets import SHARDS, add, commit, item, made
from support.store.shop import AGENT
from tamias.store.encoding.keys import encode_key
from tamias.store.records.journal import ACTION, journal_key
from tamias.store.shard.batch import Batch
from tamias.store.state.directory import StateDirectory

if TYPE_CHECKING:
    from pathlib import Path

STATE = "state"
BEGAN = datetime.fromtimestamp(1e9, timezone.utc)
OLD = {"embedding": "topics", "model": "topics-1", "dimensions": 2}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A folder with an agent that has a new embedding model, and sets of the old one."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    folder = Folder(tmp_path)
    folder.write("shop.py", AGENT.replace('"topics-1", 2', '"topics-2", 3'))
    spec = {"target": f"{tmp_path / 'shop.py'}:Shop", "config": {}, "folder": str(tmp_path)}
    state = made(tmp_path / STATE, {"spec": spec})
    add(
        state,
        "ada",
        "notes",
        item("1", "likes black tea", vector=[1.0, 0.0], keep=True, created=1e9),
        item("2", "lives in Turin", vector=[0.0, 1.0], metadata={"kind": "place"}),
        item("3", " "),
        item("4", "is over", vector=[1.0, 0.0], expires=5.0),
        **OLD,
        capacity=7,
        uncompared=1,
    )
    add(state, "ada", "plain", item("1", "without vectors"))
    for key in ("ada", "bob", 7):
        text = f"tea of {key}"
        shared = item(text, text, vector=[1.0, 0.0], owner=encode_key(key))
        add(state, key, "knowledge", shared, **OLD, shared=True)
    return folder


def reembed(folder: Folder, *words: object) -> list[dict[str, Any]]:
    """What the command prints with --json."""
    done = folder.tamias("memory", "reembed", STATE, "--json", *words)
    return [json.loads(line) for line in done.stdout.splitlines()]


def asked(folder: Folder) -> list[str]:
    """The texts that the model was asked for, without the sample that tells its dimensions."""
    path = folder.path / "asked"
    texts = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return sorted(text for text in texts if text != "a text")


def test_sets_of_another_model_than_the_agent_has_are_embedded_anew(folder: Folder) -> None:
    found = reembed(folder)
    assert [(row["name"], row["key"], row["items"], row["dimensions"]) for row in found] == [
        ("knowledge", None, 3, 3),
        ("notes", "ada", 3, 3),
    ]
    assert found[0]["before"] == {"model": "topics-1", "dimensions": 2}
    texts = ["likes black tea", "lives in Turin", "tea of 7", "tea of ada", "tea of bob"]
    assert asked(folder) == texts
    with tamias.open_memory(folder.path / STATE) as memory:
        notes = memory.get_memory_set("ada", "notes")
        described = notes.describe()
        assert (described["model"], described["dimensions"]) == ("topics-2", 3)
        assert (described["items"], described["vectors"], described["capacity"]) == (3, 2, 7)
        first, second, third = notes.get()
        assert (first.id, first.keep, first.created_time) == ("1", True, BEGAN)
        assert (second.id, second.metadata, third.value) == ("2", {"kind": "place"}, " ")
        assert notes.vector("2") == pytest.approx([0.0995, 0.995, 0.0], abs=1e-3)
        assert [found.id for found in notes.search(vector=[0.0, 1.0, 0.0], limit=1)] == ["2"]
        knowledge = memory.get_shared_memory_set("knowledge")
        assert len(knowledge.search(vector=[1.0, 0.0, 0.0])) == 3
        assert memory.get_memory_set("ada", "plain").describe()["vectors"] == 0
    assert reembed(folder) == []
    assert not (folder.path / STATE / "reembedding").exists()
    again = folder.tamias("memory", "reembed", STATE)
    assert "All vectors are of the models that the agent has now." in again.stderr


def test_some_sets(folder: Folder) -> None:
    assert [row["name"] for row in reembed(folder, "--key", "ada")] == ["notes"]
    assert [row["name"] for row in reembed(folder, "--model", "topics-1")] == ["knowledge"]
    assert reembed(folder, "--set", "plain") == []
    (plain,) = reembed(folder, "--set", "plain", "--embedding", "topics")
    assert (plain["dimensions"], plain["before"]["model"]) == (3, "")
    assert [row["name"] for row in reembed(folder, "--again", "--shared")] == ["knowledge"]
    shown = folder.tamias("memory", "reembed", STATE, "--again", "--set", "notes").stdout
    assert shown == (
        "set 'notes' of ada: 3 items, topics-2 (3 dimensions) -> topics-2 (3 dimensions)\n"
    )


def test_other_dimensions_of_a_model_of_the_same_name_are_noticed(folder: Folder) -> None:
    folder.write("shop.py", AGENT.replace('"topics-1", 2', '"topics-1", 5'))
    assert {row["dimensions"] for row in reembed(folder)} == {5}


def test_what_it_refuses(folder: Folder) -> None:
    words = ("memory", "reembed", STATE)
    assert "no embedding_model 'x'" in folder.tamias(*words, "--embedding", "x", code=2).stderr
    with StateDirectory.open(folder.path / STATE, "shop:Shop", SHARDS, "process", {}):
        assert "while no pool runs" in folder.tamias(*words, code=2).stderr
    batch = Batch()
    batch.journal.append((journal_key(3, 0, ACTION, 0), b"of somebody"))
    commit(folder.path / STATE, encode_key("ada"), batch)
    assert "1 run is unfinished" in folder.tamias(*words, code=2).stderr
    assert "no such memory sets" in folder.tamias(*words, "--set", "x").stderr
    (folder.path / "shop.py").unlink()
    assert "There is no file" in folder.tamias(*words, code=2).stderr


@pytest.mark.parametrize("shared", [False, True])
def test_it_refuses_the_directory_of_a_flink_task(folder: Folder, *, shared: bool) -> None:
    state = made(folder.path / "task", {"spec": {}})
    note = item("1", "tea", vector=[1.0, 0.0])
    add(state, "ada", "notes", note, **OLD, shared=shared, group=3)
    done = folder.tamias("memory", "reembed", "task", code=2)
    assert "is the directory of a task of a Flink job" in done.stderr
    assert "Have the agent add the items anew" in done.stderr


def test_a_model_that_fails_leaves_all_as_it_was_and_what_was_made(folder: Folder) -> None:
    failing = AGENT.replace('"topics-1", 2', '"topics-2", 3').replace(
        "        vector = [",
        '        if "Turin" in text:\n            raise OSError("no route")\n        vector = [',
    )
    batched = failing.replace("model=MODEL)", "model=MODEL, batch_size=1)")
    folder.write("shop.py", batched)
    done = folder.tamias("memory", "reembed", STATE, "--set", "notes", code=2)
    assert "The embedding model 'topics' failed: OSError: no route" in done.stderr
    assert "what was made is kept" in done.stderr
    with tamias.open_memory(folder.path / STATE) as memory:
        assert memory.get_memory_set("ada", "notes").describe()["model"] == "topics-1"
    asked(folder)
    sys.modules.pop("shop")
    folder.write("shop.py", batched.replace("raise OSError", "str"))
    assert len(reembed(folder, "--set", "notes")) == 1
    assert asked(folder) == ["lives in Turin"]


@pytest.mark.process
@pytest.mark.parametrize("point", ["reembed.before:1", "reembed.inside:1"])
def test_killed_it_goes_on_and_asks_for_nothing_twice(folder: Folder, point: str) -> None:
    flag = folder.path / "flag"
    flag.touch()
    code = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"
    words = (TAMIAS, "memory", "reembed", folder.path / STATE, "--set", "notes")
    assert run(code, *words, TAMIAS_CRASH=f"{point}:{flag}").returncode == -9
    assert asked(folder) == ["likes black tea", "lives in Turin"]
    with tamias.open_memory(folder.path / STATE) as memory:
        notes = memory.get_memory_set("ada", "notes")
        assert notes.describe()["model"] == "topics-1"
        assert notes.vector("1") == [1.0, 0.0]
    (row,) = reembed(folder, "--set", "notes")
    assert (row["items"], row["dimensions"]) == (3, 3)
    assert asked(folder) == []
