"""Writes Parquet, with pyarrow: the extra `parquet`.

The columns are the key and the chosen fields. All rows are read twice: first for the types of the
columns, then to write them. So a type is certain before the first row is written, whatever comes
late. A column is of texts, booleans, 64-bit integers or numbers if all of its values are. All
others are JSON text, and the column's metadata says so: `tamias` is `json`. Without fields there
is one column besides the key, all of its memory as JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import MissingExtraError
from ...console.values.json_text import json_line
from .fields import KEY, MEMORY, MISSING, columns, find, key_value, sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from .writers import Rows

_ROWS: Final = 1 << 16
_BYTES: Final = 32 << 20
"""The largest row group, in rows and in characters of text."""
_EXACT: Final = 1 << 53
"""Integers up to this are exact as 64-bit floats."""
_INT64: Final = 1 << 63


class Column:
    """One column, and the type that all values seen so far fit in."""

    def __init__(self, name: str, get: Callable[[Any, dict[str, Any]], Any]) -> None:
        """`get` returns the column's value of a key and its memory."""
        self.name = name
        self._get = get
        self._kinds: set[type] = set()
        self._largest = 0

    def value(self, key: Any, memory: dict[str, Any]) -> Any:
        """Return the column's value in a row, in the types of JSON; None if there is none."""
        value = self._get(key, memory)
        return None if value is MISSING else value

    def add(self, value: Any) -> None:
        """Let the type fit a value, too."""
        if value is not None:
            self._kinds.add(type(value))
            if type(value) is int:
                self._largest = max(self._largest, abs(value))

    @property
    def type(self) -> str:
        """`string`, `bool`, `int64`, `double`, or `json`."""
        kinds = self._kinds
        if kinds <= {str}:
            return "string"
        if kinds == {bool}:
            return "bool"
        if kinds == {int} and self._largest < _INT64:
            return "int64"
        if kinds <= {int, float} and self._largest <= _EXACT:
            return "double"
        return "json"

    def stored(self, value: Any) -> Any:
        """Return a value as it is stored in a column of this type."""
        if value is None:
            return None
        kind = self.type
        if kind == "json":
            return sound(json_line(value))
        if kind == "string":
            return sound(value)
        return float(value) if kind == "double" else value


class ParquetWriter:
    """Writes a Parquet file."""

    def __init__(self, paths: list[str]) -> None:
        """`paths` are the fields of the columns.

        Raises:
            MissingExtraError: pyarrow is not installed.
        """
        try:
            import pyarrow as pa  # noqa: PLC0415 (an extra)
            from pyarrow import parquet  # noqa: PLC0415 (an extra)
        except ImportError as error:
            raise MissingExtraError(
                f"Parquet needs pyarrow, which cannot be imported: {error}.",
                hint="Install it with: pip install 'tamias[parquet]'",
            ) from error
        self._arrow: Any = pa
        self._parquet: Any = parquet
        self._columns = [
            Column(KEY, lambda key, _: key_value(key)),
            *(Column(name, _getter(path)) for name, path in columns(paths)),
        ]
        self._whole = not paths

    def write(self, rows: Rows, file: BinaryIO) -> None:
        """As `Writer.write`."""
        for key, memory in rows:
            for column in self._columns:
                column.add(column.value(key, memory))
        schema = self._arrow.schema([self._field(column) for column in self._columns])
        if self._whole:
            schema = schema.append(self._field_of(MEMORY, "json"))
        with self._parquet.ParquetWriter(
            self._arrow.PythonFile(_Counted(file), mode="w"), schema
        ) as writer:
            for group in self._groups(rows):
                arrays = [
                    self._arrow.array(values, field.type)
                    for values, field in zip(group, schema, strict=True)
                ]
                writer.write_table(self._arrow.Table.from_arrays(arrays, schema=schema))

    def _groups(self, rows: Rows) -> Iterator[list[list[Any]]]:
        """Yield the values of each column, of so many rows that they fit in memory."""
        group: list[list[Any]] = []
        length = 0
        for key, memory in rows:
            values = [column.stored(column.value(key, memory)) for column in self._columns]
            if self._whole:
                values.append(sound(json_line(memory)))
            if not group:
                group = [[] for _ in values]
            for cells, value in zip(group, values, strict=True):
                cells.append(value)
                length += len(value) if isinstance(value, str) else 0
            if len(group[0]) >= _ROWS or length >= _BYTES:
                yield group
                group, length = [], 0
        if group:
            yield group

    def _field(self, column: Column) -> Any:
        return self._field_of(column.name, column.type)

    def _field_of(self, name: str, kind: str) -> Any:
        arrow = self._arrow
        types = {"bool": arrow.bool_(), "int64": arrow.int64(), "double": arrow.float64()}
        metadata = {"tamias": "json"} if kind == "json" else None
        return arrow.field(sound(name), types.get(kind, arrow.string()), metadata=metadata)


def _getter(path: str) -> Callable[[Any, dict[str, Any]], Any]:
    return lambda _, memory: find(memory, path)


class _Counted:
    """A file that pyarrow can write to also if it is a pipe, which has no position."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._position = 0

    def write(self, data: Any) -> int:
        self._file.write(data)
        self._position += len(data)
        return len(data)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """Leave the file open: it is another one's."""
