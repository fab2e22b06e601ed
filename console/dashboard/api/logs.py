"""What workers have printed: the last lines, and what came after them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from ....launcher.logs.log_reader import LogLine
from ....launcher.logs.worker_log import earlier_log

if TYPE_CHECKING:
    from pathlib import Path

    from ..endpoints.replies import Asked
    from ..jobs import ShownJob

__all__ = ["log_lines"]

_MOST: Final = 5_000
_PART: Final = 256 << 10
_MOST_READ: Final = 8 << 20
_LONGEST: Final = 10_000
_LARGEST: Final = 1 << 62


def log_lines(job: ShownJob, asked: Asked) -> dict[str, Any]:
    """The last lines, of one worker or of all; with `after`, those behind a place."""
    most = asked.number("lines", 200, _MOST)
    text = asked.text("worker")
    worker = None if text is None else asked.number("worker", 0, 1 << 20)
    after = asked.text("after")
    with job.reader() as reader:
        path = reader.view.layout.pool_log
    end = _size(path)
    if after is not None:
        start = asked.number("after", 0, _LARGEST)
        if start > end:  # the log was cut in between
            start = 0
        data, end = _whole_lines(_read(path, max(start, end - _MOST_READ), end), end)
        rows = _rows(data, worker, most)
    else:
        size = _PART
        while True:
            start = max(0, end - size)
            data = _read(path, start, end)
            if start:
                data = data.partition(b"\n")[2]
            elif size < _MOST_READ:
                data = _tail(earlier_log(path), size) + data
            data, kept = _whole_lines(data, end)
            rows = _rows(data, worker, most)
            if len(rows) >= most or size >= _MOST_READ or not start:
                end = kept
                break
            size *= 4
    return {"lines": rows, "next": str(end)}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _read(path: Path, start: int, end: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(max(0, end - start))
    except OSError:
        return b""


def _tail(path: Path, size: int) -> bytes:
    end = _size(path)
    start = max(0, end - size)
    data = _read(path, start, end)
    return data.partition(b"\n")[2] if start else data


def _whole_lines(data: bytes, end: int) -> tuple[bytes, int]:
    """The data up to the end of the last whole line, and where that is in the file."""
    length = data.rfind(b"\n") + 1
    return data[:length], end - (len(data) - length)


def _rows(data: bytes, worker: int | None, most: int) -> list[dict[str, Any]]:
    found: deque[dict[str, Any]] = deque(maxlen=most)
    for raw in data.splitlines():
        line = LogLine.parse(raw[:_LONGEST].decode(errors="backslashreplace"))
        if worker is None or line.worker == worker:
            offset = None if line.offset is None else str(line.offset)
            found.append(
                {"worker": line.worker, "offset": offset, "key": line.key, "text": line.text}
            )
    return list(found)
