"""`tamias logs`: shows what the workers of a job have printed."""

from __future__ import annotations

import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ...launcher.logs.log_reader import LogReader
from ...store.state.directory import StateDirectory
from ..text import write_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...launcher.logs.log_reader import LogLine

_PAUSE: Final = 0.2


def logs(
    state: Annotated[Path, typer.Argument(metavar="STATE_DIR", readable=False)],
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on while the job runs.")
    ] = False,
    lines: Annotated[
        int | None, typer.Option("--lines", "-n", metavar="N", help="Only the last ones.", min=0)
    ] = None,
    worker: Annotated[
        int | None, typer.Option("--worker", metavar="N", help="Only lines of this worker.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="K", help="Only lines printed for this key.")
    ] = None,
    offset: Annotated[
        int | None, typer.Option("--offset", metavar="N", help="Only lines printed for this input.")
    ] = None,
) -> int:
    """Show what workers and agents have printed, each line with the worker, input and key."""

    def wanted(line: LogLine) -> bool:
        return (
            (worker is None or line.worker == worker)
            and (offset is None or line.offset == offset)
            and (key is None or line.key in (key, repr(key)))
        )

    with StateDirectory.view(state) as view:
        reader = LogReader(view.layout.pool_log)
        _write(deque(filter(wanted, reader.lines()), maxlen=lines))
        while follow:
            is_running = view.launcher_pid() is not None
            _write(filter(wanted, reader.lines()))
            if not is_running:
                break
            time.sleep(_PAUSE)
        rest = reader.last_line()
        if rest is not None and wanted(rest):
            _write([rest])
    return 0


def _write(lines: Iterable[LogLine]) -> None:
    for line in lines:
        write_line(line.text)
    sys.stdout.flush()
