"""Which of Flink Agents' versions a program is written for: its dialect.

The versions have names, classes and arguments that differ. A dialect is one of them by its first
two numbers; 0.4 is the main branch of August 2026. The program's process finds out, in this order:
the environment variable says it; the project's `pyproject.toml` says it; the program uses what only
one dialect has; a Flink Agents is installed, which has a version; it is 0.3. The variable is set
then, so that workers and other children have the same answer.
"""

from __future__ import annotations

import os
import re
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..agent.errors import AgentDefinitionError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .reading import Import

__all__ = ["DEFAULT", "DIALECTS", "VARIABLE", "dialect", "dialect_of_program", "dialects_of"]

DIALECTS: Final = ("0.2", "0.3", "0.4")
DEFAULT: Final = "0.3"
VARIABLE: Final = "TAMIAS_FLINK_AGENTS"
"""The environment variable that says which dialect it is."""

_TABLE: Final = re.compile(
    r"^\[tool\.tamias\.flink-agents\][ \t]*(?:#.*)?\n(?P<body>(?:(?!\[).*\n?)*)", re.MULTILINE
)
_ENTRY: Final = re.compile(r"""^dialect\s*=\s*["'](?P<value>[^"']*)["']""", re.MULTILINE)


@cache
def dialect() -> str:
    """The dialect of this process.

    Raises:
        ConfigError: the environment variable, or the project, says none of `DIALECTS`.
        AgentDefinitionError: the program mixes dialects.
    """
    given = os.environ.get(VARIABLE, "")
    if given:
        return _checked(given, VARIABLE)
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    found = dialect_of_program(Path(file) if file else None, _program_text(file))
    os.environ[VARIABLE] = found
    return found


def dialect_of_program(program: Path | None, text: str = "") -> str:
    """The dialect of a program, whatever the environment variable says.

    Args:
        program: its file.
        text: of a program that has no file.
    """
    folder = program.absolute().parent if program else Path.cwd()
    if said := _said_by_project(folder):
        return said
    # Only where a program has to be read: its parser is not imported in workers.
    from .reading import imports_in, search_path, source_of_text, sources_of  # noqa: PLC0415

    roots = search_path(program)
    sources = list(sources_of([program] if program else [], roots))
    if text:
        sources += source_of_text(text)
    return dialects_of([each for source in sources for each in imports_in(source)], _installed())


def dialects_of(imports: Iterable[Import], preferred: str = "") -> str:
    """The dialect that has all of these: the preferred or default one, if it does, or the latest.

    Raises:
        AgentDefinitionError: there is none.
    """
    left = list(DIALECTS)
    decisive: list[Import] = []
    soft: list[Import] = []
    for each in imports:
        if each.certainty.value != "sure":
            soft += [each] if each.certainty.value == "soft" else []
            continue
        rest = [one for one in left if one in each.dialects]
        if len(rest) < len(left):
            decisive.append(each)
        if not rest:
            what = "; ".join(
                f"{_shown(one.path)}:{one.line}: {one.shown} is of {' and '.join(one.dialects)}"
                for one in decisive
            )
            msg = f"The program mixes versions of Flink Agents: {what}."
            hint = f"Use the names of one version, or set {VARIABLE} to try it with one."
            raise AgentDefinitionError(msg, hint=hint)
        left = rest
    for each in soft:
        left = [one for one in left if one in each.dialects] or left
    return next((one for one in (preferred, DEFAULT) if one in left), left[-1])


def _checked(value: str, where: str) -> str:
    if value in DIALECTS:
        return value
    msg = f"{where} is {value!r}, which is no dialect of Flink Agents."
    raise ConfigError(msg, hint=f"It is one of {', '.join(DIALECTS)}.")


def _said_by_project(folder: Path) -> str:
    """What the nearest `pyproject.toml` says; empty, if nothing."""
    for parent in (folder, *folder.parents):
        file = parent / "pyproject.toml"
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, ValueError):
            continue
        # Python 3.10 has no TOML reader, and this is one line of one table.
        table = _TABLE.search(text)
        entry = _ENTRY.search(table["body"]) if table else None
        return _checked(entry["value"], f"{file}: dialect") if entry else ""
    return ""


def _installed() -> str:
    """The dialect of the Flink Agents that is installed; empty, if none is."""
    try:
        found = ".".join(version("flink-agents").split(".")[:2])
    except PackageNotFoundError:
        return ""
    return found if found in DIALECTS else ""


def _program_text(file: str | None) -> str:
    """The text of a program that has no file: that of `python -c`, or the cells of a notebook."""
    if file:
        return ""
    words = sys.orig_argv
    if "-c" in words[:-1] and sys.argv[:1] == ["-c"]:
        return words[words.index("-c") + 1]
    cells = getattr(sys.modules.get("__main__"), "In", None)
    return str(cells[-1]) if isinstance(cells, list) and cells else ""


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
