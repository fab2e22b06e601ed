"""Fits numbers to the width of a terminal: a number is shown whole, or not at all.

Rich shortens the cells of a table that is too wide, and breaks a line between any two words. A
number of which only the beginning is seen is a wrong number. So a table here leaves out whole
columns, and a line is broken only between its parts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console, ConsoleOptions, RenderResult

_GAP: Final = 2
_TOKENS: Final = re.compile(r"[^\s,]*[\s,]*")


class Column(NamedTuple):
    """A column of a `FittingTable`.

    Attributes:
        name: its heading.
        is_number: whether it is aligned to the right.
        rank: columns with the highest rank are left out first; 0: never.
    """

    name: str
    is_number: bool = False
    rank: int = 0


class FittingTable:
    """A table without borders, which leaves out columns if it is wider than the terminal."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._rows: list[list[Text]] = []

    def add_row(self, *cells: str | Text) -> None:
        """Add a row; missing cells at its end are empty."""
        row = [cell if isinstance(cell, Text) else Text(cell) for cell in cells]
        self._rows.append(row + [Text("")] * (len(self._columns) - len(row)))

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table(box=None, padding=(0, _GAP, 0, 0), header_style="dim")
        shown = self._shown(options.max_width)
        for number in shown:
            column = self._columns[number]
            table.add_column(
                column.name,
                justify="right" if column.is_number else "left",
                no_wrap=True,
                min_width=self._width(number),
            )
        for row in self._rows:
            table.add_row(*(row[number] for number in shown))
        yield table

    def _width(self, number: int) -> int:
        cells = [row[number].cell_len for row in self._rows]
        return max([len(self._columns[number].name), *cells])

    def _shown(self, width: int) -> list[int]:
        shown = list(range(len(self._columns)))
        while sum(self._width(number) + _GAP for number in shown) > width:
            least = max(shown, key=lambda number: (self._columns[number].rank, number))
            if self._columns[least].rank == 0:
                break
            shown.remove(least)
        return shown


class FittingLine:
    """A list of short texts with commas, which is broken only between two of them."""

    def __init__(self, parts: Iterable[Text]) -> None:
        self._parts = list(parts)

    def __rich_measure__(self, _console: Console, options: ConsoleOptions) -> Measurement:
        # Or a cell would be filled with spaces up to the width of the console.
        widths = [part.cell_len + 1 for part in self._parts]
        whole = sum(widths) + len(widths) - 2
        return Measurement(max(widths, default=0), max(whole, 0)).with_maximum(options.max_width)

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        line = Text()
        for number, part in enumerate(self._parts):
            comma = "," if number + 1 < len(self._parts) else ""
            if line and line.cell_len + 1 + part.cell_len + len(comma) > options.max_width:
                yield line
                line = Text()
            line.append(" " if line else "")
            line.append_text(part)
            line.append(comma)
        yield line


def folded(text: str, width: int) -> list[str]:
    """Break a text into lines after commas and spaces, never inside a number or a word.

    A single word that is wider than a line is left to the terminal.
    """
    lines = [""]
    for token in filter(None, _TOKENS.findall(text)):
        if lines[-1] and len(lines[-1]) + len(token.rstrip()) > width:
            lines.append("")
        lines[-1] += token
    return lines
