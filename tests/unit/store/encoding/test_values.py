from __future__ import annotations

import functools
import pickle
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.processes import run
from tamias.agent.errors import UnserializableError
from tamias.store.encoding.keys import encode_key
from tamias.store.encoding.values import IMMUTABLE, dumps, dumps_with_key, loads

if TYPE_CHECKING:
    from pathlib import Path

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
    | st.sampled_from(["__main__", b"__main__", "buffer"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(values)
def test_plain_values_come_back(value: Any) -> None:
    data = dumps(value)
    assert loads(data) == value
    assert loads(memoryview(data)) == value
    assert loads(bytearray(data)) == value


def test_plain_values_are_plain_pickles() -> None:
    value = {"count": 3, "names": ["a", "b"], "large": "x" * 100_000, "buffer": b"y" * 100_000}
    assert dumps(value) == pickle.dumps(value, 5)


keys = (
    st.text()
    | st.integers()
    | st.none()
    | st.booleans()
    | st.binary()
    | st.sampled_from(["\ud800"])
)


@given(keys, values)
def test_values_with_their_keys_come_back(key: Any, value: Any) -> None:
    assert loads(dumps_with_key(encode_key(key), value)) == {key: value}
    assert loads(dumps_with_key(encode_key((key, "b")), [value])) == {(key, "b"): [value]}


def test_what_is_said_of_main_is_no_class_of_it() -> None:
    assert dumps_with_key(b"sa", ["__main__"]) == pickle.dumps({"a": ["__main__"]}, 5)


class UnreadableError(Exception):
    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first}, {second}")


def test_values_with_keys_are_checked_like_others() -> None:
    array = np.arange(100_000)
    data = dumps_with_key(b"sa", array)
    assert data == dumps({"a": array})
    assert data[0] == 0xB5
    assert np.array_equal(loads(data)["a"], array)
    with pytest.raises(UnserializableError, match="pickled, but not be read back"):
        dumps_with_key(b"sa", UnreadableError(1, 2))
    with pytest.raises(UnserializableError, match="lock"):
        dumps_with_key(b"sa", threading.Lock())


@pytest.mark.parametrize("size", [0, 1, 100, 10_000, 1_000_000])
@pytest.mark.parametrize("dtype", ["u1", "f8", "c16", "M8[s]", "S3", "O", "i4,f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_come_back(size: int, dtype: str, order: str) -> None:
    array = np.arange(size if dtype != "O" else min(size, 1000)).astype("i4").astype(dtype)
    array = np.asarray(array.reshape(-1, 1 if array.size % 2 else 2), order=order)  # type: ignore[call-overload]
    value = {"array": array, "again": [array, array[::3]], "text": "x"}
    back = loads(dumps(value))
    for one, other in (
        (array, back["array"]),
        (array, back["again"][0]),
        (array[::3], back["again"][1]),
    ):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert np.array_equal(one, other)
    assert back["array"] is back["again"][0]


def test_large_buffers_lie_aligned_behind_the_pickle_and_are_not_pickled() -> None:
    array = np.frombuffer(bytes(range(256)) * 1000, dtype="u1").copy()
    other = array[::-1].copy()
    data = dumps([array, other])
    assert data[0] == 0xB5
    for each in (array, other):
        assert data.count(each.tobytes()) == 1
        assert data.index(each.tobytes()) % 64 == 0
    assert len(data) < 2 * array.nbytes + 1000


def test_an_array_read_back_can_be_changed_like_the_one_stored() -> None:
    for size in (10, 1_000_000):
        array = np.zeros(size)
        back = loads(dumps(array))
        back[0] = 1
        assert back[0] == 1
        array.flags.writeable = False
        with pytest.raises(ValueError, match="read-only"):
            loads(dumps(array))[0] = 1


def test_views_instead_of_copies_where_they_are_safe() -> None:
    array = np.zeros(1_000_000)
    data = dumps(array)
    view = loads(data, writable=False)
    assert np.shares_memory(view, np.frombuffer(data, "u1"))
    assert not view.flags.writeable
    own = bytearray(data)
    back = loads(own)
    assert np.shares_memory(back, np.frombuffer(own, "u1"))
    back[0] = 1
    array.flags.writeable = False
    data = dumps(array)
    assert np.shares_memory(loads(data), np.frombuffer(data, "u1"))


def test_values_that_keep_a_buffer_of_another_kind() -> None:
    buffer = pickle.PickleBuffer(bytearray(200_000))
    # Alone a PickleBuffer is pickled in band, as the bytes it shows.
    assert loads(dumps({"buffer": buffer})) == {"buffer": bytearray(200_000)}


MAIN = """
import dataclasses, sys
from tamias.store.encoding.values import dumps

@dataclasses.dataclass
class Point:
    x: int
    def double(self):
        return helper(self.x)

def helper(x):
    return 2 * x

value = {"point": Point(4), "class": Point, "function": helper, "lambda": lambda x: x + factor}
value["all"] = dict(value)
factor = 10
for name, each in value.items():
    open(f"{sys.argv[1]}/{name}", "wb").write(dumps(each))
"""


@pytest.mark.process
def test_classes_and_functions_of_main_travel_by_value(tmp_path: Path) -> None:
    assert run(MAIN, tmp_path).returncode == 0
    data = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    value = {name: loads(each) for name, each in data.items()}
    assert value["point"].double() == 8
    assert value["class"](5).double() == 10
    assert value["function"](6) == 12
    assert value["lambda"](1) == 11
    assert type(value["all"]["point"]) is value["all"]["class"]
    # Read twice, it is the same class; and what was read can be written and read again.
    assert type(loads(data["point"])) is type(value["point"])
    assert loads(dumps(value["point"])) == value["point"]


def test_functions_and_classes_of_modules_are_references() -> None:
    value = [functools.reduce, np.linalg.norm, pickle.Pickler]
    assert dumps(value) == pickle.dumps(value, 5)


def test_closures_and_local_classes_travel_by_value() -> None:
    class Local:
        answer = 42

    def closure() -> int:
        return Local.answer

    assert loads(dumps(closure))() == 42
    assert loads(dumps(Local())).answer == 42


class Unfriendly:
    def __reduce__(self) -> str:
        raise RuntimeError("I am not to be pickled")


class Holder:
    def __init__(self, held: Any) -> None:
        self.held = held


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (threading.Lock(), r"type _thread\.lock cannot be stored or sent: "),
        ({"a": [1, {"b": threading.Lock()}]}, r"_thread\.lock .*\(found at \['a'\]\[1\]\['b'\]\)"),
        ((1, (x for x in "ab")), r"type generator .*\(found at \[1\]\)"),
        (Holder([Holder(threading.Lock())]), r"_thread\.lock .*\(found at \.held\[0\]\.held\)"),
        ([Unfriendly()], r"Unfriendly .*\(found at \[0\]\).*I am not to be pickled"),
    ],
)
def test_what_cannot_be_pickled_is_named(value: Any, message: str) -> None:
    with pytest.raises(UnserializableError, match=message):
        dumps(value)


def test_what_is_too_deep_is_named_too() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(UnserializableError, match="type list"):
        dumps(value)
    while value:  # Else freeing it is as deep.
        value = value.pop()


class Interrupting:
    def __reduce__(self) -> str:
        raise KeyboardInterrupt


def test_interrupts_are_not_errors_of_the_value() -> None:
    with pytest.raises(KeyboardInterrupt):
        dumps(Interrupting())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x80",
        b"\x80\x05K",
        pickle.dumps(Holder(1)).replace(b"Holder", b"Keeper"),
        b"\xb5\x02" + bytes(40),
        b"\xb5\x01",
        dumps(np.zeros(100_000))[:-1],
    ],
)
def test_what_cannot_be_read_back_is_one_clear_error(data: bytes) -> None:
    with pytest.raises(UnserializableError, match="cannot be read back"):
        loads(data)


def test_immutable_types_are_compared_exactly() -> None:
    assert {type(value) for value in (1, "a", 1.5, True, None, b"", 1j)} == IMMUTABLE


def test_texts_are_kept_in_utf_8() -> None:
    assert dumps("äh") == b"\xb4\xc3\xa4h"
    assert loads(dumps("half a pair: \ud800")) == "half a pair: \ud800"
    assert loads(memoryview(dumps("text"))) == "text"
