"""Awaiting a plain function.

One with a time limit gets a thread of its own: it cannot be stopped, and must not hold up others
when it is late. A StopIteration becomes a RuntimeError, as it does in a coroutine: a future cannot
hold one, so what awaits it would wait for ever.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["call_in_thread"]

T = TypeVar("T")


async def call_in_thread(function: Callable[[], T], timeout: float | None = None) -> T:
    """Call a plain function in a thread.

    Args:
        function: what to call.
        timeout: whether it is given up after a time; the caller sees to that.
    """
    if timeout is None:
        return await asyncio.to_thread(_call, function)
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def finish(result: Any, failure: BaseException | None) -> None:
        if future.done():  # nobody waits any more
            return
        if failure is None:
            future.set_result(result)
        else:
            future.set_exception(failure)

    def call() -> None:
        result: Any = None
        failure: BaseException | None = None
        try:
            result = context.run(_call, function)
        except BaseException as error:  # noqa: BLE001 (it is raised where the call was made)
            failure = error
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(finish, result, failure)

    threading.Thread(target=call, name="tamias-tool", daemon=True).start()
    return await future


def _call(function: Callable[[], T]) -> T:
    try:
        return function()
    except StopIteration as error:
        raise RuntimeError("the function raised StopIteration") from error
