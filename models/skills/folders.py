"""Reading skills: folders that have a ``SKILL.md``, themselves or in the folders in them.

``SKILL.md`` begins with YAML between two lines of three dashes, with ``name`` and ``description``;
what follows are the instructions.
"""

from __future__ import annotations

import io
import re
import shutil
import tempfile
import urllib.request
import zipfile
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import yaml

from ...agent.errors import AgentDefinitionError

__all__ = ["Skill", "read_skills", "unpacked"]

_FILE: Final = "SKILL.md"
_FRONT: Final = re.compile(r"\A---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)(.*)\Z", re.DOTALL)
_LONGEST_DESCRIPTION: Final = 1024
_LARGEST_FILE: Final = 1 << 20
_LARGEST_ARCHIVE: Final = 100 << 20
_MOST_FILES: Final = 10_000
_DOWNLOAD_SECONDS: Final = 60
_LOCAL_HOSTS: Final = ("127.0.0.1", "localhost")


class Skill(NamedTuple):
    """One skill."""

    name: str
    description: str
    instructions: str
    folder: Path

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


def _read(folder: Path) -> Skill:
    path = folder / _FILE
    try:
        matched = _FRONT.match(path.read_text(encoding="utf-8"))
        front: Any = yaml.safe_load(matched[1]) if matched else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise AgentDefinitionError(f"{path} cannot be read: {error}.") from error
    if matched is None or not isinstance(front, dict):
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
    if not matched[2].strip():
        raise AgentDefinitionError(
            f"{path} has no instructions.", hint="Write them behind the second line of dashes."
        )
    return Skill(texts["name"], texts["description"], matched[2].strip(), folder)


def unpacked(source: dict[str, str], scratch: list[Path]) -> Path:
    """The folder of a source: ``path``, ``url``, or ``package`` with ``resource``.

    Archives are unpacked into a temporary folder, which is added to `scratch`.

    Raises:
        AgentDefinitionError: it cannot be found, fetched or unpacked.
    """
    try:
        if "url" in source:
            return _unpack(_fetched(source["url"]), scratch)
        if "package" in source:
            return Path(str(files(source["package"]) / source.get("resource", "")))
        path = Path(source["path"])
        if path.is_file() and zipfile.is_zipfile(path):
            return _unpack(path.read_bytes(), scratch)
    except (OSError, ValueError, ImportError, zipfile.BadZipFile) as error:
        raise AgentDefinitionError(f"The skills {source} cannot be read: {error}.") from error
    return path


def _fetched(url: str) -> bytes:
    address = urlsplit(url)
    is_local = address.scheme == "http" and address.hostname in _LOCAL_HOSTS
    if address.scheme != "https" and not is_local:
        raise ValueError("the address must begin with https://")
    with urllib.request.urlopen(url, timeout=_DOWNLOAD_SECONDS) as answer:  # noqa: S310 (checked)
        if not is_local and urlsplit(answer.geturl()).scheme != "https":
            raise ValueError("the address leads to one that does not begin with https://")
        data: bytes = answer.read(_LARGEST_ARCHIVE + 1)
    if len(data) > _LARGEST_ARCHIVE:
        raise ValueError("the archive is too large")
    return data


def _unpack(data: bytes, scratch: list[Path]) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tamias-skills-"))
    scratch.append(folder)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if len(members) > _MOST_FILES or sum(each.file_size for each in members) > _LARGEST_ARCHIVE:
            raise ValueError("the archive is too large")
        for member in members:
            target = (folder / member.filename).resolve()
            if not target.is_relative_to(folder.resolve()):
                raise ValueError(f"the archive has a file outside of itself: {member.filename}")
            if member.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as packed, target.open("wb") as file:
                shutil.copyfileobj(packed, file)
    inner = [each for each in folder.iterdir() if each.is_dir()]
    is_wrapped = len(inner) == 1 and len(list(folder.iterdir())) == 1
    return inner[0] if is_wrapped and not (folder / _FILE).exists() else folder
