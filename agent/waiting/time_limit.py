"""Awaiting work with a time limit that holds whatever the work does.

`asyncio.wait_for` waits until the work has ended that it has cancelled. Work that catches the
cancellation and goes on, as a loop around ``except BaseException`` does, would hold up the run for
ever. Here it gets a moment to end, and then it is left behind, as a thread is.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = ["in_time"]

_SECONDS_TO_END: Final = 1.0
"""How long work that was cancelled may take to end."""
_LOG: Final = logging.getLogger("tamias.waiting")


async def in_time(work: Awaitable[Any], seconds: float | None, name: str) -> Any:
    """Await work with a time limit; None for none. `name` is what log lines call it.

    Raises:
        asyncio.TimeoutError: it has taken longer.
        RuntimeError: the work was cancelled, and not from here.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        await _cancel(task, name)
        raise
    if not done:
        await _cancel(task, name)
        raise asyncio.TimeoutError
    if task.cancelled():
        raise RuntimeError("it was cancelled from inside")
    return task.result()


async def _cancel(task: asyncio.Future[Any], name: str) -> None:
    """Cancel a task, and wait for its end, but not for ever."""
    task.add_done_callback(_drop)
    task.cancel()
    await asyncio.wait({task}, timeout=_SECONDS_TO_END)
    if not task.done():
        _LOG.warning("%s was cancelled, and goes on: it is left behind", name)


def _drop(task: asyncio.Future[Any]) -> None:
    """Take the exception of a task that is not awaited any more."""
    if not task.cancelled():
        task.exception()
