"""What of a program is not supported here, found before anything of it runs."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..agent.errors import AgentDefinitionError, TargetError
from .dialect import dialect_of_program
from .differences import differences_in
from .loaded import Modules
from .reading import THEIR_PROGRAMS, Certainty, Import, imports_in, search_path, sources_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .reading import Source

__all__ = ["Finding", "Report", "check_program", "readable_program"]


class Finding(NamedTuple):
    """Something about a line of a program.

    Attributes:
        path: the file.
        line: from 1.
        kind: "missing", if the program fails there; "differs", if it does something else there.
        text: what it is.
    """

    path: Path
    line: int
    kind: str
    text: str


class Report(NamedTuple):
    """What was found out about a program."""

    dialect: str
    """Empty, if the program mixes them."""
    findings: tuple[Finding, ...]
    files: int

    @property
    def is_supported(self) -> bool:
        """Whether nothing is missing."""
        return all(each.kind != "missing" for each in self.findings)


def readable_program(program: Path) -> ast.Module:
    """Read the syntax of a program's first file.

    Raises:
        TargetError: it cannot be read, or is no Python.
    """
    try:
        return ast.parse(program.read_text(encoding="utf-8"), str(program))
    except OSError as error:
        raise TargetError(
            f"{program} cannot be read: {error.strerror}.", hint="Name the file of a program."
        ) from None
    except SyntaxError as error:
        raise TargetError(
            f"{program}:{error.lineno}: {error.msg}.", hint="It is no Python of this interpreter."
        ) from None
    except ValueError as error:
        raise TargetError(f"{program}: {error}.", hint="It is no text in UTF-8.") from None


def check_program(program: Path, dialect: str = "") -> Report:
    """Check a program and the modules beside it.

    Args:
        program: its file.
        dialect: that of the program, if it is known.
    """
    readable_program(program)
    sources = list(sources_of([program], search_path(program)))
    uses = [(source, each) for source in sources for each in imports_in(source)]
    try:
        found = dialect or dialect_of_program(program)
    except AgentDefinitionError as error:
        line = next((each.line for _, each in uses), 1)
        return Report("", (Finding(program, line, "missing", str(error)),), len(sources))
    modules = Modules(found)
    findings = [finding for source, each in uses if (finding := _finding(source, each, modules))]
    findings += _strings(sources, modules)
    for source in sources:
        if any(other is source for other, _ in uses):
            findings += [
                Finding(source.path, each.line, "differs", f"{each.name}: {each.text}")
                for each in differences_in(source.tree)
            ]
    unique = dict.fromkeys(sorted(findings, key=lambda each: (str(each.path), each.line)))
    return Report(found, tuple(unique), len(sources))


def _finding(source: Source, each: Import, modules: Modules) -> Finding | None:
    if each.is_sign:
        if modules.dialect in each.dialects:
            return None
        kind = "missing" if each.name.startswith("@") else "differs"
        text = f"{each.name} is of {' and '.join(each.dialects)}"
        return Finding(source.path, each.line, kind, text)
    why = modules.why_missing(each.module, each.name)
    if not why:
        return None
    if each.certainty is Certainty.OPTIONAL:
        return Finding(source.path, each.line, "differs", f"{why}; the program does without it")
    return Finding(source.path, each.line, "missing", why)


def _strings(sources: list[Source], modules: Modules) -> Iterator[Finding]:
    """Find names of classes that are given as text, as resources are."""
    for source in sources:
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
                continue
            words = node.value.split(".")
            if (
                words[0] != "flink_agents"
                or len(words) < 3
                or not all(map(str.isidentifier, words))
            ):
                continue
            if words[1] in THEIR_PROGRAMS:
                continue
            module, name = ".".join(words[1:-1]), words[-1]
            whole = f"{module}.{name}"
            why = modules.why_missing(module, name) and modules.why_missing(whole)
            if why:
                yield Finding(source.path, node.lineno, "missing", why)
