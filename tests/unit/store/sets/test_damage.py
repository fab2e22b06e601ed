"""A damaged set is found, and no other one suffers from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tamias.agent.errors import StoreCorruptError
from tamias.store.encoding.keys import encode_key, key_prefix
from tamias.store.sets import reading, writing
from tamias.store.sets.changes import SetChange, SetName
from tamias.store.sets.folding import Sizes
from tamias.store.sets.index.vectors import pack_vector
from tamias.store.sets.kept import matrices
from tamias.store.sets.parts import StoredPart
from tamias.store.sets.records import SetSettings, StoredItem, id_digest, set_address
from tamias.store.sets.searching import Query, search
from tamias.store.sets.selecting import items_that_fit
from tamias.store.sets.table import number_key
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.shard.snapshot import Databases
from tamias.store.state.deep import read_shard

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DAMAGED = SetName(key_prefix(encode_key("ann")), "notes")
NEW = 15
"""The number of an item that is in no chunk; each change has taken one, too."""
SOUND = SetName(key_prefix(encode_key("bob")), "notes")


@pytest.fixture
def shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shard]:
    monkeypatch.setattr(writing.SetWriter, "sizes", Sizes(tail=4, chunk=16))
    reading.forget_checks()
    shard = Shard.acquire(tmp_path / "s", 0, "none")
    for name in (DAMAGED, SOUND):
        change = SetChange()
        change.settings = SetSettings(dimensions=2)
        for number in range(6):
            change.put(note(number))
        commit(shard, name, change)
    change = SetChange()
    change.put(note(6))
    commit(shard, DAMAGED, change)
    yield shard
    shard.close()


def note(number: int) -> StoredItem:
    vector = pack_vector([1.0, number])
    return StoredItem(f"i{number}", f"tea {number}", {}, 1.0, 1.0, 1.0, vector=vector)


def commit(shard: Shard, name: SetName, change: SetChange) -> None:
    batch = Batch()
    batch.sets.append((name, change))
    shard.commit(batch)


def damage(shard: Shard, kind: bytes, at: int, number: int = 1) -> None:
    """Change one byte of a record, as a broken disk does; `kind` ends with the piece's index."""
    handle = shard._environment.require()
    databases = Databases.open(handle, None, create=False)
    shard.reader.drop()
    with handle.begin(write=True) as transaction:
        key = set_address(*DAMAGED) + kind[:1] + number_key(number) + kind[1:]
        value = bytearray(transaction.get(key, b"", databases.sets))
        value[at] ^= 0x40
        transaction.put(key, bytes(value), db=databases.sets)


def put(
    shard: Shard, kind: bytes, value: bytes | None, number: int = 0, *, rest: bytes = b""
) -> None:
    """Write a record of the damaged set, or remove it; see `damage`."""
    handle = shard._environment.require()
    databases = Databases.open(handle, None, create=False)
    shard.reader.drop()
    key = set_address(*DAMAGED) + kind[:1] + (rest or number_key(number) + kind[1:])
    with handle.begin(write=True) as transaction:
        if value is None:
            assert transaction.delete(key, db=databases.sets)
        else:
            transaction.put(key, value, db=databases.sets)


def found(shard: Shard, name: SetName, **query: Any) -> list[str]:
    wanted = Query(**{"text": "tea", "vector": pack_vector([1.0, 0.0]), **query})

    def read(snapshot: Any) -> list[str]:
        return [each.item.id for each in search([StoredPart(snapshot.set(name))], wanted)]

    return shard.read(read)


@pytest.mark.parametrize(
    ("kind", "at", "number"),
    [
        (b"T\0\0", -3, 1),
        (b"T\0\0", 1, 1),
        (b"V\0\1", -3, 1),
        (b"V\0\0", 4, 1),
        (b"F\0\1", 1, 1),
        (b"B", 2, 1),
        (b"w", 4, NEW),
        (b"i", 0, NEW),
        (b"i", 20, NEW),
        (b"i", -12, NEW),
    ],
)
def test_one_damaged_record(shard: Shard, kind: bytes, at: int, number: int) -> None:
    assert len(found(shard, DAMAGED)) == 7
    damage(shard, kind, at, number)
    reading.forget_checks()  # as in a process that has not read it before
    message = "The memory set 'notes' of the key 'ann' is damaged"
    with pytest.raises(StoreCorruptError, match=message):
        found(shard, DAMAGED)
    assert len(found(shard, SOUND)) == 6
    directory = shard.directory
    change = SetChange()
    for old in range(4):
        change.delete(f"i{old}")
    for new in range(10, 20):
        change.put(note(new))
    commit(shard, DAMAGED, change)
    commit(shard, SOUND, change)
    assert len(found(shard, SOUND, limit=100)) == 12
    shard.close()
    if kind != b"w":  # else it was made anew
        with pytest.raises(StoreCorruptError, match="The memory set 'notes' of the key 'ann': "):
            read_shard(directory, 0, 1, None)


@pytest.mark.parametrize("kind", [b"c", b"m"])
def test_counts_or_settings_that_are_cut_short(shard: Shard, kind: bytes) -> None:
    handle = shard._environment.require()
    databases = Databases.open(handle, None, create=False)
    shard.reader.drop()
    with handle.begin(write=True) as transaction:
        transaction.put(set_address(*DAMAGED) + kind, b"{", db=databases.sets)
    with pytest.raises(StoreCorruptError, match="The memory set 'notes' of the key 'ann'"):
        shard.read(lambda snapshot: (snapshot.set(DAMAGED).settings(), found_in(snapshot)))
    assert len(found(shard, SOUND)) == 6
    change = SetChange()
    change.delete("i1")
    change.put(note(20))
    commit(shard, DAMAGED, change)
    directory = shard.directory
    shard.close()
    with pytest.raises(StoreCorruptError, match="The memory set 'notes' of the key 'ann': "):
        read_shard(directory, 0, 1, None)


