"""Inputs and outputs of agent runs as bytes.

A worker gets payloads in the form that they have in the source, so the launcher never re-encodes an
input. It sends outputs in the form that they have in the sink, so the launcher never decodes an
output. Both conversions are done in the worker's process. Only what a Python program hands in is
encoded by the launcher (`dumps_input`), in its own process.

*Input codecs* (`make_decoder`): ``pickle`` is an object of the Python list source; ``json-object``
(or ``json``) a JSON document that is the value itself; ``json-value`` a JSON object with
the value under ``value`` (or ``v``); ``pickle-json`` a pickle, of whose object the JSON form counts
(`json_rows`).

*Output codecs* (`make_encoder`): ``pickle`` is ``{key: output}`` for the list sink, in any form of
`values`; ``json-lines`` is ``{"key": ..., "output": ..., "offset": N}`` and a newline; ``json`` the
output alone, for the clients of a service. Alone, too, are ``pickle-value``, a plain pickle,
``pickle-json``, a pickle of its JSON form, and ``text``: a text as it is, and anything else as
JSON.

JSON is read by orjson, and by the standard library where orjson fails or would be wrong: it refuses
NaN and Infinity, and reads integers beyond 64 bits as rounded floats. How values are written is in
`json_text`.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, final

import orjson

from ...agent.errors import UnserializableError
from ...agent.waiting.questions import Question
from ..records.offsets import LARGEST_OFFSET
from .json_rows import json_form
from .json_text import OPTIONS, convert, dumps_json, dumps_rare, key_to_json
from .values import IMMUTABLE, check_readable, dumps, dumps_pickle, dumps_with_key, loads

if TYPE_CHECKING:
    from collections.abc import Callable

    Decoder = Callable[[bytes], Any]
    Encoder = Callable[[bytes, Any, int | None], bytes]

JSON_CODECS: Final = frozenset({"json", "json-object", "json-value"})
"""The input codecs with JSON payloads."""

_parse: Final[Any] = orjson.loads
_write: Final[Any] = orjson.dumps
_convert: Final[Any] = convert  # compiled code finds a name of this module sooner
_options: Final[int] = OPTIONS

_CACHED_KEYS: Final = 1 << 12
"""Of so many keys all is in the processor's cache. With more, finding one costs more than decoding
it."""
_CACHED_KEY_SIZE: Final = 256
_MISSES: Final = 16 * _CACHED_KEYS
"""After so many keys that were not in a full cache it begins anew."""

# Finds integers that orjson might round, without a regular expression (which costs four times as
# much): digits become zeros, the rest blanks, and 19 zeros in a row are the shortest suspect.
_DIGITS: Final = bytes(
    ord("0") if chr(code).isdecimal() and code < 128 else 32 for code in range(256)
)
_SUSPECT: Final = b"0" * 19

_EXACT: Final = float(1 << 63)
"""A number that orjson has rounded is a float, and not smaller than this."""
_TEXT_KEY: Final = 0x73
"""The first byte of a key that is a text."""
_SOME: Final = 32
"""So many values are looked at before they are written; more are pickled without."""
_SIMPLE: Final = frozenset({str, int, bool, type(None)})
"""Classes whose values orjson reads as they are written, and which hold no others."""


def loads_json(data: bytes) -> Any:
    """The value of a JSON document in UTF-8, exact for integers of any size.

    Accepts NaN, Infinity and -Infinity, as Python's own JSON does.

    Raises:
        ValueError: not JSON, or not UTF-8; the message has the position.
    """
    if _may_be_rounded(data):
        return _loads_with_json(data, None)
    try:
        return _parse(data)
    except ValueError as error:
        return _loads_with_json(data, error)


def _may_be_rounded(data: bytes) -> bool:
    """Whether there are so many digits in a row that orjson might round an integer."""
    return data.translate(_DIGITS).find(_SUSPECT) >= 0


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
    try:
        document = _parse(data)
    except ValueError as error:
        return _value_of(_loads_with_json(data, error))
    value = _value_of(document)
    if _is_exact(value) or not _may_be_rounded(data):
        return value
    return _value_of(_loads_with_json(data, None))


def _value_of(document: Any) -> Any:
    try:
        return document["value"]
    except KeyError:
        return document["v"]


def _is_exact(value: Any) -> bool:
    """Whether no number in a value can have been rounded; it need not find that out.

    A document is asked about faster than its text is searched, if it is simple, as most are.
    """
    kind = value.__class__
    if kind is dict:
        for each in value.values():
            if not (abs(each) < _EXACT if each.__class__ is float else each.__class__ in _SIMPLE):
                return False
        return True
    return abs(value) < _EXACT if kind is float else kind in _SIMPLE


def dumps_input(value: Any) -> bytes:
    """The payload of a value of a Python program: as `values.dumps`, or JSON as `PairEncoder`.

    Raises:
        UnserializableError: as `values.dumps`.
    """
    if type(value) is dict and _is_plain(value):
        try:
            text: bytes = _write(value)
        except TypeError:
            pass
        else:
            return text
    return dumps(value)


def make_encoder(codec: str) -> Encoder:
    """The function that converts ``(key bytes, output, input's number)`` to bytes for a sink.

    Of the number (`store.records.offsets`) only the input's offset is written.

    Raises:
        UnserializableError: (the function) the output has no form in this codec.
    """
    encoders: dict[str, Callable[[], Encoder]] = {
        "pickle": lambda: PairEncoder().encode,
        "json-lines": lambda: LineEncoder().encode,
        "json": lambda: _encode_json_alone,
        "pickle-value": lambda: _encode_pickle_alone,
        "pickle-json": lambda: _encode_json_form,
        "text": lambda: _encode_text,
    }
    if codec not in encoders:
        raise ValueError(f"unknown output codec {codec!r}")
    return encoders[codec]()


class _Beginnings(dict[bytes, bytes]):
    """How outputs of a key begin, made on demand; empty for keys that have no place here.

    A full one keeps what it has, and begins anew after many other keys. So its memory is bounded,
    and with more keys than it can keep, none is kept only to be dropped.
    """

    def __init__(self, before: bytes, behind: bytes, text: Callable[[bytes], bytes]) -> None:
        """What is before and behind the text of the key, and what makes that."""
        self._before = before
        self._behind = behind
        self._text = text
        self._misses = 0

    def __missing__(self, key: bytes) -> bytes:
        if len(self) >= _CACHED_KEYS:
            self._misses += 1
            if self._misses >= _MISSES:
                self._misses = 0
                self.clear()
        elif len(key) <= _CACHED_KEY_SIZE:
            self[key] = beginning = self.of(key)
            return beginning
        return b""

    def of(self, key: bytes) -> bytes:
        """Make the beginning for a key, which is not kept."""
        return self._before + self._text(key) + self._behind


def _text_key(key: bytes) -> bytes:
    """The JSON text of a key that is a text. Raises ValueError for half a surrogate pair."""
    text: bytes = _write(key[1:].decode())
    return text


def _any_key(key: bytes) -> bytes:
    """As `key_to_json`; most keys are texts."""
    if key[0] == _TEXT_KEY:
        with suppress(ValueError):
            return _text_key(key)
    return key_to_json(key)


@final
class LineEncoder:
    """Makes lines of outputs, for JSON lines files."""

    def __init__(self) -> None:
        self.beginnings: Final = _Beginnings(b'{"key":', b',"output":', _any_key)

    def encode(self, key: bytes, output: Any, number: int | None) -> bytes:
        """An `Encoder`: the line of an output."""
        if number is None or output.__class__ is Question:
            return _rare_line(key_to_json(key), output, number)
        try:
            text: bytes = _write(output, _convert, _options)
        except TypeError:
            text = dumps_rare(output)
        beginning = self.beginnings[key] or self.beginnings.of(key)
        return beginning + text + b',"offset":%d}\n' % (number & LARGEST_OFFSET)


@final
class PairEncoder:
    """Makes ``{key: output}`` for the list sink: as JSON if that gives back the very same."""

    def __init__(self) -> None:
        self._beginnings = _Beginnings(b"{", b":", _text_key)

    def encode(self, key: bytes, output: Any, number: int | None) -> bytes:
        """An `Encoder`: a pair, for `values.loads`."""
        if key[0] == _TEXT_KEY and _is_plain(output):
            try:
                beginning = self._beginnings[key]
                if not beginning:
                    pair: bytes = _write({key[1:].decode(): output})
                    return pair
                text: bytes = _write(output)
                return beginning + text + b"}"
            except (TypeError, ValueError):
                pass  # an integer beyond 64 bits; half a surrogate pair, also in the key
        return dumps_with_key(key, output, number)


def _is_plain(value: Any) -> bool:
    """Whether JSON gives back the very same: a number, a text, or some in a dict or list."""
    kind = type(value)
    if kind is dict:
        fields: dict[Any, Any] = value
        for name, each in fields.items():
            if type(name) is not str or not _is_scalar(each):
                return False
        return len(fields) <= _SOME
    if kind is list:
        elements: list[Any] = value
        for each in elements:
            if not _is_scalar(each):
                return False
        return len(elements) <= _SOME
    return _is_scalar(value)


def _is_scalar(value: Any) -> bool:
    kind = type(value)
    return bool(value - value == 0) if kind is float else kind in _SIMPLE  # NaN and infinity differ


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
