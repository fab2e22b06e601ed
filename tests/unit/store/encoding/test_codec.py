"""Payloads of inputs and outputs: each codec gives what its source and sink have."""

from __future__ import annotations

import json
from enum import Enum
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from support.store.json_values import JSON_VALUES
from tamias.agent.errors import UnserializableError
from tamias.store.encoding.codec import LineEncoder, make_decoder, make_encoder
from tamias.store.encoding.keys import encode_key
from tamias.store.encoding.values import check_form, dumps, loads, loads_all


@pytest.mark.parametrize("codec", ["json", "json-object"])
def test_object_codecs_give_the_document(codec: str) -> None:
    assert make_decoder(codec)(b' {"a": 1} ') == {"a": 1}


def test_the_value_codec_gives_the_value_under_either_name() -> None:
    decode = make_decoder("json-value")
    assert decode(b'{"key": 1, "value": [2]}\r') == [2]
    assert decode(b'{"k": 1, "v": null}') is None
    assert decode(b'{"v": 1, "value": 2}') == 2


def test_the_pickle_codec_gives_the_object() -> None:
    assert make_decoder("pickle")(dumps({"a": {1}})) == {"a": {1}}


@given(JSON_VALUES)
@example(2**64)
@example(-(2**63) - 1)
@example({"n": 10**40 + 1})
@example({"n": 1, "nested": {"n": 2**65}})
@example([2**64 - 1, 2**64])
@example({"n": 1e300})
@example("12345678901234567890")
@example({"NaN": float("nan"), "n": 2**70})
def test_the_value_codec_is_exact(value: Any) -> None:
    line = json.dumps({"key": 10**30, "value": value}).encode("utf-8", "surrogatepass")
    assert repr(make_decoder("json-value")(line)) == repr(json.loads(line)["value"])


@pytest.mark.parametrize("text", [b"{", b'{"value": nul}', b'{"value": "\xff"}'])
def test_the_value_codec_refuses_what_is_not_json(text: bytes) -> None:
    with pytest.raises(ValueError):
        make_decoder("json-value")(text)


@given(JSON_VALUES)
def test_a_line_is_one_line(value: Any) -> None:
    line = make_encoder("json-lines")(b"sa", value, 0)
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"key": "a", "output": value, "offset": 0}


def test_the_pickle_encoder_pairs_key_and_output() -> None:
    encode = make_encoder("pickle")
    assert loads(encode(encode_key(("a", 1)), {2}, 5)) == {("a", 1): {2}}
    with pytest.raises(UnserializableError, match="generator"):
        encode(b"sa", (n for n in ""), 5)


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Fields(dict[str, Any]):
    pass


class Colour(Enum):
    RED = "red"


HALVES = st.sampled_from(["\ud800", "a\udfff", "\udc00b"])
"""Texts with halves of surrogate pairs, which have no UTF-8."""

ANY_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | HALVES
    | st.binary()
    | st.complex_numbers()
    | st.uuids()
    | st.datetimes()
    | st.decimals()
    | st.sampled_from([Colour.RED, Text("a"), Number(3), Fields(a=1), 2**63, 2**64, -(2**63) - 1]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text() | st.integers() | st.none(), inner, max_size=4)
        | st.dictionaries(st.text(), inner, max_size=4).map(Fields)
    ),
    max_leaves=8,
)


def with_types(value: Any) -> Any:
    """The value with the types of all its parts."""
    if isinstance(value, dict):
        return type(value), [(with_types(name), with_types(each)) for name, each in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value), [with_types(each) for each in value]
    return type(value), repr(value)


@given(ANY_VALUES, st.text() | HALVES | st.integers() | st.binary() | st.none())
@example({"n": 1}, "\ud800")
@example("text", "a\udfff")
@example({"\ud800": 1}, "a")
def test_the_pickle_encoder_gives_the_very_same(value: Any, key: Any) -> None:
    encoded = make_encoder("pickle")(encode_key(key), value, 5)
    [(found_key, found)] = loads(encoded).items()
    assert with_types(found_key) == with_types(key)
    assert with_types(found) == with_types(value)
    [both] = loads_all(encoded, [len(encoded)])
    assert with_types(both) == with_types({key: value})
    check_form(encoded)


@pytest.mark.parametrize("value", [7, "text", {"n": 1.5, "text": None}, [True, 2], {}, []])
def test_plain_outputs_are_json(value: Any) -> None:
    encoded = make_encoder("pickle")(encode_key("a"), value, 5)
    assert json.loads(encoded) == {"a": value}
    for damaged in (encoded[:-1], encoded.replace(b'"', b"'")):
        with pytest.raises(ValueError):
            check_form(damaged)
        with pytest.raises(UnserializableError):
            loads(damaged)


def test_large_outputs_are_not_looked_through() -> None:
    values = [{str(n): n for n in range(33)}, list(range(33)), {"a": [1]}, [[]]]
    for value in values:
        encoded = make_encoder("pickle")(encode_key("a"), value, 5)
        assert encoded[0] == 0x80
        assert loads(encoded) == {"a": value}


@pytest.mark.parametrize("codec", ["pickle", "json-lines"])
def test_keys_that_have_no_place_in_the_cache_are_written_as_the_others(codec: str) -> None:
    fresh, full = make_encoder(codec), make_encoder(codec)
    for n in range(5000):
        full(encode_key(f"key-{n}"), 1, n)
    for key in (
        '"\\\n',
        "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
        "\ud83d",
        "x" * 300,
        7,
    ):
        for value in (1, {"a": [2.5]}, 1 << 70):
            assert full(encode_key(key), value, 3) == fresh(encode_key(key), value, 3)


def test_many_and_long_keys_leave_the_cache_bounded() -> None:
    encoder = LineEncoder()
    for n in range(70_000):
        encoder.encode(encode_key(n), None, n)
    assert len(encoder.beginnings) < 1 << 16
    long = "x" * 1000
    assert json.loads(encoder.encode(encode_key(long), None, 1))["key"] == long
    assert encode_key(long) not in encoder.beginnings


@pytest.mark.parametrize("make", [make_decoder, make_encoder])
def test_an_unknown_codec_is_an_error(make: Any) -> None:
    with pytest.raises(ValueError, match="'xml'"):
        make("xml")
