"""Lists and iterables: names, made-up keys, laziness, and errors that name the element."""

from __future__ import annotations

import math
from collections import OrderedDict, UserDict
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from tamias.agent.errors import InputError, UsageError
from tamias.launcher.delivery.source import Position, Source
from tamias.launcher.sources import iterables as module
from tamias.launcher.sources.factory import open_source, python_source
from tamias.store.encoding.keys import decode_key
from tamias.store.encoding.values import loads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BOTH = pytest.mark.parametrize("form", [list, tuple, iter], ids=["list", "tuple", "iterator"])


def drain(source: Source, limit: int = 3) -> list[tuple[Any, Any]]:
    found = []
    while batch := source.read(limit):
        assert len(batch) <= limit
        assert all(fault is None for _, _, fault in batch)
        found += [(decode_key(key), loads(payload)) for key, payload, _ in batch]
        assert source.position == Position(len(found))
    assert source.exhausted
    return found


@BOTH
def test_both_pairs_of_names_are_understood(form: Callable[[Any], Any]) -> None:
    elements = [
        {"key": "a", "value": 1},
        {"k": 2, "v": {"x": [None]}},
        {"key": (1, "b"), "v": "mixed"},
        UserDict({"key": "d", "value": 2}),
        {"key": None, "value": None},
    ]
    assert drain(python_source(form(elements))) == [
        ("a", 1),
        (2, {"x": [None]}),
        ((1, "b"), "mixed"),
        ("d", 2),
        (None, None),
    ]


@BOTH
@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_values_arrive_as_they_were(form: Callable[[Any], Any], limit: int) -> None:
    values = [
        *("text", "\ud800", "\u20ac", "{", {"n": 1, "text": "a", "none": None}, {"n": 2**64}),
        *({"n": math.inf}, {"half": "\ud800"}, {1: "a"}, {"pair": (1, 2)}, {"inner": {"n": 1}}),
        *({}, [], OrderedDict(a=1), {"id": UUID(int=1)}, 2**70, b"{", {"b": b"1"}, {"t": True}),
    ]
    elements = [
        {"key": number, "value": value} if number % 3 else {"k": number, "v": value}
        for number, value in enumerate(values * 20)
    ]
    found = drain(python_source(form(elements)), limit)
    assert [key for key, _ in found] == list(range(len(elements)))
    assert [(type(value), repr(value)) for _, value in found] == [
        (type(value), repr(value)) for value in values * 20
    ]


@BOTH
def test_a_missing_key_is_made_up_the_same_way_each_time(form: Callable[[Any], Any]) -> None:
    elements = [{"value": 1}, {"v": 2}, {"key": "a", "value": 3}, {"value": 4}]
    first = drain(python_source(form(elements)))
    assert first == drain(python_source(form(elements)))
    keys = [key for key, _ in first]
    assert len(set(keys)) == 4


def test_equal_keys_of_different_types_are_different_keys() -> None:
    source = python_source([{"key": key, "value": 0} for key in (1, 1.0, True, "1", 1)])
    keys = [key for key, _, _ in source.read(9)]
    assert keys[0] == keys[4]
    assert len(set(keys)) == 4


@BOTH
@pytest.mark.parametrize(
    ("element", "complaint"),
    [
        ({"key": "a"}, "Element 2 .* no 'value': its fields are 'key'"),
        ({}, "Element 2 .* fields are none"),
        ("text", "Element 2 .* type str"),
        (7, "Element 2 .* type int"),
        (None, "Element 2 .* type NoneType"),
        ({"key": ["a"], "value": 1}, "Element 2 .* key of type list is not hashable"),
        ({"key": {1}, "value": 1}, "Element 2 .* key of type set is not hashable"),
        ({"key": 1j, "value": 1}, "Element 2 .* key of type complex cannot"),
        ({"key": "a", "value": (n for n in "")}, "Element 2 .* generator cannot be stored"),
    ],
)
def test_an_unusable_element_is_named(
    form: Callable[[Any], Any], element: Any, complaint: str
) -> None:
    good = {"key": "a", "value": 1}
    with pytest.raises(InputError, match=complaint):
        drain(python_source(form([good, good, element])), limit=9)


@BOTH
def test_reading_goes_on_from_a_position(form: Callable[[Any], Any]) -> None:
    elements = [{"value": n} for n in range(10)]
    source = python_source(form(elements))
    source.seek(Position(7))
    assert [value for _, value in drain_from(source)] == [7, 8, 9]


def drain_from(source: Source) -> list[tuple[Any, Any]]:
    return [(decode_key(key), loads(payload)) for key, payload, _ in source.read(100)]


@BOTH
def test_a_shorter_input_than_before_is_an_error(form: Callable[[Any], Any]) -> None:
    source = python_source(form([{"value": n} for n in range(3)]))
    with pytest.raises(InputError, match=r"(3 elements|after 3 elements).* element 5"):
        source.seek(Position(5))


def test_a_list_may_grow_while_it_is_read() -> None:
    elements = [{"value": 0}]
    source = python_source(elements)
    assert len(source.read(5)) == 1
    elements.append({"value": 1})
    assert len(source.read(5)) == 1


def test_an_iterable_is_pulled_only_as_far_as_it_is_read() -> None:
    pulled = 0

    def endless() -> Iterator[dict[str, int]]:
        nonlocal pulled
        while True:
            pulled += 1
            yield {"value": pulled}

    source = python_source(endless())
    source.read(10)
    assert pulled <= 10


def test_a_slow_iterable_gives_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", -1.0)
    source = python_source({"value": n} for n in range(3))
    assert [len(source.read(10)) for _ in range(4)] == [1, 1, 1, 0]


def test_an_iterable_that_raises_gives_what_came_before() -> None:
    def failing() -> Iterator[dict[str, int]]:
        yield {"value": 1}
        yield {"value": 2}
        raise OSError("the line is dead")

    source = python_source(failing())
    assert len(source.read(10)) == 2
    for _ in range(2):
        with pytest.raises(InputError, match="OSError at element 2: the line is dead") as caught:
            source.read(10)
        assert isinstance(caught.value.__cause__, OSError)


def test_a_job_begun_with_a_file_does_not_go_on_with_a_list() -> None:
    source = python_source([])
    source.check(source.identity())
    with pytest.raises(InputError, match=r"begun with the input in\.csv"):
        source.check({"path": "in.csv"})


def test_a_job_begun_with_a_list_does_not_go_on_with_a_file(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"")
    for path in (str(tmp_path / "in.jsonl"), "-"):
        with (
            open_source(path) as source,
            pytest.raises(InputError, match="begun with the input a Python list"),
        ):
            source.check(python_source([]).identity())


def test_what_is_not_iterable_is_said() -> None:
    with pytest.raises(UsageError, match="of type int"):
        python_source(3)
