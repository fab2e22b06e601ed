"""numpy's and pandas' values as JSON: what they mean, or an error."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tamias.agent.errors import UnserializableError
from tamias.store.encoding.codec import make_encoder
from tamias.store.encoding.json_text import dumps_json

masked_array: Any = np.ma.masked_array
datetime64: Any = np.datetime64  # its type knows fewer units than it takes
NS = np.array(["2021-03-04T05:06:07.123456789", "NaT", "2021-01-01"], "M8[ns]")
TIMES = ["2021-03-04T05:06:07.123456789", None, "2021-01-01T00:00:00"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (NS, TIMES),
        (NS[::2], TIMES[::2]),
        (NS[::-1], TIMES[::-1]),
        (np.asfortranarray(np.array([NS, NS])), [TIMES, TIMES]),
        (NS.astype(">M8[ns]"), TIMES),
        (masked_array(NS, mask=[True, False, False]), [None, None, TIMES[2]]),
        (NS[0].astype("M8[us]"), "2021-03-04T05:06:07.123456"),
        (NS[0].astype("M8[ms]"), "2021-03-04T05:06:07.123000"),
        (NS[0].astype("M8[s]"), "2021-03-04T05:06:07"),
        (NS[0].astype("M8[m]"), "2021-03-04T05:06:00"),
        (NS[0].astype("M8[h]"), "2021-03-04T05:00:00"),
        (NS[0].astype("M8[D]"), "2021-03-04T00:00:00"),
        (NS[0].astype("M8[W]"), "2021-03-04T00:00:00"),
        (NS[0].astype("M8[M]"), "2021-03-01T00:00:00"),
        (NS[0].astype("M8[Y]"), "2021-01-01T00:00:00"),
        (np.datetime64(20000, "Y"), "21970-01-01T00:00:00"),
        (np.datetime64(1, "ps"), "1970-01-01T00:00:00.000000000001"),
        (np.array([], "M8[ns]"), []),
        (np.timedelta64(5_000_000_000, "ns"), 5.0),
        (np.timedelta64(5, "ns"), 5e-9),
        (np.timedelta64(2, "m"), 120.0),
        (np.timedelta64(2, "W"), 1209600.0),
        (np.array([1500, "NaT"], "m8[ms]"), [1.5, None]),
        (np.timedelta64("NaT", "M"), None),
        (np.longdouble("1.5"), 1.5),
        (np.array([1.5, 2], np.longdouble), [1.5, 2.0]),
        (np.float32(0.1), 0.1),
        (np.array([[0.1, 0.2], [0.3, 0.4]], np.float32)[:, ::2], [[0.1], [0.3]]),
        (np.array([1, 2], ">i4"), [1, 2]),
        (np.array([True, False])[::-1], [False, True]),
        (np.array([np.nan, np.inf, 1]), [None, None, 1.0]),
        (masked_array([1, 2], mask=[False, True]), [1, None]),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.array(["a", None, {1: 2}], object), ["a", None, {"1": 2}]),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.ones(1, [("a", "i4"), ("at", "M8[s]")]), [{"a": 1, "at": "1970-01-01T00:00:01"}]),
        (np.ones(1, [("a", "i4")])[0], {"a": 1}),
    ],
    ids=lambda value: " ".join(repr(value).split()),
)
def test_forms(value: Any, expected: Any) -> None:
    assert json.loads(dumps_json(value)) == expected
    # The same next to what orjson refuses as a whole.
    assert json.loads(dumps_json({"n": 2**70, 1: value})) == {"n": 2**70, "1": expected}


@pytest.mark.parametrize("unit", ["ns", "D"])
def test_a_missing_time_is_null(unit: str) -> None:
    assert dumps_json(datetime64("NaT", unit)) == b"null"


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (np.array([1, 2], "m8[M]"), "months|no number of seconds"),
        (np.timedelta64(1, "Y"), "no number of seconds"),
        (np.complex128(1j), "complex"),
        (np.clongdouble(1j), "complex"),
        (np.array([1j]), r"output\[0\].*complex"),
        (np.void(b"ab"), "void"),
        (np.array([b"x"]), "bytes"),
    ],
    ids=repr,
)
def test_what_has_no_form(value: Any, says: str) -> None:
    with pytest.raises(UnserializableError, match=says):
        dumps_json(value)


@given(
    arrays.arrays(
        arrays.boolean_dtypes()
        | arrays.integer_dtypes()
        | arrays.datetime64_dtypes(max_period="s", min_period="ns"),
        arrays.array_shapes(min_side=0),
    ),
    st.data(),
)
def test_a_view_has_the_text_of_its_copy(array: Any, data: st.DataObject) -> None:
    view = array[data.draw(arrays.basic_indices(array.shape, allow_newaxis=True))]
    assert dumps_json(view) == dumps_json(np.array(view))
    if view.dtype.kind in "bi":
        assert json.loads(dumps_json(view)) == np.asarray(view).tolist()


def test_what_pandas_has() -> None:
    pd = pytest.importorskip("pandas")
    late = pd.Timestamp("2021-01-01 00:00:00.000000001")
    assert dumps_json([pd.NaT, pd.NA]) == b"[null,null]"
    assert json.loads(dumps_json(late)) == "2021-01-01T00:00:00.000000001"
    assert json.loads(dumps_json(pd.Timedelta(5, "ns"))) == 5e-9


@pytest.mark.parametrize(
    "value", [{1: "a", "1": "b"}, {None: 1, "null": 2}, {True: 1, "true": 2}, {1.0: 1, "1.0": 2}]
)
def test_keys_of_one_text_are_an_error(value: Any) -> None:
    with pytest.raises(UnserializableError, match="all but one would be lost"):
        dumps_json({"inner": value})


def test_text_that_is_none_is_an_error() -> None:
    with pytest.raises(UnserializableError, match="surrogate pair at character 1"):
        make_encoder("text")(b"", "a\ud800", 0)
