"""SIGINT and SIGTERM as a request to drain."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Signals:
    """Calls back on either signal while in its block; the old handlers come back after it.

    Only for the main thread: Python delivers signals nowhere else.
    """

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback

    def __enter__(self) -> None:
        self._old = {
            number: signal.signal(number, lambda *_: self._callback())
            for number in (signal.SIGINT, signal.SIGTERM)
        }

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
