"""SIGINT, SIGTERM and SIGHUP as a request to drain.

A pool ends by itself after `drain-timeout`, unless its own thread hangs: in a sink that nobody
reads, in an iterable of user code, in a dead network file system. Then the process ends like one
that was killed, which loses nothing either.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable


GRACE_SECONDS: Final = 5.0
"""How much longer than `drain-timeout` the end of a pool may take."""
EXIT_INTERRUPTED: Final = 130


class Signals:
    """Calls back on each of these signals while in its block; the old handlers come back after it.

    Only for the main thread: Python delivers signals nowhere else.
    """

    def __init__(self, callback: Callable[[], None], most: float = 0.0) -> None:
        """`most`: the seconds after the first signal in which the block should end; 0 for any."""
        self._callback = callback
        self._most = most
        self._timer: threading.Timer | None = None

    def __enter__(self) -> None:
        self._old = {
            number: signal.signal(number, lambda *_: self._received())
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            # Under `nohup` the end of the terminal is to be ignored.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
        }

    def _received(self) -> None:
        if self._most and self._timer is None:
            self._timer = threading.Timer(self._most + GRACE_SECONDS, _end_process)
            self._timer.daemon = True
            self._timer.start()
        self._callback()

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for number, handler in self._old.items():
            signal.signal(number, handler)


def _end_process() -> None:
    message = "The launcher itself hangs, and is ended. Nothing is lost: the job can be resumed.\n"
    os.write(2, message.encode())
    os._exit(EXIT_INTERRUPTED)
