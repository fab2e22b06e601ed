"""How often the launcher's process looks for garbage while a pool works.

Python's collector looks at all young objects when there are so many more of them than at its last
visit. A launcher makes a container for each input under way, and decodes outputs for the user's
list: none of these is garbage, so at the usual rate the visits double the launcher's CPU time. In
`rare_collections` they are rare, and `kept_alive` tells of objects that somebody holds anyway:
these do not bring the next visit nearer. What else is made, an iterable's reference cycles for
example, is found as before.
"""

from __future__ import annotations

import gc
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_THRESHOLDS: Final = (50_000, 50, 1000)
_MANY: Final = 10_000
"""So many kept objects are not looked at again when the last job ends."""


class _Rate:
    """The thresholds of this process's collector, which its jobs share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs = 0
        self._before = (0, 0, 0)
        self._kept = 0
        """Kept objects that were made since the last visit."""

    def enter(self) -> None:
        """Make visits rare; a program's own thresholds stay if they are rarer or 0 (no visits)."""
        with self._lock:
            self._jobs += 1
            if self._jobs > 1:
                return
            self._before = gc.get_threshold()
            self._kept = 0
            if self._is_raised:
                gc.set_threshold(*_THRESHOLDS)
                gc.callbacks.append(self._visited)

    def leave(self) -> None:
        """Restore what there was before the first job."""
        with self._lock:
            self._jobs -= 1
            if self._jobs or not self._is_raised:
                return
            gc.callbacks.remove(self._visited)
            if self._kept >= _MANY and not gc.get_freeze_count():
                # Both only join lists: all objects are old now, as after two visits.
                gc.freeze()
                gc.unfreeze()
            gc.set_threshold(*self._before)

    def keep(self, before: int) -> None:
        """Put the next visit off by the objects made since there were `before` young ones."""
        created = gc.get_count()[0] - before
        with self._lock:
            if self._jobs and self._is_raised:
                self._kept = max(0, self._kept + created)
                gc.set_threshold(_THRESHOLDS[0] + self._kept, *_THRESHOLDS[1:])

    @property
    def _is_raised(self) -> bool:
        return 0 < self._before[0] < _THRESHOLDS[0]

    def _visited(self, phase: str, _: object) -> None:
        # Without the lock: a visit may come at any allocation, those under the lock included.
        if phase == "stop":
            self._kept = 0


_RATE: Final = _Rate()


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect garbage rarely in this block, and as before after it."""
    _RATE.enter()
    try:
        yield
    finally:
        _RATE.leave()


@contextmanager
def kept_alive() -> Iterator[None]:
    """Tell the collector that objects made in this block, which ends soon, are held for long."""
    before = gc.get_count()[0]
    yield
    _RATE.keep(before)
