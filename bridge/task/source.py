"""The source of a pool under a Flink task: the inputs that the task sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...launcher.delivery.source import Position, Source
from .frames import Inputs

if TYPE_CHECKING:
    from ...launcher.delivery.source import Identity, Record
    from .connection import TaskConnection


class TaskSource(Source):
    """Inputs that the task sends; `receive` reads its frames."""

    listens = True

    def __init__(self, connection: TaskConnection, step: int, codec: str = "pickle") -> None:
        """`step` is the distance between the offsets of two inputs, `codec` that of values."""
        self.step = step
        self.codec = codec
        self._connection = connection
        self._waiting: Inputs | None = None

    def receive(self) -> None:
        """As `Source.receive`: process all frames that have arrived.

        Raises:
            TaskEndedError: the task is gone.
        """
        self._connection.receive()
        if self._waiting is None:
            self._waiting = self._connection.next_inputs()
        self.exhausted = self._waiting is None and self._connection.is_exhausted

    @property
    def position(self) -> Position:
        """As `Source.position`; without a meaning before the first inputs."""
        return Position(self._waiting.first if self._waiting is not None else 0)

    def read(self, limit: int) -> list[Record]:
        """As `Source.read`."""
        if self._waiting is None:
            return []
        first, records = self._waiting
        self._waiting = None
        if len(records) > limit:
            self._waiting = Inputs(first + limit * self.step, records[limit:])
            del records[limit:]
        elif self._connection.is_exhausted:
            self.exhausted = True
        return records

    def fileno(self) -> int | None:
        """As `Source.fileno`."""
        return self._connection.fileno()

    def seek(self, position: Position) -> None:
        """Nothing to seek: the task sends again what has to be read again."""

    def identity(self) -> Identity:
        """As `Source.identity`."""
        return {"kind": "task"}

    def check(self, identity: Identity) -> None:
        """Nothing to check: there is one such source only."""
