"""Outputs as JSON lines, ``{"key": ..., "output": ..., "offset": N}``, in a file or a stream.

Lines of one key are in the order of their inputs, because runs of one key are. Lines of different
keys are in the order in which their runs finished, or, if `ordered`, in input order.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ...agent.errors import InputError
from ..delivery.sink import CLOSED, Sink, recorded
from .appendfile import AppendFile
from .ordering import ReorderBuffer, by_input

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ...store.records.outbox import Outputs
    from ..delivery.done_offsets import DoneOffsets
    from ..delivery.sink import Position


_BEGINNING: Final = b'{"key":'
_LINE: Final = re.compile(rb'\{"key":.*,"offset":(?:[0-9]+|null)\}')


class JsonLinesSink(Sink):
    """Writes whole records, each in one write.

    Args:
        path: the file, or ``-`` for standard output, which cannot be cut back: after a crash the
            lines since the last checkpoint appear again there.
        ordered: hold lines back until those of all earlier inputs are written.
        sync: make `flush` wait for the disk.
        overwrite: allow a new job to empty an existing file.
    """

    codec: str = "json-lines"

    def __init__(
        self, path: str, *, ordered: bool = False, sync: bool = False, overwrite: bool = False
    ) -> None:
        self.path = path
        self.ordered = ordered
        self._sync = sync
        self._overwrite = overwrite
        self._file: AppendFile | None = None
        self._order: ReorderBuffer | None = None

    def open(self, position: Position | None, delivered: DoneOffsets) -> None:
        """Create the file, or cut it back to `position`.

        Raises:
            UsageError, InputError, StoreUnwritableError: as `AppendFile`.
        """
        length = None if position is None else recorded(position, "length")
        self.outputs = 0 if position is None else recorded(position, "outputs") or 0
        if self.ordered:
            if delivered.intervals():
                raise InputError(
                    "This job was begun without --ordered, so it cannot go on with it.",
                    hint="Repeat the command as it was.",
                )
            self._order = ReorderBuffer(delivered.low)
        digest = None if position is None else position.get("digest")
        self._file = AppendFile(
            self.path,
            length=length,
            digest=digest if isinstance(digest, str) else None,
            is_own=_is_nothing if position is not None and position.get(CLOSED) else _are_lines,
            overwrite=self._overwrite,
            sync=self._sync,
        )

    def write(self, outputs: Outputs, fresh: Sequence[int]) -> Sequence[int]:
        """Append the lines; see `Sink.write` and `AppendFile.write` for what it raises."""
        all_fresh = len(fresh) == len(outputs.offsets)
        if self._order is None and all_fresh:
            self._append(outputs.blob, len(outputs.lengths))
            return fresh
        wanted = set(fresh)
        new = [part for part in by_input(outputs) if all_fresh or part[0] in wanted]
        if self._order is not None:
            return self._in_order(self._order, new)
        self._append(b"".join(lines for _, lines, _ in new), sum(count for _, _, count in new))
        return fresh

    def append(self, outputs: Outputs) -> None:
        """As `Sink.append`; raises as `write`."""
        self._append(outputs.blob, len(outputs.lengths))

    @property
    def backlog(self) -> int:
        """Bytes of lines held back."""
        return 0 if self._order is None else self._order.size

    def flush(self) -> None:
        """As `Sink.flush`."""
        self._opened.flush()

    def position(self) -> Position:
        """The file's length, how many lines of outputs it has, and a digest of the last ones."""
        file = self._opened
        return {"length": file.length, "outputs": self.outputs, "digest": file.digest()}

    def close(self) -> None:
        """As `Sink.close`."""
        if self._file is not None:
            self._file.close()

    def _in_order(
        self, order: ReorderBuffer, parts: Iterable[tuple[int, bytes, int]]
    ) -> Sequence[int]:
        for offset, lines, count in parts:
            order.put(offset, lines, count)
        offsets, blob, total = order.pop_ready()
        self._append(blob, total)
        return offsets

    def _append(self, blob: bytes | memoryview, count: int) -> None:
        if count:
            self._opened.write(blob)
            self.outputs += count

    @property
    def _opened(self) -> AppendFile:
        if self._file is None:
            raise RuntimeError("the sink is not open")
        return self._file


def _is_nothing(data: bytes) -> bool:
    """Whether there is nothing, as behind the end of a life that has closed the file."""
    return not data


def _are_lines(data: bytes) -> bool:
    """Whether all lines have the form of this sink's; the last one may be cut short."""
    *lines, last = data.split(b"\n")
    return all(map(_LINE.fullmatch, lines)) and last[: len(_BEGINNING)] == _BEGINNING[: len(last)]
