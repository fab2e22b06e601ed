"""The files of an agent's own code, and whether they have changed.

The agent's own code is all imported modules that are neither Python's, nor installed, nor part of
tamias: the files that its developers edit. They are listed in the zygote, where the agent is
imported, and compared by content, so that a file that was only touched or checked out again counts
as unchanged.
"""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_INSTALLED: Final = frozenset(("site-packages", "dist-packages"))
_STDLIB: Final = Path(sysconfig.get_path("stdlib"))


_READ: Final[set[str]] = set()
"""Files that are an agent's code without being modules."""


def add_own_file(path: str) -> None:
    """Count a file as the agent's own code: one that it was made of, and that is no module."""
    _READ.add(path)


def own_files() -> list[str]:
    """The source files of all modules that are the agent's own code, and files that it has read."""
    found = set(_READ)
    for name, module in list(sys.modules.items()):
        first = name.partition(".")[0]
        if first in sys.stdlib_module_names or first in ("tamias", "__main__", "__mp_main__"):
            continue
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(".py"):
            path = Path(file).absolute()
            if not _INSTALLED.intersection(path.parts) and not path.is_relative_to(_STDLIB):
                found.add(str(path))
    return sorted(found)


def digests(files: Iterable[str]) -> dict[str, str]:
    """A short hash of the content of each file; empty for one that cannot be read."""
    return {file: _digest(Path(file)) for file in files}


def _digest(path: Path) -> str:
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=12).hexdigest()
    except OSError:
        return ""


def changed(known: dict[str, str]) -> list[str]:
    """The files whose content differs from the digests, or that do not exist any more."""
    return [file for file, digest in digests(known).items() if digest != known[file]]


def forget_bytecode(files: Iterable[str]) -> None:
    """Remove the compiled bytecode of these files.

    It would be used again if the new text has the length of the old one, and was written within the
    same second.
    """
    for file in map(Path, files):
        for compiled in file.parent.glob(f"__pycache__/{file.stem}.*.pyc"):
            try:
                compiled.unlink()
            except OSError:
                continue  # no permission: then no process of this user has written it
