"""What a worker prints: each line with the worker and the input, in the pool's log.

    [worker 0, input 17, key 'k3'] text

Standard output and standard error are real text streams over a writer that puts the label in front
of each line; a line is one write, so lines of several workers do not mix. The label is made when a
line is written. What native code or a child process writes to the descriptor has none.

Logging: user code that configures it gets what it asks for, at its import or later. Until then all
messages from INFO go to standard error; those of tamias always do.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

_FORMAT: Final = "%(asctime)s %(levelname)s %(process)d %(name)s %(message)s"
_OWN: Final = "tamias"


class LabelledWriter(io.BufferedIOBase):
    """Writes lines to a descriptor, each with a label in front.

    A line that cannot be written (the disk is full) is counted, and the number is written later:
    an action must not fail because of that.

    Attributes:
        label: returns the label, or an empty text for none. May be set at any time.
    """

    def __init__(self, descriptor: int, label: Callable[[], str]) -> None:
        super().__init__()
        self.label = label
        self._descriptor = descriptor
        self._at_start = True
        self._lost = 0
        self._error = ""

    def writable(self) -> bool:
        """As `io.IOBase.writable`."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """As `io.IOBase.isatty`."""
        return os.isatty(self._descriptor)

    def write(self, data: Buffer, /) -> int:
        """As `io.BufferedIOBase.write`."""
        given = bytes(data)
        if not given:
            return 0
        label = self._label()
        starts_line, self._at_start = self._at_start, given.endswith(b"\n")
        text = given[:-1] if self._at_start else given
        text = (label if starts_line else b"") + text.replace(b"\n", b"\n" + label)
        lines = given.count(b"\n") or 1
        note = f"[{self._lost} lines were lost: {self._error}]\n" if self._lost else ""
        try:
            self._write(note.encode() + text + (b"\n" if self._at_start else b""))
        except OSError as error:
            self._lost, self._error = self._lost + lines, str(error.strerror)
        else:
            self._lost = 0
        return len(given)

    def _label(self) -> bytes:
        try:
            label = self.label()
        except Exception:  # noqa: BLE001 (printing must not fail)
            label = ""
        return f"[{label}] ".encode(errors="backslashreplace") if label else b""

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._descriptor, data) :]


def label_output(label: Callable[[], str]) -> None:
    """Replace standard output and standard error by streams that label each line."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        with suppress(Exception):
            getattr(sys, name).flush()
        stream = io.TextIOWrapper(
            cast("Any", LabelledWriter(descriptor, label)),
            encoding="utf-8",
            errors="backslashreplace",
            line_buffering=True,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
        _writers[name] = stream


def change_label(label: Callable[[], str]) -> None:
    """Label lines differently from now on, also those of streams that user code has kept."""
    for stream in _writers.values():
        with suppress(ValueError, AttributeError):  # closed or detached by user code
            stream.buffer.label = label


_writers: dict[str, Any] = {}
"""The streams that `label_output` has made, by name."""


class _ToStandardError(logging.Handler):
    """Writes to what is standard error now."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(_FORMAT))

    def emit(self, record: logging.LogRecord) -> None:
        """As `logging.Handler.emit`."""
        with suppress(Exception):
            sys.stderr.write(self.format(record) + "\n")


def log_to_output() -> None:
    """Log messages of tamias to standard error, and others until user code configures logging."""
    own = logging.getLogger(_OWN)
    own.handlers = [_ToStandardError()]
    own.setLevel(logging.INFO)
    own.propagate = False
    logging.lastResort = _ToStandardError()


def settle_logging() -> None:
    """After the agent's import: log from INFO unless user code has configured that.

    `logging.config` disables all loggers that it does not name: those of tamias are enabled again.
    """
    root = logging.getLogger()
    if not root.handlers and root.level == logging.WARNING:
        root.setLevel(logging.INFO)
    for name, logger in logging.root.manager.loggerDict.items():
        if name.partition(".")[0] == _OWN and isinstance(logger, logging.Logger):
            logger.disabled = False
