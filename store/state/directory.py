"""The state directory: all that outlives a pool.

`StateLayout` has its paths. The manifest is written first, and atomically, so a directory with a
manifest is a state directory, and one without may have only the lock. All else is created when it
is missing.
"""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager
from dataclasses import replace
from glob import escape
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...agent.errors import (
    ForeignStoreError,
    LeaseHeldError,
    StoreError,
    StoreFormatError,
    StoreLockedError,
)
from ..faults import free_bytes, full, system_error
from ..files import read_json, sync_directories, write_json
from ..identity import check_present
from ..lease import Lease
from .layout import StateLayout
from .manifest import Manifest
from .parts import check, complete, open_progress
from .progress import ProgressLog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

    from ..shard.shard import Durability

__all__ = ["StateDirectory", "StateView"]

_NAMES = StateLayout("")
_BEFORE_MANIFEST = frozenset({_NAMES.launcher_lock.name, f"{_NAMES.manifest.name}.new"})
"""The files that a launcher may have left that died while creating the directory."""

_LEAST_FREE = 1 << 20
"""Bytes that must be free before a state directory is created."""

_MOST_LOOKED_AT = 1000
"""Names to look at, at most, for the state directory that was meant."""


class StateView:
    """A state directory open for reading: it is neither locked nor written.

    Attributes:
        path: the directory.
        layout: the paths in it.
        manifest: its manifest when it was opened.
        progress: the launcher's progress log.
    """

    __slots__ = ("layout", "manifest", "path", "progress")

    def __init__(self, path: Path, manifest: Manifest, progress: ProgressLog) -> None:
        self.path = path
        self.layout = StateLayout(path)
        self.manifest = manifest
        self.progress = progress

    def launcher_pid(self) -> int | None:
        """Return the pid of the living launcher that uses the directory, None if there is none."""
        lock = self.layout.launcher_lock
        return Lease.last_holder(lock) if Lease.is_held(lock) else None

    def status(self) -> dict[str, Any] | None:
        """Return the last status written, None if there is none."""
        return read_json(self.layout.status)

    def close(self) -> None:
        """Close the progress log; may be called again."""
        self.progress.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"


class StateDirectory(StateView):
    """A state directory locked by the only launcher that may write to it.

    `close`, or the launcher's death, unlocks it.
    """

    __slots__ = ("_lease",)

    def __init__(self, path: Path, manifest: Manifest, progress: ProgressLog, lease: Lease) -> None:
        super().__init__(path, manifest, progress)
        self._lease = lease

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        agent: str,
        shards: int,
        durability: Durability,
        job: dict[str, Any],
    ) -> StateDirectory:
        """Lock a state directory, creating it if there is none or an empty directory.

        Args:
            path: the directory.
            agent: the agent it must belong to, as `AgentPlan.name`.
            shards: number of shards of a new directory; an existing one keeps its own.
            durability: the durability of commits from now on.
            job: the job in the manifest of a new directory; an existing one keeps its own,
                see `save_job`.

        Raises:
            StoreFormatError: the directory has other content, or is of a newer format.
            ForeignStoreError: it, or a part of it, belongs to another agent or store.
            StoreLockedError: a living launcher uses it.
            StoreUnwritableError: it cannot be written.
            StoreFullError: there is no room to create it.
            StoreCorruptError: its manifest is damaged, or a part of it is lost.
        """
        directory = _named(path)
        manifest = _inspect(directory)
        if manifest is not None:
            _check_agent(directory, manifest, agent)
        lease = _lock(directory)
        try:
            # Another launcher may have created or changed it before we had the lock.
            manifest = _inspect(directory)
            if manifest is None:
                manifest = Manifest.new(agent, shards, durability, job)
                _check_room(directory)
                manifest.write(directory)
            _check_agent(directory, manifest, agent)
            if manifest.durability != durability:
                manifest = replace(manifest, durability=durability)
                manifest.write(directory)
            layout = StateLayout(directory)
            for folder in (layout.shards, layout.logs):
                _make(folder)
            progress = open_progress(directory, manifest)
            try:
                if manifest.complete:
                    check(directory, manifest, progress)
                else:
                    manifest = complete(directory, manifest, progress)
            except BaseException:
                progress.close()
                raise
            if durability == "machine":
                sync_directories(layout.progress, directory, directory.parent)
        except BaseException:
            lease.close()
            raise
        return cls(directory, manifest, progress, lease)

    @staticmethod
    def view(path: str | os.PathLike[str], *, with_progress: bool = True) -> StateView:
        """Open a state directory for reading, whether a launcher uses it or not.

        Without its progress, which is empty then, not even LMDB's table of readers is written.

        Raises:
            StoreFormatError: it is not a state directory, or of a newer format.
            StoreCorruptError: its manifest is damaged, or its progress log is lost.
            StoreError: this user may not read it.
        """
        directory = _named(path)
        try:
            _check_readable(directory)
            manifest = Manifest.read(directory) if directory.is_dir() else None
        except PermissionError as error:
            raise StoreError(
                f"This user may not read {directory}: {error.strerror}.",
                hint="Use the account of the pool, or give this one the right to read.",
            ) from error
        if manifest is None:
            raise StoreFormatError(f"{directory} is not a state directory.", hint=_meant(directory))
        path = StateLayout(directory).progress
        if manifest.complete:
            check_present(path, "The progress log")
        if not with_progress:
            return StateView(directory, manifest, ProgressLog(path, None, writable=False))
        return StateView(directory, manifest, ProgressLog.view(path))

    @staticmethod
    def is_made(path: Path) -> bool:
        """Whether there is more than a launcher has left that died while it made the directory."""
        try:
            return any(entry.name not in _BEFORE_MANIFEST for entry in path.iterdir())
        except FileNotFoundError:
            return False
        except OSError:
            return True  # something else, or not to be seen: opening it says what

    @staticmethod
    def rename(path: Path, to: Path) -> None:
        """Rename a state directory that no launcher uses.

        Raises:
            StoreFormatError: it is not a state directory, or of a newer format.
            StoreLockedError: a living launcher uses it.
        """
        with StateDirectory.view(path) as view:
            lease = _lock(view.path)
        try:
            path.rename(to)
        except OSError as error:
            raise system_error(error, path) from error
        finally:
            lease.close()

    def save_job(self, job: dict[str, Any]) -> None:
        """Replace the job in the manifest, atomically."""
        manifest = replace(self.manifest, job=job)
        manifest.write(self.path)
        self.manifest = manifest

    def check_part(self, name: str, path: Path) -> None:
        """Check that a part that was recorded is there.

        Raises:
            StoreCorruptError: it is lost.
        """
        if name in self.manifest.parts:
            check_present(path, f"The {name} of this state")

    def record_part(self, name: str) -> None:
        """Record that a further part of the store has been made: from now on it must be there."""
        if name in self.manifest.parts:
            return
        manifest = replace(self.manifest, parts=[*self.manifest.parts, name])
        manifest.write(self.path)
        self.manifest = manifest

    def write_status(self, status: dict[str, Any]) -> None:
        """Replace the status that other commands can read, atomically."""
        write_json(self.layout.status, status, sync=False, indented=False)

    @contextmanager
    def named_errors(self) -> Iterator[None]:
        """Name the directory in errors of this block that come from it.

        Raises:
            StoreError: a file in it cannot be used, or it is gone.
        """
        try:
            yield
        except (OSError, StoreError) as error:
            if not self.layout.manifest.exists():
                raise StoreError(
                    f"{self.path} is gone: it was moved or deleted while it was in use.",
                    hint="Put it back, then resume: what was committed is in it.",
                ) from error
            if isinstance(error, OSError) and isinstance(error.filename, str):
                path = Path(error.filename)
                if self.path in path.parents:
                    raise system_error(error, path) from error
            raise

    def close(self) -> None:
        """Unlock the directory; may be called again."""
        super().close()
        self._lease.close()

    def destroy(self) -> None:
        """Close the directory and delete it."""
        self.progress.close()
        shutil.rmtree(self.path, ignore_errors=True)
        self._lease.close()


