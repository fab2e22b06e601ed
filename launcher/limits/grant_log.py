"""The log of grants: what a launcher that is killed leaves to the next one.

A grant is in the file `limits.log` of the state directory before it is sent, so the next launcher
knows what may have reached a server within the last minute. Each line has the grants of one turn;
lines that are too old to count are dropped when the file has grown, and when it is opened.

Times are those of `clock.steady`. After a start of the machine they begin anew: then the times of
the wall clock, which are in each line, too, say how old a grant is.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...store import clock
from ...store.crashpoints import reach
from ...store.faults import system_error

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .limiter import Grant

__all__ = ["GrantLog"]

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_KEPT_SECONDS: Final = 70.0
"""Longer than any window."""
_LARGEST: Final = 1 << 20

Line = tuple[float, str, str, int]
"""A grant: its time, limit, key and tokens."""


class GrantLog:
    """The file; opened when it is made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._boot = _boot_id()
        self._recent: list[Line] = []
        self._recent = self._read()
        self._size = 0
        self._rewrite_at = _LARGEST
        self._descriptor = -1
        if self._recent or path.exists():
            self._rewrite()

    @property
    def recent(self) -> list[Line]:
        """The grants that may still count, the oldest first."""
        return self._recent

    def append(self, grants: Iterable[Grant], now: float) -> None:
        """Write grants; they survive the death of this process when this returns.

        Raises:
            StoreError: they cannot be written.
        """
        lines = [(now, grant.route.limit, grant.key, grant.route.tokens) for grant in grants]
        self._recent += lines
        if self._descriptor < 0 or self._size > self._rewrite_at:
            self._rewrite()
            return
        reach("limits.before")
        self._write(lines)
        reach("limits.after")

    def _write(self, lines: list[Line]) -> None:
        shift = clock.now() - clock.steady()
        data = b"".join(
            json.dumps([self._boot, time, time + shift, limit, key, tokens]).encode() + b"\n"
            for time, limit, key, tokens in lines
        )
        self._size += len(data)
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            raise system_error(error, self._path) from error

    def _rewrite(self) -> None:
        """Write a new file with what still counts, and go on with it."""
        oldest = clock.steady() - _KEPT_SECONDS
        self._recent = [line for line in self._recent if line[0] >= oldest]
        new = self._path.with_name(self._path.name + ".new")
        self.close()
        try:
            self._descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            self._size = 0
            self._write(self._recent)
            self._rewrite_at = max(_LARGEST, 2 * self._size)
            reach("limits.rewrite")
            new.replace(self._path)
        except OSError as error:
            raise system_error(error, self._path) from error

    def _read(self) -> list[Line]:
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise system_error(error, self._path) from error
        now, shift = clock.steady(), clock.now() - clock.steady()
        lines = []
        for data in text.splitlines():
            line = _decoded(data)
            if line is None:
                continue  # cut off by the death of its writer, before the grant was sent
            boot, time, wall, limit, key, tokens = line
            moment = min(now, time if boot == self._boot else wall - shift)
            if moment >= now - _KEPT_SECONDS:
                lines.append((moment, limit, key, tokens))
        return sorted(lines)

    def close(self) -> None:
        """Close the file; may be called again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _decoded(data: str) -> tuple[str, float, float, str, str, int] | None:
    try:
        line: Any = json.loads(data)
        boot, time, wall, limit, key, tokens = line
        return str(boot), float(time), float(wall), str(limit), str(key), int(tokens)
    except (ValueError, TypeError):
        return None


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()[:8]
    except OSError:
        return ""
