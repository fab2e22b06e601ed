"""Values as JSON has them, where a Flink job asks for that."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest
from pydantic import BaseModel

from tamias import JsonRow, Row
from tamias.store.encoding.codec import make_decoder, make_encoder
from tamias.store.encoding.json_rows import json_form
from tamias.store.encoding.values import dumps_checked, loads


class Size(Enum):
    """A choice."""

    SMALL = "s"


class Part(BaseModel):
    """What is inside."""

    size: Size
    made: dt.date


class Order(BaseModel):
    """A model with another."""

    name: str
    parts: list[Part]


@dataclass
class Point:
    """No model."""

    x: int
    y: int


ORDER = Order(name="a", parts=[Part(size=Size.SMALL, made=dt.date(2026, 8, 1))])


def test_a_model_is_a_dict_whose_fields_are_attributes() -> None:
    found = json_form(ORDER)
    assert found == {"name": "a", "parts": [{"size": "s", "made": "2026-08-01"}]}
    assert (type(found), found.parts[0].size, found["name"]) == (JsonRow, "s", "a")
    assert repr(found) == repr(json.loads(ORDER.model_dump_json()))
    assert Order.model_validate(found) == ORDER


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (Point(1, 2), {"x": 1, "y": 2}),
        ((1, (2,)), [1, [2]]),
        ({3: {"a"}}, {"3": ["a"]}),
        ({True: 1, None: 2, 1.5: 3}, {"true": 1, "None": 2, "1.5": 3}),
        (Size.SMALL, "s"),
        (dt.timedelta(seconds=1), "PT1S"),
        (None, None),
    ],
)
def test_other_values_are_as_in_json(value: Any, form: Any) -> None:
    assert json_form(value) == form


def test_what_json_does_not_have_stays_without_hurting_what_is_beside_it() -> None:
    odd = object()
    assert json_form({"odd": odd, "point": Point(1, 2)}) == {"odd": odd, "point": {"x": 1, "y": 2}}


def test_a_row_of_a_table_stays_one() -> None:
    assert type(json_form(Row(a=1))) is Row


def test_codecs() -> None:
    assert make_decoder("pickle-json")(dumps_checked(ORDER)).parts[0].size == "s"
    sent = loads(make_encoder("pickle-json")(b"k", ORDER, 1))
    assert (type(sent), sent.name) == (JsonRow, "a")
