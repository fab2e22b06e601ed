"""Values as JSON has them, as Python objects: what has fields is a `JsonRow`."""

from __future__ import annotations

from typing import Any, Final

from pydantic_core import PydanticSerializationError, to_jsonable_python

from ...agent.row import JsonRow, Row
from ...agent.waiting.questions import Question

__all__ = ["json_form"]

_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_ROWS_OF_FLINK: Final = "pyflink.common.types"


def json_form(value: Any) -> Any:
    """The value in the form in which it would come out of JSON that pydantic has written.

    Left as they are: Flink's rows, questions of runs that wait, and what JSON has no form for.
    """
    kind = value.__class__
    if kind in _SCALARS or kind is Question or kind.__module__ == _ROWS_OF_FLINK:
        return value
    if isinstance(value, dict):
        form = Row if kind is Row else JsonRow
        return form({_key(name): json_form(each) for name, each in value.items()})
    if isinstance(value, (list, tuple)):
        return [json_form(each) for each in value]
    try:
        plain = to_jsonable_python(value)
    except (PydanticSerializationError, ValueError, RecursionError):
        return value
    return plain if plain.__class__ in _SCALARS else json_form(plain)


def _key(name: Any) -> str:
    if name.__class__ is bool:
        return "true" if name else "false"
    return name if name.__class__ is str else str(to_jsonable_python(name))
