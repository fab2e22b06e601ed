"""What `durable_execute` itself takes of a call: retry policy, reconciler, and limit."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...agent.errors import DurableCallError
from ...agent.waiting.retry import RetryPolicy
from ...agent.waiting.time_limit import in_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class CallOptions(NamedTuple):
    """The options of one durable call."""

    retry: RetryPolicy | None = None
    reconciler: Callable[[], Any] | None = None
    limit: str = ""
    """The name of the limit that it counts for; empty for none."""

    @classmethod
    def taken_from(
        cls, func: Callable[..., Any], kwargs: dict[str, Any], default: RetryPolicy | None
    ) -> CallOptions:
        """Take the options out of a call's keywords, unless they are parameters of `func`.

        `default` is the job's policy for calls that have none.

        Raises:
            ConfigError: the retry policy is none.
            DurableCallError: the reconciler cannot be called.
        """
        given = _NAMES & kwargs.keys() if kwargs else None
        if not given:
            return _NONE if default is None else cls(default)
        with suppress(ValueError, TypeError):  # a function of an extension, without a signature
            given -= inspect.signature(func).parameters.keys()
        retry = kwargs.pop("retry") if "retry" in given else None
        reconciler = kwargs.pop("reconciler") if "reconciler" in given else None
        if reconciler is not None and not callable(reconciler):
            raise DurableCallError(
                f"the reconciler of a durable call is {reconciler!r}, which cannot be called"
            )
        limit = kwargs.pop("limit") if "limit" in given else None
        if limit is not None and (not isinstance(limit, str) or not limit):
            raise DurableCallError(f"the limit of a durable call is {limit!r}, not a name")
        policy = default if retry is None else RetryPolicy.of(retry)
        return cls(policy, reconciler, limit or "")

    @property
    def timeout(self) -> float | None:
        """The time limit of an attempt; None for none."""
        return None if self.retry is None else self.retry.timeout


_NONE = CallOptions()
_NAMES: Final = frozenset({"retry", "reconciler", "limit"})


async def limited(work: Awaitable[Any], seconds: float | None, name: str) -> Any:
    """Await work with a time limit.

    Raises:
        TimeoutError: it has taken longer.
    """
    if seconds is None:
        return await work
    try:
        return await in_time(work, seconds, name)
    except asyncio.TimeoutError as error:
        raise TimeoutError(f"{name} has taken longer than {seconds:g} s") from error


def call_limited(work: Callable[[], Any], seconds: float | None, name: str) -> Any:
    """Call a plain function with a time limit; it cannot be stopped, its late result is dropped.

    Raises:
        TimeoutError: it has taken longer.
    """
    if seconds is None:
        return work()
    outcome: list[tuple[Any, BaseException | None]] = []
    context = contextvars.copy_context()

    def call() -> None:
        try:
            outcome.append((context.run(work), None))
        except BaseException as error:  # noqa: BLE001 (it is raised where the call was made)
            outcome.append((None, error))

    thread = threading.Thread(target=call, name="tamias-limited-call", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError(f"{name} has taken longer than {seconds:g} s")
    result, failure = outcome[0]
    if failure is not None:
        raise failure
    return result
