"""As `flink_agents.runtime.durable_execution` of Flink Agents: what tells durable calls apart.

tamias tells its own calls apart by other means; this is for who reads Flink Agents' records.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from typing import Any, Final

import cloudpickle

__all__: list[str] = []

_DIGITS: Final = 16


def _compute_function_id(func: Callable[..., Any]) -> str:
    """The module and the name of a function."""
    module = getattr(func, "__module__", None) or type(func).__module__
    name = getattr(func, "__qualname__", None) or type(func).__qualname__
    return f"{module}.{name}"


def _compute_args_digest(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """A digest of arguments: of their pickle, or of how they are shown if there is none."""
    try:
        data = cloudpickle.dumps((args, kwargs))
    except Exception:  # noqa: BLE001 (pickling runs any code)
        data = repr((args, kwargs)).encode()
    return hashlib.sha256(data).hexdigest()[:_DIGITS]


def _validate_reconciler_callable(
    reconciler: Callable[[], Any] | None,
) -> Callable[[], Any] | None:
    """The reconciler itself. Raises TypeError if it cannot be called without arguments."""
    if reconciler is None:
        return None
    if not callable(reconciler):
        msg = "reconciler must be callable"
        raise TypeError(msg)
    try:
        inspect.signature(reconciler).bind()
    except (TypeError, ValueError):
        msg = "reconciler must be a callable that takes no arguments"
        raise TypeError(msg) from None
    return reconciler
