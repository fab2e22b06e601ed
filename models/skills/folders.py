"""Reading skills: folders that have a ``SKILL.md``, themselves or in the folders in them.

``SKILL.md`` begins with YAML between two lines of three dashes, with ``name`` and ``description``;
what follows are the instructions.
"""

from __future__ import annotations

import os
import re
import tempfile
import zipfile
from importlib.resources import files
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import yaml

from ...agent.errors import AgentDefinitionError
from .archives import copied, download, unpack_archive

__all__ = ["Skill", "read_front", "read_skills", "unpacked"]

_FILE: Final = "SKILL.md"
_FRONT: Final = re.compile(r"\A---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)(.*)\Z", re.DOTALL)
_LONGEST_DESCRIPTION: Final = 1024
_LARGEST_FILE: Final = 1 << 20
_MOST_NAMED: Final = 200


class Skill(NamedTuple):
    """One skill."""

    name: str
    description: str
    instructions: str
    folder: Path

    def files(self) -> list[str]:
        """Its files that `read` has, by their paths, without its instructions; not too many."""
        root = self.folder.resolve()
        found = []
        for place, folders, names in os.walk(root):
            folders.sort()
            inside = [Path(place, name) for name in sorted(names)]
            found += [
                each.relative_to(root).as_posix()
                for each in inside
                if each != root / _FILE and each.resolve().is_relative_to(root)
            ]
            if len(found) >= _MOST_NAMED:
                break
        return found[:_MOST_NAMED]

    def read(self, path: str) -> str:
        """One of its files.

        Raises:
            LookupError: there is none, or it is outside of the folder, or no text.
        """
        root = self.folder.resolve()
        found = (root / path).resolve()  # behind symbolic links
        if not found.is_relative_to(root) or not found.is_file():
            raise LookupError(f"The skill {self.name!r} has no file {path!r}.")
        if found.stat().st_size > _LARGEST_FILE:
            raise LookupError(f"The file {path!r} of the skill {self.name!r} is too large.")
        try:
            return found.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise LookupError(f"The file {path!r} of the skill {self.name!r} is no text.") from None


def read_skills(root: Path) -> list[Skill]:
    """Read all skills in a folder.

    Raises:
        AgentDefinitionError: there is none, or one of them is not as it should be.
    """
    if not root.is_dir():
        raise AgentDefinitionError(
            f"There is no folder {root} with skills.", hint="Check the path."
        )
    found = [root] if (root / _FILE).is_file() else sorted(root.iterdir())
    skills = [_read(folder) for folder in found if (folder / _FILE).is_file()]
    if not skills:
        raise AgentDefinitionError(
            f"The folder {root} has no skill.",
            hint=f"A skill is a folder with a file {_FILE}.",
        )
    return skills


def read_front(text: str) -> tuple[Any, str]:
    """The YAML that a file begins with, None if it does not, and what follows.

    Raises:
        ValueError: it is no YAML.
    """
    matched = _FRONT.match(text)
    if matched is None:
        return None, text
    try:
        return yaml.safe_load(matched[1]), matched[2]
    except yaml.YAMLError as error:
        raise ValueError(f"its first part is no YAML: {error}") from error


def _read(folder: Path) -> Skill:
    path = folder / _FILE
    try:
        front, instructions = read_front(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AgentDefinitionError(f"{path} cannot be read: {error}.") from error
    if not isinstance(front, dict):
        raise AgentDefinitionError(
            f"{path} does not begin with a description of the skill.",
            hint="Begin it with ---, a line each with name: and description:, and ---.",
        )
    texts = {}
    for name, longest in (("name", 64), ("description", _LONGEST_DESCRIPTION)):
        text = front.get(name)
        if not isinstance(text, str) or not text.strip() or len(text) > longest:
            raise AgentDefinitionError(
                f"The {name} in {path} is {text!r}.",
                hint=f"Give a text of 1 to {longest} characters.",
            )
        texts[name] = text.strip()
    if not instructions.strip():
        raise AgentDefinitionError(
            f"{path} has no instructions.", hint="Write them behind the second line of dashes."
        )
    return Skill(texts["name"], texts["description"], instructions.strip(), folder)


def unpacked(source: dict[str, str], scratch: list[Path]) -> Path:
    """The folder of a source: ``path``, ``url``, or ``package`` with ``resource``.

    Archives are unpacked into a temporary folder, which is added to `scratch`.

    Raises:
        AgentDefinitionError: it cannot be found, fetched or unpacked.
    """
    try:
        if "url" in source:
            with tempfile.TemporaryFile() as file:
                download(source["url"], file)
                return _unwrapped(_unpack(file, scratch))
        if "package" in source:
            return _of_package(source["package"], source.get("resource", ""), scratch)
        path = Path(source["path"])
        if path.is_file() and zipfile.is_zipfile(path):
            return _unwrapped(_unpack(path, scratch))
    except (OSError, ValueError, ImportError) as error:
        raise AgentDefinitionError(f"The skills {source} cannot be read: {error}.") from error
    return path


def _of_package(package: str, resource: str, scratch: list[Path]) -> Path:
    """A folder in a package, or a zip file; also of a package that is in a zip file itself."""
    found = files(package) / resource
    path = found if isinstance(found, Path) else None
    if path is None:
        path = copied(found, _scratch_folder(scratch))
    if path.is_file() and zipfile.is_zipfile(path):
        return _unwrapped(_unpack(path, scratch))
    return path


def _scratch_folder(scratch: list[Path]) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tamias-skills-"))
    scratch.append(folder)
    return folder


def _unpack(archive: Path | IO[bytes], scratch: list[Path]) -> Path:
    folder = _scratch_folder(scratch)
    unpack_archive(archive, folder)
    return folder


def _unwrapped(folder: Path) -> Path:
    """The only folder in it, if it has nothing else: many archives are made so."""
    inner = list(folder.iterdir())
    return inner[0] if len(inner) == 1 and inner[0].is_dir() else folder
