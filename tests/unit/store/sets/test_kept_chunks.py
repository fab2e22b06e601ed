"""Vectors of chunks that a process keeps: searches find what they would find without."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tamias.store.encoding.keys import encode_key, key_prefix
from tamias.store.sets import reading, writing
from tamias.store.sets.changes import SetChange, SetName
from tamias.store.sets.folding import Sizes
from tamias.store.sets.index.kept_rows import KeptChunks
from tamias.store.sets.index.vector_chunk import decode_rows
from tamias.store.sets.index.vectors import pack_vector
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


@pytest.fixture
def shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shard]:
    monkeypatch.setattr(writing.SetWriter, "sizes", Sizes(tail=4, chunk=16))
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
    return StoredItem(f"i{number}", f"tea {number}", {}, 1.0, 1.0, 1.0, vector=vector)


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


def found(shard: Shard, vector: bytes, name: SetName = ANN, hidden: Any = ()) -> list[Any]:
    query = Query(vector=vector, limit=5)
    return shard.read(
        lambda snapshot: [
            (each.item.id, each.score)
            for each in search([StoredPart(snapshot.set(name), hidden)], query)
        ]
    )


def test_from_the_third_search_on_nothing_is_read_until_a_chunk_changes(
    shard: Shard, read: list[int]
) -> None:
    random = Random(1)
    commit(shard, ANN, change=added(range(16), random))
    vector = pack_vector([1.0, 0.0, 0.0, 0.0])
    first = found(shard, vector)
    assert found(shard, vector) == first
    assert read
    read.clear()
    assert found(shard, vector) == first
    commit(shard, ANN, change=added(range(16, 18), random))  # they are in no chunk yet
    found(shard, vector)
    assert not read
    commit(shard, ANN, change=added(range(18, 24), random))
    found(shard, vector)
    assert read


def test_searches_find_what_they_find_without(shard: Shard) -> None:
    random = Random(2)
    there: set[int] = set()
    for step in range(60):
        change = added(range(step * 4, step * 4 + random.randint(1, 6)), random)
        there.update(int(name[1:]) for name in change.items)
        for number in random.sample(sorted(there), min(len(there), random.choice([0, 1, 5]))):
            change.delete(f"i{number}")
            there.discard(number)
        commit(shard, ANN, BOB, change=change)
        hidden = {f"i{number}" for number in random.sample(sorted(there), min(3, len(there)))}
        for name in (ANN, BOB, ANN, ANN):
            vector = pack_vector([random.gauss(0, 1) for _ in range(4)])
            with_kept = found(shard, vector, name, hidden)
            reading._CHECKED.clear()
            kept, reading._CHUNKS = reading._CHUNKS, KeptChunks(1 << 20)  # type: ignore[misc]
            assert found(shard, vector, name, hidden) == with_kept
            reading._CHUNKS = kept  # type: ignore[misc]
            assert not hidden.intersection(name for name, _ in with_kept)
    assert reading._CHUNKS._kept


def test_those_of_a_large_set_are_not_kept(
    shard: Shard, read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_CHUNKS", KeptChunks(200))
    commit(shard, ANN, change=added(range(16), Random(3)))
    vector = pack_vector([1.0, 0.0, 0.0, 0.0])
    for _ in range(4):
        found(shard, vector)
    read.clear()
    found(shard, vector)
    assert read
