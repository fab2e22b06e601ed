"""`LineSource`: the common part of all sources of lines."""

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
        self._left = ""

    def fileno(self) -> int | None:
        """As `Source.fileno`."""
        return self._lines.fileno()

    def identity(self) -> Identity:
        """As `Source.identity`."""
        return self._lines.identity()

    def check(self, identity: Identity) -> None:
        """As `Source.check`."""
        self._lines.check(identity)

    def read_so_far(self) -> Identity | None:
        """As `Source.read_so_far`."""
        return self._lines.read_so_far()

    def expect(self, read: Identity) -> None:
        """As `Source.expect`."""
        self._lines.expect(read)

    @property
    def left(self) -> str:
        """As `Source.left`: the last line may be malformed because it is not complete."""
        return self._left

    def _leave(self, line: bytes, fault: str) -> None:
        """Leave the last line of a file, malformed and without a newline, to a later life."""
        self._lines.give_back(line)
        self._left = (
            f"The last line of {self._lines.name} was left: it has no end yet, and is not sound "
            f"without ({fault})."
        )

    def fraction(self) -> float | None:
        """As `Source.fraction`."""
        return self._lines.fraction()

    def close(self) -> None:
        """As `Source.close`."""
        self._lines.close()
