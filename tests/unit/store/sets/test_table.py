"""Reads of a range of a set's records at once: they are those of reads one after the other."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tamias.store.encoding.keys import encode_key, key_prefix
from tamias.store.sets import writing
from tamias.store.sets.changes import SetChange, SetName
from tamias.store.sets.folding import Sizes
from tamias.store.sets.index.vectors import pack_vector
from tamias.store.sets.records import HALVES, LISTS, SMALL, TERMS, VECTOR, StoredItem, set_address
from tamias.store.sets.table import SetTable
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [SetName(key_prefix(encode_key(key)), "notes") for key in ("ann", "bob", "cid")]


def note(number: int) -> StoredItem:
    vector = pack_vector([1.0, number])
    return StoredItem(f"i{number}", f"tea {number}", {}, 1.0, 1.0, 1.0, vector=vector)


@pytest.mark.parametrize("likely", [0, 1, 2, 3, 4, 7, 100])
def test_a_range_is_what_a_scan_yields(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, likely: int
) -> None:
    monkeypatch.setattr(writing.SetWriter, "sizes", Sizes(tail=4, chunk=4))
    with closing(Shard.acquire(tmp_path, 0, "none")) as shard:
        for name in NAMES:
            change = SetChange()
            for number in range(11):
                change.put(note(number))
            batch = Batch()
            batch.sets.append((name, change))
            shard.commit(batch)
            late = SetChange()
            for number in range(20, 23):
                late.put(note(number))
            batch = Batch()
            batch.sets.append((name, late))
            shard.commit(batch)

        def compare(transaction: Any, databases: Any) -> int:
            seen = 0
            for name in NAMES:
                table = SetTable(transaction, databases.sets, set_address(*name))
                for kind in (TERMS, VECTOR):
                    for after in (0, 3, 1 << 40):
                        expected = [(n, bytes(value)) for n, value in table.scan(kind, after)]
                        numbers, values = table.columns(kind, after, likely)
                        found = list(zip(numbers, map(bytes, values), strict=True))
                        assert found == expected
                        seen += len(found)
                for kind in (LISTS, SMALL, HALVES):
                    for after in (0, 3, 1 << 40):
                        chunks = [
                            (first, [bytes(piece) for piece in pieces])
                            for first, pieces in table.all_pieces(kind, after, likely)
                        ]
                        assert chunks == [
                            (first, [bytes(piece) for piece in pieces])
                            for first, pieces in table.scan_pieces(kind, after)
                        ]
                        seen += len(chunks)
            return seen

        assert shard.read(lambda snapshot: snapshot.read_in_place(compare)) > 30
