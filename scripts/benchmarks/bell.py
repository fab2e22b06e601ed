"""A source that makes its inputs when a bell rings, as the measurements need them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tamias.launcher.delivery.source import Position, Source

if TYPE_CHECKING:
    from tamias.launcher.delivery.source import Identity


class BellSource(Source):
    """What such sources have in common; each says in `read` what there is.

    The bell is a pipe, so that the pool's loop can wait for it.
    """

    codec = "pickle"

    def __init__(self) -> None:
        self._offset = 0
        self._wait, self._bell = os.pipe()
        os.set_blocking(self._wait, False)

    def ring(self) -> None:
        """Wake the pool."""
        os.write(self._bell, b"x")

    def rings(self) -> int:
        """How often the bell has rung since this was last asked."""
        try:
            return len(os.read(self._wait, 1000))
        except BlockingIOError:
            return 0

    @property
    def position(self) -> Position:
        """As `Source.position`."""
        return Position(self._offset)

    def fileno(self) -> int | None:
        """As `Source.fileno`."""
        return self._wait

    def seek(self, position: Position) -> None:
        """As `Source.seek`."""
        self._offset = position.offset

    def identity(self) -> Identity:
        """As `Source.identity`."""
        return {}

    def check(self, identity: Identity) -> None:
        """As `Source.check`."""
        del identity
