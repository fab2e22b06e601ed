"""A source that makes its inputs when it is woken, as the measurements need it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tamias.launcher.delivery.source import Position, Source
from tamias.store.wakeup import Wakeup

if TYPE_CHECKING:
    from tamias.launcher.delivery.source import Identity


class WokenSource(Source):
    """The common part of such sources; each makes its inputs in `read`."""

    codec = "pickle"

    def __init__(self) -> None:
        self._offset = 0
        self._wakeup = Wakeup()

    def wake(self) -> None:
        """Make the pool read."""
        self._wakeup.wake()

    def wakes(self) -> int:
        """Return how often `wake` was called since the last call of this."""
        return self._wakeup.clear()

    @property
    def position(self) -> Position:
        """As `Source.position`."""
        return Position(self._offset)

    def fileno(self) -> int | None:
        """As `Source.fileno`."""
        return self._wakeup.fileno()

    def seek(self, position: Position) -> None:
        """As `Source.seek`."""
        self._offset = position.offset

    def identity(self) -> Identity:
        """As `Source.identity`."""
        return {}

    def check(self, identity: Identity) -> None:
        """As `Source.check`."""
        del identity
