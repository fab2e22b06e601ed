"""The source of a package whose root directory is the package, and which module imports which.

Works on text alone (nothing is imported), so that imports inside functions and under
`TYPE_CHECKING` count like any other: each is an arrow a reader has to follow.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Import:
    """One imported module: its full dotted name, where, and whether it was written with dots."""

    target: str
    line: int
    relative: bool


@dataclass(frozen=True)
class Module:
    """One source file. `name` is dotted, without the package's own name; "" is the root."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        return self.name.partition(".")[0]

    @cached_property
    def defined(self) -> set[str]:
        """Names that the module defines: classes, functions and whatever is assigned."""
        return {
            node.id if isinstance(node, ast.Name) else node.name
            for node in ast.walk(self.tree)
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
            or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
        }

    @property
    def package(self) -> str:
        """What one leading dot in an import of this module means."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]


class SourceTree:
    """All modules of `rooms` below `root`, plus the root's own `__init__.py` and modules.

    A folder with a `pyproject.toml` is a distribution of its own, and none of this package.
    """

    def __init__(self, root: Path, rooms: tuple[str, ...], package: str = "tamias") -> None:
        self.root = root
        self.package = package
        paths = sorted(root.glob("*.py"))
        for room in rooms:
            others = {found.parent for found in (root / room).rglob("pyproject.toml")}
            paths += [
                path
                for path in sorted((root / room).rglob("*.py"))
                if others.isdisjoint(path.parents)
            ]
        self.modules = {module.name: module for module in map(self._read, paths)}

    def _read(self, path: Path) -> Module:
        parts = path.relative_to(self.root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text(encoding="utf-8")
        return Module(name, path, text, ast.parse(text, str(path)))

    def packages(self) -> list[str]:
        """Dotted names of everything with an `__init__.py`, as a distribution lists them."""
        return sorted(
            f"{self.package}.{module.name}".rstrip(".")
            for module in self.modules.values()
            if module.path.name == "__init__.py"
        )

    def imports(self, module: Module) -> Iterator[Import]:
        """Every import of one module; names inside this package without the package's name."""
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(alias.name, node.lineno, relative=False)
            elif isinstance(node, ast.ImportFrom):
                base = self._base(module, node)
                for alias in node.names:
                    inner = f"{base}.{alias.name}".lstrip(".")
                    target = inner if node.level and inner in self.modules else base
                    yield Import(target, node.lineno, relative=bool(node.level))

    def borrowed_names(self) -> list[str]:
        """Imports of a name from a module that has only imported it itself."""
        return [
            f"{module.path.relative_to(self.root)}:{line} takes {name} from {base}"
            for module in self.modules.values()
            for base, name, line in self._imported_names(module)
            if base in self.modules
            and self.modules[base].path.name != "__init__.py"
            and name not in self.modules[base].defined
        ]

    def _imported_names(self, module: Module) -> Iterator[tuple[str, str, int]]:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = self._base(module, node)
                yield from ((base, alias.name, node.lineno) for alias in node.names)

    @staticmethod
    def _base(module: Module, node: ast.ImportFrom) -> str:
        """The dotted name that a `from ... import` names, without the package's own name."""
        base = node.module or ""
        if node.level:
            above = module.package.split(".") if module.package else []
            kept = above[: len(above) - (node.level - 1)]
            base = ".".join([*kept, *([base] if base else [])])
        return base

    def graph(self) -> dict[str, set[str]]:
        """Which module of the package imports which others of it."""
        return {
            module.name: {
                found.target
                for found in self.imports(module)
                if found.relative and found.target in self.modules
            }
            for module in self.modules.values()
        }

    def folders(self) -> dict[str, set[str]]:
        """Which folder below a room imports which others of the same room.

        A module that lies loose in a room counts as a folder of its own: it may be below one folder
        and above another, but not both of the same.
        """
        arrows: dict[str, set[str]] = {}
        for name, targets in self.graph().items():
            if "." not in name:
                continue
            source = _folder(name)
            found = arrows.setdefault(source, set())
            room = name.partition(".")[0]
            found |= {_folder(target) for target in targets if target.startswith(f"{room}.")} - {
                source
            }
        return arrows

    def circles(self) -> list[list[str]]:
        """Groups of modules that import each other, directly or through others."""
        return self._circles(self.graph())

    def circles_of_folders(self) -> list[list[str]]:
        """Groups of folders of one room that import each other, directly or through others."""
        arrows = self.folders()
        targets = {target for found in arrows.values() for target in found}
        return self._circles({**{name: set() for name in targets}, **arrows})

    def _circles(self, graph: dict[str, set[str]]) -> list[list[str]]:
        reach = {name: self._reachable(graph, name) for name in graph}
        groups = {
            tuple(sorted(other for other in reach[name] if name in reach[other]))
            for name in graph
            if name in reach[name]
        }
        return [list(group) for group in sorted(groups)]

    @staticmethod
    def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
        found: set[str] = set()
        waiting = list(graph[start])
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += graph[name]
        return found


def _folder(name: str) -> str:
    """The folder below a room that a module is in; the module itself if it is in none."""
    room, *rest = name.split(".")
    return ".".join([room, *rest[:1]])
