"""JSON lines: one input per line, ``{"key": ..., "value": ...}`` or any object with a key field.

The launcher parses a line only to get its key and to check it; the payload is the whole line, from
which the worker reads the value. Blank lines are skipped.
"""

from __future__ import annotations

from typing import Any

import orjson

from ...agent.errors import InputError
from ...store.encoding.codec import loads_json
from ...store.encoding.keys import encode_key
from ..delivery.source import Position, Record, generated_key
from .elements import add_line_records
from .keycache import KeyCache
from .linesource import LineSource

_MISSING = object()


class JsonLinesSource(LineSource):
    """Lines of a file, or of standard input (``-``).

    Args:
        path: the file; gzip if it ends in ``.gz``.
        key: the field that holds the key; the value is then the whole object. None: the line has
            ``key`` (or ``k``) and ``value`` (or ``v``).

    Raises:
        InputError: the file cannot be opened.
    """

    def __init__(self, path: str, key: str | None = None) -> None:
        super().__init__(path)
        self.codec = "json-object" if key is not None else "json-value"
        self._key = key
        self._keys = KeyCache(from_json=True)
        self._resume = Position(0)
        self._cut = False
        """Whether the last malformed line was no JSON: one that is has no more to come."""

    @property
    def position(self) -> Position:
        """As `Source.position`."""
        if self._lines.is_skipping:
            return self._resume
        return Position(self._offset, self._lines.byte, self._lines.line)

    def read(self, limit: int) -> list[Record]:
        """As `Source.read`."""
        records: list[Record] = []
        # A batch that has only blank lines is not the end.
        while not records and (lines := self._lines.read_lines(limit)):
            self._parse(lines, records)
            if self._lines.at_unended_line and records and records[-1][2] and self._cut:
                _, line, fault = records.pop()
                self._leave(line, str(fault))
                break
        self._offset += len(records)
        self.exhausted = self._lines.exhausted
        return records

    def seek(self, position: Position) -> None:
        """As `Source.seek`."""
        self._lines.seek(position.byte, position.line)
        self._resume = position
        self._offset = position.offset

    def _parse(self, lines: list[bytes], records: list[Record]) -> None:
        field, has_value = self._key, False
        if field is None:
            field, has_value = "key", True
        place = 0
        while True:
            place = add_line_records(records, lines, place, self._keys, field, has_value=has_value)
            if place == len(lines):
                return
            number = self._lines.line - len(lines) + place + 1
            record = self._parse_unusual(lines[place], number, self._offset + len(records))
            if record is not None:
                records.append(record)
            place += 1

    def _parse_unusual(self, line: bytes, number: int, offset: int) -> Record | None:
        """Parse a line again that is unusual, malformed, or blank (None)."""
        line = line.rstrip(b"\r")
        if not line or line.isspace():
            return None
        try:
            return self._key_of(line), line, None
        except (ValueError, InputError) as error:
            self._cut = not isinstance(error, InputError)
            reason = error.message if isinstance(error, InputError) else _explained(error)
            return generated_key(offset), line, f"line {number}: {reason}"

    def _key_of(self, line: bytes) -> bytes:
        document = loads_json(line)
        if not isinstance(document, dict):
            raise InputError(f"it is {_kind(document)}, not a JSON object")
        names = ("key", "k") if self._key is None else (self._key,)
        key = _first(document, names)
        if key is _MISSING:
            other = "" if self._key is not None else " (--key names another one)"
            raise InputError(f"it has no field {_quoted(names)}{other}")
        if isinstance(key, (dict, list)):
            raise InputError(f"its field {names[0]!r} is {_kind(key)}: a key is a scalar")
        if self._key is None and _first(document, ("value", "v")) is _MISSING:
            name = next(name for name in names if name in document)
            raise InputError(
                f"it has no field 'value' or 'v' (with --key {name} the whole object is the value)"
            )
        return encode_key(key)


def _first(document: dict[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        if name in document:
            return document[name]
    return _MISSING


def _quoted(names: tuple[str, ...]) -> str:
    return " or ".join(map(repr, names))


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}
    return "null" if value is None else kinds.get(type(value), "a number")


def _explained(error: ValueError) -> str:
    """Describe a JSON or UTF-8 error in one line, without its line number, which is always 1."""
    if isinstance(error, orjson.JSONDecodeError):
        return f"not JSON: {error.msg} (column {error.colno})"
    return f"not JSON: {error}"
