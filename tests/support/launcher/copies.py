"""Copies of a state directory, made at each write point: what a life finds after a death there.

For pools of threads, whose processes cannot be killed. What another life makes of each copy is what
it would make after all processes had died at that point. A transaction that is open then is lost
with a death, and is not in a copy, as LMDB writes at its end only.
"""

from __future__ import annotations

import shutil
import sys
import threading
from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tamias.store import crashpoints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Copy(NamedTuple):
    """A copy of a state directory."""

    point: str
    """The write point where it was made."""
    state: Path
    noted: Any
    """What the test has noted then."""


@contextmanager
def copied_at_points(state: Path, folder: Path, note: Callable[[], Any]) -> Iterator[list[Copy]]:
    """Copy a state at each write point that is reached in this block, if it has changed.

    Args:
        state: the directory; it need not be there yet.
        folder: where copies go.
        note: called at each point; a state is another one if this is.
    """
    copies: list[Copy] = []
    known: set[bytes] = set()
    original = crashpoints.reach
    lock = threading.Lock()  # the launcher and its workers are threads

    def reach(point: str) -> None:
        with lock:
            if (state / "progress").exists():
                copy(point)

    def copy(point: str) -> None:
        noted = note()
        digest = blake2b(repr(noted).encode())
        for path in sorted(state.rglob("data.mdb")):
            digest.update(path.read_bytes())
        if digest.digest() in known:
            return
        known.add(digest.digest())
        target = folder / str(len(copies))
        # Others write meanwhile. The launcher's progress may be older than a shard, not newer.
        shutil.copytree(state / "progress", target / "progress", ignore=_not_files)
        shutil.copytree(state, target, ignore=_not_files, dirs_exist_ok=True)
        copies.append(Copy(point, target, noted))

    with pytest.MonkeyPatch.context() as patch:
        for name, module in list(sys.modules.items()):
            if name.startswith("tamias.") and vars(module).get("reach") is original:
                patch.setattr(module, "reach", reach)
        yield copies


def _not_files(folder: str, names: list[str]) -> list[str]:
    """Sockets and locks; and what is there already."""
    del folder
    return [name for name in names if name.endswith((".sock", "lock.mdb")) or name == "progress"]
