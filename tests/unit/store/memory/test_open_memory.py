"""`tamias.open_memory`: what a program reads of a state directory that it does not own."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

import tamias
from support.processes import forked
from support.store.memory_sets import SHARDS, add, commit, item, made
from tamias.agent.errors import InputError, MemorySetError, StoreError, StoreFormatError
from tamias.store.encoding.keys import GROUP, encode_key, key_prefix, shard_of
from tamias.store.encoding.values import dumps
from tamias.store.sets.changes import SetChange, SetName
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.state.layout import StateLayout
from tamias.store.state.reader import ShardReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LONG = "long " * 100


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory without anything in it."""
    return made(tmp_path / "state")


@pytest.fixture
def memory(state: Path) -> Iterator[tamias.MemoryReader]:
    """The memory of some keys."""
    add(
        state,
        "ada",
        "notes",
        item("1", "likes black tea", metadata={"kind": "taste"}, vector=[1.0, 0.0]),
        item("2", "lives in Turin", metadata={"kind": "place"}, vector=[0.0, 1.0]),
        item("3", "is over", expires=5.0),
        model="m",
        dimensions=2,
        capacity=7,
    )
    add(state, LONG, "words", item("1", "tea without vectors"))
    for key in ("ada", "bob", 7):
        shared = item(f"of {key}", f"tea of {key}", owner=encode_key(key))
        add(state, key, "knowledge", shared, shared=True)
    batch = Batch()
    batch.put_field(key_prefix(encode_key("bob")), "seen.last", dumps(3))
    commit(state, encode_key("bob"), batch)
    with tamias.open_memory(state) as opened:
        yield opened


def values(items: Any) -> list[Any]:
    """The values of items."""
    return [each.value for each in items]


def test_keys_have_short_term_memory_or_sets(memory: tamias.MemoryReader) -> None:
    assert sorted(map(repr, memory.keys())) == sorted(map(repr, ["ada", "bob", LONG]))
    assert memory.short_term_memory("bob") == {"seen": {"last": 3}}
    assert memory.short_term_memory("ada") == {}
    assert memory.agent == "shop:Shop"


def test_names_of_sets(memory: tamias.MemoryReader) -> None:
    assert memory.memory_set_names("ada") == ["notes"]
    assert memory.memory_set_names(LONG) == ["words"]
    assert memory.memory_set_names("bob") == []
    assert memory.shared_memory_set_names() == ["knowledge"]


def test_a_set_of_a_key(memory: tamias.MemoryReader) -> None:
    notes = memory.get_memory_set("ada", "notes")
    assert (notes.name, notes.key, notes.shared) == ("notes", "ada", False)
    assert values(notes.get()) == ["likes black tea", "lives in Turin"]
    assert values(notes.get(["2", "9", "1"])) == ["lives in Turin", "likes black tea"]
    assert values(notes.get("3")) == []
    assert values(notes.get(filters={"kind": "place"})) == ["lives in Turin"]
    assert values(notes.get(limit=1)) == ["likes black tea"]
    assert notes.get(limit=0) == []
    assert values(notes) == ["likes black tea", "lives in Turin"]
    assert notes.vector("1") == [1.0, 0.0]
    assert notes.vector("9") is None
    described = notes.describe()
    assert described["model"] == "m"
    assert (described["dimensions"], described["capacity"], described["vectors"]) == (2, 7, 2)
    assert memory.get_memory_set(LONG, "words").size == 1


def test_a_shared_set_is_read_from_all_shards(memory: tamias.MemoryReader) -> None:
    knowledge = memory.get_shared_memory_set("knowledge")
    assert (knowledge.size, knowledge.shared, knowledge.key) == (3, True, None)
    assert sorted(values(knowledge)) == ["tea of 7", "tea of ada", "tea of bob"]
    assert values(knowledge.get("of bob")) == ["tea of bob"]
    assert len(knowledge.search("tea")) == 3
    assert values(knowledge.search("bob tea", limit=1)) == ["tea of bob"]


def test_searches(memory: tamias.MemoryReader) -> None:
    notes = memory.get_memory_set("ada", "notes")
    assert values(notes.search("turin tea"))[:2]
    assert values(notes.search("turin")) == ["lives in Turin"]
    assert values(notes.search(vector=[0.1, 5.0], limit=1)) == ["lives in Turin"]
    asked = []

    def embed(text: str) -> list[float]:
        asked.append(text)
        return [1.0, 0.1]

    assert values(notes.search("beverage", 1, embed=embed)) == ["likes black tea"]
    words = memory.get_memory_set(LONG, "words")
    assert values(words.search("tea", embed=embed)) == ["tea without vectors"]
    assert asked == ["beverage"]
    assert notes.search("tea", filters={"kind": "place"}) == []


@pytest.mark.process
def test_a_forked_child_is_told_to_open_it_after_the_fork(memory: tamias.MemoryReader) -> None:
    assert memory.get_memory_set("ada", "notes").size == 2

    def child(tell: Callable[[], None]) -> None:
        with pytest.raises(tamias.StoreError, match="forked"):
            memory.memory_set_names("ada")
        with pytest.raises(tamias.StoreError, match="Fork first"):
            tamias.open_memory(memory.path).memory_set_names("ada")
        tell()

    with forked(child) as forked_child:
        assert forked_child.await_signals(1) == 1
    assert memory.get_memory_set("ada", "notes").size == 2


