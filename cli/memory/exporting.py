"""`tamias memory export`: writes the items of memory sets to a file, also while a job runs."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ...agent.errors import UsageError
from ...console.values.json_text import json_line
from ...store import clock
from ...store.memory.items import vector_of
from ...store.state.reader import StoreReader
from ..export.destination import STANDARD_OUTPUT, check_destination, written
from ..export.parquet import ParquetWriter
from ..text import count, error_console, shown
from .selection import chosen_sets
from .showing import item_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...store.sets.records import StoredItem

_FIELDS: Final = (
    *("set", "shared", "id", "value", "metadata", "created", "accessed", "expires", "keep"),
    *("compacted", "tokens", "added_by"),
)


class SetFormat(str, Enum):
    """A format of exports."""

    JSON = "json"
    PARQUET = "parquet"


def export_sets(
    state: Annotated[Path, typer.Argument(metavar="STATE_DIR", readable=False)],
    *,
    name: Annotated[
        str | None, typer.Option("--set", metavar="NAME", help="Only sets of this name.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="KEY", help="Only sets of this key.")
    ] = None,
    shared: Annotated[
        bool, typer.Option("--shared", help="Only sets that all keys share.")
    ] = False,
    vectors: Annotated[
        bool, typer.Option("--vectors", help="With the vector of each item.")
    ] = False,
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE", help="Where to write; -: standard output."),
    ] = STANDARD_OUTPUT,
    format: Annotated[
        SetFormat | None,
        typer.Option("--format", help="Default: by the file's ending; JSON lines."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file if it exists.")
    ] = False,
) -> int:
    """Write the items of all memory sets, or of some; also while the job runs."""
    path = None if output == STANDARD_OUTPUT else Path(output)
    kind = format or _format_of(path)
    with StoreReader(state) as reader:
        if path is not None:
            check_destination(path, reader.view.path, overwrite=overwrite)
        rows = _Rows(reader, name=name, key=key, shared=shared, vectors=vectors)
        if kind is SetFormat.PARQUET:
            fields = [*_FIELDS, "vector"] if vectors else [*_FIELDS]
            writer = ParquetWriter(fields)
            with written(path, overwrite=overwrite) as file:
                writer.write(rows, file)
        else:
            with written(path, overwrite=overwrite) as file:
                for _, row in rows:
                    file.write((json_line(row) + "\n").encode())
    where = "" if path is None else f" to {shown(path)}"
    error_console().print(
        f"exported {count(rows.items, 'item')} of {count(rows.sets, 'set')}{where}", markup=False
    )
    return 0


def _format_of(path: Path | None) -> SetFormat:
    if path is None:
        return SetFormat.JSON
    ending = (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()
    if ending in {".parquet", ".pq"}:
        return SetFormat.PARQUET
    if ending in {".json", ".jsonl", ".ndjson"}:
        return SetFormat.JSON
    raise UsageError(
        f"The ending of {shown(path)} says no format.", hint="Name one: --format json|parquet."
    )


class _Rows:
    """The items as rows of a file, which may be read more than once: key and fields.

    Attributes:
        sets, items: how many there are.
    """

    def __init__(self, reader: StoreReader, *, vectors: bool, **which: Any) -> None:
        self._reader = reader
        self._vectors = vectors
        self._which = which
        self.sets = self.items = 0

    def __iter__(self) -> Iterator[tuple[Any, dict[str, Any]]]:
        self.sets = self.items = 0
        for place, opened in chosen_sets(self._reader, **self._which):
            self.sets += 1
            for item in opened.items(clock.now(), with_vectors=self._vectors):
                self.items += 1
                row = item_row(place, item)
                if self._vectors:
                    row["vector"] = _vector(item)
                yield row["key"], row


def _vector(item: StoredItem) -> list[float] | None:
    """The vector; float16 has four digits."""
    vector = vector_of(item)
    return None if vector is None else [float(f"{number:.5g}") for number in vector]
