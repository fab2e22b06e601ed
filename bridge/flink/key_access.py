"""Key selectors that only return a field of the element: Java can take the key out by itself.

A selector is such an access if nothing else can happen when it runs: `operator.itemgetter` or
`attrgetter` with one name, or a function whose code loads its argument, applies subscripts and
attributes to it, and returns the result. PyFlink's own class says which field that is: the
selector is called with a row of the stream's type in which each field is an object of its own.

All other selectors are run by PyFlink: also those that return a whole row, a field of a type whose
keys Java cannot write as Python would, or a field of an element that PyFlink would change when it
goes through Python.
"""

from __future__ import annotations

import dis
import inspect
import operator
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_CHANGES_CALL: Final = (
    inspect.CO_VARARGS
    | inspect.CO_VARKEYWORDS
    | inspect.CO_GENERATOR
    | inspect.CO_COROUTINE
    | inspect.CO_ASYNC_GENERATOR
)
_SILENT: Final = frozenset({"RESUME", "NOP", "CACHE", "EXTENDED_ARG", "PRECALL"})
_LOADS: Final = frozenset({"LOAD_FAST", "LOAD_FAST_BORROW"})
_KEYS: Final = frozenset({"STRING", "BOOLEAN", "BYTE", "SHORT", "INT", "LONG", "FLOAT", "DOUBLE"})
"""Basic types of keys that Java writes as Python does."""
_UNCHANGED: Final = ("BIG_DEC", "LOCAL_DATE")
"""Types of fields that are no keys, but the same behind PyFlink's coders as before. Times are not
there: their coders know milliseconds only.
"""


@dataclass(frozen=True, slots=True)
class KeyField:
    """The field that a selector returns, as the steps from the element to it."""

    positions: list[str]
    names: list[str]
    """Of the same steps; empty for those into tuples."""
    failures: list[str]
    """How the selector fails if what has the field is None, for each step."""


def key_field(selector: Any, kind: Any) -> KeyField | None:
    """The field that `selector` returns of elements of `kind`; None: PyFlink has to run it."""
    access = plain_access(selector)
    if access is None:
        return None
    sample = _Sample(kind)
    if not sample.is_plain:
        return None
    try:
        found = access(sample.value)
    except Exception:  # noqa: BLE001 (it fails in the job, with its own traceback)
        return None
    steps = sample.steps_to(found)
    if steps is None:
        return None
    failures = [_failure(access, kind, steps[:depth]) for depth in range(len(steps))]
    return KeyField([str(position) for position, _ in steps], [name for _, name in steps], failures)


def plain_access(selector: Any) -> Callable[[Any], Any] | None:
    """The selector as a callable, if it does nothing but access parts of its argument."""
    if type(selector) in (operator.itemgetter, operator.attrgetter):
        _, arguments = selector.__reduce__()
        is_one = len(arguments) == 1 and type(arguments[0]) in (str, int)
        return selector if is_one else None
    if type(selector) is FunctionType:
        return selector if _only_accesses(selector, 1) else None
    from pyflink.datastream import KeySelector  # noqa: PLC0415 (an extra)
    from pyflink.datastream.functions import Function  # noqa: PLC0415 (an extra)

    kind: Any = type(selector)
    if (
        isinstance(selector, KeySelector)
        and kind.open is Function.open
        and kind.close is Function.close
        and kind.__getattribute__ is object.__getattribute__
        and not {"open", "close", "get_key"} & vars(selector).keys()
        and isinstance(get_key := inspect.getattr_static(kind, "get_key"), FunctionType)
        and _only_accesses(get_key, 2)
    ):
        return selector.get_key  # type: ignore[no-any-return]
    return None


def _only_accesses(function: FunctionType, arguments: int) -> bool:
    """Whether the function returns a part of its last argument, and does nothing else."""
    code = function.__code__
    if (
        code.co_argcount != arguments
        or code.co_kwonlyargcount
        or code.co_flags & _CHANGES_CALL
        or code.co_freevars
    ):
        return False
    steps = [step for step in dis.get_instructions(code) if step.opname not in _SILENT]
    if len(steps) < 2 or steps[-1].opname != "RETURN_VALUE":
        return False
    first, *middle = steps[:-1]
    if first.opname not in _LOADS or first.argval != code.co_varnames[arguments - 1]:
        return False
    rest = iter(middle)
    for step in rest:
        if step.opname == "LOAD_ATTR":
            continue
        subscript = next(rest, None)
        if (
            step.opname != "LOAD_CONST"
            or type(step.argval) not in (str, int)
            or subscript is None
            or subscript.opname != "BINARY_SUBSCR"
        ):
            return False
    return True


class _Sample:
    """An element of a stream's type in which each field is an object of its own."""

    def __init__(self, kind: Any, without: list[tuple[int, str]] | None = None) -> None:
        """`without` are the steps to a part that is None."""
        self.is_plain = True
        """Whether PyFlink gives and takes such elements unchanged."""
        self._without = without
        self._fields: dict[int, tuple[Any, list[tuple[int, str]], bool]] = {}
        self.value = self._make(kind, [])

    def steps_to(self, found: Any) -> list[tuple[int, str]] | None:
        """The steps to the field whose value is `found`; None: there is none that can be a key."""
        _, steps, is_key = self._fields.get(id(found), (None, [], False))
        return steps if is_key else None

    def _make(self, kind: Any, steps: list[tuple[int, str]]) -> Any:
        from pyflink.common import Row  # noqa: PLC0415 (an extra)
        from pyflink.common import typeinfo as types  # noqa: PLC0415 (an extra)

        if steps == self._without:
            return None
        if isinstance(kind, types.ExternalTypeInfo):  # a table's
            kind = kind._type_info  # noqa: SLF001 (PyFlink has no other way)
        if isinstance(kind, types.RowTypeInfo):
            names = list(kind.get_field_names())
            row = Row(*self._parts(kind, names, steps))
            row.set_field_names(names)
            return row
        if isinstance(kind, types.TupleTypeInfo):
            names = [""] * len(kind.get_field_types())
            return tuple(self._parts(kind, names, steps))
        name = _name(kind)
        is_key = name in _KEYS
        self.is_plain &= is_key or name in _UNCHANGED
        value = object()
        self._fields[id(value)] = (value, steps, is_key)
        return value

    def _parts(self, kind: Any, names: list[str], steps: list[tuple[int, str]]) -> list[Any]:
        return [
            self._make(field, [*steps, (position, name)])
            for position, (field, name) in enumerate(
                zip(kind.get_field_types(), names, strict=True)
            )
        ]


def _name(kind: Any) -> str:
    """The name of a type that is no row, as far as it is of interest here; else empty."""
    kind = getattr(kind, "_basic_type", None) or getattr(kind, "_time_type", None)
    return str(kind.name) if kind is not None else ""


def _failure(access: Callable[[Any], Any], kind: Any, steps: list[tuple[int, str]]) -> str:
    """What the selector raises where the part at the end of `steps` is None."""
    try:
        access(_Sample(kind, steps).value)
    except Exception as error:  # noqa: BLE001 (any error is what the user will read)
        return f"{type(error).__name__}: {error}"
    return "an element is None"