def test_what_cannot_be_asked(memory: tamias.MemoryReader) -> None:
    notes = memory.get_memory_set("ada", "notes")
    for filters in (["kind"], {"kind": float("nan")}, {"kind": {"$ne": "place"}}):
        with pytest.raises(tamias.MemorySetError, match=r"[Ff]ilter"):
            notes.search("tea", filters=filters)  # type: ignore[arg-type]
        with pytest.raises(tamias.MemorySetError, match=r"[Ff]ilter"):
            notes.get(filters=filters)  # type: ignore[arg-type]
    with pytest.raises(tamias.MemorySetError, match="not a text"):
        notes.search(5)  # type: ignore[arg-type]
    assert values(notes.search("black", limit=10**30)) == ["likes black tea"]
    assert len(notes.get(limit=10**30)) == 2


def test_a_search_opens_one_snapshot_of_the_only_shard_that_has_the_set(
    memory: tamias.MemoryReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    sets = ShardReader.sets

    def counted(reader: ShardReader) -> Any:
        opened.append(reader.directory)
        return sets(reader)

    notes = memory.get_memory_set("ada", "notes")
    monkeypatch.setattr(ShardReader, "sets", counted)
    assert values(notes.search(vector=[1.0, 0.0], limit=1)) == ["likes black tea"]
    assert values(notes.search("turin", limit=1)) == ["lives in Turin"]
    assert len(opened) == 2
    memory.get_shared_memory_set("knowledge").search("tea")
    assert len(set(opened)) == SHARDS


def test_what_cannot_be_asked_for(memory: tamias.MemoryReader, tmp_path: Path) -> None:
    with pytest.raises(MemorySetError, match=r"'ada' has no memory set 'other'.*'notes'"):
        memory.get_memory_set("ada", "other")
    with pytest.raises(MemorySetError, match="no shared memory set 'notes'"):
        memory.get_shared_memory_set("notes")
    with pytest.raises(InputError):
        memory.get_memory_set(object(), "notes")
    notes = memory.get_memory_set("ada", "notes")
    for vector, reason in (
        ([1.0], "1 dimensions.* have 2"),
        ([1.0, float("nan")], "NaN"),
        (["x"], "numbers"),
    ):
        with pytest.raises(MemorySetError, match=reason):
            notes.search(vector=vector)  # type: ignore[arg-type]
    with pytest.raises(MemorySetError, match="no vectors"):
        memory.get_memory_set(LONG, "words").search(vector=[1.0])
    with pytest.raises(StoreFormatError, match="not a state directory"):
        tamias.open_memory(tmp_path)
    memory.close()
    memory.close()
    with pytest.raises(StoreError, match="closed"):
        next(memory.keys())


def test_each_answer_is_that_of_the_last_commit(state: Path) -> None:
    add(state, "ada", "notes", item("1", "old"))
    encoded = encode_key("ada")
    number = shard_of(encoded, SHARDS)
    name = SetName(key_prefix(encoded), "notes")
    shard = Shard.acquire(StateLayout(state).shard(number), number)
    with tamias.open_memory(state) as memory:
        notes = memory.get_memory_set("ada", "notes")
        assert values(notes.get()) == ["old"]
        for drop, now in ((False, ["old", "new"]), (True, None)):
            change = SetChange()
            if drop:
                change.clear(drop=True)
            else:
                change.put(item("2", "new"))
            batch = Batch()
            batch.sets.append((name, change))
            shard.commit(batch)
            if now is not None:
                assert values(notes.get()) == now
    shard.close()
    with tamias.open_memory(state) as memory, pytest.raises(MemorySetError, match="no memory set"):
        memory.get_memory_set("ada", "notes")


def test_several_threads_read_at_once(state: Path) -> None:
    for number in range(20):
        add(state, number, "notes", item("1", f"tea {number}"))
    found: list[Any] = []
    with tamias.open_memory(state) as memory:

        def read() -> None:
            found.extend(
                values(memory.get_memory_set(number, "notes").search("tea"))[0]
                for number in range(20)
            )

        threads = [Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found) == sorted(4 * [f"tea {number}" for number in range(20)])


def test_keys_with_groups_are_found_by_the_key_itself(state: Path) -> None:
    for group, key in ((5, "ada"), (6, "bob"), (7, LONG)):
        add(state, key, "notes", item("1", f"tea of {key}", vector=[1.0, 0.0]), group=group)
        shared = item(f"of {key}", f"tea of {key}", owner=encode_key(key))
        add(state, key, "knowledge", shared, shared=True, group=group)
    batch = Batch()
    stored = GROUP + b"\0\x06" + encode_key("bob")
    batch.put_field(key_prefix(stored), "seen.last", dumps(3))
    commit(state, stored, batch)
    with tamias.open_memory(state) as memory:
        assert sorted(memory.keys()) == ["ada", "bob", LONG]
        for key in ("ada", "bob", LONG):
            assert memory.memory_set_names(key) == ["notes"]
            assert values(memory.get_memory_set(key, "notes").get()) == [f"tea of {key}"]
        assert memory.short_term_memory("bob") == {"seen": {"last": 3}}
        assert memory.shared_memory_set_names() == ["knowledge"]
        knowledge = memory.get_shared_memory_set("knowledge")
        assert knowledge.size == 3
        assert sorted(values(knowledge.search("tea"))) == sorted(
            f"tea of {key}" for key in ("ada", "bob", LONG)
        )
        with pytest.raises(MemorySetError, match="The key 'cid' has no memory set"):
            memory.get_memory_set("cid", "notes")


def test_half_lives_that_are_none_are_memory_errors(memory: tamias.MemoryReader) -> None:
    with pytest.raises(MemorySetError, match="half-life"):
        memory.get_memory_set("ada", "notes").search("tea", half_life=-1)
