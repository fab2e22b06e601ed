"""Environment variables in the values of a document: ``${NAME}`` and ``${NAME:-default}``.

What is put in for a variable may be a key that nobody shall see, so the text shows the variable in
its place when an error message prints it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from typing_extensions import Self

_VARIABLE: Final = re.compile(
    r"\$(?:\$(?=\{)|\{(?P<name>[A-Za-z_]\w*)(?::-(?P<default>[^{}]*))?\}|(?P<bad>\{[^{}]*\}?))"
)


class EnvironmentText(str):
    """A text that contains values of environment variables; its repr shows the variables."""

    __slots__ = ("written",)

    written: str

    def __new__(cls, value: str, written: str = "") -> Self:
        """Make it from its value, and the text in the document."""
        made = super().__new__(cls, value)
        made.written = written
        return made

    def __reduce__(self) -> tuple[type[EnvironmentText], tuple[str, str]]:
        return type(self), (str.__str__(self), self.written)

    def __repr__(self) -> str:
        return repr(self.written)


def filled(
    value: Any, variables: Mapping[str, str], report: Callable[[tuple[object, ...], str], None]
) -> Any:
    """Return a value with its variables filled in, in texts at any depth of lists and mappings.

    Args:
        value: as it is in the document. ``$${`` stands for ``${``.
        variables: the environment.
        report: called with the path in the value, and what is wrong there.
    """
    return _filled(value, (), variables, report)


def _filled(
    value: Any,
    path: tuple[object, ...],
    variables: Mapping[str, str],
    report: Callable[[tuple[object, ...], str], None],
) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled(part, (*path, key), variables, report) for key, part in value.items()}
    if isinstance(value, list):
        return [
            _filled(part, (*path, number), variables, report) for number, part in enumerate(value)
        ]
    if not isinstance(value, str) or "${" not in value:
        return value

    def put(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if name is None:
            if match["bad"] is None:
                return "$"
            report(path, f"{match[0]!r} names no environment variable; write ${{NAME}}, or $${{")
            return ""
        found = variables.get(name)
        if found is not None and (found or default is None):
            return found
        if default is None:
            report(path, f"the environment variable {name} is not set")
        return default or ""

    return EnvironmentText(_VARIABLE.sub(put, value), value)
