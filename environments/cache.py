"""A folder of entries that are costly to make; each is found by the digest of its definition.

    CACHE/
      env-3f2a...json          the marker of a finished entry: its record, and the folder it is in
      env-3f2a...lock          taken exclusively to make or remove it, shared to use it
      env-3f2a...-x1y2z3/      what was made

*Never half-made.* A builder holds the lock, works in a folder of its own name, and writes the
marker last, by renaming. So a reader of the marker finds a complete entry or none. What a killed
builder leaves is not an entry, and the next builder, which holds the lock then, removes it. The
folder is never renamed, since installers write its path into files (the first lines of scripts, for
example).

*In use.* An `EntryLock` keeps the lock shared for as long as it lives; the kernel releases it
however its process ends. Only the holder of the exclusive lock removes a lock file. So after
locking, the file is compared with the one that has its name then.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..agent.errors import EnvironmentSetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_OURS: Final = re.compile(r"([a-z]+-[0-9a-f]+)(\.json|\.new|\.lock|-[0-9a-f]{12})")
"""The names of the cache's files and folders: nothing else is ever removed."""

_LOG: Final = logging.getLogger("tamias.environments")


def default_cache() -> Path:
    """`$TAMIAS_CACHE`, or `~/.cache/tamias/environments`."""
    named = os.environ.get("TAMIAS_CACHE")
    return Path(named).absolute() if named else Path.home() / ".cache" / "tamias" / "environments"


class EntryLock:
    """Keeps an entry from being removed until it is released or collected, or its process ends."""

    __slots__ = ("_descriptor", "_owner")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._owner = os.getpid()

    def release(self) -> None:
        """Release the lock; may be called again."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            if os.getpid() == self._owner:  # a forked child has the same lock
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)

    def __del__(self) -> None:
        self.release()


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """An entry of the cache."""

    name: str
    folder: Path
    record: dict[str, Any]
    """The record that its builder has made."""
    used: float
    """The time of its last use, in seconds since the epoch."""
    lock: EntryLock | None = field(default=None, repr=False, compare=False)

    @property
    def kind(self) -> str:
        """The first part of its name, as "env"."""
        return self.name.partition("-")[0]


class Cache:
    """The entries in one folder, which need not exist."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = default_cache() if root is None else root

    def obtain(self, name: str, build: Callable[[Path, int], dict[str, Any]]) -> CacheEntry:
        """Return the entry of a name; make it if there is none, while others that need it wait.

        Args:
            name: a kind, and a digest of all that the entry depends on.
            build: fills the empty folder that it is given, and returns what is to be recorded, as
                JSON. Its second argument is the lock's descriptor, which the processes that it
                starts inherit: so the lock is not free while one of them still runs.

        Raises:
            EnvironmentSetupError: the cache cannot be written.
            Exception: what `build` raises; then nothing is left of it.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            return self._obtain(name, build)
        except OSError as error:
            raise EnvironmentSetupError(
                f"The cache of environments at {self.root} cannot be used: "
                f"{error.strerror or error}.",
                hint="Check the disk and the rights, or name another folder in TAMIAS_CACHE.",
            ) from error

    def _obtain(self, name: str, build: Callable[[Path, int], dict[str, Any]]) -> CacheEntry:
        while True:
            descriptor = self._locked(name, fcntl.LOCK_SH)
            try:
                entry = self._read(name, descriptor)
                if entry is not None:
                    os.utime(descriptor)
                    return entry
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
            descriptor = self._locked(name, fcntl.LOCK_EX)
            try:
                if self._read(name, None) is None:  # or another process was faster
                    self._build(name, build, descriptor)
            finally:
                os.close(descriptor)

    def _build(
        self, name: str, build: Callable[[Path, int], dict[str, Any]], descriptor: int
    ) -> None:
        self._clear(name)
        folder = self.root / f"{name}-{os.urandom(6).hex()}"
        folder.mkdir()
        began = time.time()
        try:
            record = build(folder, descriptor)
            marker = self._marker(name)
            new = marker.with_suffix(".new")
            content = {"folder": folder.name, "made": began, "record": record}
            new.write_text(json.dumps(content, indent=1), encoding="utf-8")
            new.replace(marker)
        except BaseException:
            self._clear(name)
            raise

    def _read(self, name: str, descriptor: int | None) -> CacheEntry | None:
        """Return the entry if it is complete; it keeps the lock if `descriptor` is given."""
        try:
            content = json.loads(self._marker(name).read_bytes())
            folder = self.root / content["folder"]
            record = content["record"]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        if not folder.is_dir():  # it was removed by hand
            return None
        try:
            used = self._lock(name).stat().st_mtime
        except FileNotFoundError:
            used = content.get("made", 0.0)
        lock = None if descriptor is None else EntryLock(descriptor)
        return CacheEntry(name, folder, record, used, lock)

    # -- listing and removing -----------------------------------------------------------------

    def entries(self) -> Iterator[CacheEntry]:
        """Yield all complete entries."""
        for marker in sorted(self.root.glob("*.json")):
            entry = self._read(marker.stem, None)
            if entry is not None:
                yield entry

    def in_use(self, name: str) -> bool:
        """Return whether a running process uses an entry, makes it or removes it."""
        try:
            descriptor = os.open(self._lock(name), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def size(self, name: str) -> int:
        """Return the bytes on disk of a name's folders."""
        total = 0
        for path in self.root.glob(f"{name}-*"):
            for folder, _, files in os.walk(path):
                for file in files:
                    with suppress(OSError):
                        total += Path(folder, file).lstat().st_blocks * 512
        return total

    def names(self) -> list[str]:
        """Return the names of all entries, complete or not."""
        if not self.root.is_dir():
            return []
        ours = (_OURS.fullmatch(path.name) for path in self.root.iterdir())
        return sorted({match[1] for match in ours if match is not None})

    def remove(self, name: str) -> bool:
        """Remove an entry, or what is left of one, unless it is in use; return whether it did."""
        try:
            descriptor = self._locked(name, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        try:
            self._clear(name)
            self._lock(name).unlink(missing_ok=True)
        finally:
            os.close(descriptor)
        return True

    def _clear(self, name: str) -> None:
        """Remove all files and folders of a name but the lock; the marker first."""
        self._marker(name).unlink(missing_ok=True)
        for path in self.root.glob(f"{name}-*"):
            remove_tree(path)

    # -- files --------------------------------------------------------------------------------

    def _marker(self, name: str) -> Path:
        return self.root / f"{name}.json"

    def _lock(self, name: str) -> Path:
        return self.root / f"{name}.lock"

    def _locked(self, name: str, kind: int) -> int:
        """Return a descriptor that has the lock. Raises BlockingIOError if asked not to wait."""
        path = self._lock(name)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                try:
                    fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
                except BlockingIOError:
                    if kind & fcntl.LOCK_NB:
                        raise
                    _LOG.info("waiting for another process that makes %s", name)
                    fcntl.flock(descriptor, kind)
                if _is_at(descriptor, path):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # it was removed while we waited


def _is_at(descriptor: int, path: Path) -> bool:
    ours = os.fstat(descriptor)
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)


def remove_tree(path: Path) -> None:
    """Remove a folder with all in it, also what an installer has made unwritable."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    try:
        shutil.rmtree(path)
    except PermissionError:
        for folder, _, _ in os.walk(path):
            Path(folder).chmod(0o700)
        shutil.rmtree(path)
