"""Archives of skills: fetching them from the web, and unpacking them where nothing can escape.

A zip file may name paths outside of the folder, have links, and be larger than it looks. Each is
refused before anything of the archive is written.
"""

from __future__ import annotations

import shutil
import stat
import urllib.request
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from importlib.abc import Traversable
    from typing import IO

__all__ = ["UnsafeArchiveError", "copied", "download", "unpack_archive"]

_LARGEST: Final = 100 << 20
_MOST_FILES: Final = 10_000
_CHUNK: Final = 1 << 20
_DOWNLOAD_SECONDS: Final = 60
_LOCAL_HOSTS: Final = ("127.0.0.1", "localhost")
_EXECUTABLE: Final = 0o755


class UnsafeArchiveError(ValueError):
    """An archive has what must not be unpacked. `entry` names it, unless it is all of it."""

    def __init__(self, message: str, entry: str = "") -> None:
        super().__init__(message)
        self.entry = entry


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Follows no address that is not safe itself."""

    def redirect_request(self, *args: Any) -> urllib.request.Request | None:
        _check_address(args[-1])
        return super().redirect_request(*args)


def download(url: str, target: IO[bytes], timeout: float = _DOWNLOAD_SECONDS) -> None:
    """Write what is at an address to a file.

    Raises:
        ValueError: it is no address that may be used, or too much is there.
        OSError: it cannot be fetched.
    """
    _check_address(url)
    opener = urllib.request.build_opener(_OnlyHttps)
    size = 0
    with opener.open(url, timeout=timeout) as answer:
        while chunk := answer.read(_CHUNK):
            size += len(chunk)
            if size > _LARGEST:
                raise UnsafeArchiveError("the archive is too large")
            target.write(chunk)


def _check_address(url: str) -> None:
    address = urlsplit(url)
    is_local = address.scheme == "http" and address.hostname in _LOCAL_HOSTS
    if address.scheme != "https" and not is_local:
        raise ValueError("the address must begin with https://")


def copied(found: Traversable, folder: Path) -> Path:
    """Copy a file or folder of a package into a folder; returns where it is.

    Raises:
        OSError: there is no such one.
    """
    target = folder / found.name
    if not found.is_dir():
        target.write_bytes(found.read_bytes())
        return target
    target.mkdir()
    for each in found.iterdir():
        copied(each, target)
    return target


def unpack_archive(archive: Path | IO[bytes], folder: Path) -> None:
    """Unpack a zip file into a folder.

    Raises:
        UnsafeArchiveError: it has a file outside of itself, a link, or too much.
        ValueError: it is no archive that can be read.
        OSError: a file cannot be written.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            _check(members, folder.resolve())
            for member in members:
                _unpack(opened, member, folder)
    except (zipfile.BadZipFile, RuntimeError, EOFError, zlib.error) as error:
        # RuntimeError: it has a password, or is packed in a way that is not known.
        raise ValueError(f"the archive cannot be read: {error}") from error


def _check(members: list[zipfile.ZipInfo], folder: Path) -> None:
    if len(members) > _MOST_FILES or sum(each.file_size for each in members) > _LARGEST:
        raise UnsafeArchiveError("the archive is too large")
    for member in members:
        name = member.filename
        if not (folder / name).resolve().is_relative_to(folder) or "\\" in name:
            raise UnsafeArchiveError(f"the archive has a file outside of itself: {name}", name)
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UnsafeArchiveError(f"the archive has a link or device: {name}", name)


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    target = folder / member.filename
    if member.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as packed, target.open("wb") as file:
        shutil.copyfileobj(packed, file)
    if (member.external_attr >> 16) & 0o111:
        target.chmod(_EXECUTABLE)
