"""`tamias memory list`, `show`, `search`, `export`, and what `inspect` and `doctor` say of sets."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from support.cli import Folder
from support.store.memory_sets import add, commit, item, made
from support.store.shop import AGENT
from tamias.store.encoding.keys import encode_key, key_prefix
from tamias.store.encoding.values import dumps
from tamias.store.shard.batch import Batch

if TYPE_CHECKING:
    from pathlib import Path

STATE = "state"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A folder with an agent `shop.py`, and a state directory of it."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    folder = Folder(tmp_path)
    folder.write("shop.py", AGENT)
    spec = {"target": f"{tmp_path / 'shop.py'}:Shop", "config": {}, "folder": str(tmp_path)}
    state = made(tmp_path / STATE, {"spec": spec})
    add(
        state,
        "ada",
        "notes",
        item("1", "likes black tea", metadata={"kind": "taste"}, vector=[1.0, 0.0], tokens=4),
        item("2", "lives in Turin", vector=[0.0, 1.0], tokens=4, keep=True),
        item("3", "is over", expires=5.0),
        embedding="topics",
        model="topics-1",
        dimensions=2,
        capacity=7,
    )
    for key in ("ada", 7):
        add(state, key, "plain", item("x", {"role": "user", "content": f"hello {key}"}))
        shared = item(f"of {key}", f"tea of {key}", owner=encode_key(key))
        add(state, key, "knowledge", shared, shared=True)
    batch = Batch()
    batch.put_field(key_prefix(encode_key("ada")), "seen", dumps(3))
    commit(state, encode_key("ada"), batch)
    return folder


def rows(folder: Folder, *words: object, **more: Any) -> list[dict[str, Any]]:
    """The JSON lines that a command prints."""
    done = folder.tamias("memory", *words, "--json", **more)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_list_of_sets(folder: Folder) -> None:
    found = rows(folder, "list", STATE)
    assert [(row["name"], row["key"], row["shared"], row["items"]) for row in found] == [
        ("knowledge", None, True, 2),
        ("plain", 7, False, 1),
        ("notes", "ada", False, 2),
        ("plain", "ada", False, 1),
    ]
    notes = found[2]
    assert (notes["model"], notes["dimensions"], notes["capacity"]) == ("topics-1", 2, 7)
    assert (found[1]["capacity"], found[0]["capacity"]) == (10_000, None)
    shown = folder.tamias("memory", "list", STATE)
    assert shown.stdout.splitlines()[3].split()[:4] == ["notes", "ada", "2", "7"]
    assert "topics-1 (2 dimensions)" in shown.stdout
    assert "4 sets, 6 items" in shown.stderr


def test_some_sets_of_the_list(folder: Folder) -> None:
    assert [row["name"] for row in rows(folder, "list", STATE, "--key", 7)] == ["plain"]
    assert [row["name"] for row in rows(folder, "list", STATE, "--shared")] == ["knowledge"]
    assert len(rows(folder, "list", STATE, "--set", "plain")) == 2
    by_items = rows(folder, "list", STATE, "--sort", "items")
    assert [row["items"] for row in by_items] == [2, 2, 1, 1]
    cut = folder.tamias("memory", "list", STATE, "--limit", 1)
    assert len(cut.stdout.splitlines()) == 2
    assert "the first 1 of 4 sets" in cut.stderr
    assert "no such memory sets" in folder.tamias("memory", "list", STATE, "--key", "x").stderr
    wrong = folder.tamias("memory", "list", STATE, "--key", "ada", "--shared", code=2)
    assert "belongs to no key" in wrong.stderr


@pytest.mark.parametrize(
    "words", [("list", STATE), ("show", STATE, "notes"), ("search", STATE, "notes", "tea")]
)
def test_a_limit_may_be_any_number(folder: Folder, words: tuple[str, ...]) -> None:
    done = folder.tamias("memory", *words, "--key", "ada", "--limit", 10**30)
    assert "likes black tea" in done.stdout or words[0] == "list"
    folder.tamias("dead-letters", "list", STATE, "--limit", 10**30)


def test_a_key_cannot_write_to_the_terminal(folder: Folder) -> None:
    key = "e\x1b[31mvil"
    add(folder.path / STATE, key, "notes", item("1", "likes tea"))
    for words in (("list", STATE), ("show", STATE, "notes"), ("search", STATE, "notes", "tea")):
        for given in (key, json.dumps(key)):
            done = folder.tamias("memory", *words, "--key", given)
            assert json.dumps(key) in done.stdout + done.stderr
            assert "\x1b" not in done.stdout + done.stderr


def test_the_items_of_a_set(folder: Folder) -> None:
    found = rows(folder, "show", STATE, "notes", "--key", "ada")
    assert [(row["id"], row["value"], row["metadata"], row["keep"]) for row in found] == [
        ("1", "likes black tea", {"kind": "taste"}, False),
        ("2", "lives in Turin", {}, True),
    ]
    head, first, second = folder.tamias(
        "memory", "show", STATE, "notes", "--key", "ada"
    ).stdout.splitlines()
    assert head.startswith("set 'notes' of ada: 2 of 7 items")
    assert first.endswith('likes black tea  {"kind":"taste"}')
    assert second.endswith("lives in Turin  keep")
    assert "user: hello 7" in folder.tamias("memory", "show", STATE, "plain", "--key", 7).stdout
    shared = rows(folder, "show", STATE, "knowledge")
    assert sorted((row["value"], row["added_by"]) for row in shared) == [
        ("tea of 7", 7),
        ("tea of ada", "ada"),
    ]
    assert (
        "1 more"
        in folder.tamias("memory", "show", STATE, "notes", "--key", "ada", "--limit", 1).stderr
    )


def test_items_with_some_metadata(folder: Folder) -> None:
    of_ada = ("notes", "--key", "ada")
    taste = ("--where", "kind=taste")
    assert [row["id"] for row in rows(folder, "show", STATE, *of_ada, *taste)] == ["1"]
    assert rows(folder, "show", STATE, *of_ada, "--where", "kind=7") == []
    assert rows(folder, "show", STATE, *of_ada, *taste, "--where", "more=1") == []
    search = ("search", STATE, "notes", "tea Turin", "--key", "ada", "--mode", "text")
    assert len(rows(folder, *search)) == 2
    assert [row["id"] for row in rows(folder, *search, *taste)] == ["1"]
    wrong = folder.tamias("memory", "show", STATE, *of_ada, "--where", "kind", code=2)
    assert "NAME=VALUE" in wrong.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plain",), "whose is meant? Give --key KEY. Keys that have one: "),
        (("other",), "There is no memory set 'other'."),
        (("other", "--shared"), "There are 'knowledge'."),
        (("other", "--key", "ada"), "The key ada has no memory set 'other'."),
        (("notes", "--key", "ada", "--shared"), "belongs to no key"),
    ],
)
def test_a_set_that_is_not_there(folder: Folder, words: tuple[str, ...], said: str) -> None:
    done = folder.tamias("memory", "show", STATE, *words, code=2)
    assert said in " ".join(done.stderr.split())


def test_a_search_uses_the_embedding_model_of_the_agent(folder: Folder) -> None:
    done = folder.tamias("memory", "search", STATE, "notes", "drinks", "--key", "ada")
    assert done.stdout.splitlines()[0].endswith('likes black tea  {"kind":"taste"}')
    assert "by words and by meaning ('topics', topics-1)" in done.stderr
    assert "imported" not in done.stdout
    only = ("--key", "ada", "--mode", "text")
    assert rows(folder, "search", STATE, "notes", "drinks", *only) == []
    (found,) = rows(folder, "search", STATE, "notes", "turin", *only)
    assert (found["id"], found["score"] > 0) == ("2", True)
    vectors = ("--key", "ada", "--mode", "vector", "--limit", 1)
    assert [row["id"] for row in rows(folder, "search", STATE, "notes", "x", *vectors)] == ["2"]


def test_a_search_says_why_it_goes_by_words_alone(folder: Folder) -> None:
    (folder.path / "shop.py").unlink()
    search = ("memory", "search", STATE, "notes", "tea", "--key", "ada")
    done = folder.tamias(*search)
    assert "likes black tea" in done.stdout
    assert "by words alone: There is no file" in done.stderr
    assert "There is no file" in folder.tamias(*search, "--mode", "vector", code=2).stderr
    folder.write("shop.py", AGENT.replace("topics-1", "topics-2"))
    done = folder.tamias(*search)
    assert "by words alone: its vectors are of the model 'topics-1'" in done.stderr
    shared = ("memory", "search", STATE, "knowledge", "tea")
    assert "it has no vectors" in folder.tamias(*shared).stderr
    assert "There are no vectors" in folder.tamias(*shared, "--mode", "vector", code=2).stderr


def test_the_export_of_items(folder: Folder) -> None:
    done = folder.tamias("memory", "export", STATE, "--vectors")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert "exported 6 items of 4 sets" in done.stderr
    vectors = {(line["set"], line["key"], line["id"]): line["vector"] for line in lines}
    assert vectors["notes", "ada", "2"] == [0.0, 1.0]
    assert vectors["plain", 7, "x"] is None
    folder.tamias("memory", "export", STATE, "--key", "ada", "-o", "ada.jsonl.gz")
    folder.tamias("memory", "export", STATE, "--set", "plain", "-o", "plain.jsonl")
    assert len(folder.lines("plain.jsonl")) == 2
    exists = folder.tamias("memory", "export", STATE, "-o", "plain.jsonl", code=2)
    assert "--overwrite" in exists.stderr
    assert "no format" in folder.tamias("memory", "export", STATE, "-o", "x", code=2).stderr


def test_the_export_as_parquet(folder: Folder) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    folder.tamias("memory", "export", STATE, "--set", "notes", "-o", "notes.parquet")
    table = parquet.read_table(folder.path / "notes.parquet").to_pylist()
    assert [(row["key"], row["id"], row["value"]) for row in table] == [
        ("ada", "1", "likes black tea"),
        ("ada", "2", "lives in Turin"),
    ]


def test_inspect_shows_sets(folder: Folder) -> None:
    shown = json.loads(folder.tamias("inspect", STATE, "--key", "ada", "--json").stdout)
    assert shown["short_term"] == {"seen": 3}
    assert list(shown["long_term"]) == ["notes", "plain"]
    assert shown["long_term"]["notes"]["items"] == 2
    assert shown["long_term"]["notes"]["model"] == "topics-1"
    text = folder.tamias("inspect", STATE, "--key", "ada").stdout
    assert "notes = 2 of 7 items" in text
    alone = json.loads(folder.tamias("inspect", STATE, "--key", 7, "--json").stdout)
    assert (alone["short_term"], list(alone["long_term"])) == ({}, ["plain"])
    overview = json.loads(folder.tamias("inspect", STATE, "--json").stdout)
    assert overview["keys"] == 2
    assert overview["long_term"].items() >= {"sets": 4, "items": 6, "shared": ["knowledge"]}.items()
    assert "4 memory sets, 6 items" in folder.tamias("inspect", STATE).stdout


def test_the_doctor_names_sets(folder: Folder) -> None:
    assert "4 memory sets, 6 items" in folder.tamias("doctor", STATE).stdout


def test_the_directory_of_a_flink_task_has_keys_with_groups(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    state = made(tmp_path / STATE)
    for group, key in ((5, "ada"), (6, 7)):
        add(state, key, "plain", item("x", f"tea for {key}"), group=group)
        shared = item(f"of {key}", f"tea of {key}", owner=encode_key(key))
        add(state, key, "knowledge", shared, shared=True, group=group)
    found = [(row["name"], row["key"], row["items"]) for row in rows(folder, "list", STATE)]
    assert sorted(found, key=str) == [
        ("knowledge", None, 2),
        ("plain", "ada", 1),
        ("plain", 7, 1),
    ]
    for key in ("ada", 7):
        (row,) = rows(folder, "list", STATE, "--key", key)
        assert (row["name"], row["key"]) == ("plain", key)
        (row,) = rows(folder, "show", STATE, "plain", "--key", key)
        assert row["value"] == f"tea for {key}"
        exported = folder.tamias("memory", "export", STATE, "--key", key).stdout
        assert json.loads(exported)["value"] == f"tea for {key}"
        told = folder.tamias("inspect", STATE, "--key", key, "--json").stdout
        assert json.loads(told)["long_term"]["plain"]["items"] == 1
    (row,) = rows(folder, "list", STATE, "--shared")
    assert (row["name"], row["items"]) == ("knowledge", 2)
    values = [row["value"] for row in rows(folder, "search", STATE, "knowledge", "tea", "--shared")]
    assert sorted(values) == ["tea of 7", "tea of ada"]
