"""Rows from Flink: as inputs in a form of their own, and in values that are pickled."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from tamias import Row, UnserializableError
from tamias.console.rendering.plain import NeedsClassesError, plain_value
from tamias.store.encoding.values import check_form, dumps_checked, loads

AS_JAVA_WROTE_IT_BEFORE = (
    b"\x80\x04ctamias.agent.row\nRow\n)\x81(\x8c\x01nJ\x07\0\0\0\x8c\x04text\x8c\x01au."
)
AS_JAVA_WRITES_IT = b"\xba\x80\x04}(\x8c\x01nJ\x07\0\0\0\x8c\x04text\x8c\x01au."
NESTED = (
    b"\xba\x80\x04}(\x8c\x01xctamias.agent.row\nRow\n)\x81(\x8c\x01nNu"
    b"\x8c\x01d\x63decimal\nDecimal\n\x8c\x031.0\x85Ru."
)


@pytest.mark.parametrize("data", [AS_JAVA_WROTE_IT_BEFORE, AS_JAVA_WRITES_IT])
def test_a_row_is_read_in_both_forms(data: bytes) -> None:
    row = loads(data)
    assert type(row) is Row
    assert list(row.items()) == [("n", 7), ("text", "a")]
    assert loads(memoryview(data)) == row
    check_form(data)


def test_parts_of_a_row_keep_their_types() -> None:
    row = loads(NESTED)
    assert repr(row) == "Row(x=Row(n=None), d=Decimal('1.0'))"
    assert type(row.x) is Row
    check_form(NESTED)


def test_a_damaged_row_is_an_error() -> None:
    with pytest.raises(UnserializableError, match="cannot be read back"):
        loads(AS_JAVA_WRITES_IT[:-3])
    with pytest.raises(ValueError, match="behind the end of the pickle"):
        check_form(AS_JAVA_WRITES_IT + b"..")


def test_a_row_of_plain_values_is_shown_without_loading_classes() -> None:
    shown = plain_value(AS_JAVA_WRITES_IT)
    assert (type(shown), shown) == (Row, {"n": 7, "text": "a"})
    with pytest.raises(NeedsClassesError):
        plain_value(NESTED)


class Unreadable(Exception):  # noqa: N818 (it is only pickled)
    """Can be pickled, and not be read back."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(one + two)


@pytest.mark.parametrize(
    "value",
    [
        Row(n=1),
        {"rows": [Row(n=1), Row(n=2.5, inner=Row())], "text": "\x93"},
        {"tamias": "tamias", "Row": Row(tamias="Row")},
    ],
)
def test_rows_in_values_are_pickled_so_that_they_can_be_read_back(value: Any) -> None:
    data = dumps_checked(value)
    assert pickle.loads(data) == loads(data) == value


@pytest.mark.parametrize(
    "value", [Row(error=Unreadable(1, 2)), [Row(), Unreadable(1, 2)], {"a": Unreadable(1, 2)}]
)
def test_what_cannot_be_read_back_is_refused_beside_rows_too(value: Any) -> None:
    with pytest.raises(UnserializableError, match="not be read back"):
        dumps_checked(value)