def _named(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path of a state directory, which must be text: LMDB takes no bytes."""
    directory = Path(path).absolute()
    try:
        str(directory).encode()
    except UnicodeEncodeError:
        raise StoreError(
            f"{str(directory)!r} cannot be a state directory: its name is not UTF-8.",
            hint="Choose another one (--state).",
        ) from None
    return directory


def _meant(directory: Path) -> str:
    """What to do about a path that is no state directory: often it is that of the output."""
    beside = chain(directory.parent.glob(f"{escape(directory.name)}.*"), directory.glob("*"))
    found = [
        path
        for path in islice(beside, _MOST_LOOKED_AT)
        if os.path.isfile(StateLayout(path).manifest)  # noqa: PTH113 (false, too, where it may not look)
    ]
    if len(found) == 1:
        return f"Did you mean {found[0]}?"
    if found:
        return f"There are: {', '.join(map(str, sorted(found)[:5]))}{', ...' * (len(found) > 5)}."
    return "Give the directory that a run was started with (--state)."


def _check_readable(directory: Path) -> None:
    """Raise PermissionError if this user may not read what there is."""
    layout = StateLayout(directory)
    if layout.manifest.exists():
        layout.manifest.open("rb").close()
        for folder in (layout.shards, layout.progress):
            if folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def _inspect(directory: Path) -> Manifest | None:
    """Return the manifest, None if a state directory may be created here."""
    manifest = Manifest.read(directory)
    if manifest is None:
        try:
            foreign = sorted({entry.name for entry in directory.iterdir()} - _BEFORE_MANIFEST)
        except FileNotFoundError:
            return None
        except NotADirectoryError as error:
            raise StoreError(
                f"{directory} is not a directory.", hint="Choose another state directory."
            ) from error
        except OSError as error:
            raise system_error(error, directory) from error
        if foreign:
            raise StoreFormatError(
                f"{directory} is not a state directory, and it is not empty: it holds "
                f"{', '.join(foreign[:3])}{' ...' if len(foreign) > 3 else ''}.",
                hint="Choose an empty or a new directory.",
            )
    return manifest


def _check_agent(directory: Path, manifest: Manifest, agent: str) -> None:
    if manifest.agent != agent:
        raise ForeignStoreError(
            f"{directory} belongs to the agent {manifest.agent}, not to {agent}.",
            hint="Choose another state directory, or run the agent it belongs to.",
        )


def _lock(directory: Path) -> Lease:
    _make_private(directory)
    lock = StateLayout(directory).launcher_lock
    try:
        return Lease.acquire(lock)
    except LeaseHeldError as error:
        pid = Lease.last_holder(lock)
        raise StoreLockedError(
            f"{directory} is in use by {f'process {pid}' if pid else 'another process'}.",
            hint="Wait until it is done, end it, or choose another state directory.",
        ) from error


def _make_private(directory: Path) -> None:
    """Make a directory that only this user can enter; one that exists keeps its permissions."""
    _make(directory.parent)
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        _make(directory)  # raises if it is a file
    except OSError as error:
        raise system_error(error, directory) from error


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise system_error(error, directory) from error


def _check_room(directory: Path) -> None:
    if free_bytes(directory) < _LEAST_FREE:
        raise full(directory)
