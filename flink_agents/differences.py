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
_UNUSED: Final = "has no effect"
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
    "event-listeners": "are classes of Java: read the event log, or use metrics and traces",
    "event-log.trace.enabled": f"{_UNUSED}: the event log has executions in any case",
    "eventLoggerType": f"{_UNUSED}: events are in the event log of the state directory",
    "fluss": _JOURNAL,
    "job-identifier": f"{_UNUSED}: a job is its state directory, or its operator in Flink",
    "kafka": _JOURNAL,
    "long-term-memory.async-compaction.thread-count": f"{_UNUSED}: there are no such threads",
    "prettyPrint": f"{_UNUSED}: each record is one line",
}
"""By the beginning of an option's key, which tamias accepts and has no use for."""

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
        elif isinstance(node, ast.Attribute) and _is_options(node.value):
            yield from _of_key(node.lineno, node.attr)


def _is_options(node: ast.expr) -> bool:
    """Whether an expression is a class of options, by its name."""
    name = getattr(node, "attr", None) or getattr(node, "id", "")
    return str(name).endswith("Options")


def _of_key(line: int, key: str) -> Iterator[Difference]:
    for beginning, text in KEYS.items():
        if _plain(key).startswith(_plain(beginning)):
            yield Difference(line, key, text)


def _plain(key: str) -> str:
    return key.replace("_", "").replace("-", "").replace(".", "").lower()
