"""The pool's source: the submissions that the frontend has recorded, in that order.

It has no end. Inputs that a checkpoint covers are deleted from the request log, except for those
whose runs wait, so the input at a position may be missing: then reading begins with the next one
that is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...agent.errors import InputError
from ...launcher.delivery.source import Position, Record, Source

if TYPE_CHECKING:
    from ...launcher.delivery.source import Identity
    from .handoff import Handoff
    from .request_log import RequestLog


class RequestSource(Source):
    """Reads the request log, and is woken when there is more."""

    codec = "json-object"

    def __init__(self, request_log: RequestLog, handoff: Handoff) -> None:
        self._request_log = request_log
        self._handoff = handoff
        self._offset = request_log.first
        self._has_read_all = False
        """Whether there is nothing to read before the next arrival."""

    @property
    def position(self) -> Position:
        """As `Source.position`."""
        return Position(self._offset)

    def read(self, limit: int) -> list[Record]:
        """As `Source.read`. Also raises the error that has ended the frontend."""
        if self._handoff.failure is not None:
            raise self._handoff.failure
        # Before reading: later inputs wake it again.
        if not self._handoff.arrivals.clear() and self._has_read_all:
            return []
        records: list[Record] = [*self._request_log.read(self._offset, limit)]
        self._offset += len(records)
        if len(records) < limit:
            following = self._request_log.first_from(self._offset)
            if following != self._offset:
                self._offset = following
                self._handoff.arrivals.wake()
        self._has_read_all = len(records) < limit
        return records

    def fileno(self) -> int | None:
        """As `Source.fileno`."""
        return self._handoff.arrivals.fileno()

    def seek(self, position: Position) -> None:
        """As `Source.seek`."""
        self._offset = self._request_log.first_from(position.offset)
        self._has_read_all = False

    def identity(self) -> Identity:
        """As `Source.identity`."""
        return {"kind": "service"}

    def check(self, identity: Identity) -> None:
        """As `Source.check`."""
        if identity != self.identity():
            raise InputError(
                "This state directory belongs to a job with an input of its own, not to a service.",
                hint="Name another state directory (--state).",
            )
