"""Formats the command's output: consoles, numbers, durations, paths as a user types them.

What is printed has keys, outputs and errors of others in it, and a terminal obeys some characters:
they are shown as signs, so that no input can clear the screen or write what looks like a result.
"""

from __future__ import annotations

import os
import shlex
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType

_WIDE = 400
"""Columns if there is no terminal: nothing is cut off."""
_SIGNS: Final[dict[int, int | str]] = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"},
    **dict.fromkeys(range(0x7F, 0xA0), 0xFFFD),
    # Those that turn the order of what follows.
    **dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), 0xFFFD),
    # Halves of characters, which cannot be written.
    **{code: f"\\u{code:04x}" for code in range(0xD800, 0xE000)},
}
"""Signs for characters that control terminals, or cannot be written, by their codes."""


class _SafeConsole(Console):
    """Shows signs for characters that control terminals, but for those of rich itself."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """As `Console.render`."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            if control or text.isprintable():
                yield segment
            else:
                yield Segment(text.translate(_SIGNS), style)


def error_console() -> Console:
    """Return the console for stderr: progress and messages. The terminal wraps long lines."""
    return _SafeConsole(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def output_console() -> Console:
    """Return the console for stdout: the command's result."""
    console = _SafeConsole(highlight=False, soft_wrap=True, emoji=False)
    if not console.is_terminal:
        console.width = _WIDE
    return console


def write_line(line: str) -> None:
    """Write a line to stdout, for a script."""
    try:
        sys.stdout.write(line + "\n")
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding
        sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def printable(text: object) -> str:
    """A text on one line, with question marks for what is not printable."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(text))


def at_most(limit: int) -> int:
    """A number of rows, as a user gives it, for `islice`."""
    return min(limit, sys.maxsize)


def count(number: int, one: str, many: str = "") -> str:
    """Format a number of things: `1 input`, `1,234 inputs`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """Format seconds: `0.4 s`, `12 s`, `3:05 min`, `2:03:05 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02} min"
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02} h"


def date_of(moment: float, pattern: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Format a moment, seconds since the epoch, in local time."""
    try:
        return datetime.fromtimestamp(moment).astimezone().strftime(pattern)
    except (OverflowError, ValueError, OSError):
        return "in the far future"


def size(number: float) -> str:
    """Format bytes: `512 B`, `1.5 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def rate(per_second: float) -> str:
    """Format a rate: `12,345/s`, `0.7/s`."""
    return f"{per_second:,.0f}/s" if per_second >= 10 else f"{per_second:.1f}/s"


def shown(path: str | Path) -> str:
    """Return a path, relative to the working directory if it is inside."""
    absolute = str(path)
    relative = os.path.relpath(absolute)
    return relative if not relative.startswith("..") else absolute


def typed(path: str | Path) -> str:
    """Return the same, quoted for the shell."""
    return shlex.quote(shown(path))
