"""Items as programs get them: models of pydantic, whichever way they are made."""

from __future__ import annotations

import copy
import pickle
from datetime import datetime, timezone

import pytest

from tamias.agent.long_term.memory_set import DatetimeRange, MemorySetItem
from tamias.store.memory.items import to_item
from tamias.store.sets.records import StoredItem


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


@pytest.mark.parametrize(
    "stored",
    [
        StoredItem("1", "tea", {}, 5.0, 5.0, 5.0),
        StoredItem("2", ["tea"], {"kind": "x"}, 5.0, 6.0, 7.0, 8.0, keep=True),
        StoredItem("3", "tea", {}, 5.0, 6.0, 5.0, compacted=True),
    ],
)
def test_an_item_is_as_the_model_makes_it(stored: StoredItem) -> None:
    created: datetime | DatetimeRange = moment(5.0)
    if stored.compacted:
        created = DatetimeRange(start=moment(5.0), end=moment(6.0))
    expected = MemorySetItem.model_construct(
        memory_set_name="notes",
        id=stored.id,
        value=stored.value,
        compacted=stored.compacted,
        created_time=created,
        last_accessed_time=moment(stored.accessed),
        additional_metadata=stored.metadata,
        keep=stored.keep,
        expires_time=moment(8.0) if stored.expires else None,
        updated_at=moment(stored.created_until),
        score=0.5,
    )
    found = to_item("notes", stored, 0.5)
    assert found == expected
    assert repr(found) == repr(expected)
    assert found.model_fields_set == expected.model_fields_set
    assert found.model_dump_json() == expected.model_dump_json()
    assert list(found.model_dump()) == list(MemorySetItem.model_fields)
    assert MemorySetItem.model_validate(found.model_dump()) == expected
    for copied in (copy.deepcopy(found), found.model_copy(), pickle.loads(pickle.dumps(found))):
        assert copied == expected
