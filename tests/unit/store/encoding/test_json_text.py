"""Values in and out as JSON and pickle: exact where it can be, an error where it cannot."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections import OrderedDict, deque, namedtuple
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from pydantic import BaseModel, ConfigDict

from support.store.json_values import JSON_VALUES
from tamias.agent.errors import UnserializableError
from tamias.store.encoding.codec import loads_json, make_encoder
from tamias.store.encoding.json_text import dumps_json, key_to_json
from tamias.store.encoding.keys import encode_key


class Colour(Enum):
    RED = "red"
    PAIR = (1, 2)


class Model(BaseModel):
    model_config = ConfigDict(extra="allow", arbitrary_types_allowed=True)
    n: int
    inner: Any = None


@dataclass
class Data:
    x: int
    _hidden: Any


Point = namedtuple("Point", "x y")  # noqa: PYI024 - what users have


@given(JSON_VALUES)
def test_json_values_come_back_as_they_were(value: Any) -> None:
    text = json.dumps(value).encode("utf-8", "surrogatepass")
    assert loads_json(text) == json.loads(text)
    # orjson's ints and floats are the same objects that Python's json makes.
    assert repr(loads_json(text)) == repr(json.loads(text))
    assert json.loads(dumps_json(value)) == value


@pytest.mark.parametrize("number", [2**63 - 1, 2**63, 2**64, -(2**63), -(2**63) - 1, 10**40 + 1])
def test_integers_keep_all_digits(number: int) -> None:
    assert loads_json(b"[%d]" % number) == [number]
    assert dumps_json({"n": number}) == b'{"n":%d}' % number


@pytest.mark.parametrize("text", [b"{", b"[1,]", b'"\xff"', b"nul", b"[" * 5000, b"\xef\xbb"])
def test_what_is_not_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):
        loads_json(text)
    with pytest.raises(ValueError):
        loads_json(text + b"12345678901234567890")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((1, (2,)), "[1,[2]]"),
        (Point(1, Point(2, 10**20)), "[1,[2,100000000000000000000]]"),
        (deque([1, 2]), "[1,2]"),
        ({3, 1, 2}, "[1,2,3]"),
        (frozenset("ba"), '["a","b"]'),
        ({1, "a"}, '["a",1]'),
        (OrderedDict(b=1, a=2), '{"b":1,"a":2}'),
        (MappingProxyType({"a": 1}), '{"a":1}'),
        ({1: 2, None: 3, False: 4, 1.5: 5}, '{"1":2,"null":3,"false":4,"1.5":5}'),
        ({Colour.RED: 1, UUID(int=1): 2}, f'{{"red":1,"{UUID(int=1)}":2}}'),
        (Model(n=1, inner=Data(1, {2}), more=Colour.RED),  # type: ignore[call-arg]
         '{"n":1,"inner":{"x":1,"_hidden":[2]},"more":"red"}'),
        (Data(10**20, None), '{"x":100000000000000000000,"_hidden":null}'),
        ([Colour.PAIR], "[[1,2]]"),
        (Decimal("1.10"), '"1.10"'),
        (PurePosixPath("a/b"), '"a/b"'),
        (UUID(int=5), f'"{UUID(int=5)}"'),
        (dt.datetime(2013, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc), '"2013-01-02T03:04:05+00:00"'),
        (dt.date(2013, 1, 2), '"2013-01-02"'),
        (dt.time(3, 4), '"03:04:00"'),
        (dt.timedelta(minutes=1.5), "90.0"),
        ([math.nan, math.inf, -math.inf], "[null,null,null]"),
        (np.float32(1.5), "1.5"),
        (np.int64(-3), "-3"),
        (np.bool_(True), "true"),
        (np.arange(4).reshape(2, 2), "[[0,1],[2,3]]"),
        (np.arange(6).reshape(2, 3).T, "[[0,3],[1,4],[2,5]]"),
        (np.array(["a", "b"]), '["a","b"]'),
        ("\ud800", '"\\ud800"'),
        ("é", '"é"'),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)  # fmt: skip
def test_documented_conversions(value: Any, text: str) -> None:
    assert dumps_json(value).decode() == text
    # The way around orjson, which a big number anywhere forces, writes the same.
    assert dumps_json([value, 10**30]).decode() == f"[{text},{10**30}]"


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (b"bytes", "output is of type bytes"),
        ({"a": [1, {"b": object()}]}, r"output\['a'\]\[1\]\['b'\] is of type object"),
        (Model(n=1, inner=len), r"output\['inner'\] is of type builtin_function_or_method"),
        ({(1, 2): 3}, "a key of output is of type tuple"),
        ({b"a": 3}, "a key of output is of type bytes"),
        (Model, "output is of type .*ModelMetaclass"),
    ],
)
def test_what_has_no_json_form_is_an_error_that_says_where(value: Any, complaint: str) -> None:
    with pytest.raises(UnserializableError, match=complaint):
        dumps_json(value)


def test_a_value_that_contains_itself_is_an_error() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(UnserializableError, match="nested too deeply"):
        dumps_json(endless)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("a", b'"a"'),
        (1, b"1"),
        (10**30, b"1" + b"0" * 30),
        (None, b"null"),
        (True, b"true"),
        (1.5, b"1.5"),
        (math.nan, b"null"),
        (("a", (1, b"b")), b'["a",[1,"b"]]'),
        (b"\xff", b'"\\\\xff"'),
    ],
)
def test_keys_have_a_json_form(key: Any, text: bytes) -> None:
    assert key_to_json(encode_key(key)) == text
    line = make_encoder("json-lines")(encode_key(key), {"n": 1}, 7)
    assert line == b'{"key":%b,"output":{"n":1},"offset":7}\n' % text
