"""Splits one `from` import in two: what tamias has, and what is left. Comments go with names."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Sequence
from typing import Final, NamedTuple

__all__ = ["Piece", "split_import"]

_WIDTH: Final = 88


class Piece(NamedTuple):
    """One name of an import.

    Attributes:
        name: as it is imported.
        local: what the program calls it.
        public: the name of tamias; empty, if the import stays.
        is_module: whether it is a module, which becomes tamias as a whole.
    """

    name: str
    local: str
    public: str
    is_module: bool = False

    @property
    def as_tamias(self) -> str:
        """The part of `from tamias import ...`."""
        return _alias(self.public, self.local)

    @property
    def as_before(self) -> str:
        """The part of the import that stays."""
        return _alias(self.name, self.local)


def split_import(
    text: str, module: str, pieces: Sequence[Piece], indent: str | None, newline: str
) -> str:
    """Return the statements that replace an import.

    Args:
        text: the import.
        module: that of the import.
        pieces: its names, in their order.
        indent: what is before it in its line; None for another statement.
        newline: how lines end.
    """
    comments = _comments(text, len(pieces))
    paired = list(zip(pieces, comments, strict=True))
    done = [(each.as_tamias, said) for each, said in paired if each.public and not each.is_module]
    modules = [each for each in pieces if each.public and each.is_module]
    left = [(each.as_before, said) for each, said in paired if not each.public]
    statements = [_statement("tamias", done, indent, newline)] if done else []
    statements += [f"import {_alias('tamias', each.local)}" for each in modules]
    if left:
        statements.append(_statement(module, left, indent, newline))
    return ("; " if indent is None else f"{newline}{indent}").join(statements)


def _alias(name: str, local: str) -> str:
    return name if name == local else f"{name} as {local}"


def _statement(
    module: str, names: Sequence[tuple[str, list[str]]], indent: str | None, newline: str
) -> str:
    plain = f"from {module} import {', '.join(name for name, _ in names)}"
    has_comments = any(said for _, said in names)
    if indent is None or (not has_comments and len(indent) + len(plain) <= _WIDTH):
        return plain
    inner = f"{indent}    "
    lines = [f"from {module} import ("]
    for name, said in names:
        *above, beside = said or [""]
        lines += [f"{inner}{each}" for each in above]
        lines.append(f"{inner}{name},{'  ' if beside else ''}{beside}")
    return newline.join([*lines, f"{indent})"])


def _comments(text: str, names: int) -> list[list[str]]:
    """The comments of each name: those above it, and last the one beside it, maybe empty."""
    above: list[list[str]] = [[] for _ in range(names)]
    beside = [""] * names
    place, last, line_of_name = 0, 0, -1
    is_begun = False
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME and token.string == "import":
            is_begun = True
        elif not is_begun:
            continue
        elif token.type == tokenize.OP and token.string == ",":
            place = min(place + 1, names - 1)
        elif token.type == tokenize.NAME:
            line_of_name = token.start[0]
            last = place
        elif token.type == tokenize.COMMENT:
            if token.start[0] == line_of_name and not beside[last]:
                beside[last] = token.string
            else:
                above[place].append(token.string)
    return [
        [*over, next_to] if over or next_to else []
        for over, next_to in zip(above, beside, strict=True)
    ]
