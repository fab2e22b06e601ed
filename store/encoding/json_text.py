"""Inputs and outputs of agent runs as bytes.

A worker gets payloads in the form that they have in the source, so the launcher never re-encodes an
input. It sends outputs in the form that they have in the sink, so the launcher never decodes an
output. Both conversions happen here, in the worker's process.

*Input codecs* (`make_decoder`): ``pickle`` is an object of the Python list source; ``json-object``
(or ``json``) a JSON document that is the value itself; ``json-value`` a JSON object with
the value under ``value`` (or ``v``); ``pickle-json`` a pickle, of whose object the JSON form counts
(`json_rows`).

*Output codecs* (`make_encoder`): ``pickle`` is ``{key: output}`` for the list sink; ``json-lines``
is ``{"key": ..., "output": ..., "offset": N}`` and a newline; ``json`` the output alone, for the
clients of a service. Alone, too, are ``pickle-value``, a plain pickle, ``pickle-json``, a pickle of
its JSON form, and ``text``: a text as it is, and anything else as JSON.

JSON is read and written by orjson, and by the standard library where orjson fails or would be
wrong: it reads integers beyond 64 bits as rounded floats, and refuses NaN and Infinity. Values
that JSON does not have are written so:

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
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson
from pydantic import BaseModel

from ...agent.errors import UnserializableError
from ...agent.failures.error_text import one_line
from ...agent.waiting.questions import Question
from ..records.offsets import LARGEST_OFFSET
from .json_rows import json_form
from .keys import decode_key
from .numpy_json import from_numpy, is_numpy, plain_of
from .pickle_errors import full_name
from .values import IMMUTABLE, check_readable, dumps_pickle, dumps_with_key, loads

if TYPE_CHECKING:
    from collections.abc import Callable

    Decoder = Callable[[bytes], Any]
    Encoder = Callable[[bytes, Any, int | None], bytes]

JSON_CODECS: Final = frozenset({"json", "json-object", "json-value"})
"""The input codecs with JSON payloads."""

_OPTIONS: Final = orjson.OPT_PASSTHROUGH_DATACLASS

# Finds integers that orjson might round, without a regular expression (which costs four times as
# much): digits become zeros, the rest blanks, and 19 zeros in a row are the shortest suspect.
_DIGITS: Final = bytes(
    ord("0") if chr(code).isdecimal() and code < 128 else 32 for code in range(256)
)
_SUSPECT: Final = b"0" * 19

_SECOND: Final = dt.timedelta(seconds=1)
_MISSING: Final = frozenset({"NaTType", "NAType"})
"""Classes of pandas' marks for what is missing. `NaT` passes for a datetime."""

_TEXT: Final = b"s"
"""The first byte of a key that is a text."""
_CACHED_KEYS: Final = 1 << 12
"""Of so many keys all is in the processor's cache. With more, finding one costs more than decoding
it."""
_CACHED_KEY_SIZE: Final = 256


def loads_json(data: bytes) -> Any:
    """The value of a JSON document in UTF-8, exact for integers of any size.

    Accepts NaN, Infinity and -Infinity, as Python's own JSON does.

    Raises:
        ValueError: not JSON, or not UTF-8; the message has the position.
    """
    if data.translate(_DIGITS).find(_SUSPECT) < 0:
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError as error:
            return _loads_with_json(data, error)
    return _loads_with_json(data, None)


def _loads_with_json(data: bytes, refusal: ValueError | None) -> Any:
    """Read what orjson refused or would round; raise orjson's `refusal` if this fails, too."""
    try:
        return json.loads(data.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError as error:
        raise (refusal or error) from None


def make_decoder(codec: str) -> Decoder:
    """The function that converts a payload of `codec` to the input's value."""
    if codec == "pickle":
        return loads
    if codec == "json-value":
        return _decode_value
    if codec == "pickle-json":
        return lambda data: json_form(loads(data))
    if codec in JSON_CODECS:
        return loads_json
    raise ValueError(f"unknown input codec {codec!r}")


def _decode_value(data: bytes) -> Any:
    document = loads_json(data)
    try:
        return document["value"]
    except KeyError:
        return document["v"]


def make_encoder(codec: str) -> Encoder:
    """The function that converts ``(key bytes, output, input's number)`` to bytes for a sink.

    Of the number (`store.records.offsets`) only the input's offset is written.

    Raises:
        UnserializableError: (the function) the output has no form in this codec.
    """
    encoders: dict[str, Callable[[], Encoder]] = {
        "pickle": lambda: dumps_with_key,
        "json-lines": _json_encoder,
        "json": lambda: _encode_json_alone,
        "pickle-value": lambda: _encode_pickle_alone,
        "pickle-json": lambda: _encode_json_form,
        "text": lambda: _encode_text,
    }
    if codec not in encoders:
        raise ValueError(f"unknown output codec {codec!r}")
    return encoders[codec]()


def dumps_json(value: Any) -> bytes:
    """JSON text of `value` in UTF-8, without blanks; see the module's text for conversions.

    Raises:
        UnserializableError: a type has no JSON form; names it and its place.
    """
    try:
        return orjson.dumps(value, _convert, _OPTIONS)
    except TypeError:
        pass
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


class _KeyCache(dict[bytes, Any]):
    """Decoded keys, made on demand; cleared when full, so its memory is bounded."""

    def __init__(self, decode: Callable[[bytes], Any]) -> None:
        self._decode = decode

    def __missing__(self, key: bytes) -> Any:
        decoded = self._decode(key)
        if len(key) <= _CACHED_KEY_SIZE:
            if len(self) >= _CACHED_KEYS:
                self.clear()
            self[key] = decoded
        return decoded


def _encode_json_alone(key: bytes, output: Any, offset: int | None) -> bytes:  # noqa: ARG001 (an Encoder)
    return dumps_json(output)


def _encode_pickle_alone(key: bytes, output: Any, offset: int | None) -> bytes:  # noqa: ARG001 (as above)
    data = dumps_pickle(output)
    return data if output.__class__ in IMMUTABLE else check_readable(data, output)


def _encode_json_form(key: bytes, output: Any, offset: int | None) -> bytes:
    return _encode_pickle_alone(key, json_form(output), offset)


def _encode_text(key: bytes, output: Any, offset: int | None) -> bytes:
    if isinstance(output, str):
        try:
            return output.encode()
        except UnicodeEncodeError as error:
            raise UnserializableError(
                f"output holds half a surrogate pair at character {error.start}, which is no text:"
                " replace it before the output is sent"
            ) from None
    return _encode_json_alone(key, output, offset)


def _json_encoder() -> Encoder:
    keys = _KeyCache(key_to_json)

    def encode(key: bytes, output: Any, number: int | None) -> bytes:
        if number is None or output.__class__ is Question:
            return _rare_line(keys[key], output, number)
        offset = number & LARGEST_OFFSET
        return b'{"key":%b,"output":%b,"offset":%d}\n' % (keys[key], dumps_json(output), offset)

    return encode


def _rare_line(key: bytes, output: Any, number: int | None) -> bytes:
    """A line of a question, or of an output that goes back to no input."""
    offset = b"null" if number is None else b"%d" % (number & LARGEST_OFFSET)
    name, value = b"output", output
    if isinstance(output, Question):
        name = b"question"
        value = {
            field: getattr(output, field)
            for field in ("token", "name", "ask", "asked_at", "deadline")
        }
    return b'{"key":%b,"%b":%b,"offset":%b}\n' % (key, name, dumps_json(value), offset)


def _convert(value: Any) -> Any:
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
        converted = _convert(value)
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
