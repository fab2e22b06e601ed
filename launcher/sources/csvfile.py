"""CSV files with a header line: each row becomes a JSON object of strings, empty cells become null.

Rows are parsed as in RFC 4180: a quoted cell may hold commas, doubled quotes and line breaks.
Numbers stay strings: a postcode, for example, must keep its zeros. A row is malformed if its number
of cells differs from the header's, or if it has broken quoting or undecodable bytes. Blank lines
are skipped.

Most lines are whole rows, and go through `csvrows` in blocks. What is left is parsed by Python's
`csv` from an iterator that keeps the lines of the current row, for two reasons. A pipe may have no
more data in the middle of a row: then the lines are kept, and parsed again when more has arrived.
And an opening quote that is never closed would include the rest of the file: when the row is too
long, or the file ends, only the line with the quote is set aside, and parsing continues with the
next line.
"""

from __future__ import annotations

import csv
import difflib
import sys
from collections import Counter
from typing import TYPE_CHECKING, NoReturn

import orjson

from ...agent.errors import InputError
from ..delivery.source import Position, Record, generated_key
from .csvrows import RowBlocks
from .keycache import KeyCache
from .linesource import LineSource

if TYPE_CHECKING:
    from ..delivery.source import Identity
    from .lines import LineReader

_LINES = 256
_BATCH_BYTES = 1 << 18
_LONGEST_ROW = 1 << 23
"""The largest size of a row of several lines; a single line may have any length."""


class CsvSource(LineSource):
    """Rows of a file, or of standard input (``-``).

    Args:
        path: the file; gzip if it ends in ``.gz``.
        key: the column that holds the key; None: the column ``key``.
        delimiter: the character between cells.

    Raises:
        InputError: the file cannot be opened, has no header, or its header has no such column or
            one column twice. For a stream, `read` raises it.
    """

    codec = "json-object"

    def __init__(self, path: str, key: str | None = None, *, delimiter: str = ",") -> None:
        super().__init__(path)
        self._key = "key" if key is None else key
        self._keys = KeyCache()
        self._feed = _Feed(self._lines)
        self._rows = csv.reader(self._feed, delimiter=delimiter, strict=True)
        self._header: list[str] | None = None
        self._delimiter = delimiter
        self._blocks: RowBlocks | None = None
        self._in_quotes = False
        """Whether the file has ended inside a quoted cell, which may go on when the file grows."""
        # A stream's header, and what an earlier run has read, are skipped before the first record.
        self._resume: Position | None = None
        self._began = not self._lines.is_stream
        if self._began:
            try:
                self._read_header()
            except BaseException:
                self.close()
                raise

    @property
    def position(self) -> Position:
        """As `Source.position`."""
        if self._resume is not None:
            return self._resume
        return Position(self._offset, self._feed.byte, self._feed.line)

    def read(self, limit: int) -> list[Record]:
        """As `Source.read`."""
        # The limit on cells is global to the process: lift it only during this call.
        cell_limit = csv.field_size_limit(sys.maxsize)
        records: list[Record] = []
        try:
            if not self._began and not self._begin():
                return records
            self._parse(limit, records)
        finally:
            csv.field_size_limit(cell_limit)
            self._offset += len(records)
        return records

    def read_so_far(self) -> Identity | None:
        """As `Source.read_so_far`."""
        read = self._lines.read_so_far(self._feed.byte)
        return {**read, "ended": False} if self._in_quotes else read

    def seek(self, position: Position) -> None:
        """As `Source.seek`."""
        self._offset = position.offset
        if not self._began:
            self._resume = position
        elif position.byte > self._feed.byte:  # else it is in the header, which has been read
            self._feed.seek(position)

    def _begin(self) -> bool:
        """Read a stream up to its first record; return False if that has not arrived yet."""
        if self._header is None and not self._read_header():
            return False
        if self._resume is not None:
            if self._resume.byte and not self._feed.skip_to(self._resume.byte):
                return False
            self._resume = None
        self._began = True
        return True

    def _read_header(self) -> bool:
        """Read the first row; return False if it has not arrived yet."""
        header: list[str] = []
        while not header:
            self._feed.begin_row()
            try:
                header = next(self._rows)
            except _NoDataYetError:
                self._feed.go_back(0)
                return False
            except StopIteration:
                raise InputError(
                    f"The input {self._lines.name} is empty.",
                    hint="The first line of a CSV file names its columns.",
                ) from None
            except csv.Error as error:
                raise InputError(
                    f"The header of {self._lines.name} cannot be read: {error}.",
                    hint="The first line of a CSV file names its columns.",
                ) from error
        if self._key not in header:
            self._no_such_column(header)
        twice = {name for name, times in Counter(header).items() if times > 1}
        if twice:
            raise InputError(
                f"The header of {self._lines.name} names {_listed(sorted(twice))} more than once.",
                hint="Rename one of the columns.",
            )
        self._header = header
        self._blocks = RowBlocks(header, self._key, self._delimiter)
        return True

    def _no_such_column(self, header: list[str]) -> NoReturn:
        close = difflib.get_close_matches(self._key, header, 1)
        meant = f" Did you mean {close[0]!r}?" if close else ""
        raise InputError(
            f"The input {self._lines.name} has no column {self._key!r}; it has {_listed(header)}.",
            hint=f"Name the column that holds the key with --key.{meant}",
        )

    def _parse(self, limit: int, records: list[Record]) -> None:
        feed, rows, keys, header = self._feed, self._rows, self._keys, self._header or []
        width, key_name, dumps = len(header), self._key, orjson.dumps
        append, stop_at = records.append, feed.byte + _BATCH_BYTES
        while len(records) < limit and feed.byte < stop_at:
            if self._parse_block(limit - len(records), records):
                continue
            feed.begin_row()
            try:
                row = next(rows)
                if len(row) == width:
                    document = {
                        name: cell or None
                        for name, cell in zip(header, row)  # noqa: B905 - hot
                    }
                    append((keys[document[key_name]], dumps(document), None))
                elif row:
                    fault = f"{len(row)} cells where the header has {width}"
                    if self._is_left(fault):
                        return
                    append(self._malformed(fault, len(records)))
            except StopIteration:
                self.exhausted = True
                return
            except _NoDataYetError:
                feed.go_back(0)
                return
            except csv.Error as error:
                if self._is_left(f"not CSV: {error}"):
                    return
                self._in_quotes |= feed.at_end and not self._lines.is_stream
                # The error began in the row's first line.
                feed.go_back(1)
                append(self._malformed(f"not CSV: {error}", len(records)))
            except TypeError:
                if self._is_left("it is not UTF-8"):
                    return
                append(self._malformed("it is not UTF-8", len(records)))

    def _parse_block(self, limit: int, records: list[Record]) -> bool:
        """Parse up to `limit` lines that are whole rows; return whether there was any."""
        lines = self._feed.block(limit)
        if not lines or self._blocks is None:
            return False
        found = self._blocks.records(lines)
        records += found
        self._feed.skip(len(found), whole=len(found) == len(lines))
        return bool(found)

    def _is_left(self, fault: str) -> bool:
        """Whether a malformed row is the last line of a file, without an end: then leave it."""
        feed = self._feed
        line, number = feed.row()
        if not (feed.at_end and self._lines.at_unended_line) or b"\n" in line:
            return False
        feed.go_back(0)
        self._leave(line, f"line {number}: {fault}")
        self.exhausted = True
        return True

    def _malformed(self, reason: str, index: int) -> Record:
        raw, first = self._feed.row()
        return generated_key(self._offset + index), raw, f"line {first}: {reason}"


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names[:20])) + (", ..." if len(names) > 20 else "")


