"""Digests of what defines an environment: of contents and versions, not only of names."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..agent.errors import EnvironmentSetupError, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LENGTH: Final = 20
"""Hexadecimal digits: enough that no two environments of a user get the same digest."""
_BLOCK: Final = 1 << 20
_NESTED: Final = re.compile(r"(-r|-c|--requirement|--constraint)[\s=]*(.+)")
_PROJECT: Final = ("pyproject.toml", "setup.py", "setup.cfg")


def digest(content: Any) -> str:
    """Return the digest of a value that JSON can express."""
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


def content_of(path: Path) -> str:
    """Return a digest of the content of a file, or of all files in a folder.

    Raises:
        EnvironmentSetupError: it cannot be read.
    """
    hashed = hashlib.sha256()
    try:
        for name, file in _files(path):
            hashed.update(f"{len(name)} {name} {os.access(file, os.X_OK)} ".encode())
            with file.open("rb") as opened:
                while block := opened.read(_BLOCK):
                    hashed.update(block)
    except OSError as error:
        raise EnvironmentSetupError(
            f"{error.filename or path} cannot be read: {error.strerror}.",
            hint="Check the paths of the environment's files.",
        ) from error
    return hashed.hexdigest()


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    if not path.is_dir():
        yield "", path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(set(folders) - {"__pycache__"})
        for name in sorted(names):
            file = Path(folder, name)
            if file.is_file():
                yield str(file.relative_to(path)), file


def requirements_in(source: str | tuple[str, ...]) -> list[Any]:
    """Return the lines of requirements, with the contents of the files that they refer to.

    Raises:
        EnvironmentSetupError: a file cannot be read.
    """
    if isinstance(source, str):
        return _from_file(Path(source), frozenset())
    return _from_lines(source, Path.cwd(), frozenset())


def _from_file(path: Path, above: frozenset[Path]) -> list[Any]:
    path = path.absolute()
    if path in above:
        return []
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EnvironmentSetupError(
            f"The requirements {path} cannot be read: {reason_of(error)}.",
            hint="Name a readable text file.",
        ) from error
    return _from_lines(text.splitlines(), path.parent, above | {path})


def _from_lines(lines: Iterable[str], base: Path, above: frozenset[Path]) -> list[Any]:
    content: list[Any] = []
    for line in lines:
        plain = re.sub(r"(^|\s)#.*", "", line).strip()
        if not plain:
            continue
        content.append(plain)
        nested = _NESTED.fullmatch(plain)
        if nested and "://" not in nested[2]:
            content.append(_from_file(base / _unquoted(nested[2]), above))
            continue
        is_editable = plain.startswith(("-e", "--editable"))
        place = base / _unquoted(re.sub(r"^(-e|--editable)[\s=]*", "", plain).partition("[")[0])
        if place.is_file():
            content.append(content_of(place))
        elif place.is_dir():
            files = [place / name for name in _PROJECT] if is_editable else [place]
            content.append([content_of(file) for file in files if file.exists()])
    return content


def _unquoted(text: str) -> str:
    try:
        return " ".join(shlex.split(text))
    except ValueError:
        return text
