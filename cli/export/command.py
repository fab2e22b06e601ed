"""`tamias export`: writes all short-term memory of a state directory, also while a job runs."""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ...agent.errors import UsageError
from ...console.values.agent_code import AgentCode
from ...store.state.memories import Memories, all_memories
from ...store.state.reader import StoreReader
from ..text import count, error_console, shown
from .destination import STANDARD_OUTPUT, check_destination, written
from .fields import MISSING, find
from .parquet import ParquetWriter
from .writers import CsvWriter, JsonWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .writers import Writer

_SHOWN_EVERY: Final = 0.2
"""Seconds between two updates of the progress."""
_EXAMPLES: Final = 5


class ExportFormat(str, Enum):
    """A format of exports."""

    JSON = "json"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"


_ENDINGS: Final = {
    ".json": ExportFormat.JSON,
    ".jsonl": ExportFormat.JSON,
    ".ndjson": ExportFormat.JSON,
    ".csv": ExportFormat.CSV,
    ".tsv": ExportFormat.TSV,
    ".parquet": ExportFormat.PARQUET,
    ".pq": ExportFormat.PARQUET,
}


def export(
    state: Annotated[Path, typer.Argument(metavar="STATE_DIR", readable=False)],
    *,
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE", help="Where to write; -: standard output."),
    ] = STANDARD_OUTPUT,
    format: Annotated[
        ExportFormat | None,
        typer.Option("--format", help="Default: by the file's ending; JSON lines."),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option("--field", metavar="NAME", help="Write this field, by its path. Repeatable."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file if it exists.")
    ] = False,
) -> int:
    """Write the memory of all keys to a file; also while the job runs."""
    fields = field or []
    path = None if output == STANDARD_OUTPUT else Path(output)
    kind = format or _format_of(path)
    with StoreReader(state) as reader:
        if path is not None:
            check_destination(path, reader.view.path, overwrite=overwrite)
        code = AgentCode(reader.view.manifest)
        with all_memories(reader, code.stored) as memories:
            writer = _writer(kind, fields, memories)
            if path is None and kind is ExportFormat.PARQUET and sys.stdout.isatty():
                raise UsageError("A terminal cannot show Parquet.", hint="Name a file (--output).")
            counted = _Counted(memories, fields)
            with counted, written(path, overwrite=overwrite) as file:
                writer.write(counted, file)
    _report(counted, path)
    return 0


def _format_of(path: Path | None) -> ExportFormat:
    if path is None:
        return ExportFormat.JSON
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    found = _ENDINGS.get(plain.suffix.lower())
    if found is None:
        raise UsageError(
            f"The ending of {shown(path)} says no format.",
            hint=f"Name one: --format {'|'.join(one.value for one in ExportFormat)}.",
        )
    return found


def _writer(kind: ExportFormat, fields: list[str], memories: Memories) -> Writer:
    if kind is ExportFormat.PARQUET:
        return ParquetWriter(fields)
    if kind is ExportFormat.JSON:
        return JsonWriter(fields)
    if not fields:
        raise UsageError(
            f"{kind.value.upper()} needs columns: no field is named.", hint=_examples(memories)
        )
    return CsvWriter(fields, "," if kind is ExportFormat.CSV else "\t")


def _examples(memories: Memories) -> str:
    """Return a hint that names fields which the first key has."""
    first = next(iter(memories), None)
    names = list(_paths(first[1]))[:_EXAMPLES] if first else []
    flags = " ".join(f"--field {name}" for name in names or ["NAME"])
    return f"Name fields by their paths: {flags}."


def _paths(memory: dict[str, Any], above: str = "") -> Iterator[str]:
    for name, value in memory.items():
        if isinstance(value, dict) and value:
            yield from _paths(value, f"{above}{name}.")
        else:
            yield above + str(name)


def _report(counted: _Counted, path: Path | None) -> None:
    console = error_console()
    for name in counted.missing:
        console.print(f"warning: no key has a field {name}", markup=False)
    where = "" if path is None else f" to {shown(path)}"
    console.print(f"exported {count(counted.keys, 'key')}{where}", markup=False)


class _Counted:
    """All memories, counted while they are read; a terminal shows how many.

    Attributes:
        keys: how many keys there are.
        missing: the fields that no key has.
    """

    def __init__(self, memories: Memories, fields: list[str]) -> None:
        self._memories = memories
        self.keys = 0
        self.missing = list(fields)
        console = error_console()
        self._status = console.status("exporting") if console.is_terminal else None

    def __enter__(self) -> None:
        (self._status or nullcontext()).__enter__()

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def __iter__(self) -> Iterator[tuple[Any, dict[str, Any]]]:
        self.keys = 0
        shown_next = 0.0
        for key, memory in self._memories:
            self.keys += 1
            if self.missing:
                self.missing = [name for name in self.missing if find(memory, name) is MISSING]
            if self._status is not None and (now := time.monotonic()) >= shown_next:
                shown_next = now + _SHOWN_EVERY
                self._status.update(f"{count(self.keys, 'key')} read")
            yield key, memory
