"""Threads for functions that block, and that may never come back.

A run that takes too long is cancelled, but nobody can stop a thread: what runs in it goes on, for
ever perhaps. In a pool of a fixed number of threads each such function takes one away, until none
is left and every innocent call waits for its own timeout. So a pool that is left with a thread that
nobody waits for any more is replaced. Its other threads finish what they have; there is nothing
that waits in it, since calls wait at a gate in front of the pools.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class ThreadPool:
    """At most `size` functions at a time, those apart that have been given up."""

    def __init__(self, size: int, name: str) -> None:
        """`name` is what thread names begin with."""
        self._size = size
        self._name = name
        self._gate = asyncio.Semaphore(size)
        self._pool = self._new_pool()

    async def run(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call the function in a thread, in a copy of the caller's context, and await its end."""
        context = contextvars.copy_context()
        call = functools.partial(context.run, function, *args, **kwargs)
        async with self._gate:
            work = self._pool.submit(call)
            try:
                return await asyncio.wrap_future(work)
            except asyncio.CancelledError:
                if not work.done():
                    self._pool.shutdown(wait=False)
                    self._pool = self._new_pool()
                raise

    def close(self) -> None:
        """Start nothing more; what runs is left alone."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _new_pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._size, self._name)
