"""What in a program is known to behave in another way here, as far as its syntax shows it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CALLS", "KEYS", "Difference", "differences_in"]

_DIVERGENCE: Final = (
    "a run that is repeated with other calls than those on record stops with DivergenceError; "
    "there, the rest of the record is dropped"
)
_SERIAL: Final = (
    "the actions of a run go on one after the other; there, an action that awaits on Flink is put "
    "at the end of its key's queue"
)
_JOURNAL: Final = (
    "is not needed: finished calls are in the job's own state, exactly once without it"
)
_JAVA: Final = "needs Java: the extra `flink`, and the jars of the class"

CALLS: Final[dict[str, str]] = {
    "durable_execute": _DIVERGENCE,
    "durable_execute_async": f"{_DIVERGENCE}; {_SERIAL}",
    "execute_async": _SERIAL,
    "for_action": _JAVA,
    "java_resource": _JAVA,
}
"""By the name of what is called."""

KEYS: Final[dict[str, str]] = {
    "actionStateStoreBackend": _JOURNAL,
    "kafka": _JOURNAL,
    "fluss": _JOURNAL,
    "event-listeners": "are classes of Java there: read the event log, or use metrics and traces",
    "eventLoggerType": "has no effect: events are in the event log of the state directory",
    "num-async-threads": "has no effect: awaited calls run on the event loop of their worker",
}
"""By the beginning of an option's key; of the constant's name, in capitals."""

_SETTERS: Final = frozenset({"set", "set_str", "set_int", "set_bool", "set_float"})


class Difference(NamedTuple):
    """A place in a program, and what is different there."""

    line: int
    name: str
    text: str


def differences_in(tree: ast.AST) -> Iterator[Difference]:
    """Find them, each name once: where it occurs first."""
    seen: set[str] = set()
    for each in sorted(_all_in(tree), key=lambda each: each.line):
        if each.name not in seen:
            seen.add(each.name)
            yield each


def _all_in(tree: ast.AST) -> Iterator[Difference]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", None) or getattr(node.func, "id", "")
            if name in CALLS:
                yield Difference(node.lineno, name, CALLS[name])
            if name in _SETTERS and node.args and isinstance(node.args[0], ast.Constant):
                yield from _of_key(node.lineno, str(node.args[0].value))
        elif isinstance(node, ast.Attribute) and node.attr.isupper():
            yield from _of_key(node.lineno, node.attr)


def _of_key(line: int, key: str) -> Iterator[Difference]:
    for beginning, text in KEYS.items():
        if _plain(key).startswith(_plain(beginning)):
            yield Difference(line, key, text)


def _plain(key: str) -> str:
    return key.replace("_", "").replace("-", "").lower()
