"""Threads for functions that block, and that may never return.

A run that takes too long is cancelled, but a thread cannot be stopped: its function goes on,
perhaps for ever. In a pool of a fixed number of threads each such function would occupy one, until
none is left and every other call waits for its own timeout. So when a call is cancelled while its
function runs, its thread does not count any more, and another one may take its place until the
function returns.

What functions return is handed over in batches: a thread wakes the event loop only if it is not
about to look. With many calls at a time that costs a fraction of a wake-up for each, and what the
loop does with their results shares commits.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
import time
from collections import deque
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from .executing import offsets_of_threads
from .tracking import current_offset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


class _Job:
    """A function that is to be called on a thread."""

    __slots__ = ("_claim", "call", "error", "future", "is_abandoned", "ns", "result")

    def __init__(self, call: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        self.call = call
        self.future = future
        self._claim = [True]
        self.result: Any = None
        self.error: BaseException | None = None
        self.ns = 0
        """How long the function has taken."""
        self.is_abandoned = False
        """Whether nothing waits for it any more, though its function runs."""

    def claim(self) -> bool:
        """Decide what becomes of it; only the first of all that ask gets True."""
        try:
            return self._claim.pop()
        except IndexError:
            return False


class ThreadPool:
    """A pool of threads for at most `size` functions at a time, not counting cancelled ones."""

    def __init__(self, size: int, name: str, user_time: UserTime) -> None:
        """`name` is the prefix of the threads' names; `user_time` is that of the worker."""
        self._most = size
        self._name = name
        self._user_time = user_time
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._done: deque[_Job] = deque()
        self._idle: deque[None] = deque()
        """An item for each thread that waits for a function."""
        self._cancelled: deque[None] = deque()
        """An item for each function in the queue that is not to be called."""
        self._threads = 0
        self._is_waking = False
        """Whether the event loop is about to look at what is done."""
        self._begins_none = False

    @property
    def waiting(self) -> int:
        """How many functions wait for a thread."""
        return max(0, self._jobs.qsize() - len(self._cancelled))

    async def run(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call the function in a thread, in a copy of the caller's context, and await its end.

        Raises:
            RuntimeError: there are no threads (`threads_are_replaced`).
            NotBegunError: `begin_none` was called before there was a thread for it.
        """
        if threads_are_replaced():
            raise RuntimeError(_REPLACED)
        if self._begins_none:
            raise NotBegunError
        context = contextvars.copy_context()
        call = functools.partial(context.run, _call, function, args, kwargs)
        job = _Job(call, self._loop.create_future())
        self._jobs.put(job)
        if self._threads < self._most and self._jobs.qsize() > len(self._idle):
            self._add_thread()
        try:
            return await job.future
        except asyncio.CancelledError:
            if job.claim():
                self._cancelled.append(None)
            elif not job.ns:
                job.is_abandoned = True
                self._most += 1
            raise

    def _add_thread(self) -> None:
        self._threads += 1
        name = f"{self._name}_{self._threads}"
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    def _serve(self) -> None:
        """Call functions, on a thread of the pool."""
        idle, jobs = self._idle, self._jobs
        while True:
            idle.append(None)
            job = jobs.get()
            idle.pop()
            if job is None:
                return
            if not job.claim():
                self._cancelled.pop()
                continue
            began = time.perf_counter_ns()
            try:
                job.result = job.call()
            except BaseException as error:  # noqa: BLE001 (the caller gets it)
                job.error = error
            job.ns = time.perf_counter_ns() - began or 1
            self._done.append(job)
            del job  # or it would be kept until the next one comes
            if not self._is_waking:
                self._is_waking = True
                with suppress(RuntimeError):  # the loop is closed
                    self._loop.call_soon_threadsafe(self._hand_over)

    def _hand_over(self) -> None:
        """Give what is done to the calls that wait for it, on the event loop's thread."""
        self._is_waking = False  # before looking: what comes later has the loop look again
        done = self._done
        while done:
            job = done.popleft()
            self._user_time.add(job.ns)
            if job.is_abandoned:
                self._most -= 1
                if self._threads > self._most:
                    self._threads -= 1
                    self._jobs.put(None)
            if job.future.done():
                continue
            if job.error is None:
                job.future.set_result(job.result)
            else:
                job.future.set_exception(job.error)
                job.error = None  # its traceback refers to the job

    def begin_none(self) -> None:
        """Refuse all functions that have no thread yet; those that run go on."""
        self._begins_none = True
        for job in self._taken():
            if not job.future.done():
                job.future.set_exception(NotBegunError())

    def close(self) -> None:
        """Start no further function; those that run go on."""
        for job in self._taken():
            job.future.cancel()
        for _ in range(self._threads):
            self._jobs.put(None)
        self._threads = self._most = 0

    def _taken(self) -> Iterator[_Job]:
        """Take the functions that wait out of the queue."""
        with suppress(Empty):
            while True:
                job = self._jobs.get_nowait()
                if job is None:
                    self._threads += 1  # it does not end after all
                elif job.claim():
                    yield job
                else:
                    self._cancelled.pop()


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
