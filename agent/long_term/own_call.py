"""Methods of memory that are given to `ctx.durable_execute`, as programs of Flink Agents do.

There, a memory set is a database elsewhere, so ``ctx.durable_execute_async(memory_set.add, ...)``
puts on record that it was called. Here, what it changes is part of the run's own commit, and what
it asks of models and of shared sets is on record by itself. So such a call is an ordinary one.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["acall_of_memory", "call_of_memory", "is_of_memory"]

_OPTIONS: Final = ("retry", "reconciler", "limit")
"""What a durable call may be given besides the arguments, and an ordinary one may not."""


def is_of_memory(func: Callable[..., Any]) -> bool:
    """Whether a function is a method of memory that is part of the run."""
    return bool(getattr(type(getattr(func, "__self__", None)), "is_part_of_run", False))


def call_of_memory(func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Call such a method."""
    return func(*args, **_without_options(func, kwargs))


async def acall_of_memory(
    func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    """Call its awaitable form, if it has one."""
    owner: Any = getattr(func, "__self__", None)
    awaitable = getattr(owner, f"a{func.__name__}", func)
    result = awaitable(*args, **_without_options(func, kwargs))
    return await result if inspect.isawaitable(result) else result


def _without_options(func: Callable[..., Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments for a method; an option whose name one of its parameters has is one of them."""
    own = inspect.signature(func).parameters
    return {name: value for name, value in kwargs.items() if name in own or name not in _OPTIONS}
