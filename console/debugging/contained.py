"""Does something in a child process, which may die of it."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["contained"]


def contained(work: Callable[[], int], write: Callable[[str], None]) -> int:
    """Return what `work` returns, which is called in a child; 1 if the child dies of it.

    Args:
        work: what is to be done; it has the terminal.
        write: prints a line: how the child has died.
    """
    sys.stdout.flush()
    read, reports = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = work()
            os.write(reports, b"\1")
        except BaseException:  # noqa: BLE001 (the child ends here, whatever it is)
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(reports)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the child's
    try:
        _, status = os.waitpid(child, 0)
    finally:
        signal.signal(signal.SIGINT, before)
    has_reported = bool(os.read(read, 1))
    os.close(read)
    code = os.waitstatus_to_exitcode(status)
    if has_reported:
        return code
    if code < 0:
        write(f"the run has ended its process by {signal.Signals(-code).name}")
    else:
        write(f"the run has ended its process with exit code {code}")
    return 1
