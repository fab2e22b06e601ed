"""The event loop of a worker: uvloop's where it is installed."""

from __future__ import annotations

import asyncio
import logging
import selectors
from collections.abc import Callable
from typing import Any, Final

from ...agent.failures.error_text import full_text

new_loop: Callable[[], asyncio.AbstractEventLoop]
try:  # here, so that the zygote pays for the import and not each worker
    import uvloop
except ImportError:  # an optional extra
    # The agent may replace what `selectors` has.
    _Selector = selectors.DefaultSelector

    def new_loop() -> asyncio.AbstractEventLoop:
        """Return a new loop."""
        return asyncio.SelectorEventLoop(_Selector())
else:
    new_loop = uvloop.new_event_loop

_LOG: Final = logging.getLogger("tamias.worker")


def log_unhandled(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what a task or callback of user code has raised, whatever its class does."""
    error = context.get("exception")
    detail = f"\n{full_text(error).rstrip()}" if error is not None else ""
    _LOG.error("%s%s", context.get("message", "unhandled exception"), detail)
