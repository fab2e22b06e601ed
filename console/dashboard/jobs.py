"""The jobs that a dashboard shows: state directories, some of which may come and go.

A state directory stays open between requests, because opening sixteen shards takes longer than most
answers do. No snapshot does: while one is open, the pool's files grow.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, Lock
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import StoreError, TamiasError
from ...store.lease import Lease
from ...store.state.directory import StateDirectory
from ...store.state.layout import StateLayout
from ...store.state.reader import StoreReader
from ..rendering.renderers import ValueRenderer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...store.state.directory import StateView
    from ..rendering.renderers import AnswerTrees

__all__ = ["ShownJob", "ShownJobs", "states_below"]

MOST_JOBS: Final = 64
_DEEPEST: Final = 3
_MOST_FOLDERS: Final = 5_000
_SEARCH_EVERY: Final = 10.0
"""Seconds between two searches for new state directories."""
_KEPT_SECONDS: Final = 30.0
"""Seconds for which a state directory stays open that no request reads."""
_PATIENCE: Final = 10.0
"""Seconds for other requests to end that read a directory which has been made anew."""


class ShownJob:
    """One job.

    Attributes:
        id: its name in addresses.
        path: its state directory.
        renderer: shows its stored values.
    """

    def __init__(self, id_: str, path: Path) -> None:
        self.id = id_
        self.path = path
        self.renderer = ValueRenderer(path)
        self._free = Condition(Lock())
        self._reader: StoreReader | None = None
        self._stamp: tuple[int, ...] = ()
        self._uses = 0
        self._used = 0.0

    @contextmanager
    def reader(self) -> Iterator[StoreReader]:
        """Give the state directory, open for reading, as long as it is the same.

        Raises:
            StoreError: there is none, or it cannot be read.
        """
        reader = self._begin()
        try:
            yield reader
        except OSError as error:
            if not self.is_there:
                raise self._missing() from error
            raise
        finally:
            with self._free:
                self._uses -= 1
                self._used = time.monotonic()
                self._free.notify_all()

    @contextmanager
    def view(self) -> Iterator[StateView]:
        """Give the state directory without its shards, for what takes long.

        As long as `reader` is used, other requests wait for it when the manifest is replaced.

        Raises:
            StoreError: there is none, or it cannot be read.
        """
        with StateDirectory.view(self.existing_path()) as view:
            yield view

    def _begin(self) -> StoreReader:
        stamp = self._stamp_now()
        with self._free:
            if self._reader is not None and stamp != self._stamp:
                # LMDB's tables of one file must not be opened twice at the same time.
                if not self._free.wait_for(lambda: not self._uses, _PATIENCE):
                    raise StoreError(f"{self.path} is being replaced.", hint="Try again later.")
                self._close()
            if self._reader is None:
                if not stamp:
                    raise self._missing()
                self._reader, self._stamp = StoreReader(self.path), stamp
            self._uses += 1
            return self._reader

    def existing_path(self) -> Path:
        """The state directory. Raises StoreError if it is none now."""
        if not self.is_there:
            raise self._missing()
        return self.path

    @property
    def is_running(self) -> bool:
        """Whether a launcher uses it; opens nothing."""
        return Lease.is_held(StateLayout(self.path).launcher_lock)

    def _stamp_now(self) -> tuple[int, ...]:
        """What changes when the manifest does; empty if there is none."""
        try:
            found = StateLayout(self.path).manifest.stat()
        except OSError:
            return ()
        return found.st_dev, found.st_ino, found.st_mtime_ns

    @property
    def is_there(self) -> bool:
        """Whether the state directory exists."""
        return bool(self._stamp_now())

    def trees(self) -> AnswerTrees:
        """What shows the stored values of one answer."""
        return self.renderer.answer(self._stamp_now())

    def rest(self) -> None:
        """Close what no request has used for a while."""
        self.renderer.rest()
        with self._free:
            if not self._uses and time.monotonic() - self._used > _KEPT_SECONDS:
                self._close()

    def close(self) -> None:
        """Close what is open, as soon as no request reads it."""
        self.renderer.close()
        with self._free:
            if self._free.wait_for(lambda: not self._uses, _PATIENCE):
                self._close()

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _missing(self) -> StoreError:
        return StoreError(
            f"{self.path} is no state directory now.", hint="It may come back, or have been moved."
        )

    def summary(self) -> dict[str, Any]:
        """What a list of jobs shows of it; `error` says why there is nothing."""
        row: dict[str, Any] = {
            "id": self.id,
            "name": self.path.name,
            "path": str(self.path),
            "agent": None,
            "running": False,
            "phase": None,
            "started": None,
            "error": None,
            "flink": None,
        }
        try:
            with self.reader() as reader:
                view = reader.view
                row["agent"] = view.manifest.agent
                row["flink"] = view.manifest.job.get("flink")
                row["running"] = view.launcher_pid() is not None
                status = view.status() or {}
                row["phase"], row["started"] = status.get("phase"), status.get("started")
        except (TamiasError, OSError, ValueError) as error:
            row["error"] = str(error)
        return row


class ShownJobs:
    """All jobs of a dashboard; one that vanishes stays, unless its place is needed.

    Args:
        paths: the state directories; none for those below a folder.
        below: that folder.
    """

    def __init__(self, paths: Sequence[Path], below: Path | None = None) -> None:
        self._lock = Lock()
        self._jobs: dict[Path, ShownJob] = {}
        self._made = 0
        self._below = below
        self._next_search = 0.0
        for path in paths:
            self._add(path)
        self._search()

    def all(self) -> list[ShownJob]:
        """The jobs, in the order in which they were found."""
        self._search()
        with self._lock:
            return list(self._jobs.values())

    def get(self, id_: str) -> ShownJob | None:
        """The job of an id, None if there is none."""
        with self._lock:
            return next((job for job in self._jobs.values() if job.id == id_), None)

    def close(self) -> None:
        """Close all."""
        for job in self.all():
            job.close()

    def _search(self) -> None:
        if self._below is None or time.monotonic() < self._next_search:
            return
        self._next_search = time.monotonic() + _SEARCH_EVERY
        for path in states_below(self._below):
            self._add(path)

    def _add(self, path: Path) -> None:
        place = Path(os.path.realpath(path))
        with self._lock:
            if place in self._jobs:
                return
            if len(self._jobs) >= MOST_JOBS and not self._drop_one():
                return
            self._jobs[place] = ShownJob(str(self._made), place)
            self._made += 1

    def _drop_one(self) -> bool:
        """Forget a job whose state directory has vanished; return whether there is one."""
        vacant = next((path for path, job in self._jobs.items() if not job.is_there), None)
        if vacant is None:
            return False
        self._jobs.pop(vacant).close()
        return True


def states_below(folder: Path) -> Iterator[Path]:
    """Yield the state directories in a folder and below, as far as a person would put them."""
    seen = 0
    level = [folder]
    for _ in range(_DEEPEST + 1):
        below: list[Path] = []
        for place in level:
            seen += 1
            if seen > _MOST_FOLDERS:
                return
            if StateLayout(place).manifest.is_file():
                yield place
                continue
            below += _folders_in(place)
        level = below


def _folders_in(place: Path) -> list[Path]:
    try:
        with os.scandir(place) as entries:
            return sorted(
                Path(entry.path)
                for entry in entries
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
            )
    except OSError:  # another user's
        return []
