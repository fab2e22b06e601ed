"""Matrices of sets that a process keeps: searches find what they would find without."""

from __future__ import annotations

import sys
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tamias.store.encoding.keys import encode_key, key_prefix
from tamias.store.sets import parts, reading, writing
from tamias.store.sets.changes import SetChange, SetName
from tamias.store.sets.folding import Sizes
from tamias.store.sets.index.vector_chunk import decode_rows
from tamias.store.sets.index.vectors import pack_vector
from tamias.store.sets.kept import matrices
from tamias.store.sets.kept.matrices import Matrices
from tamias.store.sets.parts import StoredPart
from tamias.store.sets.records import SetSettings, StoredItem
from tamias.store.sets.searching import Query, search
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ANN = SetName(key_prefix(encode_key("ann")), "notes")
BOB = SetName(key_prefix(encode_key("bob")), "notes")
ENOUGH = 3
FIRST = pack_vector([1.0, 0.0, 0.0, 0.0])


@pytest.fixture(params=[0, 2048], ids=["scanned", "compared"])
def shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Shard]:
    monkeypatch.setattr(parts, "_FEW_ROWS", request.param)
    monkeypatch.setattr(writing.SetWriter, "sizes", Sizes(tail=4, chunk=16))
    monkeypatch.setattr(matrices, "_ENOUGH_SEARCHES", ENOUGH)
    reading.forget_checks()
    shard = Shard.acquire(tmp_path / "s", 0, "none")
    yield shard
    shard.close()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The chunks that are read from the database, as searches go on."""
    chunks: list[int] = []
    decode: Callable[..., Any] = decode_rows

    def decoded(pieces: Any, **options: Any) -> Any:
        found = decode(pieces, **options)
        chunks.append(found.items)
        return found

    monkeypatch.setattr(reading, "decode_rows", decoded)
    return chunks


def note(number: int, random: Random) -> StoredItem:
    vector = pack_vector([random.gauss(0, 1) for _ in range(4)])
    metadata = {"color": "red" if number % 3 else "blue"}
    return StoredItem(f"i{number}", f"tea {number}", metadata, 1.0, 1.0, 1.0, vector=vector)


def commit(shard: Shard, *names: SetName, change: SetChange) -> None:
    batch = Batch()
    batch.sets += [(name, change) for name in names]
    shard.commit(batch)


def added(numbers: range, random: Random) -> SetChange:
    change = SetChange()
    change.settings = SetSettings(dimensions=4)
    for number in numbers:
        change.put(note(number, random))
    return change


def found(
    shard: Shard, vector: bytes = FIRST, name: SetName = ANN, hidden: Any = (), **query: Any
) -> list[Any]:
    wanted = Query(vector=vector, limit=5, **query)
    return shard.read(
        lambda snapshot: [
            (each.item.id, each.score)
            for each in search([StoredPart(snapshot.set(name), hidden)], wanted)
        ]
    )


def is_kept(shard: Shard, name: SetName = ANN) -> bool:
    return shard.read(lambda snapshot: snapshot.set(name).matrix() is not None)


def test_chunks_that_are_searched_often_are_not_read_again_until_there_are_others(
    shard: Shard, read: list[int]
) -> None:
    random = Random(1)
    commit(shard, ANN, change=added(range(16), random))
    first = found(shard)
    for _ in range(ENOUGH):
        assert found(shard) == first
    assert read
    read.clear()
    assert found(shard) == first
    commit(shard, ANN, change=added(range(16, 18), random))  # they are in no chunk yet
    found(shard)
    change = SetChange()
    change.delete("i3")
    commit(shard, ANN, change=change)
    found(shard)
    assert not read
    commit(shard, ANN, change=added(range(18, 24), random))
    found(shard)
    assert read


def test_searches_find_what_they_find_without(
    shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(2)
    there: set[int] = set()
    searches = 0
    for step in range(60):
        change = added(range(step * 4, step * 4 + random.randint(1, 6)), random)
        there.update(int(name[1:]) for name in change.items)
        for number in random.sample(sorted(there), min(len(there), random.choice([0, 1, 5]))):
            change.delete(f"i{number}")
            there.discard(number)
        commit(shard, ANN, BOB, change=change)
        hidden = {f"i{number}" for number in random.sample(sorted(there), min(3, len(there)))}
        for name in (ANN, BOB, ANN, ANN, ANN, ANN):
            vector = pack_vector([random.gauss(0, 1) for _ in range(4)])
            for filters in (None, {"color": "blue"}):
                with_kept = found(shard, vector, name, hidden, filters=filters)
                searches += is_kept(shard, name)
                with monkeypatch.context() as patch:
                    patch.setattr(reading, "_MATRICES", Matrices(0))
                    assert found(shard, vector, name, hidden, filters=filters) == with_kept
                assert not hidden.intersection(name for name, _ in with_kept)
    assert searches > 100


def test_a_matrix_is_kept_only_of_a_small_set_that_has_vectors_of_one_length(
    shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(3)
    commit(shard, ANN, change=added(range(16), random))
    of_bob = added(range(12), random)
    commit(shard, BOB, change=of_bob)
    longer = SetChange()
    for number in range(12, 24):
        vector = pack_vector([random.gauss(0, 1) for _ in range(5)])
        longer.put(StoredItem(f"i{number}", "tea", {}, 1.0, 1.0, 1.0, vector=vector))
    commit(shard, BOB, change=longer)
    for _ in range(2 * ENOUGH):
        found(shard)
        found(shard, name=BOB)
    assert is_kept(shard)
    assert not is_kept(shard, BOB)
    size = reading._MATRICES.kept.last(_name_of(shard)).matrix.size  # type: ignore[union-attr]
    monkeypatch.setattr(reading, "_MATRICES", Matrices(3 * size - 1))
    for _ in range(2 * ENOUGH):
        found(shard)
    assert not is_kept(shard)
    monkeypatch.setattr(reading, "_MATRICES", Matrices(3 * size))
    for _ in range(2 * ENOUGH):
        found(shard)
    assert is_kept(shard)


def _name_of(shard: Shard) -> Any:
    def read(snapshot: Any) -> Any:
        stored = snapshot.set(ANN)
        return stored._source, stored._records.address

    return shard.read(read)


def test_without_the_library_the_same_is_found(
    shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(shard, ANN, change=added(range(16), Random(4)))
    with_library = [found(shard) for _ in range(ENOUGH + 1)][-1]
    monkeypatch.setitem(sys.modules, "numkong", None)
    reading.forget_checks()
    for _ in range(ENOUGH + 1):
        found(shard)
    assert is_kept(shard)
    for (name, score), (other, exact) in zip(found(shard), with_library, strict=True):
        assert name == other
        assert score == pytest.approx(exact, abs=1e-3)


def test_a_matrix_does_not_change_under_who_has_it(shard: Shard) -> None:
    random = Random(5)
    commit(shard, ANN, change=added(range(16), random))
    for _ in range(ENOUGH):
        found(shard)
    kept: list[Any] = shard.read(lambda snapshot: [snapshot.set(ANN).matrix()])
    commit(shard, ANN, change=added(range(16, 40), random))
    for _ in range(2 * ENOUGH):
        found(shard)
    newer = shard.read(lambda snapshot: snapshot.set(ANN).matrix())
    assert newer is not None
    assert len(kept[0].matrix) < len(newer.matrix)


def test_chunks_with_the_vectors_of_others_are_told_from_them(shard: Shard) -> None:
    vectors = [pack_vector([1.0, number, 0.0, 2.0]) for number in range(16)]

    def same(numbers: range) -> SetChange:
        change = SetChange()
        change.settings = SetSettings(dimensions=4)
        for number in numbers:
            change.put(StoredItem(f"i{number}", "tea", {}, 1.0, 1.0, 1.0, vector=vectors[number]))
        return change

    for first in range(0, 16, 4):
        commit(shard, ANN, change=same(range(first, first + 4)))
    before = [found(shard) for _ in range(ENOUGH)][-1]
    assert len(before) == 5
    assert is_kept(shard)
    for first in range(0, 16, 4):  # once more, as who brings a set up to date
        commit(shard, ANN, change=same(range(max(1, first), first + 4)))
    assert list(shard.read(lambda snapshot: snapshot.set(ANN).bitmaps())) == [1]
    assert found(shard) == before
