"""Which items of a set are near-duplicates, and when they are compared."""

from __future__ import annotations

from typing import Any

import pytest

from tamias.store.sets.index.vectors import pack_vector
from tamias.store.sets.records import StoredItem
from tamias.worker.long_term.duplicates import ALL, compare, counted, is_pass_due


def item(name: str, value: Any = "", vector: list[float] | None = None, **more: Any) -> StoredItem:
    packed = b"" if vector is None else pack_vector(vector)
    return StoredItem(name, value or name, {}, 1.0, 1.0, 1.0, vector=packed, **more)


def merged(items: list[StoredItem], new: int = ALL, above: float = 0.97) -> list[Any]:
    return [(each.item.id, each.removed) for each in compare(items, new, above)]


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        ("Tea", " tea\n", True),
        ("\ufb01ne", "fine", True),
        ("half \ud800", "HALF \ud800", True),
        ("tea", "teas", False),
        (" ", "\t", False),
        ({"role": "user", "content": "yes"}, {"role": "user", "content": "Yes"}, True),
        ({"role": "user", "content": "yes"}, {"role": "assistant", "content": "yes"}, False),
        ({"price": 10}, {"cost": 10}, False),
        ({"a": 1, "b": [2]}, {"b": [2], "a": 1}, True),
    ],
)
def test_equal_but_for_form(one: Any, other: Any, are_same: bool) -> None:  # noqa: FBT001
    assert merged([item("1", one), item("2", other)]) == ([("2", ["1"])] if are_same else [])


def test_of_many_that_are_the_same_one_stays() -> None:
    items = [item("1", "x"), item("2", "y"), item("3", "X"), item("4", "x "), item("5", "z")]
    assert merged(items) == [("4", ["1", "3"])]
    items[0] = items[0]._replace(keep=True)
    assert merged(items) == [("1", ["3", "4"])]
    items[2] = items[2]._replace(keep=True)
    assert merged(items) == [("1", ["4"])]


def test_vectors_are_compared_whatever_their_number() -> None:
    items = [item(str(n), vector=[1.0, n / 10, 0.0]) for n in range(3000)]
    items += [item("like 7", vector=[1.0, 0.7001, 0.0]), item("other", vector=[0.0, 0.0, 1.0])]
    found = merged(items, new=2, above=0.999999)
    assert found == [("like 7", ["7"])]
    assert merged(items, new=1, above=0.999999) == []


def test_json_that_differs_is_not_the_same_however_similar() -> None:
    same = [1.0, 2.0]
    assert merged([item("1", {"n": 1}, same), item("2", {"n": 2}, same)]) == []
    assert merged([item("1", "one", same), item("2", "two", same)]) == [("2", ["1"])]


def test_new_items_of_a_large_set_are_compared_together() -> None:
    assert is_pass_due(ALL, 100_000)
    assert [is_pass_due(1, items) for items in (2, 128, 129)] == [True, True, False]
    assert [is_pass_due(new, 1600) for new in (0, 99, 100)] == [False, False, True]
    assert is_pass_due(1024, 10_000_000)
    assert [counted(ALL, 5), counted(3, 5)] == [ALL, 8]
