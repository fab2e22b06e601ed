"""Values as bytes: pickle protocol 5, and cloudpickle where it is needed.

The first byte is the form:

- `0x80`, with which every pickle begins: a plain pickle.
- `0xB4`: a text, in UTF-8 behind it. Most inputs are texts, and this costs a third of a pickle. (A
  text with half a surrogate pair has no UTF-8, and is pickled.)
- `0xB5`: a container, for values that hold large buffers (numpy arrays and the like): the pickle
  followed by the buffers out of band, each at a multiple of 64 bytes, so that loading need not copy
  them. Layout: `B5`, version, reserved(2), buffer count (u32), pickle length (u64), then per buffer
  its length (u64) and whether it was writable (u64), then the pickle, then the buffers.
- `{`: a JSON object. Most inputs and outputs of a program are a few numbers and texts; JSON is
  written in a quarter of the time of a pickle, and read in half of it (`codec.PairEncoder`).
- `0xBA`: a row from Flink: the plain pickle of a dict with its fields. A pickle of the row itself
  names its class, which has to be looked up each time: four times the cost of the dict.

A record of memory may begin with a time (`stamps`), which is passed over.

`__main__` is another module in another process, so values with its functions and classes are
pickled by value (`main_classes`). Searching the pickle for `__main__` costs less than 0.1
microseconds; a check of each object would cost more than pickling. A value with a text that
contains the word is pickled the slower way, too.
"""

from __future__ import annotations

import pickle
import pickletools
import struct
from typing import TYPE_CHECKING, Any, Final

import orjson

from ...agent.errors import UnserializableError
from ...agent.failures.error_text import one_line
from ...agent.row import Row
from .keys import decode_key
from .main_classes import dumps_by_value
from .moved_classes import loads_pickle
from .pickle_errors import find_culprit, full_name
from .short_values import dumps_integer
from .stamps import STAMPED, split

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "IMMUTABLE",
    "TEXT_HEAD",
    "check_form",
    "check_readable",
    "dumps",
    "dumps_checked",
    "dumps_object",
    "dumps_pickle",
    "dumps_with_key",
    "loads",
    "loads_all",
]

IMMUTABLE: frozenset[type] = frozenset({int, str, float, bool, type(None), bytes, complex})
"""Types whose values can be shared without copying: compare with `type(value) in IMMUTABLE`."""

_PICKLE = 0x80
_TEXT = 0xB4
TEXT_HEAD = bytes([_TEXT])
"""The first byte of an encoded text; its UTF-8 follows."""
_MAIN = b"__main__"
_NAMED = pickle.STACK_GLOBAL
"""In each pickle that loads classes or functions, and in few others."""
_NAMED_BYTE: Final = 0x93
"""Its byte: looked for in a fifth of the time."""
_NAMED_ROW = b"\x8c\x06tamias\x94\x8c\x03Row\x94" + _NAMED
"""In each pickle of rows, once, and behind it only plain dicts of theirs."""
_LARGE = 65536
"""Pickles below this size, in bytes, are not searched for large buffers."""

_TEXT_KEY: Final = 0x73
"""The first byte of a key that is a text: decoded as fast as it would be found in a dictionary."""
_KEYS: Final[dict[bytes, Any]] = {}
"""Other keys, decoded."""
_MOST_KEYS: Final = 1 << 12
"""Of so many keys all is in the processor's cache. With more, finding one costs more than decoding
it."""
_CACHED_KEY_SIZE: Final = 256

_OBJECT = 0x7B
_OBJECT_BYTE: Final = b"{"
_AT_ONCE: Final = 1 << 20
"""So many bytes of objects are joined, to be read at once."""
_ROW = 0xBA
_CONTAINER = 0xB5
_VERSION = 1
_HEADER = struct.Struct("<BBxxIQ")
_ENTRY = struct.Struct("<QQ")
_ALIGNMENT = 64

_pickle = pickle.dumps
_unpickle = pickle.loads
_parse: Final[Any] = orjson.loads


def dumps(value: Any) -> bytes:
    """Return `value` as bytes.

    Raises:
        UnserializableError: a part of `value` cannot be pickled; names it.
    """
    kind = type(value)
    if kind is str:
        try:
            return TEXT_HEAD + value.encode()  # type: ignore[no-any-return]
        except UnicodeEncodeError:
            return _pickle(value, 5)
    if kind is int:
        return dumps_integer(value) or _pickle(value, 5)
    if kind in IMMUTABLE:
        return _pickle(value, 5)
    return dumps_object(value)


