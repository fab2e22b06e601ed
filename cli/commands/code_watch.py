"""Which files of a running pool's code have been edited since they were last tried.

What the current generation has imported is on record in the state directory, with a digest of each
file; so a file that was only touched, or saved as it was, is none of these. A look is a read of all
of them: some milliseconds for hundreds of files, without anything to install, and as true on a
network's file system as on any other.

New code that does not import does not say what it would have imported, and the mistake may be in a
file that is on no record yet. So after a rollback all `*.py` beside the known files count as well,
until a generation has taken over.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...worker.process.codebase import digests

if TYPE_CHECKING:
    from collections.abc import Iterable


class CodeWatch:
    """What has been edited; see the module's text.

    Args:
        also: files that count besides the code, as requirements do.
    """

    def __init__(self, also: Iterable[Path] = ()) -> None:
        self._also = [str(path) for path in also]
        self._tried = digests(self._also)
        """What was tried last, where the record does not tell."""
        self._last: dict[str, str] = {}
        self._record: dict[str, str] = {}
        self._trial: dict[str, str] = {}
        """What there is while a reload is under way."""
        self._beside = False

    def look(self, record: dict[str, str]) -> list[str]:
        """Files that are not what was tried last; none while any is still being written.

        Args:
            record: digests of the files of the current generation, by path.
        """
        self._record = record
        known = {**record, **self._tried}
        beside = self._neighbours() if self._beside else ()
        now = digests({*known, *beside})
        stands_still = now == self._last
        self._last = now
        if not stands_still:
            return []
        return sorted(file for file, digest in now.items() if digest != known.get(file, ""))

    def trying(self) -> None:
        """A reload begins: what is changed from now on is an edit again."""
        self._trial = {**digests(self._neighbours()), **self._last}

    def took_over(self) -> None:
        """It has succeeded: the record tells of the code from now on."""
        self._beside = False
        self._tried = {file: self._trial.get(file, "") for file in self._also}

    def rolled_back(self) -> None:
        """What was tried is no good."""
        self._beside = True
        self._tried = self._trial

    def _neighbours(self) -> set[str]:
        folders = {Path(file).parent for file in self._record}
        return {str(file) for folder in folders for file in folder.glob("*.py")}
