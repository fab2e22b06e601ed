"""The effects of one finished action of a run, as the journal keeps them.

They wait in the run until something depends on them (`recorder`). Once they are on record, recovery
applies them and goes on there instead of running the action again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ...agent.errors import DivergenceError, UnserializableError
from ...store.encoding.values import dumps, loads
from ..memory.fields import DELETED, from_record, to_record
from ..memory.set_layers import from_records, to_records
from ..waiting.timers import TimerChange
from .event_snapshots import encode_snapshot

if TYPE_CHECKING:
    from ...agent.event import Event
    from ..memory.set_layers import Layer
    from .event_snapshots import EventSnapshot


class Effects(NamedTuple):
    """The changes, events and outputs of one action."""

    action: str
    short_term: dict[str, Any]
    """Kept values by path, as in the delta of `MemoryFields`."""
    sensory: dict[str, Any]
    events: list[Event]
    outputs: list[bytes]
    """Encoded for the pool's sink."""
    generation: int = 0
    """The generation whose code has the action."""
    timers: list[TimerChange] = []  # noqa: RUF012 (never changed)
    """Timers that it has set and cancelled."""
    sets: Layer = {}  # noqa: RUF012 (never changed)
    """Changes of memory sets."""
    reads: list[str] = []  # noqa: RUF012 (never changed)
    """Fields of memory that are to be kept as read."""
    snapshot: EventSnapshot | None = None
    """What `events` were when the action ended; None if nothing has changed them since."""

    def encode(self) -> bytes:
        """The journal's bytes.

        Raises:
            UnserializableError: an event that the action sent cannot be pickled.
        """
        try:
            kept = self.snapshot
            events = dumps(self.events) if kept is None else encode_snapshot(kept)
        except UnserializableError as error:
            raise UnserializableError(
                f"action {self.action!r} sent an event that cannot be put on record: {error}"
            ) from error
        short_term, sensory = _records(self.short_term), _records(self.sensory)
        # Generation 0 is omitted: so are the records of versions without generations.
        last: tuple[Any, ...] = (self.generation,) if self.generation else ()
        if self.timers or self.sets or self.reads:
            last = (self.generation, [tuple(change) for change in self.timers])
        if self.sets or self.reads:
            last = (*last, to_records(self.sets))
        if self.reads:
            last = (*last, self.reads)
        return dumps((self.action, short_term, sensory, events, self.outputs, *last))

    @classmethod
    def decode(cls, data: bytes) -> Effects:
        """Inverse of `encode`.

        Raises:
            DivergenceError: an event cannot be read, for example because the code lacks its class.
        """
        action, short_term, sensory, pickled, outputs, *last = loads(data)
        generation = last[0] if last else 0
        timers = [TimerChange(*change) for change in last[1]] if len(last) > 1 else []
        sets = from_records(last[2]) if len(last) > 2 else {}
        reads = last[3] if len(last) > 3 else []
        try:
            events = loads(pickled)
        except Exception as error:
            raise DivergenceError(
                f"what action {action!r} has sent is on record, but cannot be read by the code "
                f"there is now: {type(error).__name__}: {error}",
                recorded_by=generation,
            ) from error
        memory = _values(short_term), _values(sensory)
        return cls(action, *memory, events, outputs, generation, timers, sets, reads)

    @staticmethod
    def origin(data: bytes) -> tuple[str, int]:
        """The action of a record, and the generation that made the record."""
        action, _, _, _, _, *last = loads(data)
        return action, last[0] if last else 0


def _records(delta: dict[str, Any]) -> dict[str, bytes | None]:
    return {path: to_record(value) for path, value in delta.items()}


def _values(records: dict[str, bytes | None]) -> dict[str, Any]:
    return {
        path: DELETED if record is None else from_record(record) for path, record in records.items()
    }
