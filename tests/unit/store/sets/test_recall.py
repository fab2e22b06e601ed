"""What searches by meaning find of real text, beside a comparison of all vectors."""

from __future__ import annotations

import re
from contextlib import closing
from pydoc_data.topics import topics
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tamias.models.embeddings.static_table import BUNDLED, StaticTable
from tamias.store.encoding.keys import encode_key, key_prefix
from tamias.store.sets.changes import SetChange, SetName
from tamias.store.sets.index.vectors import pack_vector
from tamias.store.sets.parts import StoredPart
from tamias.store.sets.records import VECTOR, SetSettings, SetState, StoredItem, Totals
from tamias.store.sets.searching import Query, search
from tamias.store.sets.table import SetTable
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard

if TYPE_CHECKING:
    from pathlib import Path

    from tamias.store.shard.snapshot import Snapshot

NAME = SetName(key_prefix(encode_key("a")), "sentences")
QUERIES = 100


def sentences() -> list[str]:
    """Sentences of Python's documentation, no two the same."""
    found = (
        " ".join(sentence.split())
        for topic in sorted(topics)
        for sentence in re.split(r"(?<=[.:])\s", topics[topic])
    )
    return list(dict.fromkeys(text for text in found if 30 <= len(text) <= 400))


def commit(shard: Shard, change: SetChange) -> None:
    batch = Batch()
    batch.sets.append((NAME, change))
    shard.commit(batch)


def test_searches_find_the_nearest_of_real_texts(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    texts = sentences()
    table = StaticTable(BUNDLED)
    vectors = np.asarray(table.embed(texts, table.dimensions, normalize=True), np.float32)
    count = len(texts) - QUERIES
    assert count > 2000
    dead = set(range(0, count, 7))
    with closing(Shard.acquire(tmp_path, 0, "none")) as shard:
        change = SetChange()
        change.settings = SetSettings(model="m", dimensions=table.dimensions)
        for number in range(count):
            half = vectors[number].astype(np.float16).tobytes()
            change.put(StoredItem(str(number), texts[number], {}, 1.0, 1.0, 1.0, vector=half))
            if number % 100 == 99:
                commit(shard, change)
                change = SetChange()
        for number in dead:
            change.delete(str(number))
        commit(shard, change)

        def nearest(vector: Any) -> set[int]:
            query = Query(vector=vector.astype(np.float16).tobytes(), limit=10)

            def find(snapshot: Snapshot) -> set[int]:
                return {
                    int(each.item.id) for each in search([StoredPart(snapshot.set(NAME))], query)
                }

            return shard.read(find)

        living = np.array([number for number in range(count) if number not in dead])
        shares = []
        for vector in vectors[count:]:
            order = np.argsort(-(vectors[living] @ vector), kind="stable")[:10]
            shares.append(len(nearest(vector) & set(living[order].tolist())) / 10)
    assert np.mean(shares) >= 0.99


def test_of_equal_vectors_the_first_are_found(tmp_path: Path) -> None:
    half = pack_vector([1.0, 2.0])
    with closing(Shard.acquire(tmp_path, 0, "none")) as shard:
        for count in (100, 1000):  # in the tail, and in a chunk as well
            change = SetChange()
            change.settings = SetSettings(model="m", dimensions=2)
            for number in range(count):
                change.put(StoredItem(f"{count} {number}", "", {}, 1.0, 1.0, 1.0, vector=half))
            commit(shard, change)

            def find(snapshot: Snapshot) -> list[str]:
                found = search([StoredPart(snapshot.set(NAME))], Query(vector=half, limit=3))
                return [each.item.id for each in found]

            assert shard.read(find) == ["100 0", "100 1", "100 2"]


def test_vectors_of_a_tail_are_kept_until_the_set_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[bytes, int]] = []
    columns = SetTable.columns

    def counted(table: SetTable, kind: bytes, after: int, likely: int) -> Any:
        read.append((kind, after))
        return columns(table, kind, after, likely)

    monkeypatch.setattr(SetTable, "columns", counted)
    half = pack_vector([1.0, 2.0])

    def found() -> list[str]:
        def find(snapshot: Snapshot) -> list[str]:
            query = Query(vector=half, limit=9)
            return [each.item.id for each in search([StoredPart(snapshot.set(NAME))], query)]

        return shard.read(find)

    with closing(Shard.acquire(tmp_path, 0, "none")) as shard:
        change = SetChange()
        change.settings = SetSettings(model="m", dimensions=2)
        for number in range(3):
            expires = 5.0 if number == 2 else 0.0
            change.put(StoredItem(f"{number}", "", {}, 1.0, 1.0, 1.0, expires, vector=half))
        commit(shard, change)
        assert [found(), found(), found()] == [["0", "1", "2"]] * 3
        assert read == [(VECTOR, 0)]
        read.clear()
        change = SetChange()
        change.delete("0")
        commit(shard, change)
        assert [found(), found()] == [["1", "2"]] * 2
        change = SetChange()
        change.put(StoredItem("1", "", {}, 1.0, 1.0, 1.0, vector=pack_vector([-1.0, 1.0])))
        commit(shard, change)
        assert [found(), found()] == [["2", "1"]] * 2
        assert [(kind, after) for kind, after in read if not after] == [(VECTOR, 0)] * 2
        read.clear()
        change = SetChange()
        change.put(StoredItem("3", "", {}, 1.0, 1.0, 1.0, vector=half))
        commit(shard, change)
        assert [found(), found()] == [["2", "3", "1"]] * 2
        assert len(read) == 2
        assert all(after for _, after in read)  # only what is new


def test_counts_of_a_version_that_did_not_count_writes_are_read() -> None:
    state = SetState(Totals(1, 2, 3, 4, 5), 6, 7, 8, 9)
    assert SetState.decode(state.encode()) == state
    assert SetState.decode(state.encode()[:-8]) == state._replace(written=0)
