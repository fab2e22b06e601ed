"""What programs ask of memory sets, checked: filters, limits, and what JSON can say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from ...agent.errors import MemorySetError
from ..sets.searching import MOST

__all__ = ["check_filters", "check_limit", "plain_json", "plain_metadata"]

_FILTERS: Final = 'Give {"name": value, ...}: all of them must be equal.'


def plain_json(value: Any, where: str) -> Any:
    """A copy of a value that JSON can say. Raises MemorySetError for others."""
    try:
        copy = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise MemorySetError(f"{where} is not what JSON can say: {error}.") from None
    if (name := _other_name(value)) is not None:
        raise MemorySetError(
            f"{where} is not what JSON can say: a mapping in it has the name {name!r}, which is "
            "no text."
        )
    return copy


def _other_name(value: Any) -> Any:
    """A name in a mapping that is no text, which JSON would make one; None if there is none."""
    rest = [value]
    while rest:
        inner = rest.pop()
        if isinstance(inner, Mapping):
            for name in inner:
                if not isinstance(name, str):
                    return repr(name) if name is None else name
            rest += inner.values()
        elif isinstance(inner, (list, tuple)):
            rest += inner
    return None


def plain_metadata(given: Any, where: str) -> dict[str, Any]:
    """Metadata as JSON has it. Raises MemorySetError for what is none."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise MemorySetError(f"{where} has metadata that is no mapping with texts as names.")
    found: dict[str, Any] = plain_json(dict(given), f"the metadata of {where}")
    return found


def check_limit(limit: Any) -> int:
    """Return how many items are wanted. Raises MemorySetError for no number above 0."""
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise MemorySetError(f"The limit {limit!r} is no number of items: give 1 or more.")
    return min(limit, MOST)


def check_filters(filters: Any) -> dict[str, Any] | None:
    """Return filters as JSON has them. Raises MemorySetError for what metadata cannot be."""
    if filters is None:
        return None
    if not isinstance(filters, Mapping):
        raise MemorySetError(f"Filters are no {type(filters).__name__}.", hint=_FILTERS)
    for name, value in filters.items():
        operators = (
            [each for each in value if _is_operator(each)] if isinstance(value, dict) else []
        )
        if _is_operator(name) or operators:
            raise MemorySetError(
                f"The filter {name!r} asks for more than that a value is the same.", hint=_FILTERS
            )
    return plain_metadata(filters, "a filter")


def _is_operator(name: Any) -> bool:
    return isinstance(name, str) and name.startswith("$")
