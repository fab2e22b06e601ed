"""How often the launcher's process collects garbage while a pool works.

A collection looks at all young objects, and is due when so many more of them were made than freed.
A launcher makes a container for each input under way, and decodes outputs for the program's list:
none of these is garbage, so at the usual thresholds collections double the launcher's CPU time. In
`rare_collections` they are rare. Objects made in `kept_alive` are held by the program anyway, and
inputs under way are told of by `hold`: both do not bring the next collection nearer. All other
garbage, such as the reference cycles of an iterable, is collected as before.
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


class _Thresholds:
    """The thresholds of this process's collector, which its jobs share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs = 0
        self._before = (0, 0, 0)
        self._kept = 0
        """Kept objects that were made since the last collection."""

    def enter(self) -> None:
        """Raise the thresholds, unless the program's own are higher, or 0 (no collections)."""
        with self._lock:
            self._jobs += 1
            if self._jobs > 1:
                return
            self._before = gc.get_threshold()
            self._kept = 0
            if self._is_raised:
                gc.set_threshold(*_THRESHOLDS)
                gc.callbacks.append(self._collected)

    def leave(self) -> None:
        """Restore what there was before the first job."""
        with self._lock:
            self._jobs -= 1
            if self._jobs or not self._is_raised:
                return
            gc.callbacks.remove(self._collected)
            if self._kept >= _MANY and not gc.get_freeze_count():
                # Both only join lists: all objects are old now, as after two collections.
                gc.freeze()
                gc.unfreeze()
            gc.set_threshold(*self._before)

    def hold(self, objects: int) -> None:
        """Put the next collection off by so many objects."""
        with self._lock:
            if self._jobs and self._is_raised:
                self._kept = max(0, self._kept + objects)
                gc.set_threshold(_THRESHOLDS[0] + self._kept, *_THRESHOLDS[1:])

    @property
    def _is_raised(self) -> bool:
        return 0 < self._before[0] < _THRESHOLDS[0]

    def _collected(self, phase: str, _: object) -> None:
        # Without the lock: a collection may come at any allocation, also of the thread that has it.
        if phase == "stop":
            self._kept = 0


_SHARED: Final = _Thresholds()


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect garbage rarely in this block, and as before after it."""
    _SHARED.enter()
    try:
        yield
    finally:
        _SHARED.leave()


@contextmanager
def kept_alive() -> Iterator[None]:
    """Tell the collector that objects made in this block, which ends soon, are held for long."""
    before = gc.get_count()[0]
    yield
    _SHARED.hold(gc.get_count()[0] - before)


hold: Final = _SHARED.hold
"""Tell the collector that so many objects are held, or, if below 0, that they have gone again."""
