"""JSON of numpy's scalars and arrays.

orjson writes them itself and fast, but not always what they mean: `NaT` becomes a date of 1677 or
1970, nanoseconds are cut off, and what it does not know it leaves to `tolist`, which gives bare
counts for some units of time. So numbers go to orjson, and all else is converted here:

====================  =========================================================================
dtype                 in JSON
====================  =========================================================================
bool, number          true, false, number; a long double as the nearest double
datetime64            string, ISO 8601, with six digits of a second's fraction or all that count
timedelta64           number of seconds, as a timedelta; of years and months: no form
NaT                   null
str, object           as the same values in a list
structured            object, by field
complex, bytes, void  no form
====================  =========================================================================

This module does not import numpy: who has such a value has imported it.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any, Final

import orjson

_NUMBERS: Final = "biuf"
_SIMPLE: Final = _NUMBERS + "Mm"
"""Kinds of dtypes, by numpy's letters."""
_TO_SECONDS: Final = {
    "Y": "-01-01T00:00:00",
    "M": "-01T00:00:00",
    "W": "T00:00:00",
    "D": "T00:00:00",
    "h": ":00:00",
    "m": ":00",
}
"""What numpy's text of a time lacks, by unit, to be one with seconds."""
_MICROSECONDS: Final = 6


def is_numpy(value: Any) -> bool:
    """Whether a value is a scalar or an array of numpy, or of a class derived from them."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, (numpy.generic, numpy.ndarray))


def from_numpy(value: Any) -> Any:
    """One step towards JSON: a fragment of it, or a list, text, number, dict or None.

    Args:
        value: for which `is_numpy`.

    Raises:
        TypeError: it has no form in JSON; the text says why.
    """
    np = sys.modules["numpy"]
    dtype = value.dtype
    kind = dtype.kind
    if isinstance(value, np.ma.MaskedArray):
        if kind not in "Mm":
            return value.tolist()
        value = value.filled(np.array("NaT", dtype))
    if isinstance(value, np.ndarray) and kind in _SIMPLE:  # orjson takes no other arrays
        value = np.asarray(value, dtype.newbyteorder("="), order="C")[()]
    if kind in _NUMBERS:
        return _numbers(value)
    if kind == "M":
        return _times(np, value)
    if kind == "m":
        return _durations(np, value)
    if dtype.names is not None:
        if value.shape:
            return list(value)
        return {name: value[name] for name in dtype.names}
    plain = value.tolist()
    if kind == "V" or (isinstance(plain, type(value)) and not value.shape):
        raise TypeError(f"numpy.{dtype.name}")
    return plain


def _numbers(value: Any) -> orjson.Fragment:
    if value.dtype.itemsize > 8:
        value = value.astype(float)
    return orjson.Fragment(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY))


def _times(np: Any, value: Any) -> Any:
    complete = _TO_SECONDS.get(np.datetime_data(value.dtype)[0], "")
    return _each(np.datetime_as_string(value), lambda text: _time(text, complete))


def _time(text: str, complete: str) -> str | None:
    if text == "NaT":
        return None
    seconds, _, fraction = (text + complete).partition(".")
    fraction = fraction.rstrip("0")
    return f"{seconds}.{fraction:0<{_MICROSECONDS}}" if fraction else seconds


def _durations(np: Any, value: Any) -> Any:
    unit = np.datetime_data(value.dtype)[0]
    if unit not in ("Y", "M", "generic"):
        seconds = value / np.timedelta64(1, "s")
    elif np.isnat(value).all():
        seconds = value.astype(float) * np.nan
    else:
        raise TypeError(f"numpy.{value.dtype}, whose unit is no number of seconds")
    return _each(seconds, lambda number: None if math.isnan(number) else number)


def _each(values: Any, convert: Any) -> Any:
    """Convert all of a nested list's items, or a single one."""
    plain = values.tolist()

    def converted(item: Any) -> Any:
        return [converted(i) for i in item] if isinstance(item, list) else convert(item)

    return converted(plain)


def plain_of(fragment: orjson.Fragment) -> Any:
    """The plain value of a fragment."""
    return json.loads(orjson.dumps(fragment))
