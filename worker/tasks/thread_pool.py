"""Threads for functions that block, and that may never return.

A run that takes too long is cancelled, but a thread cannot be stopped: its function goes on,
perhaps for ever. In a pool of a fixed number of threads each such function would occupy one, until
none is left and every other call waits for its own timeout. So when a call is cancelled while its
function runs, the pool is replaced. The other threads of the old one finish their functions; no
call is queued in it, since calls wait at a semaphore in front of the pools.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from .executing import offsets_of_threads
from .tracking import current_offset

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..metering.measures import UserTime

_STARTS: Final = {
    name: getattr(threading, name, None) for name in ("_start_new_thread", "_start_joinable_thread")
}
"""How threads are started, before the agent is imported."""
_REPLACED: Final = (
    "the agent has replaced Python's threads (gevent's monkey.patch_all?), so a function on a"
    " thread would never end: call patch_all(thread=False, queue=False), or use durable_execute"
)


class NotBegunError(Exception):
    """A function was not called, and will not be: no more are begun."""


class ThreadPool:
    """A pool of threads for at most `size` functions at a time, not counting cancelled ones."""

    def __init__(self, size: int, name: str, user_time: UserTime) -> None:
        """`name` is the prefix of the threads' names; `user_time` is that of the worker."""
        self._size = size
        self._name = name
        self._user_time = user_time
        self._gate = asyncio.Semaphore(size)
        self._pool = self._new_pool()
        self._begins_none = False
        self.waiting = 0
        """How many functions wait for a thread."""

    async def run(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call the function in a thread, in a copy of the caller's context, and await its end.

        Raises:
            RuntimeError: there are no threads (`threads_are_replaced`).
            NotBegunError: `begin_none` was called before there was a thread for it.
        """
        if threads_are_replaced():
            raise RuntimeError(_REPLACED)
        context = contextvars.copy_context()
        call = functools.partial(context.run, _call, function, args, kwargs)
        self.waiting += 1
        try:
            await self._gate.acquire()
        finally:
            self.waiting -= 1
        try:
            if self._begins_none:
                raise NotBegunError
            began = time.perf_counter_ns()
            work = self._pool.submit(call)
            try:
                return await asyncio.wrap_future(work)
            except asyncio.CancelledError:
                if not work.done():
                    self._pool.shutdown(wait=False)
                    self._pool = self._new_pool()
                raise
            finally:  # here, on the loop's thread, so that no two threads add to it
                self._user_time.add(time.perf_counter_ns() - began)
        finally:
            self._gate.release()

    def begin_none(self) -> None:
        """Refuse all functions that have no thread yet; those that run go on."""
        self._begins_none = True

    def close(self) -> None:
        """Start no further function; those that run go on."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _new_pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._size, self._name)


def threads_are_replaced() -> bool:
    """Whether a library has replaced threads by something that the event loop does not run."""
    return any(getattr(threading, name, None) is not made for name, made in _STARTS.items())


THREAD_POOL_FILE: Final = threads_are_replaced.__code__.co_filename
"""The file in whose frames functions of runs begin, on threads."""


def _call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function; a StopIteration becomes a RuntimeError, as it does in a coroutine.

    A future cannot hold one: whoever awaits it would wait for ever.
    """
    ident, offset = threading.get_ident(), current_offset()
    if offset is not None:
        offsets_of_threads[ident] = offset
    try:
        return function(*args, **kwargs)
    except StopIteration as error:
        raise RuntimeError("the function raised StopIteration") from error
    finally:
        offsets_of_threads.pop(ident, None)
