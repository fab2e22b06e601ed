"""From CEL's text to a function: parsed by `cel-python`, made of Python closures.

Imported only where an agent has a condition: `cel-python` brings 20 MB and 160 modules along.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import celpy
import re2
from celpy.adapter import json_to_cel
from celpy.celparser import CELParseError
from celpy.evaluation import CELEvalError, base_functions, celbytes, celstr

from ..errors import AgentDefinitionError
from .condition_values import (
    ORDERS,
    EvaluationError,
    Variables,
    arithmetic,
    checked,
    has,
    is_number,
    item,
    plain,
    select,
)
from .triggers import event_types

__all__ = ["compiled"]

_LONGEST: Final = 8192
_MACROS: Final = frozenset({"all", "exists", "exists_one", "filter", "map"})
_TYPES: Final = event_types()

_QUIET: Final = re2.Options()
_QUIET.log_errors = False

Evaluated: TypeAlias = Callable[[Variables], Any]

_NAMES: Final[dict[str, Evaluated]] = {
    "type": lambda variables: variables.event.get_type(),
    "id": lambda variables: str(variables.event.id),
    "attributes": lambda variables: variables.attributes,
    "EventType": lambda _: _TYPES,
}


class _NotCoveredError(Exception):
    """The closures do not cover something that is in CEL."""


def compiled(source: str) -> Evaluated:
    """The function that evaluates a condition.

    Raises:
        AgentDefinitionError: it is no condition in CEL, or one that cannot be true or false.
    """
    if len(source) > _LONGEST:
        raise _refusal(source[:80] + "...", f"it has more than {_LONGEST} characters")
    limit = sys.getrecursionlimit()
    try:
        environment = celpy.Environment()
        sys.setrecursionlimit(limit)  # that of the program: the library has set its own
        tree = environment.compile(source)
    except CELParseError as error:
        column = f" at column {error.column}" if error.column else ""
        raise _refusal(source, f"it is no CEL{column}") from None
    except RecursionError:
        raise _refusal(source, "it is nested too deeply") from None
    try:
        _check_boolean(source, tree)
        try:
            return _Compiler(source).compile(tree)
        except _NotCoveredError:
            return _evaluated_by_library(environment.program(tree))
    except RecursionError:
        raise _refusal(source, "it is nested too deeply") from None


def _refusal(source: str, reason: str) -> AgentDefinitionError:
    return AgentDefinitionError(
        f"The condition {source!r} cannot be used: {reason}.",
        hint='A condition is an expression in CEL that is true or false, as in \'type == "order" &&'
        " amount > 3'. An event type that is no identifier is quoted: \"'my-type/2'\".",
    )


def _inner(tree: Any) -> Any:
    """The outermost part of an expression that means something."""
    while len(tree.children) == 1 and hasattr(tree.children[0], "children"):
        if tree.data == "ident":
            break
        tree = tree.children[0]
    return tree


def _check_boolean(source: str, tree: Any) -> None:
    """Refuse what is neither true nor false, whatever the event."""
    found = _inner(tree)
    name = found.data
    if name == "literal":
        if str(found.children[0]) not in {"true", "false"}:
            raise _refusal(source, "it is always the same value, and no bool")
    elif name in {"ident", "dot_ident", "member_dot"}:
        raise _refusal(source, "it is a value alone; compare it, as in 'x == true'")
    elif name in {"addition", "multiplication", "list_lit", "map_lit"} or (
        name == "unary" and found.children[0].data == "unary_neg"
    ):
        raise _refusal(source, "its value is no bool")


def _evaluated_by_library(program: Any) -> Evaluated:
    def evaluate(variables: Variables) -> Any:
        attributes = {name: _deep(value) for name, value in variables.attributes.items()}
        seen = {**attributes, "attributes": attributes, "EventType": _TYPES}
        seen |= {name: _NAMES[name](variables) for name in ("type", "id")}
        try:
            given = {name: json_to_cel(value) for name, value in seen.items()}
            result = program.evaluate(given)
        except CELEvalError as error:
            raise EvaluationError(str(error.args[0]).split(" (in activation")[0]) from None
        except (TypeError, ValueError, ArithmeticError) as error:
            raise EvaluationError(str(error)) from None
        return bool(result) if isinstance(result, celpy.celtypes.BoolType) else result

    return evaluate


def _deep(value: Any) -> Any:
    value = plain(value)
    if isinstance(value, list):
        return [_deep(each) for each in value]
    if isinstance(value, dict):
        return {str(name): _deep(each) for name, each in value.items()}
    return value if is_scalar(value) else _deep(dict(value))


def is_scalar(value: Any) -> bool:
    """Whether a value has no parts."""
    return value is None or isinstance(value, (bool, int, float, str, bytes))


class _Compiler:
    """Makes closures of a tree of `cel-python`'s grammar."""

    def __init__(self, source: str) -> None:
        self._source = source

    def compile(self, tree: Any) -> Evaluated:
        """The closure of a tree."""
        children = tree.children
        if tree.data in {"list_lit", "map_lit", "literal", "ident", "dot_ident"}:
            pass
        elif len(children) == 1 and hasattr(children[0], "children") and tree.data != "exprlist":
            return self.compile(children[0])
        make = getattr(self, f"_{tree.data}", None)
        if make is None:
            raise _NotCoveredError
        made: Evaluated = make(*children)
        return made

    # -- operators ----------------------------------------------------------------------------

    def _expr(self, condition: Any, one: Any, other: Any) -> Evaluated:
        decides, first, second = map(self.compile, (condition, one, other))
        return lambda variables: (
            first(variables) if _bool(decides(variables)) else second(variables)
        )

    def _conditionalor(self, one: Any, other: Any) -> Evaluated:
        return _either(self.compile(one), self.compile(other), decisive=True)

    def _conditionaland(self, one: Any, other: Any) -> Evaluated:
        return _either(self.compile(one), self.compile(other), decisive=False)

    def _relation(self, operator: Any, right: Any) -> Evaluated:
        return self._binary(ORDERS[operator.data], operator, right)

    def _addition(self, operator: Any, right: Any) -> Evaluated:
        return self._binary(arithmetic(operator.data), operator, right)

    _multiplication = _addition

    def _binary(self, operate: Callable[[Any, Any], Any], operator: Any, right: Any) -> Evaluated:
        first, second = self.compile(operator.children[0]), self.compile(right)
        return lambda variables: operate(first(variables), second(variables))

    def _unary(self, operator: Any, operand: Any) -> Evaluated:
        inner = self.compile(operand)
        if operator.data == "unary_not":
            return lambda variables: not _bool(inner(variables))
        return lambda variables: _negated(inner(variables))

    # -- values -------------------------------------------------------------------------------

    def _literal(self, token: Any) -> Evaluated:
        value = self._literal_value(token)
        return lambda _: value

    def _literal_value(self, token: Any) -> Any:
        text = str(token)
        if token.type in {"STRING_LIT", "MLSTRING_LIT"}:
            return str(celstr(token))
        if token.type == "BYTES_LIT":
            return bytes(celbytes(token))
        if token.type in {"BOOL_LIT", "NULL_LIT"}:
            return {"true": True, "false": False, "null": None}[text]
        if token.type == "FLOAT_LIT":
            return float(text)
        try:
            return checked(int(text.rstrip("uU"), 16 if "0x" in text else 10))
        except (EvaluationError, ValueError):
            raise _refusal(self._source, f"{text} is no integer of 64 bits") from None

    def _ident(self, token: Any) -> Evaluated:
        name = str(token)
        return _NAMES.get(name) or (lambda variables: variables.attribute(name))

    _dot_ident = _ident

    def _member_dot(self, operand: Any, token: Any) -> Evaluated:
        name, root = str(token), _inner(operand)
        if root.data == "ident" and str(root.children[0]) == "EventType" and name not in _TYPES:
            raise _refusal(self._source, f"there is no EventType.{name}")
        if root.data == "ident" and str(root.children[0]) == "attributes":
            return lambda variables: variables.attribute(name)
        inner = self.compile(operand)
        return lambda variables: select(inner(variables), name)

    def _member_index(self, operand: Any, index: Any) -> Evaluated:
        inner, place = self.compile(operand), self.compile(index)
        return lambda variables: item(inner(variables), place(variables))

    def _list_lit(self, elements: Any = None) -> Evaluated:
        parts = [] if elements is None else [self.compile(each) for each in elements.children]
        return lambda variables: [part(variables) for part in parts]

    # -- functions ----------------------------------------------------------------------------

    def _ident_arg(self, token: Any, arguments: Any = None) -> Evaluated:
        given = [] if arguments is None else arguments.children
        if str(token) == "has":
            if len(given) != 1:
                raise _refusal(self._source, "has() takes one path, as in has(attributes.x)")
            return self._has(_inner(given[0]))
        return self._call(str(token), given)

    _dot_ident_arg = _ident_arg

    def _member_dot_arg(self, operand: Any, token: Any, arguments: Any = None) -> Evaluated:
        given = [] if arguments is None else arguments.children
        if str(token) in _MACROS and len(given) > 1:
            reason = f"the macro {token} is not supported; of macros there is has() alone"
            raise _refusal(self._source, reason)
        return self._call(str(token), [operand, *given])

    def _call(self, name: str, arguments: list[Any]) -> Evaluated:
        if name not in base_functions:
            raise _refusal(self._source, f"there is no function {name}")
        compiled = [self.compile(each) for each in arguments]
        function = _FUNCTIONS.get((name, len(compiled)))
        if function is None:
            raise _NotCoveredError
        return lambda variables: function(*[each(variables) for each in compiled])

    def _has(self, path: Any) -> Evaluated:
        if path.data == "ident" and str(path.children[0]) not in _NAMES:
            name = str(path.children[0])
            return lambda variables: name in variables.attributes
        if path.data != "member_dot":
            raise _refusal(self._source, "has() takes a path, as in has(attributes.x)")
        operand, token = path.children
        name, root = str(token), _inner(operand)
        inner = self.compile(operand)
        if root.data == "ident" and str(root.children[0]) in _NAMES:
            return lambda variables: has(inner(variables), name)
        if root.data in {"ident", "member_dot"}:
            present = self._has(root)
            return lambda variables: present(variables) and has(inner(variables), name)
        return lambda variables: has(inner(variables), name)


