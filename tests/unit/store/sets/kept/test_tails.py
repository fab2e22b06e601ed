"""What is kept of tails: each search finds what the last commit has left."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from support.processes import forked
from tamias.store import clock
from tamias.store.encoding.keys import encode_key, key_prefix
from tamias.store.memory.items import to_items
from tamias.store.sets import reading, writing
from tamias.store.sets.changes import SetChange, SetName
from tamias.store.sets.folding import Sizes
from tamias.store.sets.index.vectors import pack_vector
from tamias.store.sets.kept import tails
from tamias.store.sets.kept.tails import Tails
from tamias.store.sets.parts import ItemsPart, StoredPart
from tamias.store.sets.records import ITEM, SetSettings, StoredItem, set_address
from tamias.store.sets.searching import Query, search
from tamias.store.sets.table import SetTable, due_rest, number_key
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.shard.snapshot import Databases, Snapshot
from tamias.store.state.reader import ShardReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAME = SetName(key_prefix(encode_key("ann")), "notes")
NEAR = pack_vector([1.0, 0.0])
QUERIES = (
    Query("", NEAR, 100),
    Query("tea", b"", 100),
    Query("tea", NEAR, 100),
    Query("tea", NEAR, 100, half_life=10.0),
    Query("tea", NEAR, 100, {"kind": "a"}),
)
"""What finds all items of this module, each in its own way."""


@pytest.fixture(autouse=True)
def anew() -> None:
    reading.forget_checks()


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[Shard]:
    with closing(Shard.acquire(tmp_path / "s", 0, "none")) as shard:
        yield shard


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The items that are decoded."""
    found: list[str] = []
    decode = StoredItem.decode

    def counted(data: Any, vector: bytes = b"") -> StoredItem:
        item = decode(data, vector)
        found.append(item.id)
        return item

    monkeypatch.setattr(StoredItem, "decode", counted)
    return found


def note(number: int, **more: Any) -> StoredItem:
    vector = pack_vector([1.0, number / 10])
    item = StoredItem(f"i{number}", f"tea {number}", {"kind": "a"}, 1.0, 1.0, 1.0, vector=vector)
    return item._replace(**more)


def change_of(*added: int, deleted: tuple[int, ...] = (), **more: Any) -> SetChange:
    change = SetChange()
    change.settings = SetSettings(model="m", dimensions=2)
    for number in added:
        change.put(note(number, **more))
    for number in deleted:
        change.delete(f"i{number}")
    return change


def commit(shard: Shard, change: SetChange) -> None:
    batch = Batch()
    batch.sets.append((NAME, change))
    shard.commit(batch)


def found_in(view: Any, query: Query, *own: StoredItem, hidden: Any = ()) -> list[str]:
    parts: list[Any] = [StoredPart(view.set(NAME), hidden)]
    if own:
        parts.append(ItemsPart(own))
    return sorted(each.item.id for each in search(parts, query))


def found(shard: Shard, query: Query = QUERIES[0], *own: StoredItem, **more: Any) -> list[str]:
    return shard.read(lambda snapshot: found_in(snapshot, query, *own, **more))


def names(*numbers: int) -> list[str]:
    return sorted(f"i{number}" for number in numbers)


@pytest.mark.process
@pytest.mark.parametrize("query", QUERIES)
def test_what_another_process_commits_between_two_searches(tmp_path: Path, query: Query) -> None:
    directory, (commands, control) = tmp_path / "s", os.pipe()
    changes = [
        change_of(*range(5)),
        change_of(5, 6),
        change_of(deleted=(0, 6)),
        change_of(7, deleted=(1,)),  # as many as before, and others
        change_of(2),  # the same item anew
        change_of(),
    ]

    def write(tell: Callable[[], None]) -> None:
        shard = Shard.acquire(directory, 0, "none")
        for change in changes:
            commit(shard, change)
            tell()
            os.read(commands, 1)

    def found_now() -> list[str]:
        with reader.sets() as view:
            return found_in(view, query)

    expected = [(0, 1, 2, 3, 4), (0, 1, 2, 3, 4, 5, 6), (1, 2, 3, 4, 5), *[(2, 3, 4, 5, 7)] * 3]
    with forked(write) as writer:
        assert writer.await_signals(1) == 1
        with closing(ShardReader(directory)) as reader:
            for number, wanted in enumerate(expected):
                assert [found_now(), found_now()] == [names(*wanted)] * 2
                os.write(control, b".")
                assert writer.await_signals(1) == (number < len(expected) - 1) or number
    os.close(commands)
    os.close(control)


