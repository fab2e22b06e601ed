"""The values of conditions, and what CEL's operators do with them.

Values are plain Python: None, bool, int, float, str, bytes, list, dict. Whatever else an event
carries becomes one of these when a condition reaches it, one level at a time, so that of a large
event only what is asked for is looked at.

Numbers compare across int and float, as CEL's specification has it. (`cel-python` refuses that,
which is why only its parser is used here: an amount of 3 would not be more than 2.5.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel

__all__ = [
    "ORDERS",
    "EvaluationError",
    "Variables",
    "arithmetic",
    "checked",
    "equal",
    "has",
    "is_number",
    "item",
    "plain",
    "select",
]

_SMALLEST: Final = -(1 << 63)
_LARGEST: Final = (1 << 63) - 1


class EvaluationError(Exception):
    """A condition cannot be evaluated for an event."""


class Variables:
    """What a condition sees of an event."""

    __slots__ = ("_attributes", "event")

    def __init__(self, event: Any) -> None:
        self.event = event
        self._attributes: dict[str, Any] | None = None

    @property
    def attributes(self) -> dict[str, Any]:
        """All attributes."""
        found = self._attributes
        if found is None:
            found = self._attributes = self.event.attributes
        return found

    def attribute(self, name: str) -> Any:
        """The attribute of that name."""
        attributes = self.attributes
        if name not in attributes:
            raise EvaluationError(f"the event has no attribute {name!r}")
        return plain(attributes[name])


def plain(value: Any) -> Any:
    """The value as one of the types above; what it contains stays as it is.

    Raises:
        EvaluationError: it is nothing that a condition can use.
    """
    kind = value.__class__
    if kind in _PLAIN or isinstance(value, (dict, BaseModel)):
        return value
    for base, convert in _CONVERTERS:
        if isinstance(value, base):
            return convert(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise EvaluationError(f"a condition cannot use a value of type {type(value).__qualname__}")


_PLAIN: Final = frozenset({type(None), bool, int, float, str, bytes, list})
_CONVERTERS: Final[tuple[tuple[Any, Callable[[Any], Any]], ...]] = (
    (Enum, lambda value: plain(value.value)),
    (bool, bool),
    (int, int),
    (float, float),
    (str, str),
    ((bytes, bytearray, memoryview), bytes),
    (Mapping, dict),
    ((list, tuple, set, frozenset), list),
    (UUID, str),
    (Decimal, float),
    ((datetime, date, time), lambda value: value.isoformat()),
)


def _fields_of(model: BaseModel) -> dict[str, Any]:
    return {
        **{name: getattr(model, name) for name in type(model).model_fields},
        **(model.model_extra or {}),
    }


def select(value: Any, name: str) -> Any:
    """The field of that name.

    Raises:
        EvaluationError: there is none.
    """
    if isinstance(value, BaseModel):
        value = _fields_of(value)
    if not isinstance(value, dict):
        raise EvaluationError(f"there is no field {name!r} in {_kind(value)}")
    if name not in value:
        raise EvaluationError(f"there is no field {name!r}")
    return plain(value[name])


def has(value: Any, name: str) -> bool:
    """Whether there is a field of that name."""
    if isinstance(value, BaseModel):
        value = _fields_of(value)
    return isinstance(value, dict) and name in value


def item(value: Any, index: Any) -> Any:
    """An element of a list, or the value of a key."""
    if isinstance(value, list):
        if type(index) is float and index.is_integer():
            index = int(index)
        if type(index) is not int:
            raise EvaluationError(f"{_kind(index)} is no index of a list")
        if not 0 <= index < len(value):
            raise EvaluationError(f"there is no element {index}: the list has {len(value)}")
        return plain(value[index])
    if isinstance(index, str):
        return select(value, index)
    if isinstance(value, dict) and type(index) in {int, bool} and index in value:
        return plain(value[index])
    raise EvaluationError(f"there is no element {index!r} in {_kind(value)}")


def contains(whole: Any, part: Any) -> bool:
    """CEL's ``in``."""
    if isinstance(whole, BaseModel):
        whole = _fields_of(whole)
    if isinstance(whole, list):
        return any(equal(plain(each), part) for each in whole)
    if isinstance(whole, dict):
        return any(equal(plain(each), part) for each in whole)
    raise EvaluationError(f"`in` needs a list or a map, not {_kind(whole)}")


def is_number(value: Any) -> bool:
    """Whether it is an int or a float."""
    return type(value) in {int, float}


def equal(one: Any, other: Any) -> bool:
    """CEL's ``==``: values of different kinds are different."""
    if is_number(one) and is_number(other):
        return bool(one == other)
    if isinstance(one, BaseModel):
        one = _fields_of(one)
    if isinstance(other, BaseModel):
        other = _fields_of(other)
    if isinstance(one, list) and isinstance(other, list):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(equal(plain(a), plain(b)) for a, b in pairs)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            equal(plain(value), plain(other[name])) for name, value in one.items()
        )
    return type(one) is type(other) and bool(one == other)


def _ordered(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], bool]:
    def compared(one: Any, other: Any) -> bool:
        both = type(one) is type(other) and type(one) in {str, bytes, bool}
        if not both and not (is_number(one) and is_number(other)):
            raise EvaluationError(f"{_kind(one)} cannot be compared with {_kind(other)}")
        return bool(compare(one, other))

    return compared


ORDERS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "relation_lt": _ordered(lambda one, other: one < other),
    "relation_le": _ordered(lambda one, other: one <= other),
    "relation_gt": _ordered(lambda one, other: one > other),
    "relation_ge": _ordered(lambda one, other: one >= other),
    "relation_eq": equal,
    "relation_ne": lambda one, other: not equal(one, other),
    "relation_in": lambda one, other: contains(other, one),
}


def _divided(one: Any, other: Any) -> Any:
    if type(one) is float:
        if other == 0:
            return (
                math.nan
                if one == 0 or math.isnan(one)
                else math.copysign(math.inf, one * math.copysign(1, other))
            )
        return one / other
    if other == 0:
        raise EvaluationError("a division by zero")
    quotient = abs(one) // abs(other)
    return quotient if (one < 0) == (other < 0) else -quotient


def _remainder(one: Any, other: Any) -> Any:
    if type(one) is not int:
        raise EvaluationError("% needs integers")
    return one - other * _divided(one, other)


_ARITHMETIC: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "addition_add": lambda one, other: one + other,
    "addition_sub": lambda one, other: one - other,
    "multiplication_mul": lambda one, other: one * other,
    "multiplication_div": _divided,
    "multiplication_mod": _remainder,
}


def arithmetic(name: str) -> Callable[[Any, Any], Any]:
    """The arithmetic operator of that name in the grammar."""
    operate = _ARITHMETIC[name]

    def operated(one: Any, other: Any) -> Any:
        kind = type(one)
        added = name == "addition_add" and kind in {str, bytes, list}
        if kind is not type(other) or not (added or is_number(one)):
            raise EvaluationError(f"{_kind(one)} and {_kind(other)} cannot be combined")
        return checked(operate(one, other))

    return operated


def checked(value: Any) -> Any:
    """The value, if it is no integer of more than 64 bits."""
    if type(value) is int and not _SMALLEST <= value <= _LARGEST:
        raise EvaluationError("an integer of more than 64 bits")
    return value


def _kind(value: Any) -> str:
    names = {type(None): "null", int: "an int", float: "a double", str: "a string", list: "a list"}
    names |= {bool: "a bool", bytes: "bytes"}
    return names.get(type(value), "a map")
