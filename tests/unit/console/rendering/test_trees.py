from __future__ import annotations

import copyreg
import json
import pickle
from typing import Any

import pytest

from tamias.console.rendering.plain import LARGEST, NeedsClassesError, plain_payload, plain_value
from tamias.console.rendering.trees import TreeMaker
from tamias.store.encoding.stamps import stamped
from tamias.store.encoding.values import dumps


class Thing:
    """A class."""


def tree(value: Any) -> Any:
    return TreeMaker().tree(value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        ((1, [True, "x"]), [1, [True, "x"]]),
        ({1: "a", None: "b", "c": "d", b"e": 1}, {"1": "a", "None": "b", "c": "d", "b'e'": 1}),
        (1 << 53, 1 << 53),
        (-(1 << 53) - 1, {"$type": "int", "text": str(-(1 << 53) - 1)}),
        (float("inf"), {"$type": "float", "text": "inf"}),
        (b"\x00\x01", {"$type": "bytes", "text": "00 01"}),
        ({3}, [3]),
    ],
)
def test_what_json_cannot_say_is_named(value: Any, shown: Any) -> None:
    assert tree(value) == shown


def test_a_huge_integer_is_shown() -> None:
    assert tree(10**10_000)["$type"] == "int"


def test_a_value_that_contains_itself_ends() -> None:
    value: list[Any] = [1]
    value.append(value)
    json.dumps(tree(value))


def test_long_lists_and_objects_say_how_much_is_left_out() -> None:
    shown = tree(list(range(30_000)))
    assert shown[-1]["$cut"] == 30_000 - len(shown) + 1
    shown = tree({str(number): number for number in range(30_000)})
    assert shown["$cut"] == 30_000 - len(shown) + 1


def test_all_trees_of_an_answer_are_bounded_together() -> None:
    maker = TreeMaker()
    shown = [maker.tree("x" * 90_000) for _ in range(50)]
    assert sum(len(json.dumps(each)) for each in shown) < 2_000_000


def test_nothing_of_a_class_is_executed_here() -> None:
    class Rude(Thing):
        def __repr__(self) -> str:
            raise AssertionError

        __hash__ = Thing.__hash__

    assert tree([Rude()]) == [{"$type": f"{__name__}.{Rude.__qualname__}", "text": ""}]
    assert "Rude" in next(iter(tree({Rude(): 1})))


@pytest.mark.parametrize(
    "value", ["text", 5, None, [1, {"a": (2.5, b"b")}], {"x": {1, 2}}, "\ud800", True]
)
def test_plain_values_are_read_without_their_agent(value: Any) -> None:
    data = dumps(value)
    assert plain_value(data) == value
    assert plain_value(stamped(data, 1_000)) == value


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps(Thing(), 5),
        pickle.dumps(Thing, 0),
        pickle.dumps(print, 2),
        b"\x80\x05cos\nsystem\n(S'x'\ntR.",
        b"\x80\x05]",
        b"\xb4\xff\xfe",
        b"\xb5\x01",
        b"",
        dumps("x" * LARGEST),
    ],
)
def test_all_else_is_left_to_a_child(data: bytes) -> None:
    with pytest.raises(NeedsClassesError):
        plain_value(data)


def test_extension_codes_execute_nothing() -> None:
    copyreg.add_extension(__name__, "Thing", 77)
    try:
        data = pickle.dumps(Thing, 5)
        assert b"Thing" not in data
        with pytest.raises(NeedsClassesError):
            plain_value(data)
        pickle.loads(data)  # the code is in a table now, which all unpicklers share
        with pytest.raises(NeedsClassesError):
            plain_value(data)
    finally:
        copyreg.remove_extension(__name__, "Thing", 77)


def test_inputs_are_read_as_their_source_has_written_them() -> None:
    assert plain_payload("json-value", b'{"key": 1, "value": 2}') == {"key": 1, "value": 2}
    assert plain_payload("json", b"{") == "{"
    assert plain_payload("pickle", dumps([1])) == [1]