@pytest.mark.parametrize("query", QUERIES)
def test_the_own_changes_of_an_action_are_seen(shard: Shard, query: Query) -> None:
    commit(shard, change_of(*range(4)))
    assert found(shard, query) == names(0, 1, 2, 3)
    assert found(shard, query, note(9), hidden=["i1", "i9"]) == names(0, 2, 3, 9)
    assert found(shard, query, note(2), hidden=["i0", "i2"]) == names(1, 2, 3)
    assert found(shard, query) == names(0, 1, 2, 3)


@pytest.mark.parametrize("query", QUERIES)
def test_what_expires_between_two_searches_is_found_no_more(shard: Shard, query: Query) -> None:
    commit(shard, change_of(0, 1))
    commit(shard, change_of(2, expires=50.0))
    commit(shard, change_of(3, expires=70.0))
    for now, wanted in ((40.0, (0, 1, 2, 3)), (49.999, (0, 1, 2, 3)), (50.0, (0, 1, 3))):
        for _ in range(2):
            assert found(shard, query._replace(now=now)) == names(*wanted)
    assert found(shard, query._replace(now=clock.now())) == names(0, 1)
    assert found(shard, query._replace(now=45.0)) == names(0, 1, 2, 3)  # a run judges by its moment
    commit(shard, change_of(4, expires=60.0))
    assert found(shard, query._replace(now=65.0)) == names(0, 1, 3)


@pytest.mark.parametrize("query", QUERIES)
def test_an_older_snapshot_finds_what_there_was(shard: Shard, query: Query) -> None:
    handle = shard._environment.require()
    databases = Databases.open(handle, None, create=False)
    commit(shard, change_of(*range(4)))
    with closing(Snapshot(handle, databases)) as old:
        assert found_in(old, query) == names(0, 1, 2, 3)
        commit(shard, change_of(5, deleted=(0,)))
        with closing(Snapshot(handle, databases)) as newer:
            for _ in range(2):
                assert found_in(newer, query) == names(1, 2, 3, 5)
                assert found_in(old, query) == names(0, 1, 2, 3)
            commit(shard, change_of(6))
            assert found(shard, query) == names(1, 2, 3, 5, 6)
            for _ in range(2):
                assert found_in(old, query) == names(0, 1, 2, 3)
                assert found_in(newer, query) == names(1, 2, 3, 5)
                assert found(shard, query) == names(1, 2, 3, 5, 6)


@pytest.mark.parametrize("query", QUERIES)
def test_a_set_that_is_dropped_and_made_anew(shard: Shard, query: Query) -> None:
    commit(shard, change_of(0, 1))
    assert found(shard, query) == names(0, 1)
    change = SetChange()
    change.clear(drop=True)
    commit(shard, change)
    assert found(shard, query) == []
    commit(shard, change_of(3, 4))
    assert found(shard, query) == names(3, 4)
    change = SetChange()
    change.clear()
    for number in (5, 6):
        change.put(note(number))
    commit(shard, change)
    assert found(shard, query) == names(5, 6)


@pytest.mark.parametrize("query", QUERIES)
def test_a_tail_that_becomes_a_chunk(
    shard: Shard, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing.SetWriter, "sizes", Sizes(tail=4, chunk=16))
    there: list[int] = []
    for number in range(30):
        deleted = (number - 7,) if number % 3 else ()
        commit(shard, change_of(number, deleted=deleted))
        there = [each for each in [*there, number] if each not in deleted]
        assert [found(shard, query), found(shard, query)] == [names(*there)] * 2


def test_vectors_of_another_length_than_those_of_their_chunk(
    shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing.SetWriter, "sizes", Sizes(tail=4, chunk=16))
    longer = pack_vector([1.0, 0.0, 0.0])
    change = change_of(0, 1, 2, 3)
    change.put(note(4, vector=longer))
    commit(shard, change)
    query = Query("", longer, 100)
    assert [found(shard, query), found(shard)] == [names(4), names(0, 1, 2, 3)]
    commit(shard, change_of(5, vector=longer))
    assert [found(shard, query), found(shard)] == [names(4, 5), names(0, 1, 2, 3)]
    commit(shard, change_of(6, deleted=(4,)))
    assert [found(shard, query), found(shard)] == [names(5), names(0, 1, 2, 3, 6)]
    commit(shard, change_of(7, 8, vector=longer))
    before = names(5, 7, 8), names(0, 1, 2, 3, 6)
    assert (found(shard, query), found(shard)) == before  # none is in the tail
    commit(shard, change_of(9, 10, 11, 12, deleted=(6, 0, 1, 2)))
    assert [found(shard, query), found(shard)] == [names(5, 7, 8), names(3, 9, 10, 11, 12)]


