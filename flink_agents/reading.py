"""What programs import of Flink Agents, read from their text: nothing of them is executed.

A program is its file and the modules that it imports from beside it, found by where Python would
look: the folder of the program, and those of PYTHONPATH.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

from .installed import PACKAGE
from .names import ONLY_IN, SIGNS

__all__ = [
    "DIALECTS",
    "THEIR_PROGRAMS",
    "Certainty",
    "Import",
    "Source",
    "imports_in",
    "is_module",
    "search_path",
    "source_of_text",
    "sources_of",
]

DIALECTS: Final = ("0.2", "0.3", "0.4")
_ROOT: Final = "flink_agents"
THEIR_PROGRAMS: Final = ("examples", "e2e_tests")
"""Folders of Flink Agents that hold programs, not the library."""
_MOST_FILES: Final = 200
_IMPORTERS: Final = frozenset({"import_module", "__import__"})


class Certainty(Enum):
    """What an import says about the version that a program needs."""

    SURE = "sure"
    """It is executed whenever the program runs."""
    SOFT = "soft"
    """It is for type checkers, below a condition, or a way of using a name."""
    OPTIONAL = "optional"
    """The program does without it: it catches the ImportError."""


class Import(NamedTuple):
    """A name of Flink Agents that a program uses.

    Attributes:
        path: the file.
        line: from 1.
        module: without the leading `flink_agents.`; empty for a sign that is no import.
        name: empty for the whole module.
        certainty: what it says about the program.
    """

    path: Path
    line: int
    module: str
    name: str
    certainty: Certainty = Certainty.SURE

    @property
    def is_sign(self) -> bool:
        """Whether it is no import, but a way of using what has been imported."""
        return not self.module and self.name in SIGNS

    @property
    def dialects(self) -> tuple[str, ...]:
        """Those that have it, as far as is known."""
        if self.is_sign:
            return tuple(SIGNS[self.name].split())
        only = ONLY_IN.get(self.module, {})
        known = only.get(self.name) or only.get("")
        if known is None and self.name:
            known = ONLY_IN.get(f"{self.module}.{self.name}", {}).get("")
        return DIALECTS if known is None else tuple(known.split())

    @property
    def shown(self) -> str:
        """The name as in the program."""
        return ".".join(filter(None, (self.module, self.name)))


class Source(NamedTuple):
    """A file of a program, with its syntax tree."""

    path: Path
    text: str
    tree: ast.Module


def sources_of(paths: Iterable[Path], roots: Sequence[Path] = ()) -> Iterator[Source]:
    """Read these files, and the modules beside them that they import.

    What cannot be read or parsed is left out: its import will say so.

    Args:
        paths: the first files; the folder of each is a root, too.
        roots: folders in which modules are looked for.
    """
    todo = [path.absolute() for path in paths]
    folders = [*dict.fromkeys([*(path.parent for path in todo), *roots])]
    folders += [root for path in todo if (root := _checkout(path)) and root not in folders]
    seen: set[Path] = set()
    while todo and len(seen) < _MOST_FILES:
        path = todo.pop(0)
        if path in seen:
            continue
        seen.add(path)
        try:
            text = path.read_text(encoding="utf-8")
            tree = ast.parse(text, str(path))
        except (OSError, SyntaxError, ValueError):
            continue
        yield Source(path, text, tree)
        todo += _neighbours(path, tree, folders)


def source_of_text(text: str) -> list[Source]:
    """Read a program that has no file; nothing, if it cannot be parsed."""
    try:
        return [Source(Path("<program>"), text, ast.parse(text))]
    except (SyntaxError, ValueError):
        return []


def imports_in(source: Source) -> list[Import]:
    """Everything of Flink Agents that a file uses, in the order of its lines."""
    reader = _Reader(source.path)
    reader.visit(source.tree)
    return sorted(reader.found, key=lambda each: each.line)


def _checkout(path: Path) -> Path | None:
    """The folder with `flink_agents` in it, if a program is one of Flink Agents' own."""
    for parent in path.parents:
        if parent.name in THEIR_PROGRAMS and parent.parent.name == _ROOT:
            return parent.parent.parent
    return None


def _neighbours(path: Path, tree: ast.Module, roots: Sequence[Path]) -> Iterator[Path]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files(roots, alias.name)
        elif isinstance(node, ast.ImportFrom):
            places = [path.parents[node.level - 1]] if node.level else roots
            module = node.module or ""
            yield from _files(places, module)
            for alias in node.names:
                yield from _files(places, f"{module}.{alias.name}".strip("."))
        elif (name := _imported_by_call(node)) is not None:
            yield from _files(roots, name)


def _files(roots: Sequence[Path], module: str) -> Iterator[Path]:
    """The files of a module, and of the packages that it is in."""
    parts = module.split(".")
    if not module or (parts[0] == _ROOT and parts[1:2] and parts[1] not in THEIR_PROGRAMS):
        return
    for root in roots:
        place = root
        for part in parts:
            place /= part
            for each in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
                if each.is_file() and PACKAGE not in each.parents:
                    yield each


def _imported_by_call(node: ast.AST) -> str | None:
    """The module that a call of `importlib.import_module` names."""
    if not isinstance(node, ast.Call) or not node.args:
        return None
    function = node.func
    called = getattr(function, "attr", None) or getattr(function, "id", None)
    first = node.args[0]
    if called in _IMPORTERS and isinstance(first, ast.Constant) and isinstance(first.value, str):
        return first.value
    return None