def _bool(value: Any) -> bool:
    if type(value) is not bool:
        raise EvaluationError("an operand that has to be a bool is none")
    return value


def _either(one: Evaluated, other: Evaluated, *, decisive: bool) -> Evaluated:
    """The operators ``||`` and ``&&``: if one operand decides, the other may have failed."""

    def evaluate(variables: Variables) -> bool:
        try:
            first = _bool(one(variables))
        except EvaluationError:
            if _bool(other(variables)) is decisive:
                return decisive
            raise
        return decisive if first is decisive else _bool(other(variables))

    return evaluate


def _negated(value: Any) -> Any:
    if not is_number(value):
        raise EvaluationError("- needs a number")
    return checked(-value)


def _texts(function: Callable[[str, str], Any]) -> Callable[[Any, Any], Any]:
    def call(one: Any, other: Any) -> Any:
        if not (isinstance(one, str) and isinstance(other, str)):
            raise EvaluationError("a function of strings has got something else")
        return function(one, other)

    return call


def _size(value: Any) -> int:
    if not isinstance(value, (str, bytes, list, dict)):
        raise EvaluationError("size() needs a string, a list or a map")
    return len(value)


def _matches(text: str, pattern: str) -> bool:
    try:  # re2 takes linear time
        return re2.search(pattern, text, _QUIET) is not None
    except re2.error as error:
        raise EvaluationError(f"{pattern!r} is no pattern: {error}") from None


_FUNCTIONS: Final[dict[tuple[str, int], Callable[..., Any]]] = {
    ("size", 1): _size,
    ("contains", 2): _texts(lambda text, part: part in text),
    ("startsWith", 2): _texts(lambda text, part: text.startswith(part)),
    ("endsWith", 2): _texts(lambda text, part: text.endswith(part)),
    ("matches", 2): _texts(_matches),
}