class _NoDataYetError(Exception):
    """A stream has no data at the moment."""


class _Feed:
    """The iterator from which `csv.reader` reads lines: text, each with its line break.

    Bytes that are not UTF-8 become lone surrogates, which the JSON encoder refuses. So no extra
    check is needed, and only the row with such bytes is malformed.
    """

    def __init__(self, lines: LineReader) -> None:
        self._lines = lines
        self._queue: list[bytes] = []
        self._first = 0
        self._next = 0
        self._size = 0
        self._by_row = False
        """Whether the lines that are left in the queue are to be read row by row."""
        # The start of the current row, and of the line after the last one read.
        self._first_byte = self._first_line = 0
        self.byte = self.line = 0

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if self._next == len(self._queue):
            self._fill()
        line = self._queue[self._next]
        if self._next > self._first and self._size > _LONGEST_ROW:
            raise csv.Error("a quoted cell does not end")
        self._next += 1
        self._size += len(line)
        self.line += 1
        if self._next == len(self._queue):
            self.byte = self._lines.byte
        else:
            self.byte += len(line) + 1
        return line.decode("utf-8", "surrogateescape") + "\n"

    @property
    def at_end(self) -> bool:
        """Whether all lines of the input have been drawn."""
        return self._next == len(self._queue) and self._lines.exhausted

    def begin_row(self) -> None:
        """Begin a row with the next line."""
        self._first, self._first_byte, self._first_line = self._next, self.byte, self.line
        self._size = 0

    def block(self, limit: int) -> list[bytes]:
        """Return up to `limit` lines that are next, without reading them; then call `skip`."""
        return [] if self._by_row else self._queue[self._next : self._next + limit]

    def skip(self, lines: int, *, whole: bool) -> None:
        """Pass over the first lines of the block.

        If they are not the `whole` block, what is left is read row by row: to parse a block again
        for each row that needs that would cost too much.
        """
        self._by_row = not whole
        begin, self._next = self._next, self._next + lines
        self.line += lines
        if lines and self._next == len(self._queue):
            self.byte = self._lines.byte
        else:
            self.byte += sum(map(len, self._queue[begin : self._next])) + lines

    def go_back(self, keep: int) -> None:
        """Put back the lines that were read for the row, except the first `keep`."""
        if self._next - self._first > keep:
            self._next = self._first + keep
            self.line = self._first_line + keep
            kept = self._queue[self._first : self._next]
            self.byte = self._first_byte + sum(map(len, kept)) + len(kept)

    def row(self) -> tuple[bytes, int]:
        """Return the raw lines of the row, and the number of the first, counted from 1."""
        return b"\n".join(self._queue[self._first : self._next]), self._first_line + 1

    def seek(self, position: Position) -> None:
        """Go to a `position` of a file, and drop the lines that were read."""
        self._lines.seek(position.byte, position.line)
        self._queue, self._first, self._next, self._by_row = [], 0, 0, False
        self.byte, self.line = position.byte, position.line

    def skip_to(self, byte: int) -> bool:
        """Skip the lines of a stream up to `byte`; return False if they have not arrived yet."""
        while self.byte < byte:
            self.begin_row()
            try:
                next(self)
            except _NoDataYetError:
                return False
            except StopIteration:
                break
        if self.byte != byte:
            raise self._lines.other_stream()
        return True

    def _fill(self) -> None:
        more = self._lines.read_lines(_LINES)
        if not more:
            if self._lines.exhausted:
                raise StopIteration
            raise _NoDataYetError
        del self._queue[: self._first]
        self._next -= self._first
        self._first = 0
        self._queue += more
        self._by_row = False
        if self.line == 0 and self.byte == 0:
            self.byte = self._lines.mark