class _Reader(ast.NodeVisitor):
    """Collects uses of Flink Agents' names; knows below what it is in the program."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: list[Import] = []
        self._certainty = Certainty.SURE
        self._modules: dict[str, str] = {}
        """Local names that stand for modules of Flink Agents."""
        self._classes: set[str] = set()
        """Local names of classes: imported from Flink Agents, or defined here."""
        self._uses_them = False

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            module = _theirs(alias.name)
            if module is None:
                continue
            self._uses_them = True
            if alias.asname:
                self._modules[alias.asname] = module
            else:
                self._modules[_ROOT] = ""
            if module:
                self._add(node, module)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = None if node.level or not node.module else _theirs(node.module)
        if module is None:
            return
        self._uses_them = True
        for alias in node.names:
            whole = f"{module}.{alias.name}".strip(".")
            if is_module(whole):
                self._modules[alias.asname or alias.name] = whole
                self._add(node, whole)
            else:
                if alias.name[:1].isupper() and not alias.name.isupper():
                    self._classes.add(alias.asname or alias.name)
                self._add(alias, module, alias.name)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        module = self._module_of(node.value)
        if module is not None and not is_module(f"{module}.{node.attr}".strip(".")):
            self._add(node, module, node.attr)
        elif self._uses_them and node.attr in SIGNS and module is None:
            self._sign(node, node.attr)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        module = _theirs(_imported_by_call(node) or "")
        if module:
            self._add(node, module)
        for keyword in node.keywords:
            if self._uses_them and f"{keyword.arg}=" in SIGNS:
                self._sign(keyword.value, f"{keyword.arg}=")
        self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._classes.add(node.name)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._read_decorators(node)
        self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._read_decorators(node)
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        """Take what is below a condition as soft, but for that of a program's main part."""
        is_main = any(
            isinstance(each, ast.Constant) and each.value == "__main__"
            for each in ast.walk(node.test)
        )
        self._visit_below(self._certainty if is_main else Certainty.SOFT, node.body, node.orelse)

    def visit_Try(self, node: ast.Try) -> None:
        """Take both sides as optional where a failed import is caught."""
        below = Certainty.OPTIONAL if _catches_imports(node) else self._certainty
        self._visit_below(below, node.body, *(handler.body for handler in node.handlers))
        self._visit_below(self._certainty, node.orelse, node.finalbody)

    def _visit_below(self, certainty: Certainty, *bodies: list[ast.stmt]) -> None:
        before = self._certainty
        if before is not Certainty.OPTIONAL:
            self._certainty = certainty
        for each in (each for body in bodies for each in body):
            self.visit(each)
        self._certainty = before

    def _read_decorators(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Note whether actions are given classes or names of types."""
        for each in node.decorator_list:
            if not isinstance(each, ast.Call) or getattr(each.func, "id", "") != "action":
                continue
            for argument in each.args:
                if isinstance(argument, ast.Name) and argument.id in self._classes:
                    self._sign(argument, "@action(Class)")
                elif isinstance(argument, ast.Constant):
                    self._sign(argument, '@action("type")')

    def _module_of(self, node: ast.expr) -> str | None:
        """The module of Flink Agents that an expression stands for."""
        if isinstance(node, ast.Name):
            return self._modules.get(node.id)
        if isinstance(node, ast.Attribute):
            outer = self._module_of(node.value)
            if outer is not None and is_module(whole := f"{outer}.{node.attr}".strip(".")):
                return whole
        return None

    def _add(self, node: ast.expr | ast.stmt | ast.alias, module: str, name: str = "") -> None:
        is_own = module.partition(".")[0] not in THEIR_PROGRAMS
        if is_own and not name.startswith("__"):
            self.found.append(Import(self.path, node.lineno, module, name, self._certainty))

    def _sign(self, node: ast.expr, name: str) -> None:
        if self._uses_them and self._certainty is not Certainty.OPTIONAL:
            self.found.append(Import(self.path, node.lineno, "", name, Certainty.SOFT))


def is_module(name: str) -> bool:
    """Whether Flink Agents has such a module, in any version or here."""
    if not name or "" in ONLY_IN.get(name, {}):
        return bool(name)
    place = PACKAGE.joinpath(*name.split("."))
    return place.with_name(f"{place.name}.py").is_file() or place.is_dir()


def _theirs(module: str) -> str | None:
    """The name below `flink_agents`; None for a module of somebody else."""
    first, _, rest = module.partition(".")
    return rest if first == _ROOT else None


def _catches_imports(node: ast.Try) -> bool:
    for handler in node.handlers:
        if handler.type is None:
            return True
        for each in ast.walk(handler.type):
            caught = getattr(each, "id", None) or getattr(each, "attr", None)
            if caught in {"ImportError", "ModuleNotFoundError", "Exception", "AttributeError"}:
                return True
    return False


def search_path(program: Path | None) -> list[Path]:
    """Where the modules of a program are looked for, without what is installed."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    folders = [Path(each).absolute() for each in given if each]
    first = [program.absolute().parent] if program else [Path.cwd()]
    return [each for each in [*first, *folders] if each != PACKAGE.parent]