def dumps_checked(value: Any) -> bytes:
    """As `dumps`, for a value that others will need: it is also read back.

    Some values can be pickled and not unpickled, such as an exception whose class wants more
    arguments than it passes on. That is an error of the code that makes the value, and not of the
    code that would read it later.

    Raises:
        UnserializableError: as `dumps`, or the value cannot be read back.
    """
    data = dumps(value)
    return data if type(value) in IMMUTABLE else check_readable(data, value)


def check_readable(data: bytes, value: Any) -> bytes:
    """Return `data`, the encoded `value`, if that can be read back.

    Raises:
        UnserializableError: it cannot.
    """
    if _NAMED_BYTE not in data:
        return data
    if not (data.count(_NAMED) == 1 and _NAMED_ROW in data):
        try:
            loads(data, writable=False)
        except UnserializableError as error:
            cause = error.__cause__ or error
            raise UnserializableError(
                f"A value of type {full_name(type(value))} can be pickled, but not be read back: "
                f"{one_line(cause)}. Keep it out of memory, events and outputs, or give its class "
                "a __reduce__ method that does what its constructor needs."
            ) from error
    return data


def dumps_object(value: Any) -> bytes:
    """As `dumps`, for a value that is not of an immutable type."""
    data = dumps_pickle(value)
    if len(data) >= _LARGE:
        return _out_of_band(value, data)
    return data


def dumps_pickle(value: Any) -> bytes:
    """As `dumps_object`, but always as one plain pickle, which needs no tamias to be loaded."""
    try:
        data = _pickle(value, 5)
    except Exception:  # noqa: BLE001 (a user's __reduce__ may raise anything)
        return _by_value(value)
    return _with_main(data, value) if _NAMED_BYTE in data else data


def _with_main(data: bytes, value: Any) -> bytes:
    """The pickle of `value`, made anew if it may name what `__main__` has."""
    return _by_value(value) if data.find(_MAIN) >= 0 else data


def dumps_with_key(key: bytes, value: Any, offset: int | None = None) -> bytes:  # noqa: ARG001 (an Encoder's)
    """As `dumps_checked` of ``{key: value}``, given the encoded key.

    Outputs of a Python list come here that are not plain; what most of them need is inline.

    Raises:
        UnserializableError: as `dumps_checked`.
    """
    try:
        decoded = key[1:].decode() if key[0] == _TEXT_KEY else _decoded(key)
    except UnicodeDecodeError:
        decoded = decode_key(key)
    keyed = {decoded: value}
    try:
        data = _pickle(keyed, 5)
    except Exception:  # noqa: BLE001 (as in `dumps_pickle`)
        data = _by_value(keyed)
    if _NAMED_BYTE in data:
        data = _with_main(data, keyed)
        if len(data) >= _LARGE:
            data = _out_of_band(keyed, data)
        return data if type(value) in IMMUTABLE else check_readable(data, value)
    return data


def _decoded(key: bytes) -> Any:
    decoded = _KEYS.get(key)
    if decoded is None:
        decoded = decode_key(key)
        if len(key) <= _CACHED_KEY_SIZE:
            if len(_KEYS) >= _MOST_KEYS:
                _KEYS.clear()
            _KEYS[key] = decoded
    return decoded


def _by_value(value: Any) -> bytes:
    try:
        data = dumps_by_value(value)
    except Exception as error:
        where, culprit = find_culprit(value)
        raise UnserializableError(
            f"A value of type {culprit} cannot be stored or sent{where}: "
            f"{one_line(error)}. Keep it out of memory, events and outputs, or "
            "give its class a __reduce__ method."
        ) from error
    return data


def _out_of_band(value: Any, data: bytes) -> bytes:
    """Return the container form of `value`, or `data` as it is if it has no large buffers."""
    if data.find(b"buffer") < 0:
        # The functions with which numpy and pyarrow load buffers have this word in their names.
        return data
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, 5, buffer_callback=buffers.append)
    try:
        views = [buffer.raw() for buffer in buffers]
    except BufferError:  # not contiguous: keep it in the pickle
        return data
    if sum(map(len, views)) < _LARGE // 2:
        return data
    parts: list[bytes | memoryview] = [_HEADER.pack(_CONTAINER, _VERSION, len(views), len(head))]
    parts += (_ENTRY.pack(len(view), not view.readonly) for view in views)
    parts.append(head)
    position = _HEADER.size + _ENTRY.size * len(views) + len(head)
    for view in views:
        padding = -position % _ALIGNMENT
        parts += (bytes(padding), view)
        position += padding + len(view)
    return b"".join(parts)


