"""Common to all sources of lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..delivery.source import Source
from .lines import LineReader

if TYPE_CHECKING:
    from ..delivery.source import Identity


class LineSource(Source):
    """A source whose records are made of the lines of a file, or of standard input (``-``).

    Raises:
        InputError: the file cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._lines = LineReader(path)
        self._offset = 0

    def fileno(self) -> int | None:
        """As `Source.fileno`."""
        return self._lines.fileno()

    def identity(self) -> Identity:
        """As `Source.identity`."""
        return self._lines.identity()

    def check(self, identity: Identity) -> None:
        """As `Source.check`."""
        self._lines.check(identity)

    def fraction(self) -> float | None:
        """As `Source.fraction`."""
        return self._lines.fraction()

    def close(self) -> None:
        """As `Source.close`."""
        self._lines.close()
