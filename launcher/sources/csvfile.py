"""CSV files with a header line: each row becomes a JSON object of strings, empty cells become null.

Rows are parsed as RFC 4180 says: a quoted cell may hold commas, doubled quotes and line breaks.
Numbers stay strings, because only the agent knows that a postcode is not one. A row with another
number of cells than the header, broken quoting or undecodable bytes is malformed. Blank lines are
no rows.

Python's `csv` does the parsing, fed by an iterator that remembers the lines of the row being read.
That serves two purposes. A pipe may run dry in the middle of a row: the lines are kept and parsed
again when more has come. And an opening quote that is never closed would swallow the rest of the
file: when it has swallowed too much, or the end is reached, only the line it stands in is set aside
and parsing begins anew with the next.
"""

from __future__ import annotations

import csv
import difflib
import sys
from typing import TYPE_CHECKING, NoReturn

import orjson

from ...agent.errors import InputError
from ..delivery.source import Position, Record, generated_key
from .keycache import KeyCache
from .linesource import LineSource

if TYPE_CHECKING:
    from .lines import LineReader

_LINES = 256
_BATCH_BYTES = 1 << 18
_LONGEST_ROW = 1 << 23
"""Bytes that a row of several lines may have; one line may be of any length."""


class CsvSource(LineSource):
    """Rows of a file, or of standard input (``-``).

    Args:
        path: the file; gzip if it ends in ``.gz``.
        key: the column that holds the key; None: the column ``key``.
        delimiter: what separates cells.

    Raises:
        InputError: the file cannot be opened, has no header, or its header has no such column or
            one column twice. Of a stream, only `read` can tell.
    """

    codec = "json-object"

    def __init__(self, path: str, key: str | None = None, *, delimiter: str = ",") -> None:
        super().__init__(path)
        self._key = "key" if key is None else key
        self._keys = KeyCache()
        self._feed = _Feed(self._lines)
        self._rows = csv.reader(self._feed, delimiter=delimiter, strict=True)
        self._header: list[str] | None = None
        # A stream's header, and what an earlier life has read, are passed before the first record.
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
        # The limit on cells belongs to the whole process: lift it only while it is ours to use.
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

    def seek(self, position: Position) -> None:
        """As `Source.seek`."""
        self._offset = position.offset
        if not self._began:
            self._resume = position
        elif position.byte > self._feed.byte:  # else the header comes after it, and has been read
            self._feed.seek(position)

    def _begin(self) -> bool:
        """Get a stream to its first record; False if that has not arrived yet."""
        if self._header is None and not self._read_header():
            return False
        if self._resume is not None:
            if self._resume.byte and not self._feed.pass_over(self._resume.byte):
                return False
            self._resume = None
        self._began = True
        return True

    def _read_header(self) -> bool:
        """Read the first row; False if it has not arrived yet."""
        header: list[str] = []
        while not header:
            self._feed.begin_row()
            try:
                header = next(self._rows)
            except _NothingThereError:
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
        twice = {name for name in header if header.count(name) > 1}
        if twice:
            raise InputError(
                f"The header of {self._lines.name} names {_listed(sorted(twice))} more than once.",
                hint="Rename one of the columns.",
            )
        self._header = header
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
                    append(self._malformed(fault, len(records)))
            except StopIteration:
                self.exhausted = True
                return
            except _NothingThereError:
                feed.go_back(0)
                return
            except csv.Error as error:
                # Whatever it was, it began in the row's first line.
                feed.go_back(1)
                append(self._malformed(f"not CSV: {error}", len(records)))
            except TypeError:
                append(self._malformed("it is not UTF-8", len(records)))

    def _malformed(self, reason: str, index: int) -> Record:
        raw, first = self._feed.row()
        return generated_key(self._offset + index), raw, f"line {first}: {reason}"


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names[:20])) + (", ..." if len(names) > 20 else "")


class _NothingThereError(Exception):
    """A stream has nothing to read at the moment."""


class _Feed:
    """The iterator that `csv.reader` draws lines from: text, each with its line break.

    Bytes that are not UTF-8 become lone surrogates, which no JSON encoder accepts: so they cost
    nothing to look for, and spoil only the row they are in.
    """

    def __init__(self, lines: LineReader) -> None:
        self._lines = lines
        self._queue: list[bytes] = []
        self._first = 0
        self._next = 0
        self._size = 0
        # Where the row being read begins, and where the line after it does.
        self._first_byte = self._first_line = 0
        self.byte = self.line = 0

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if self._next == len(self._queue):
            self._draw()
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

    def begin_row(self) -> None:
        """The next line is the first of a row."""
        self._first, self._first_byte, self._first_line = self._next, self.byte, self.line
        self._size = 0

    def go_back(self, keep: int) -> None:
        """Take back what was drawn for the row, but for `keep` lines."""
        if self._next - self._first > keep:
            self._next = self._first + keep
            self.line = self._first_line + keep
            taken = self._queue[self._first : self._next]
            self.byte = self._first_byte + sum(map(len, taken)) + len(taken)

    def row(self) -> tuple[bytes, int]:
        """The raw lines drawn for the row, and the number of the first, counted from 1."""
        return b"\n".join(self._queue[self._first : self._next]), self._first_line + 1

    def seek(self, position: Position) -> None:
        """Go to a `position` of a file; nothing drawn before is kept."""
        self._lines.seek(position.byte, position.line)
        self._queue, self._first, self._next = [], 0, 0
        self.byte, self.line = position.byte, position.line

    def pass_over(self, byte: int) -> bool:
        """Draw the lines of a stream up to `byte`; False if they have not arrived yet."""
        while self.byte < byte:
            self.begin_row()
            try:
                next(self)
            except _NothingThereError:
                return False
            except StopIteration:
                break
        if self.byte != byte:
            raise self._lines.other_stream()
        return True

    def _draw(self) -> None:
        more = self._lines.take(_LINES)
        if not more:
            if self._lines.exhausted:
                raise StopIteration
            raise _NothingThereError
        del self._queue[: self._first]
        self._next -= self._first
        self._first = 0
        self._queue += more
        if self.line == 0 and self.byte == 0:
            self.byte = self._lines.mark
