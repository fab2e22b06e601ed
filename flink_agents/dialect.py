"""Which of Flink Agents' versions a program is written for: its dialect.

The versions have names, classes and arguments that differ. A dialect is one of them by its first
two numbers; 0.4 is the main branch of August 2026. The program's process finds out, in this order:
the environment variable says it; the program imports what only one dialect has; it is 0.3. The
variable is set then, so that workers and other children have the same answer.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from ..agent.errors import AgentDefinitionError, ConfigError
from .names import ONLY_IN

__all__ = ["DEFAULT", "DIALECTS", "VARIABLE", "Import", "dialect", "dialects_of", "imports_of"]

DIALECTS: Final = ("0.2", "0.3", "0.4")
DEFAULT: Final = "0.3"
VARIABLE: Final = "TAMIAS_FLINK_AGENTS"
"""The environment variable that says which dialect it is."""

_PACKAGE: Final = "flink_agents."


class Import(NamedTuple):
    """A name of Flink Agents that a program imports.

    Attributes:
        path: the file.
        line: from 1.
        module: without the leading `flink_agents.`.
        name: empty for the whole module.
    """

    path: Path
    line: int
    module: str
    name: str

    @property
    def dialects(self) -> tuple[str, ...]:
        """Those that have it, as far as is known."""
        only = ONLY_IN.get(self.module, {})
        known = only.get(self.name) or only.get("")
        return DIALECTS if known is None else tuple(known.split())


@cache
def dialect() -> str:
    """The dialect of this process.

    Raises:
        ConfigError: the environment variable is none of `DIALECTS`.
        AgentDefinitionError: the program mixes dialects.
    """
    given = os.environ.get(VARIABLE, "")
    if not given:
        program = getattr(sys.modules.get("__main__"), "__file__", None)
        given = dialects_of(imports_of([Path(program)] if program else []))
        os.environ[VARIABLE] = given
    if given not in DIALECTS:
        msg = f"{VARIABLE} is {given!r}, which is no dialect of Flink Agents."
        raise ConfigError(msg, hint=f"It is one of {', '.join(DIALECTS)}.")
    return given


def dialects_of(imports: Iterable[Import]) -> str:
    """The dialect that has all of these: the default, if it does, or else the latest one.

    Raises:
        AgentDefinitionError: there is none.
    """
    left = list(DIALECTS)
    decisive: list[Import] = []
    for each in imports:
        rest = [one for one in left if one in each.dialects]
        if len(rest) < len(left):
            decisive.append(each)
        if not rest:
            what = "; ".join(
                f"{one.path.name}:{one.line}: {one.module}"
                f"{'.' if one.name else ''}{one.name} is of {', '.join(one.dialects)}"
                for one in decisive
            )
            msg = f"The program mixes versions of Flink Agents: {what}."
            raise AgentDefinitionError(msg, hint="Use the names of one version.")
        left = rest
    return DEFAULT if DEFAULT in left else left[-1]


def imports_of(paths: Iterable[Path]) -> list[Import]:
    """What these files import of Flink Agents, and the modules beside them that they import."""
    found: list[Import] = []
    todo, seen = list(paths), set[Path]()
    while todo:
        path = todo.pop(0).absolute()
        if path in seen:
            continue
        seen.add(path)
        try:
            tree = ast.parse(path.read_bytes(), str(path))
        except (OSError, SyntaxError, ValueError):
            continue  # the import itself will say so
        for line, module, name in _imports(tree):
            if module.startswith(_PACKAGE):
                found.append(Import(path, line, module.removeprefix(_PACKAGE), name))
            else:
                todo += _beside(path, module)
    return found


def _imports(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield from ((node.lineno, node.module, alias.name) for alias in node.names)


def _beside(path: Path, module: str) -> Iterator[Path]:
    """The file of a module that is found from the folder of the one that imports it."""
    place = path.parent.joinpath(*module.split("."))
    for each in (place.with_suffix(".py"), place / "__init__.py"):
        if each.is_file():
            yield each
