"""Unpacks archives from others; no member can write, or link, outside of the folder.

Zip and tar files are read by the standard library, and written here: member by member, into an
empty folder, and only plain files, folders and links. A member's folder is resolved before it is
written to, so that no link leads out of the folder. In the end every link is resolved once more,
since a later member may have changed where an earlier link leads.

A virtual environment has one link that does lead out, to its interpreter. It is not made; its path
is returned to the caller, which makes it with an interpreter of this machine.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import tarfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Final

from ...agent.errors import EnvironmentSetupError

if TYPE_CHECKING:
    from collections.abc import Iterator

_INTERPRETER: Final = re.compile(r"python[\d.]*t?")
_COPY: Final = 1 << 20
_MOST_RATIO: Final = 100
"""Environments are packed to a third or a tenth of their size, and bombs to a thousandth."""
_LEAST_LIMIT: Final = 256 << 20
"""Bytes that any archive may unpack to."""
_MEMBER_BYTES: Final = 512
"""What a member counts beside its content."""


@dataclass(frozen=True, slots=True)
class InterpreterLink:
    """A link in an archive to an interpreter outside, which was not made."""

    path: Path
    """The path of the link."""
    target: str
    """The target of the link in the archive."""


def unpack(archive: Path, folder: Path) -> list[InterpreterLink]:
    """Unpack a zip or tar file into `folder`, which is created.

    Returns the links to interpreters that were left out.

    Raises:
        EnvironmentSetupError: it is not an archive, is damaged, or a member would leave the folder.
    """
    folder.mkdir()
    unpacking = _Unpacking(archive, folder)
    try:
        if zipfile.is_zipfile(archive):
            _unzip(archive, unpacking)
        else:
            _untar(archive, unpacking)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, ValueError, RuntimeError) as error:
        raise EnvironmentSetupError(
            f"{archive} cannot be unpacked: {error}.", hint="Name a sound zip or tar file."
        ) from error
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise EnvironmentSetupError(
            f"{archive} cannot be unpacked: it has two things in one place: {error.filename}.",
            hint="Pack it again.",
        ) from error
    except OSError as error:
        if error.errno not in (errno.ENAMETOOLONG, errno.EILSEQ, errno.ELOOP):
            raise
        raise EnvironmentSetupError(
            f"{archive} cannot be unpacked: a name in it cannot be used here ({error.strerror}).",
            hint="Pack it again with shorter names.",
        ) from error
    unpacking.check_links()
    return unpacking.left_out


class _Unpacking:
    """Writes members; each method refuses what would leave the folder."""

    def __init__(self, archive: Path, folder: Path) -> None:
        self._archive = archive
        self._root = Path(os.path.realpath(folder))
        self._links: list[Path] = []
        self._left = max(_LEAST_LIMIT, _MOST_RATIO * archive.stat().st_size)
        self.left_out: list[InterpreterLink] = []

    def path_of(self, name: str) -> Path:
        """Return the path of a member; make its folder, and remove an earlier member there."""
        self._spend(_MEMBER_BYTES)
        parts = PurePosixPath(name).parts
        if name.startswith("/") or ".." in parts or "\0" in name:
            raise self._refused(name, "its name leads out of the archive")
        path = self._root.joinpath(*parts)
        if path == self._root:
            return path
        if not self._is_inside(Path(os.path.realpath(path.parent))):
            raise self._refused(name, "a link leads it out of the archive")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() or path.is_file():
            path.unlink()
        return path

    def folder(self, name: str) -> None:
        """Make a folder."""
        self.path_of(name).mkdir(exist_ok=True)

    def file(self, name: str, content: IO[bytes], mode: int, modified: float) -> None:
        """Write a file. Of its mode only the right to execute is kept, for all users or none."""
        path = self.path_of(name)
        with path.open("xb") as target:
            while part := content.read(_COPY):
                self._spend(len(part))
                target.write(part)
        path.chmod(0o755 if mode & 0o100 else 0o644)
        os.utime(path, (modified, modified))  # compiled modules check the time of their source

    def _spend(self, size: int) -> None:
        """Count what is unpacked, so that a small archive cannot fill the disk."""
        self._left -= size
        if self._left < 0:
            raise EnvironmentSetupError(
                f"{self._archive} is not unpacked: it has more than {_MOST_RATIO} times its size.",
                hint="Unpack it yourself, and name the folder's interpreter, if that is meant.",
            )

    def link(self, name: str, target: str) -> None:
        """Make a symbolic link."""
        path = self.path_of(name)
        if PurePosixPath(target).is_absolute():
            if path.parent.name == "bin" and _INTERPRETER.fullmatch(path.name):
                self.left_out.append(InterpreterLink(path, target))
                return
            raise self._refused(name, f"it is a link to {target}, which is outside")
        path.symlink_to(target)
        self._links.append(path)

    def hard_link(self, name: str, other: str) -> None:
        """Make a hard link to an earlier member."""
        path = self.path_of(name)
        source = self._root.joinpath(*PurePosixPath(other).parts)
        real = Path(os.path.realpath(source))
        if ".." in PurePosixPath(other).parts or not self._is_inside(real) or not real.is_file():
            raise self._refused(name, f"it is a link to {other}, which is not in the archive")
        os.link(real, path)

    def check_links(self) -> None:
        """Raise EnvironmentSetupError if a link leads out."""
        for path in self._links:
            if path.is_symlink() and not self._is_inside(Path(os.path.realpath(path))):
                name = str(path.relative_to(self._root))
                raise self._refused(name, f"it is a link to {path.readlink()}, which is outside")

    def refuse_other(self, name: str) -> None:
        """Refuse a member that is neither file nor folder nor link."""
        raise self._refused(name, "it is a device or a pipe")

    def _is_inside(self, path: Path) -> bool:
        return path == self._root or self._root in path.parents

    def _refused(self, name: str, reason: str) -> EnvironmentSetupError:
        return EnvironmentSetupError(
            f"{self._archive} is not unpacked: {name!r} is not safe: {reason}.",
            hint="Pack it again without members that lead outside.",
        )


def _untar(archive: Path, unpacking: _Unpacking) -> None:
    with tarfile.open(archive) as packed:
        for member in packed:
            if member.isdir():
                unpacking.folder(member.name)
            elif member.issym():
                unpacking.link(member.name, member.linkname)
            elif member.islnk():
                unpacking.hard_link(member.name, member.linkname)
            elif member.isreg() and (content := packed.extractfile(member)) is not None:
                unpacking.file(member.name, content, member.mode, member.mtime)
            else:
                unpacking.refuse_other(member.name)


def _unzip(archive: Path, unpacking: _Unpacking) -> None:
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            mode = member.external_attr >> 16
            if member.is_dir():
                unpacking.folder(member.filename)
            elif stat.S_ISLNK(mode):
                unpacking.link(member.filename, packed.read(member).decode())
            elif stat.S_IFMT(mode) in (0, stat.S_IFREG):
                modified = time.mktime((*member.date_time, 0, 0, -1))
                with packed.open(member) as content:
                    unpacking.file(member.filename, content, mode, modified)
            else:
                unpacking.refuse_other(member.filename)


def interpreters_in(folder: Path) -> Iterator[Path]:
    """Yield the interpreters in an unpacked archive, for an error message."""
    for path in sorted(folder.glob("**/bin")):
        if any(member.name == "python" for member in path.iterdir()):  # also a broken link
            yield path.relative_to(folder) / "python"
