"""Finds the part of a value that cannot be pickled, for error messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cloudpickle

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["find_culprit", "full_name"]

_MAX_DEPTH = 20
_MAX_PARTS = 1000
"""The most parts to try in one container; for a message the search need not be complete."""


def find_culprit(value: Any) -> tuple[str, str]:
    """Return the place in `value` of the part that cannot be pickled, and the type of that part.

    The place is empty if it is `value` itself, else like ` (found at ["a"][0].lock)`.
    """
    try:
        return _search(value)
    except Exception:  # noqa: BLE001 (methods of the value's class may raise anything)
        return "", full_name(type(value))


def _search(value: Any) -> tuple[str, str]:
    path = ""
    for _ in range(_MAX_DEPTH):
        for step, part in _parts(value):
            if not _can_pickle(part):
                path += step
                value = part
                break
        else:
            break
    return (f" (found at {path})" if path else ""), full_name(type(value))


def full_name(kind: type) -> str:
    """The name of a class, with its module if that is not `builtins`."""
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def _parts(value: Any) -> Iterable[tuple[str, Any]]:
    """Return up to `_MAX_PARTS` parts of a value, each with the expression that leads to it."""
    if isinstance(value, dict):
        parts = [(f"[{key!r}]", part) for key, part in value.items()]
    elif isinstance(value, (list, tuple)):
        parts = [(f"[{index}]", part) for index, part in enumerate(value)]
    elif isinstance(value, (set, frozenset)):
        parts = [(" (an element)", part) for part in value]
    else:
        try:
            attributes = getattr(value, "__dict__", None)
        except Exception:  # noqa: BLE001 (`__getattr__` may raise anything)
            attributes = None
        parts = (
            [(f".{name}", part) for name, part in attributes.items()]
            if isinstance(attributes, dict) and not isinstance(value, type)
            else []
        )
    return parts[:_MAX_PARTS]


def _can_pickle(value: Any) -> bool:
    try:
        cloudpickle.dumps(value, 5)
    except Exception:  # noqa: BLE001 (any error means no)
        return False
    return True
