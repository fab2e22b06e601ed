"""As `flink_agents.runtime.flink_runner_context` of Flink Agents: a context over one in Java.

The runs of tamias have a context of their own. This one is for who drives actions with objects of
Flink Agents: the record of durable calls is kept by the one in Java.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, Final

import cloudpickle

from .durable_execution import (
    _compute_args_digest,
    _compute_function_id,
    _validate_reconciler_callable,
)
from .java_reports import JavaReports

__all__ = [
    "FlinkRunnerContext",
    "_compute_args_digest",
    "_compute_function_id",
    "close_async_thread_pool",
    "create_async_thread_pool",
]

_PENDING: Final = "PENDING"
_POOLS: Final = itertools.count(1)


def create_async_thread_pool(num_async_threads: int | None) -> ThreadPoolExecutor:
    """Make threads for awaited calls; their names tell pools apart."""
    prefix = f"flink-agents-python-async-{next(_POOLS)}"
    return ThreadPoolExecutor(max_workers=num_async_threads, thread_name_prefix=prefix)


def close_async_thread_pool(executor: ThreadPoolExecutor) -> None:
    """End the threads."""
    executor.shutdown()


class FlinkRunnerContext(JavaReports):
    """The context of an action, as it calls Java."""

    executor: Executor

    def durable_execute(
        self,
        func: Callable[..., Any],
        *args: Any,
        reconciler: Callable[[], Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call a function once, or return what the record says of it.

        Args:
            func: the function.
            args: its arguments.
            reconciler: tells how a call has ended that was begun and not finished.
            kwargs: further arguments.
        """
        call = _Call(self._j_runner_context, func, args, kwargs)
        begun = call.begin(_validate_reconciler_callable(reconciler))
        return call.end(begun if begun.todo is None else _tried(begun.todo))

    def durable_execute_async(
        self,
        func: Callable[..., Any],
        *args: Any,
        reconciler: Callable[[], Any] | None = None,
        **kwargs: Any,
    ) -> Awaitable[Any]:
        """As `durable_execute`, in a thread, once it is awaited."""
        call = _Call(self._j_runner_context, func, args, kwargs)
        return _Awaited(self.executor, call, _validate_reconciler_callable(reconciler))


class _Outcome:
    """How a call has ended, or what is to be done to know it."""

    def __init__(
        self,
        value: Any = None,
        error: BaseException | None = None,
        todo: Callable[[], Any] | None = None,
    ) -> None:
        self.value = value
        self.error = error
        self.todo = todo
        self.is_recorded = False


def _tried(todo: Callable[[], Any]) -> _Outcome:
    try:
        return _Outcome(todo())
    except Exception as error:  # noqa: BLE001 (it is recorded, then raised)
        return _Outcome(error=error)


class _Call:
    """A durable call, and the record of it in Java."""

    def __init__(
        self, record: Any, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._record = record
        self._identity = (_compute_function_id(func), _compute_args_digest(args, kwargs))
        self._do = lambda: func(*args, **kwargs)
        self._is_pending = False

    def begin(self, reconciler: Callable[[], Any] | None) -> _Outcome:
        """Look at the record; return the outcome, or what is to be done."""
        if reconciler is None:
            return self._found() or _Outcome(todo=self._do)
        self._is_pending = True
        fields = self._record.getCurrentCallResultFields()
        if fields is not None and tuple(fields[:2]) == self._identity:
            if fields[2] == _PENDING:
                return _Outcome(todo=reconciler)
            found = self._found()
            if found is not None:
                return found
        elif fields is not None:
            self._record.clearCallResultsFromCurrentIndexAndPersist()
        self._record.appendPendingCall(*self._identity)
        return _Outcome(todo=self._do)

    def end(self, outcome: _Outcome) -> Any:
        """Put the outcome on record; return its value, or raise its error."""
        if not outcome.is_recorded:
            error = outcome.error
            value = cloudpickle.dumps(outcome.value) if error is None else None
            failure = None if error is None else cloudpickle.dumps(error)
            record = self._record
            ended = record.finalizeCurrentCall if self._is_pending else record.recordCallCompletion
            ended(*self._identity, value, failure)
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    def _found(self) -> _Outcome | None:
        found = self._record.matchNextOrClearSubsequentCallResult(*self._identity)
        if found is None:
            return None
        _, value, failure = found
        outcome = (
            _Outcome(None if value is None else cloudpickle.loads(bytes(value)))
            if failure is None
            else _Outcome(error=cloudpickle.loads(bytes(failure)))
        )
        outcome.is_recorded = True
        return outcome


class _Awaited(Awaitable[Any]):
    """A call that begins when it is awaited. It yields None to its driver until it has ended."""

    def __init__(
        self, executor: Executor, call: _Call, reconciler: Callable[[], Any] | None
    ) -> None:
        self._executor = executor
        self._call = call
        self._reconciler = reconciler

    def __await__(self) -> Generator[None, None, Any]:
        outcome = self._call.begin(self._reconciler)
        if outcome.todo is not None:
            future = self._executor.submit(_tried, outcome.todo)
            while not future.done():
                yield
            outcome = future.result()
        return self._call.end(outcome)
