"""Turns a program's imports of Flink Agents into imports of tamias's public names.

Only what is imported changes; all else, comments included, stays as it is. A name that is no public
one of tamias is left, with its line.
"""

from __future__ import annotations

import ast
import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from .dialect import dialect_of_program
from .loaded import Modules
from .reading import imports_in, is_module, search_path, sources_of
from .splitting import Piece, split_import

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Migration", "migrated", "neighbours_to_migrate"]

_ROOT: Final = "flink_agents"
_FROM: Final = re.compile(rb"from\s+([\w.]+)\s")


class Migration(NamedTuple):
    """A program, before and after.

    Attributes:
        before: its text.
        text: after.
        left: lines of `before`, and what of Flink Agents they still have.
    """

    before: str
    text: str
    left: tuple[tuple[int, str], ...]

    def diff(self, name: str) -> str:
        """The change as a unified diff; empty, if there is none."""
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True),
            self.text.splitlines(keepends=True),
            f"a/{name}",
            f"b/{name}",
        )
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def migrated(program: Path, dialect: str = "") -> Migration:
    """Return what a program becomes, in the dialect given, or its own."""
    with program.open(encoding="utf-8", newline="") as file:
        text = file.read()
    modules = Modules(dialect or dialect_of_program(program))
    return _Rewriting(text, modules).result()


def neighbours_to_migrate(program: Path) -> list[Path]:
    """Modules beside a program that import Flink Agents, too."""
    own = program.absolute()
    return [
        source.path
        for source in sources_of([program], search_path(program))
        if source.path != own and any(not each.is_sign for each in imports_in(source))
    ]


class _Edit(NamedTuple):
    start: int
    end: int
    text: str


class _Rewriting:
    """One file under change: edits of its bytes, as syntax trees count in bytes."""

    def __init__(self, text: str, modules: Modules) -> None:
        self.text = text
        self.data = text.encode()
        self.modules = modules
        self.tree = ast.parse(text)
        self.starts = [0]
        for line in self.data.split(b"\n"):
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.edits: list[_Edit] = []
        self.left: list[tuple[int, str]] = []

    def result(self) -> Migration:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and not node.level:
                if (node.module or "").partition(".")[0] == _ROOT:
                    self._import_from(node)
            elif isinstance(node, ast.Import):
                self._import(node)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                self._string(node)
        data = self.data
        for edit in sorted(set(self.edits), reverse=True):
            data = data[: edit.start] + edit.text.encode() + data[edit.end :]
        return Migration(self.text, data.decode(), tuple(sorted(set(self.left))))

    def _import_from(self, node: ast.ImportFrom) -> None:
        module = (node.module or "").partition(".")[2]
        pieces = [self._piece(module, alias) for alias in node.names]
        if not any(piece.public for piece in pieces):
            return
        start, end = self._span(node)
        if all(piece.public and not piece.is_module for piece in pieces):
            found = _FROM.match(self.data, start, end)
            if found is not None:
                self.edits.append(_Edit(*found.span(1), "tamias"))
                for alias, piece in zip(node.names, pieces, strict=True):
                    if alias.name != piece.public:
                        self.edits.append(_Edit(*self._span(alias), piece.as_tamias))
                return
        self.edits.append(_Edit(start, end, self._split(node, pieces, start, end)))

    def _split(self, node: ast.ImportFrom, pieces: Sequence[Piece], start: int, end: int) -> str:
        line_start = self.starts[node.lineno - 1]
        before = self.data[line_start:start].decode()
        return split_import(
            self.data[start:end].decode(),
            node.module or "",
            pieces,
            before if not before.strip() else None,
            "\r\n" if b"\r\n" in self.data else "\n",
        )

    def _piece(self, module: str, alias: ast.alias) -> Piece:
        """What becomes of one name of a `from` import."""
        local = alias.asname or alias.name
        whole = f"{module}.{alias.name}".strip(".")
        if is_module(whole):
            is_done = self._uses(alias, local, whole)
            return Piece(alias.name, local, "tamias" if is_done else "", is_module=True)
        public = "" if alias.name == "*" else self.modules.counterpart(module, alias.name)
        if not public:
            self._leave(alias, f"flink_agents.{module}.{alias.name}")
        return Piece(alias.name, local, public)

    def _import(self, node: ast.Import) -> None:
        plain = [
            alias
            for alias in node.names
            if not alias.asname and alias.name.partition(".")[0] == _ROOT
        ]
        for alias in node.names:
            first, _, module = alias.name.partition(".")
            if first != _ROOT or alias in plain:
                continue
            if self._uses(alias, alias.asname or "", module):
                self.edits.append(_Edit(*self._span(alias), f"tamias as {alias.asname}"))
        if plain and self._uses(plain[0], _ROOT, ""):
            first_alias, *others = plain
            self.edits.append(_Edit(*self._span(first_alias), "tamias"))
            for alias in others:
                self.edits.append(_Edit(*self._span(alias), "tamias"))

    def _uses(self, alias: ast.alias, local: str, module: str) -> bool:
        """Whether all uses of a module's local name can be of tamias; if so, change them."""
        edits: list[_Edit] = []
        left: list[tuple[int, str]] = []
        for chain in self._chains(local):
            names = [*filter(None, module.split(".")), *(each.attr for each in chain.attributes)]
            size = next(
                (n for n in range(len(names) - 1, 0, -1) if is_module(".".join(names[:n]))), 0
            )
            taken = size + 1 - len(list(filter(None, module.split("."))))
            inside = ".".join(names[:size])
            public = ""
            if size and 0 < taken <= len(chain.attributes):
                public = self.modules.counterpart(inside, names[size])
            if not public or isinstance(chain.name.ctx, ast.Store):
                left.append((chain.name.lineno, ".".join([_ROOT, *names])))
                continue
            start, _ = self._span(chain.name)
            _, end = self._span(chain.attributes[taken - 1])
            edits.append(_Edit(start, end, f"{'tamias' if local == _ROOT else local}.{public}"))
        if left or not edits:
            self._leave(alias, f"flink_agents.{module}".rstrip("."))
            self.left += left
            return False
        self.edits += edits
        return True

    def _chains(self, local: str) -> Iterator[_Chain]:
        """Each use of a name, with the attributes that follow it."""
        outer = {
            id(node.value): node for node in ast.walk(self.tree) if isinstance(node, ast.Attribute)
        }
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name) and node.id == local:
                attributes: list[ast.Attribute] = []
                each: ast.expr = node
                while id(each) in outer:
                    each = outer[id(each)]
                    attributes.append(each)
                yield _Chain(node, attributes)

    def _string(self, node: ast.Constant) -> None:
        if re.fullmatch(rf"{_ROOT}(\.\w+)+", str(node.value)):
            self._leave(node, f"the text {node.value!r}")

    def _leave(self, node: ast.alias | ast.expr, what: str) -> None:
        self.left.append((node.lineno, what))

    def _span(self, node: ast.alias | ast.expr | ast.stmt) -> tuple[int, int]:
        end_line, end_column = node.end_lineno, node.end_col_offset
        if end_line is None or end_column is None:
            raise AssertionError(ast.dump(node))  # a parser says where all nodes end
        start = self.starts[node.lineno - 1] + node.col_offset
        return start, self.starts[end_line - 1] + end_column


class _Chain(NamedTuple):
    name: ast.Name
    attributes: list[ast.Attribute]