def test_items_are_kept_from_the_second_search_on(shard: Shard, decoded: list[str]) -> None:
    commit(shard, change_of(*range(5)))
    for query in QUERIES[:1] + QUERIES * 2:
        found(shard, query)
    assert sorted(decoded) == sorted(2 * names(*range(5)))
    decoded.clear()
    commit(shard, change_of(7, deleted=(3,)))
    for query in QUERIES:
        assert found(shard, query) == names(0, 1, 2, 4, 7)
    assert decoded == ["i7"]


def test_items_of_large_sets_are_not_kept(
    shard: Shard, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tails, "_SMALL", 4)
    commit(shard, change_of(*range(5)))
    for query in QUERIES[:2] * 2:
        assert found(shard, query) == names(*range(5))
    assert len(decoded) == 20


def test_what_programs_get_of_a_kept_item_is_their_own(shard: Shard) -> None:
    change = change_of(0)
    change.put(note(1, value={"text": ["tea"]}))
    change.put(note(2, metadata={"kind": "a", "of": [1]}))
    change.put(note(3, compacted=True, created_until=2.0))
    commit(shard, change)

    def items() -> list[Any]:
        return shard.read(
            lambda snapshot: to_items("n", search([StoredPart(snapshot.set(NAME))], QUERIES[0]))
        )

    expected = [item.model_dump() for item in items()]
    for _ in range(3):
        found_now = items()
        assert [item.model_dump() for item in found_now] == expected
        plain, nested, about, compacted = found_now
        plain.additional_metadata["kind"] = plain.value = "changed"
        nested.value["text"].append("changed")
        about.additional_metadata["of"].append("changed")
        compacted.created_time.end = compacted.created_time.start


def test_as_many_bytes_are_kept_as_are_allowed(
    shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Tails(40_000)
    monkeypatch.setattr(reading, "_TAILS", kept)
    sets = [SetName(key_prefix(encode_key(number)), "notes") for number in range(40)]
    batch = Batch()
    batch.sets += [(name, change_of(*range(3))) for name in sets]
    shard.commit(batch)
    for name in sets * 2:
        for query in QUERIES:
            shard.read(lambda snapshot: search([StoredPart(snapshot.set(name))], query))  # noqa: B023
        assert sum(entry[2] for entry in kept._kept.values()) == kept._bytes <= 40_000
        assert all(entry[1].size() == entry[2] for entry in kept._kept.values())
    assert len(kept._kept) > 1


def test_only_what_is_new_is_read_after_additions(
    shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    columns = SetTable.columns

    def counted(table: SetTable, kind: bytes, after: int, likely: int) -> Any:
        numbers, records = columns(table, kind, after, likely)
        read.append(len(records))
        return numbers, records

    monkeypatch.setattr(SetTable, "columns", counted)
    commit(shard, change_of(*range(20)))
    assert len(found(shard, QUERIES[2])) == 20
    assert sorted(read) == [20, 20]
    read.clear()
    for number in range(20, 25):
        commit(shard, change_of(number))
        assert len(found(shard, QUERIES[2])) == number + 1
    assert read == [1] * 10


@pytest.mark.parametrize("query", QUERIES)
def test_an_item_that_is_not_listed_as_one_that_expires(shard: Shard, query: Query) -> None:
    commit(shard, change_of(0, 1))
    commit(shard, change_of(2, expires=50.0))
    handle = shard._environment.require()
    databases = Databases.open(handle, None, create=False)
    shard.reader.drop()
    with handle.begin(write=True) as transaction:
        address = set_address(*NAME)
        assert transaction.delete(address + due_rest(50_000, 4), db=databases.sets)
    for _ in range(2):
        assert found(shard, query._replace(now=49.0)) == names(0, 1, 2)
        assert found(shard, query._replace(now=51.0)) == names(0, 1)


@pytest.mark.parametrize("query", QUERIES)
def test_an_item_whose_record_is_gone_takes_no_place(shard: Shard, query: Query) -> None:
    commit(shard, change_of(*range(80)))
    handle = shard._environment.require()
    databases = Databases.open(handle, None, create=False)
    shard.reader.drop()
    with handle.begin(write=True) as transaction:
        for number in (1, 2, 5):
            key = set_address(*NAME) + ITEM + number_key(number)
            assert transaction.delete(key, db=databases.sets)
    assert found(shard, query._replace(limit=3)) == names(2, 3, 5)
