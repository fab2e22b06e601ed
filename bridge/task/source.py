"""The source of a pool under a Flink task: the inputs that the task sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...launcher.delivery.source import Position, Source
from .frames import Inputs

if TYPE_CHECKING:
    from ...launcher.delivery.source import Identity, Record
    from .connection import TaskConnection


class TaskSource(Source):
    """Reads what the task sends; `receive` is when the task is listened to."""

    codec = "pickle"

    def __init__(self, connection: TaskConnection, step: int) -> None:
        """`step` is between the offsets of inputs."""
        self.step = step
        self._connection = connection
        self._waiting: Inputs | None = None

    def receive(self) -> None:
        """As `Source.receive`: act upon all that comes before the next inputs.

        Raises:
            TaskEndedError: the task is gone.
        """
        if self._waiting is None:
            self._waiting = self._connection.next_inputs()

    @property
    def position(self) -> Position:
        """As `Source.position`; of no meaning while nothing has been received."""
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
        return records

    def fileno(self) -> int | None:
        """As `Source.fileno`."""
        return self._connection.fileno()

    def seek(self, position: Position) -> None:
        """Nothing to seek: the task sends again what has to be read again."""

    def identity(self) -> Identity:
        """What tells this input from another."""
        return {"kind": "task"}

    def check(self, identity: Identity) -> None:
        """There is only one."""