def loads(data: bytes | bytearray | memoryview, *, writable: bool = True) -> Any:
    """Inverse of `dumps`.

    Large buffers are views into `data`, without copying, if `data` itself is writable or the
    original was not. Otherwise, with `writable`, they are copied once, so that an array read back
    can be changed like the one that was stored; without it they too are views, and read-only.

    Raises:
        UnserializableError: the value cannot be rebuilt here, usually because the class it belongs
            to cannot be imported.
    """
    try:
        form = data[0]
        if form == _PICKLE:
            try:
                return _unpickle(data)
            except (ImportError, AttributeError):  # of an older version, perhaps
                return loads_pickle(data)
        if form == _TEXT:
            return data[1:].decode() if isinstance(data, bytes) else str(data[1:], "utf-8")
        if form == _OBJECT:
            return _parse(data)
        if form == _ROW:
            return Row(loads(data[1:]))
        if form == STAMPED:
            return loads(split(bytes(data))[1], writable=writable)
        return _unpack(memoryview(data), writable=writable)
    except (MemoryError, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit, too: a pickle may call anything
        raise UnserializableError(
            f"A stored value cannot be read back: {one_line(error)}. Make the "
            "modules importable that defined its classes when it was stored."
        ) from error


def loads_all(blob: bytes, lengths: Sequence[int]) -> list[Any]:
    """Return the values whose encodings, of these lengths, are joined in `blob`.

    Raises:
        UnserializableError: as `loads`.
    """
    parts: list[bytes] = []
    start = objects = 0
    for length in lengths:
        data = blob[start : start + length]
        start += length
        parts.append(data)
        objects += data[:1] == _OBJECT_BYTE
    try:
        if objects == len(parts) and start <= _AT_ONCE:  # saves a third of the time
            values: list[Any] = _parse(b"[" + b",".join(parts) + b"]")
            if len(values) == objects:
                return values
        return [_parse(data) if data[0] == _OBJECT else _unpickle(data) for data in parts]
    except (MemoryError, KeyboardInterrupt):
        raise
    except BaseException:  # noqa: BLE001 (not all are plain, or one is damaged: one by one)
        return [loads(data) for data in parts]


def check_form(data: bytes) -> None:
    """Check the form of an encoded value, as far as that is possible without its classes.

    Raises:
        ValueError: no value has this form.
    """
    form = data[0]
    if form == STAMPED:
        _, data = split(data)
        if not data:
            return  # an object
        form = data[0]
    if form == _TEXT:
        str(data[1:], "utf-8")
        return
    if form == _OBJECT:
        _parse(data)
        return
    if form == _ROW:
        head = data[1:]
    else:
        head = data if form == _PICKLE else bytes(_parts(memoryview(data))[0])
    *_, (_, _, end) = pickletools.genops(head)
    if end != len(head) - 1:
        raise ValueError("there are bytes behind the end of the pickle")


def _unpack(view: memoryview, *, writable: bool) -> Any:
    head, parts = _parts(view)
    buffers: list[memoryview | bytearray] = []
    for buffer, was_writable in parts:
        if not was_writable:
            buffers.append(buffer.toreadonly())
        elif writable and view.readonly:
            buffers.append(bytearray(buffer))
        else:
            buffers.append(buffer)
    return loads_pickle(head, buffers)


def _parts(view: memoryview) -> tuple[memoryview, list[tuple[memoryview, int]]]:
    """Return the pickle of a container, and its buffers, each with whether it was writable."""
    kind, version, count, length = _HEADER.unpack_from(view)
    if kind != _CONTAINER or version != _VERSION:
        raise ValueError(f"unknown encoding {kind:#x}, version {version}")
    position = _HEADER.size
    entries = [_ENTRY.unpack_from(view, position + _ENTRY.size * i) for i in range(count)]
    position += _ENTRY.size * count
    head = view[position : position + length]
    position += length
    buffers = []
    for size, was_writable in entries:
        position += -position % _ALIGNMENT
        buffer = view[position : position + size]
        if len(buffer) != size:
            raise ValueError("the encoding is cut short")
        position += size
        buffers.append((buffer, was_writable))
    return head, buffers
