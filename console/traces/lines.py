"""Reads a file of lines from its end, so that what is newest comes first, and costs no more."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["lines_backwards"]

_BLOCK: Final = 1 << 16


def lines_backwards(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, the last one first; none if it cannot be read.

    It may grow meanwhile: what is added is not read.
    """
    try:
        file = path.open("rb")
    except OSError:
        return
    with file:
        position = file.seek(0, os.SEEK_END)
        parts: list[bytes] = []
        """Of the line that the block before ends in, the later parts first."""
        while position:
            size = min(_BLOCK, position)
            position -= size
            file.seek(position)
            first, *lines = file.read(size).split(b"\n")
            if lines:
                yield b"".join([lines.pop(), *reversed(parts)])
                parts = []
                yield from reversed(lines)
            parts.append(first)
        if parts:
            yield b"".join(reversed(parts))
