"""`is_subclass`: whether something that a user has given is a class of a kind."""

from __future__ import annotations

from typing import Any, TypeGuard, TypeVar

__all__ = ["is_subclass"]

C = TypeVar("C")


def is_subclass(value: object, base: type[C]) -> TypeGuard[type[C]]:
    """Whether a value is a class, and derived from `base`.

    The type of the value is asked, as Python 3.10 takes `list[int]` for an instance of `type`, and
    then `issubclass` raises.
    """
    kind: Any = value
    return issubclass(type(value), type) and issubclass(kind, base)
