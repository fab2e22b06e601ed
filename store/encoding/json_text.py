"""Values as JSON text.

JSON is written by orjson, and by the standard library where orjson fails: it refuses NaN and
Infinity. Values that JSON does not have are written so:

==========================================  ===================================================
value                                       in JSON
==========================================  ===================================================
pydantic model, dataclass, any mapping      object
tuple, named tuple, deque                   array
set, frozenset                              array, sorted (by `repr` if it cannot be sorted)
numpy scalar or array                       number, or nested arrays; see `numpy_json`
datetime, date, time                        string, ISO 8601
timedelta                                   number of seconds
NaT and NA of pandas                        null
UUID, Decimal, path                         string
Enum                                        its value
NaN, Infinity                               null: JSON has no such numbers
integer beyond 64 bits                      number, all its digits
object key that is not a string             its JSON text as a string (``1`` -> ``"1"``)
two keys of the same text                   an error: one would be lost
==========================================  ===================================================

Any other type, such as bytes, is an `UnserializableError` that names its place in the output.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

import orjson
from pydantic import BaseModel

from ...agent.errors import UnserializableError
from ...agent.failures.error_text import one_line
from .keys import decode_key
from .numpy_json import from_numpy, is_numpy, plain_of
from .pickle_errors import full_name

OPTIONS: Final = orjson.OPT_PASSTHROUGH_DATACLASS
"""Of orjson, which asks `convert` about dataclasses, too."""

_SECOND: Final = dt.timedelta(seconds=1)
_MISSING: Final = frozenset({"NaTType", "NAType"})
"""Classes of pandas' marks for what is missing. `NaT` passes for a datetime."""

_TEXT: Final = b"s"
"""The first byte of a key that is a text."""


def dumps_json(value: Any) -> bytes:
    """JSON text of `value` in UTF-8, without blanks; see the module's text for conversions.

    Raises:
        UnserializableError: a type has no JSON form; names it and its place.
    """
    try:
        return orjson.dumps(value, convert, OPTIONS)
    except TypeError:
        return dumps_rare(value)


def dumps_rare(value: Any) -> bytes:
    """The same for a value that orjson refuses. Raises UnserializableError."""
    try:
        return _dumps_with_json(value)
    except UnserializableError:
        raise
    except Exception as error:  # attributes and methods of the value's class may raise anything
        raise UnserializableError(
            f"an output of type {full_name(type(value))} cannot be written as JSON: "
            f"{one_line(error)}"
        ) from error


def key_to_json(key: bytes) -> bytes:
    """JSON text of an encoded key: tuples become arrays, bytes become text with escapes."""
    decoded = decode_key(key)
    return dumps_json(decoded if key[:1] == _TEXT else _key_value(decoded))


def _key_value(key: Any) -> Any:
    if isinstance(key, bytes):
        return key.decode(errors="backslashreplace")
    if isinstance(key, tuple):
        return [_key_value(part) for part in key]
    return key


def convert(value: Any) -> Any:
    """Convert a value that orjson does not know by one step. Raises TypeError."""
    if isinstance(value, BaseModel):
        return value.model_dump(warnings=False)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, (set, frozenset)):
        try:
            return sorted(value)
        except TypeError:
            return sorted(value, key=repr)
    if isinstance(value, (tuple, deque)):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (Decimal, PurePath, UUID)):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if is_numpy(value):
        return from_numpy(value)
    if type(value).__name__ in _MISSING and type(value).__module__.startswith("pandas."):
        return None
    return _convert_time(value)


def _convert_time(value: Any) -> float | str:
    if isinstance(value, dt.timedelta):
        return value / _SECOND  # pandas' own `total_seconds` leaves out nanoseconds
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    raise TypeError(type(value).__qualname__)


def _dumps_with_json(value: Any) -> bytes:
    """The JSON text of a value that orjson refuses, by way of plain objects."""
    try:
        plain = _plain(value, "output")
        text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        raise UnserializableError(
            "an output is nested too deeply for JSON, or contains itself: send a flat copy"
        ) from None
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair: JSON can say that only with an escape
        return json.dumps(plain, separators=(",", ":")).encode()


def _plain(value: Any, where: str) -> Any:
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, Enum):
        return _plain(value.value, where)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return _plain_dict(value, where)
    if isinstance(value, list):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, orjson.Fragment):
        return plain_of(value)
    try:
        converted = convert(value)
    except TypeError as error:
        kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
        if is_numpy(value):
            kind = str(error)
        raise UnserializableError(
            f"{where} is of type {kind}, which has no JSON form: send plain data (numbers, strings,"
            " lists, dicts), a pydantic model or a dataclass instead"
        ) from None
    return _plain(converted, where)


def _plain_dict(value: dict[Any, Any], where: str) -> dict[str, Any]:
    plain = {
        _plain_key(key, where): _plain(item, f"{where}[{key!r}]") for key, item in value.items()
    }
    if len(plain) == len(value):
        return plain
    texts = [_plain_key(key, where) for key in value]
    twice = next(text for text in texts if texts.count(text) > 1)
    raise UnserializableError(
        f"several keys of {where} are {json.dumps(twice)} in JSON, and all but one would be lost:"
        " use keys whose texts differ"
    )


def _plain_key(key: Any, where: str) -> str:
    plain = _plain(key, f"a key of {where}")
    if isinstance(plain, str):
        return plain
    if plain is None or isinstance(plain, (bool, int, float)):
        return json.dumps(plain)
    raise UnserializableError(
        f"a key of {where} is of type {type(key).__qualname__}: JSON objects have string keys"
    )
