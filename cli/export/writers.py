"""Writers of JSON lines, CSV and TSV: they get one key after the other and keep none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ...console.values.json_text import json_line
from .fields import KEY, MEMORY, cell, chosen, columns, find, key_value

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    Rows = Iterable[tuple[Any, dict[str, Any]]]


class Writer(Protocol):
    """Writes all memory of a state in one format."""

    def write(self, rows: Rows, file: BinaryIO) -> None:
        """Write all rows, each a key with its memory; they may be read more than once."""


class JsonWriter:
    """Writes a JSON object per line, as `tamias inspect --key KEY --json` prints it."""

    def __init__(self, paths: list[str]) -> None:
        """`paths` are the fields to be written; if empty, all."""
        self._paths = [path for _, path in columns(paths)]

    def write(self, rows: Rows, file: BinaryIO) -> None:
        """As `Writer.write`."""
        for key, memory in rows:
            kept = chosen(memory, self._paths) if self._paths else memory
            file.write((json_line({KEY: key_value(key), MEMORY: kept}) + "\n").encode())


class CsvWriter:
    """Writes a row per key: the key, and the chosen fields.

    A field that is not there is an empty cell, and so is None; an empty text is `""`.
    """

    def __init__(self, paths: list[str], separator: str) -> None:
        """`paths` are the fields of the columns."""
        self._columns = columns(paths)
        self._separator = separator
        self._special = frozenset(f'"\r\n{separator}')

    def write(self, rows: Rows, file: BinaryIO) -> None:
        """As `Writer.write`."""
        self._write_row(file, [KEY, *(name for name, _ in self._columns)])
        for key, memory in rows:
            values = (find(memory, path) for _, path in self._columns)
            self._write_row(file, [cell(key_value(key)) or "", *map(cell, values)])

    def _write_row(self, file: BinaryIO, cells: list[str | None]) -> None:
        file.write((self._separator.join(map(self._quoted, cells)) + "\n").encode())

    def _quoted(self, text: str | None) -> str:
        if text is None:
            return ""
        if text and self._special.isdisjoint(text) and not (text[0] == " " or text[-1] == " "):
            return text
        return '"' + text.replace('"', '""') + '"'
