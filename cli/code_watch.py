"""Finds the files of a running pool's code that were edited since they were last tried.

The state directory records what the current generation has imported, with a digest of each file. So
a file that was only touched, or saved without a change, does not count. A scan reads all of them:
some milliseconds for hundreds of files, without anything to install, and it also works on a network
file system.

New code that fails to import does not report what it would have imported, and the mistake may be in
a file that is not recorded yet. So after a rollback all `*.py` beside the known files count as
well, until a generation has taken over.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..worker.importing.codebase import digests

if TYPE_CHECKING:
    from collections.abc import Iterable


class CodeWatch:
    """Finds edited files; see the module's text.

    Args:
        also: files that count besides the code, for example requirements.
    """

    def __init__(self, also: Iterable[Path] = ()) -> None:
        self._also = [str(path) for path in also]
        self._tried = digests(self._also)
        """Digests of what was tried last, if they differ from the record."""
        self._last: dict[str, str] = {}
        self._record: dict[str, str] = {}
        self._trial: dict[str, str] = {}
        """Digests at the beginning of the reload that is under way."""
        self._beside = False

    def scan(self, record: dict[str, str]) -> list[str]:
        """Return the files that differ from what was tried last; none while any still changes.

        Args:
            record: digests of the files of the current generation, by path.
        """
        self._record = record
        known = {**record, **self._tried}
        beside = self._neighbours() if self._beside else ()
        now = digests({*known, *beside})
        is_stable = now == self._last
        self._last = now
        if not is_stable:
            return []
        return sorted(file for file, digest in now.items() if digest != known.get(file, ""))

    def trying(self) -> None:
        """Note that a reload begins: later changes are new edits."""
        self._trial = {**digests(self._neighbours()), **self._last}

    def took_over(self) -> None:
        """Note that the reload has succeeded: the record describes the code from now on."""
        self._beside = False
        self._tried = {file: self._trial.get(file, "") for file in self._also}

    def rolled_back(self) -> None:
        """Note that the reload was rolled back."""
        self._beside = True
        self._tried = self._trial

    def _neighbours(self) -> set[str]:
        folders = {Path(file).parent for file in self._record}
        return {str(file) for folder in folders for file in folder.glob("*.py")}
