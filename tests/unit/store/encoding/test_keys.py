from __future__ import annotations

import enum
import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.processes import run
from tamias.agent.errors import InputError
from tamias.store.encoding.keys import decode_key, encode_key, key_prefix, shard_of

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=[]))
    | st.binary()
    | st.integers(0, 9).map(str)
)
keys = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=8)


def identity(key: Any) -> Any:
    """What makes two keys the same: type and value, all the way down."""
    if isinstance(key, tuple):
        return tuple(map(identity, key))
    return type(key), key


@given(keys)
def test_a_key_comes_back_as_it_was(key: Any) -> None:
    assert identity(decode_key(encode_key(key))) == identity(key)


@given(keys, keys)
def test_two_keys_have_two_encodings(one: Any, other: Any) -> None:
    same = identity(one) == identity(other)
    assert (encode_key(one) == encode_key(other)) == same


@given(st.lists(keys, max_size=3).map(tuple), st.lists(keys, max_size=3).map(tuple))
def test_items_of_tuples_do_not_run_into_each_other(
    one: tuple[Any, ...], other: tuple[Any, ...]
) -> None:
    assert encode_key((one, other)) != encode_key(one + other)


@pytest.mark.parametrize(
    ("key", "encoding"),
    [
        (None, b"n"),
        (True, b"t"),
        (False, b"f"),
        (0, b"i0"),
        (255, b"iff"),
        (-255, b"i-ff"),
        (10**30, b"ic9f2c9cd04674edea40000000"),
        (1.0, b"d\x3f\xf0\0\0\0\0\0\0"),
        (-0.0, b"d\0\0\0\0\0\0\0\0"),
        (-math.nan, b"d\x7f\xf8\0\0\0\0\0\0"),
        ("N12é", b"sN12\xc3\xa9"),
        ("\ud800", b"s\xed\xa0\x80"),
        (b"\0\xff", b"b\0\xff"),
        (("a", 1), b"(\0\0\0\2sa\0\0\0\2i1"),
        ((), b"("),
    ],
)
def test_encodings_never_change(key: Any, encoding: bytes) -> None:
    assert encode_key(key) == encoding


def test_shards_never_change() -> None:
    keys = ("N725MQ", "", 7, None, ("a", 1))
    assert [shard_of(encode_key(key), 16) for key in keys] == [9, 11, 14, 2, 4]


@pytest.mark.process
def test_shards_do_not_depend_on_the_process() -> None:
    code = """
from tamias.store.encoding.keys import encode_key, shard_of
print([shard_of(encode_key(str(i)), 7) for i in range(99)])
"""
    outputs = {run(code, PYTHONHASHSEED=seed).stdout for seed in ("1", "2")}
    assert outputs == {f"{[shard_of(encode_key(str(i)), 7) for i in range(99)]}\n"}


def test_keys_spread_over_shards() -> None:
    counts = [0] * 16
    for number in range(16000):
        counts[shard_of(encode_key(f"key-{number}"), 16)] += 1
    assert min(counts) > 800
    assert max(counts) < 1200


class Colour(str, enum.Enum):
    RED = "red"


class Size(enum.IntEnum):
    LARGE = 3


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


@pytest.mark.parametrize(
    ("key", "same"),
    [
        (Colour.RED, "red"),
        (Size.LARGE, 3),
        (Text("x"), "x"),
        (np.str_("x"), "x"),
        (np.int64(-5), -5),
        (np.uint8(5), 5),
        (np.float64(0.5), 0.5),
        (bytearray(b"x"), b"x"),
        (float("nan"), float("-nan")),
    ],
)
def test_relatives_of_key_types_count_as_these(key: Any, same: Any) -> None:
    assert encode_key(key) == encode_key(same)


@pytest.mark.parametrize("key", [object(), [1], {"a": 1}, {1}, 1j, ("a", [1]), int])
def test_other_types_are_refused_by_name(key: Any) -> None:
    with pytest.raises(
        InputError, match=r"type (object|list|dict|set|complex|type)\b.*turn the key"
    ):
        encode_key(key)


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"nn", b"i", b"ix", b"d123", b"s\xff", b"(\0\0", b"(\0\0\0\5s", b"(\0\0\0\0"],
)
def test_what_is_no_encoding_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="not the encoding"):
        decode_key(data)


@given(st.lists(st.binary(max_size=6) | st.binary(min_size=195, max_size=210), unique=True))
def test_no_prefix_is_the_beginning_of_another(encoded: list[bytes]) -> None:
    prefixes = sorted(map(key_prefix, encoded))
    assert len(set(prefixes)) == len(encoded)
    for one, other in itertools.pairwise(prefixes):
        assert not other.startswith(one)


def test_prefixes_never_change() -> None:
    assert key_prefix(b"sabc") == b"\x04sabc"
    assert key_prefix(b"s" * 200) == b"\xc8" + b"s" * 200
    assert key_prefix(b"s" * 201).hex() == "ff16ae5751b7b3b27756c42b9653eec1b0"
    assert max(len(key_prefix(b"x" * length)) for length in range(1000)) == 201


def test_a_key_that_is_nested_too_deeply_is_refused() -> None:
    key: tuple[object, ...] = ()
    for _ in range(100_000):
        key = (key,)
    with pytest.raises(RecursionError):
        encode_key(key)
    data = b"n"
    for _ in range(20_000):  # each level is five bytes longer than the one in it
        data = b"(" + len(data).to_bytes(4, "big") + data
    with pytest.raises(RecursionError):
        decode_key(data)