def found_in(snapshot: Any) -> int:
    return len(search([StoredPart(snapshot.set(DAMAGED))], Query("tea")))


def test_the_doctor_finds_nothing_in_a_sound_shard(shard: Shard) -> None:
    directory = shard.directory
    shard.close()
    assert "records read" in read_shard(directory, 0, 1, None)


@pytest.mark.parametrize("at", range(4))
def test_the_doctor_finds_a_damaged_vector_that_is_in_no_chunk(shard: Shard, at: int) -> None:
    damage(shard, b"v", at, NEW)
    directory = shard.directory
    shard.close()
    with pytest.raises(StoreCorruptError, match=f"the vector of item {NEW} is damaged"):
        read_shard(directory, 0, 1, None)


@pytest.mark.parametrize("kind", [b"B", b"V\0\0"])
def test_heads_of_chunks_that_are_cut_short(
    shard: Shard, kind: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrices, "_ENOUGH_SEARCHES", 1 if kind[:1] == b"V" else 9)
    put(shard, kind, b"\2", number=1)
    reading.forget_checks()
    for query in ({}, {"text": ""}, {"text": "", "filters": {"a": 1}}):
        with pytest.raises(StoreCorruptError, match="The memory set 'notes' of the key 'ann' is"):
            found(shard, DAMAGED, **query)
    change = SetChange()
    for new in range(10, 14):
        change.put(note(new))
    commit(shard, DAMAGED, change)
    commit(shard, SOUND, change)
    assert len(found(shard, SOUND, limit=100)) == 10


@pytest.mark.parametrize("kind", [b"B", b"w"])
def test_items_whose_index_is_gone_are_missed(shard: Shard, kind: bytes) -> None:
    put(shard, kind, None, number=1 if kind == b"B" else NEW)
    query = {"text": ""} if kind == b"B" else {}
    with pytest.raises(StoreCorruptError, match="The memory set 'notes' of the key 'ann' is"):
        found(shard, DAMAGED, **query)


def test_a_damaged_item_behind_those_that_are_kept(shard: Shard) -> None:
    assert len(found(shard, DAMAGED)) == 7
    for number, kind in ((NEW + 2, b"w"), (NEW + 5, b"i")):
        change = SetChange()
        change.put(note(number))
        commit(shard, DAMAGED, change)
        damage(shard, kind, 4, number)
        for _ in range(2):
            with pytest.raises(StoreCorruptError, match="'notes' of the key 'ann' is damaged"):
                found(shard, DAMAGED)
        assert len(found(shard, SOUND)) == 6
        change = SetChange()
        change.delete(f"i{number}")
        commit(shard, DAMAGED, change)
        assert len(found(shard, DAMAGED)) == 7


@pytest.mark.parametrize(("kind", "places"), [(b"T\0\0", range(-35, -12, 2)), (b"V\0\0", [-1])])
def test_what_is_damaged_after_it_was_read_first(
    shard: Shard, kind: bytes, places: Sequence[int]
) -> None:
    change = SetChange()
    change.delete("i3")
    commit(shard, DAMAGED, change)
    assert len(found(shard, DAMAGED)) == 6
    for at in places:
        damage(shard, kind, at)  # the high bytes of places, which no items have now
    with pytest.raises(StoreCorruptError, match="The memory set 'notes' of the key 'ann' is"):
        found(shard, DAMAGED)


def test_what_is_damaged_later_is_found_by_filters_too(shard: Shard) -> None:
    change = SetChange()
    for number in range(4):
        change.put(StoredItem(f"n{number}", "", {"kind": "tea"}, 1.0, 1.0, 1.0))
    commit(shard, DAMAGED, change)
    first = max(shard.read(lambda snapshot: snapshot.set(DAMAGED).bitmaps()))

    def fitting() -> int:
        def read(snapshot: Any) -> int:
            return len(list(items_that_fit(snapshot.set(DAMAGED), {"kind": "tea"})))

        return shard.read(read)

    assert fitting() == 4
    for at in range(-17, -6, 2):
        damage(shard, b"T\0\0", at, first)  # the high bytes of six places
    with pytest.raises(StoreCorruptError, match="The memory set 'notes' of the key 'ann' is"):
        fitting()


@pytest.mark.parametrize("value", [b"\1" * 9, number_key(2)])
def test_an_id_with_another_number_removes_no_other_item(shard: Shard, value: bytes) -> None:
    put(shard, b"k", value, rest=id_digest("i3"))
    change = SetChange()
    change.put(note(3))
    commit(shard, DAMAGED, change)
    ids = shard.read(lambda shard: [item.id for _, item in shard.set(DAMAGED).items()])
    assert set(ids) == {f"i{number}" for number in range(7)}


@pytest.mark.parametrize(
    ("kind", "value"), [(b"k", b"\1" * 8), (b"k", b"\1" * 9), (b"i", b""), (b"i", None)]
)
def test_a_damaged_set_that_was_deleted_is_sound_when_it_comes_again(
    shard: Shard, kind: bytes, value: bytes | None
) -> None:
    put(shard, kind, value, rest=id_digest("i3") if kind == b"k" else number_key(3))
    change = SetChange()
    change.clear(drop=True)
    commit(shard, DAMAGED, change)
    change = SetChange()
    change.settings = SetSettings(dimensions=2)
    for number in range(10, 19):
        change.put(note(number))
    commit(shard, DAMAGED, change)
    assert len(found(shard, DAMAGED)) == 9
    directory = shard.directory
    shard.close()
    read_shard(directory, 0, 1, None)
