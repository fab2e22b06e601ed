"""Records of items: what is read is what was written, or an error."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamias.store.sets.records import ItemHead, StoredItem

ITEM = StoredItem(
    "i1",
    "a cup of tea",
    {"from": "ann", "n": 3},
    1.0,
    2.0,
    3.0,
    expires=4.0,
    keep=True,
    tokens=4,
    owner=b"sann",
    vector=bytes(range(32)),
)


def test_what_is_read_is_what_was_written() -> None:
    record = ITEM.encode(4)
    assert StoredItem.decode(record, ITEM.vector) == ITEM
    assert StoredItem.decode(memoryview(record)) == ITEM._replace(vector=b"")
    head = ItemHead.decode(record)
    assert (head.id, head.created_until, head.expires) == ("i1", 2.0, 4.0)
    assert head.totals == (1, len(record) + 32, 4, 4, 1)


@given(st.data())
def test_a_byte_that_has_changed_is_found(data: st.DataObject) -> None:
    record = bytearray(ITEM.encode(4))
    record[data.draw(st.integers(0, len(record) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises((ValueError, struct.error)):
        StoredItem.decode(bytes(record))


@given(st.integers(0, len(ITEM.encode(4)) - 1))
def test_a_record_that_is_cut_short_is_found(length: int) -> None:
    with pytest.raises((ValueError, struct.error)):
        StoredItem.decode(ITEM.encode(4)[:length])


def test_a_record_of_the_version_without_checksums_is_read() -> None:
    head = struct.pack("<BBddddIHIHI", 1, 1, 1.0, 2.0, 3.0, 4.0, 4, 2, 4, 16, 4)
    body = json.dumps(["a cup of tea", {"from": "ann", "n": 3}]).encode()
    record = head + b"i1" + b"sann" + body
    assert StoredItem.decode(record, ITEM.vector) == ITEM
    found = ItemHead.decode(record)
    assert (found.id, found.totals.size, found.vector_sum) == ("i1", len(record) + 32, None)
