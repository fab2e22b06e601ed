"""What one finished action of a run has done, as the journal keeps it.

A run of several actions puts each finished action's effects on record before the next one
starts, so that recovery applies them and goes on there instead of running the action again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..agent.errors import UnserializableError
from ..store.codec import dumps, loads
from .space import DELETED, thaw_record, to_record

if TYPE_CHECKING:
    from ..agent.event import Event


class Effects(NamedTuple):
    """The changes, events and outputs of one action."""

    action: str
    short_term: dict[str, Any]
    """Kept values by path, as in a space's delta."""
    sensory: dict[str, Any]
    events: list[Event]
    outputs: list[bytes]
    """Encoded for the pool's sink."""

    def encode(self) -> bytes:
        """The journal's bytes.

        Raises:
            UnserializableError: an event that the action sent cannot be pickled.
        """
        try:
            events = dumps(self.events)
        except UnserializableError as error:
            raise UnserializableError(
                f"action {self.action!r} sent an event that cannot be put on record: {error}"
            ) from error
        return dumps(
            (self.action, _records(self.short_term), _records(self.sensory), events, self.outputs)
        )

    @classmethod
    def decode(cls, data: bytes) -> Effects:
        """Inverse of `encode`."""
        action, short_term, sensory, events, outputs = loads(data)
        return cls(action, _values(short_term), _values(sensory), loads(events), outputs)


def _records(delta: dict[str, Any]) -> dict[str, bytes | None]:
    return {path: to_record(value) for path, value in delta.items()}


def _values(records: dict[str, bytes | None]) -> dict[str, Any]:
    return {
        path: DELETED if record is None else thaw_record(record) for path, record in records.items()
    }
