"""The first process of a container: adopts orphans, passes signals on.

The kernel gives every process whose parent has died to the first process of its container, which
has to collect it when it ends; otherwise it stays in the process table. A command that finds itself
to be that process goes on in a child, and this process does only what is to be done for others. It
ends as the child ends, and the kernel then kills all that is left.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import Final

_PASSED_ON: Final = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


def run_below_init() -> None:
    """Return in a child of this process, which stays and never returns."""
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    child = os.fork()
    if child == 0:
        _lead_terminal()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        return
    for number in _PASSED_ON:
        signal.signal(number, lambda number, _: _pass_on(child, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    os._exit(_collect(child))


def _lead_terminal() -> None:
    """Have Ctrl-C reach this process alone, and once."""
    os.setpgid(0, 0)
    with suppress(OSError):
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTTOU,))
        os.tcsetpgrp(0, os.getpgrp())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTTOU,))


def _pass_on(child: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(child, number)


def _collect(child: int) -> int:
    """Collect every process that ends, until it is this child; return its exit code."""
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
