"""As `flink_agents.plan.utils` of Flink Agents: whether types of functions are those wanted."""

from __future__ import annotations

from typing import Any, get_args, get_origin

__all__ = ["check_type_match"]


def check_type_match(actual: Any, expect: Any) -> None:
    """Raise TypeError unless a type is the one that is expected, or derived from it.

    An annotation that could not be evaluated, a text, is compared by its name.
    """
    if expect is Any or actual is expect:
        return
    if isinstance(actual, str):
        if _plain_name(actual) != _plain_name(getattr(expect, "__name__", str(expect))):
            raise TypeError(f"{actual} is not {expect}")
        return
    origins = (get_origin(actual) or actual, get_origin(expect) or expect)
    if not all(isinstance(each, type) for each in origins) or not issubclass(*origins):
        raise TypeError(f"{actual} is not {expect}")
    wanted = get_args(expect)
    if wanted:
        given = get_args(actual)
        if len(given) != len(wanted):
            raise TypeError(f"{actual} is not {expect}")
        for one, other in zip(given, wanted, strict=True):
            check_type_match(one, other)


def _plain_name(text: str) -> str:
    return text.partition("[")[0].rpartition(".")[2].strip()
