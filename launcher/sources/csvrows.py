"""CSV rows to JSON objects, many lines at a time.

Most lines of most files have no quotes: then a cell is what stands between two delimiters, and the
JSON text of a row is made by joining bytes, at a third of the cost of a parser. Other lines go
through the parser as a block, if each of them is a whole row. What is neither is left to the
caller, which parses row by row. The records are the same, whichever way they are made.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Final

import orjson

from ...store.encoding.keys import encode_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..delivery.source import Record

__all__ = ["RowBlocks"]

_NO_KEY: Final = encode_key(None)
"""The encoded key of a row whose cell is empty."""
_TEXT_KEY: Final = encode_key("")
"""The beginning of the encoded key of any other row."""


class RowBlocks:
    """Makes records of blocks of lines.

    Args:
        header: the names of the columns.
        key: the column that holds the key.
        delimiter: the character between cells.
    """

    def __init__(self, header: Sequence[str], key: str, delimiter: str) -> None:
        self._header = list(header)
        self._width = len(self._header)
        self._key = self._header.index(key)
        self._delimiter = delimiter
        self._separator = delimiter.encode()
        plain = bytes(byte for byte in range(32, 256) if byte not in b'"\\')
        self._plain = plain + b"\n" + self._separator
        """The bytes that are the same in a line and in JSON text."""
        names = [orjson.dumps(name) for name in self._header]
        self._texts: list[bytes] = [b""] * (2 * self._width + 1)
        """The JSON text of a row; every second one is replaced by a cell."""
        self._texts[::2] = [b"{", *(b'",' for _ in names[1:]), b'"}']
        for place, name in enumerate(names):
            self._texts[2 * place] += name + b':"'

    def records(self, lines: Sequence[bytes]) -> list[Record]:
        """The records of the first of these lines, as far as each is a whole, sound row.

        There may be none, and there is none of a blank line.
        """
        block = b"\n".join(lines)
        if b"\r" in block:
            ended = block + b"\n"
            if ended.count(b"\r") != ended.count(b"\r\n"):
                return []
            block = ended.replace(b"\r\n", b"\n")[:-1]
            lines = block.split(b"\n")
        if block.translate(None, self._plain):
            return self._parsed(block, len(lines))
        if not (block.isascii() or _is_utf8(block)):
            return []
        return self._joined(lines)

    def _joined(self, lines: Sequence[bytes]) -> list[Record]:
        """The records of lines in which all bytes are plain."""
        width, key, separator = self._width, self._key, self._separator
        texts = self._texts.copy()
        records: list[Record] = []
        append, join = records.append, b"".join
        for line in lines:
            cells = line.split(separator)
            if len(cells) != width or not line:
                break
            texts[1::2] = cells
            text = join(texts)
            if not all(cells):
                # No cell has a quote: two of them behind a colon are an empty cell.
                text = text.replace(b':""', b":null")
            cell = cells[key]
            append((_TEXT_KEY + cell if cell else _NO_KEY, text, None))
        return records

    def _parsed(self, block: bytes, lines: int) -> list[Record]:
        """The records of lines with quotes, or with characters that JSON escapes."""
        try:
            rows = list(
                csv.reader(block.decode().split("\n"), delimiter=self._delimiter, strict=True)
            )
        except (csv.Error, UnicodeDecodeError):
            return []
        if len(rows) != lines:  # there is a row of several lines
            return []
        header, width, key = self._header, self._width, self._key
        dumps = orjson.dumps
        records: list[Record] = []
        for row in rows:
            if len(row) != width:
                break
            cells = [cell or None for cell in row] if "" in row else row
            document = dict(zip(header, cells))  # noqa: B905 - hot
            records.append((encode_key(cells[key]), dumps(document), None))
        return records


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
