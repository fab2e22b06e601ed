"""The pages of documentation: their fenced blocks, links and tables, and what the code says.

What the words behind a fence's language mean:

- ``file=NAME``: the block is the content of a file, which is there for the blocks that follow;
- ``run``, of Python: the block is a program of its own, whose assertions must hold;
- ``run``, of console: what follows ``$`` is typed, what follows that is what appears, where ``...``
  stands for anything.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
ROOMS = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))
PAGES = ("README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"^```(\w+)?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_STRUCK = re.compile(r"`([^`\n]+)`")
_ANYTHING = "..."


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    page: str
    line: int
    """Of its first line of content, from 1."""
    language: str
    marks: tuple[str, ...]
    text: str

    @property
    def where(self) -> str:
        """The place, as editors understand it."""
        return f"{self.page}:{self.line}"

    @property
    def file(self) -> str | None:
        """The name of the file that it is the content of."""
        names = [mark.removeprefix("file=") for mark in self.marks if mark.startswith("file=")]
        return names[0] if names else None

    @property
    def runs(self) -> bool:
        """Whether it is to be run."""
        return "run" in self.marks


def read(page: str) -> str:
    """The text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page."""
    text = read(page)
    return [
        Block(
            page,
            text.count("\n", 0, found.start()) + 2,
            found[1] or "",
            tuple(found[2].split()),
            found[3],
        )
        for found in _FENCE.finditer(text)
    ]


def prose(page: str) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", read(page))


def links(page: str) -> list[str]:
    """Where the links of a page lead."""
    return _LINK.findall(prose(page))


def code_words(page: str) -> list[str]:
    """What stands between backticks in a page's prose."""
    return _STRUCK.findall(prose(page))


def table_under(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head."""
    rest = read(page).partition(f"\n{heading}\n")[2]
    rows = re.search(r"(?:^\|.*\n)+", rest, re.MULTILINE)
    if rows is None:
        raise AssertionError(f"{page} has no table under {heading!r}")
    lines = rows[0].strip().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def transcript(text: str) -> list[tuple[str, str]]:
    """Console text as commands, each with what is to appear."""
    commands: list[tuple[str, str]] = []
    for line in text.splitlines(keepends=True):
        if line.startswith("$ "):
            commands.append((line[2:].rstrip("\n"), ""))
        elif commands and commands[-1][0].endswith("\\"):
            commands[-1] = (f"{commands[-1][0]}\n{line.rstrip()}", "")
        elif commands:
            commands[-1] = (commands[-1][0], commands[-1][1] + line)
    return commands


def fits(pattern: str, text: str) -> bool:
    """Whether a text is as a pattern says, in which `...` stands for anything."""
    parts = [re.escape(" ".join(part.split())) for part in pattern.split(_ANYTHING)]
    return re.fullmatch(" ?.*? ?".join(parts), " ".join(text.split()), re.DOTALL) is not None


@cache
def said_by_the_code() -> tuple[str, ...]:
    """Every text in the package, with `...` for what is put in when it is said."""
    texts: list[str] = []
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    texts.append("".join(map(_piece, node.values)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(re.sub(r"%[sdr]", _ANYTHING, node.value))
    return tuple(texts)


def _piece(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else _ANYTHING


def is_said(message: str) -> bool:
    """Whether the code has a text that a message, with `...` in it, is part of."""
    return any(_normal(message) in _normal(text) for text in said_by_the_code())


def _normal(text: str) -> str:
    return " ".join(text.split()).rstrip(". ")
