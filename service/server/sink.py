"""The pool's sink: the outcome of each input goes to the frontend, and into the request log.

To the frontend at once, so that the client need not wait for a checkpoint; into the request log
before each checkpoint. Recording an outcome again changes nothing, so nothing has to be cut back
after a crash.

A run that is suspended has no outcome yet: its client waits until it ends. Timers and ends of the
input have outputs that belong to no submission: these are counted, and no client gets them.

A failed run has no outputs, but its client waits for an outcome, too. It gets the error from the
dead letter, which the worker has committed together with the record that arrives here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...launcher.delivery.sink import Sink, recorded
from ...store.encoding.keys import shard_of
from ...store.records.offsets import RunKind, is_owned, kind_of, offset_of
from ...store.state.reader import StoreReader
from ..protocol.frames import outcome_of_failure, outcome_of_outputs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ...launcher.delivery.done_offsets import DoneOffsets
    from ...launcher.delivery.sink import Position
    from ...store.records.outbox import Outputs
    from .handoff import Handoff
    from .request_log import RequestLog

_UNSAVED_BYTES = 32 << 20


class ReplySink(Sink):
    """Answers the clients.

    Args:
        request_log: of the service.
        handoff: to its frontend.
        state: the state directory, in whose shards the dead letters are.
    """

    codec: str = "json"

    def __init__(self, request_log: RequestLog, handoff: Handoff, state: Path) -> None:
        self._request_log = request_log
        self._handoff = handoff
        self._state = state
        self._reader: StoreReader | None = None
        self._done = 0
        self._delivered: DoneOffsets | None = None

    def open(self, position: Position | None, delivered: DoneOffsets) -> None:
        """As `Sink.open`."""
        self.outputs = (recorded(position, "outputs") or 0) if position is not None else 0
        if position is not None:
            self._handoff.unclaimed = recorded(position, "unclaimed") or 0
        self._delivered = delivered
        # The checkpoint that was loaded covers this much, until the next one is saved.
        self._done = delivered.low

    def write(self, outputs: Outputs, fresh: Sequence[int]) -> Sequence[int]:
        """As `Sink.write`. Raises StoreFullError if there is no room in the request log."""
        failed = frozenset(outputs.failed)
        suspended = frozenset(outputs.suspended)
        wanted = frozenset(fresh)
        outcomes = {}
        calls = {}
        waits = []
        for number, values in outputs.each():
            if number not in wanted:
                continue
            self.outputs += len(values)
            kind = kind_of(number)
            if kind != RunKind.INPUT:
                self._handoff.unclaimed += len(values) * (kind != RunKind.NOTICE)
                continue  # no client waits for this
            offset = offset_of(number)
            if number in suspended:
                waits += [] if is_owned(number) else [offset]
                continue
            if is_owned(number) and (call := self._request_log.call_of(offset)) is not None:
                calls[offset] = call
            outcomes[offset] = (
                outcome_of_failure({**self._failure(offset), "generation": outputs.generation})
                if number in failed
                else outcome_of_outputs(values, outputs.generation)
            )
        if waits:
            self._handoff.suspend(waits)
        if self._handoff.answer(outcomes, calls) > _UNSAVED_BYTES:
            self._save()
        return fresh

    def append(self, outputs: Outputs) -> None:
        """As `Sink.append`: retried dead letters, whose clients have had an outcome before."""
        self.outputs += len(outputs.lengths)

    def flush(self) -> None:
        """As `Sink.flush`."""
        self._save()
        if self._delivered is not None:
            # The next checkpoint contains what is done now, so at the next flush it is covered.
            self._done = self._delivered.low

    def position(self) -> Position:
        """As `Sink.position`."""
        return {"outputs": self.outputs, "unclaimed": self._handoff.unclaimed}

    def close(self) -> None:
        """As `Sink.close`."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _save(self) -> None:
        outcomes = self._handoff.unsaved()
        self._request_log.answer(outcomes, self._done)
        self._handoff.saved(outcomes)

    def _failure(self, offset: int) -> dict[str, Any]:
        """Return the outcome that a client gets for a failed run."""
        key = self._request_log.key_of(offset)
        if key is not None:
            if self._reader is None:
                self._reader = StoreReader(self._state)
            with self._reader.shard(shard_of(key, self._reader.view.manifest.shards)) as snapshot:
                letter = snapshot.dead_letter(offset) if snapshot is not None else None
            if letter is not None:
                return {
                    "cause": letter.cause,
                    "error": letter.error,
                    "traceback": letter.traceback,
                    "attempts": letter.attempts,
                    "offset": offset,
                }
        return {
            "cause": "ignored",
            "error": "the run failed and was passed over, as on-error wants it",
            "traceback": "",
            "attempts": 0,
            "offset": offset,
        }
