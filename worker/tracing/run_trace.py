"""What one attempt at a run has done: held back until it ends, and then written or dropped.

Nearly all runs are dropped, so an entry is a tuple that refers to what there is: nothing is copied
or made to text. An event's contents are therefore those at the end of the run. Its origin is taken
at once, for an event that is sent on gets another one.

An *execution* is anything with a beginning and an end: an action, a call, a wait. It has a number;
0 is the run itself. Executions in actions have the action as their parent, or the tool that makes
them (`execution`).
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from ...agent.events.identity import ORIGIN
from ...agent.tracing.executions import Execution

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TypeAlias

    from ...agent.event import Event
    from ...agent.events.identity import EarlyOrigin, Origin

    AnyOrigin: TypeAlias = Origin | EarlyOrigin
    Entry: TypeAlias = tuple[Any, ...]

__all__ = ["ATTEMPT", "EVENT", "FINISH", "INPUT", "OUTPUT", "START", "RunTrace"]

# Kinds of entries; each begins with its kind and its moment.
EVENT: Final = "event"
"""(event, its origin, origin of the event that was handled, action, its execution)"""
INPUT: Final = "input"
"""(payload of the input)"""
OUTPUT: Final = "output"
"""As `EVENT`, with an encoded output in place of an event."""
START: Final = "start"
"""(execution, parent, entity type, name, metadata, origin of the event that is handled)"""
FINISH: Final = "finish"
"""(execution, status, error, attributes)"""
ATTEMPT: Final = "attempt"
"""(): the execution of the actions begins again."""

MOST_ENTRIES: Final = 5000
"""A run with more has the others counted."""

_now: Final = time.monotonic
_PARENT: Final[ContextVar[tuple[Any, int]]] = ContextVar("tamias_execution", default=(None, 0))
"""The trace and execution that new executions belong to."""


class RunTrace:
    """What an attempt at a run has done so far.

    Attributes:
        number, key, attempt: of the run; see `worker.hooks.RunInfo`.
        began: in seconds of the monotonic clock.
        entries: what it has done, in that order.
        description: what it is the run of, if not of an input.
        lost: how many entries there were no room for.
        outputs: how many outputs were sent.
    """

    # Of most runs nothing is written: what need not be stored is a class attribute.
    description: str = ""
    lost: int = 0
    outputs: int = 0
    _executions: int = 0
    _action: int = 0
    _action_name: str = ""
    _handled: AnyOrigin | None = None

    def __init__(self, number: int, key: bytes, attempt: int, began: float | None = None) -> None:
        self.number = number
        self.key = key
        self.attempt = attempt
        self.began = _now() if began is None else began
        self.entries: list[Entry] = []

    def backdate(self, began: float) -> None:
        """Set the beginning to a moment before what is known of it."""
        self.began = began
        self.entries = [
            (entry[0], began, *entry[2:])
            if entry[0] in (EVENT, INPUT, START) and place < 2
            else entry
            for place, entry in enumerate(self.entries)
        ]

    def _add(self, entry: Entry) -> None:
        if len(self.entries) < MOST_ENTRIES:
            self.entries.append(entry)
        else:
            self.lost += 1

    # -- events ---------------------------------------------------------------------------------

    def begin_with(self, event: Event) -> None:
        """Add the event that the run begins with."""
        origin = event.__dict__.get(ORIGIN)
        self._add((EVENT, _now(), event, origin, None, "", 0))

    def begin_with_payload(self, payload: bytes) -> None:
        """The same, of an input; its event is made when it is written."""
        self._add((INPUT, _now(), payload))

    def send(self, event: Event) -> None:
        """Add an event that the current action has sent."""
        origin = event.__dict__.get(ORIGIN)
        handled, name, action = self._handled, self._action_name, self._action
        self._add((EVENT, _now(), event, origin, handled, name, action))

    def send_output(self, output: Any, step: int, *, is_encoded: bool = False) -> None:
        """Add an output that the current action has sent, as an event or as bytes."""
        origin = (self.key, self.number, step, self.outputs, b"output")
        self.outputs += 1
        handled, name, action = self._handled, self._action_name, self._action
        kind = OUTPUT if is_encoded else EVENT
        self._add((kind, _now(), output, origin, handled, name, action))

    # -- executions -----------------------------------------------------------------------------

    def start_action(self, name: str, event: Event | None) -> None:
        """Begin an action; without an event it is that of the input."""
        handled: AnyOrigin | None = (self.key, self.number, 0, 0)
        if event is not None:
            handled = event.__dict__.get(ORIGIN)
        self._executions += 1
        self._action, self._action_name, self._handled = self._executions, name, handled
        self._add((START, _now(), self._action, 0, "action", name, None, handled))

    def finish_action(self, error: BaseException | None = None) -> None:
        """End the current action."""
        if self._action:
            self.finish(self._action, error)
            self._action = 0

    def reuse_action(
        self, name: str, event: Event, events: list[Event], outputs: list[bytes], step: int
    ) -> None:
        """Add an action whose effects are on record, with what it has sent."""
        self.start_action(name, event)
        for sent in events:
            self.send(sent)
        for output in outputs:
            self.send_output(output, step, is_encoded=True)
        self._add((FINISH, _now(), self._action, "reused", None, None))
        self._action = 0

    def begin_again(self) -> None:
        """The actions are executed again, in the same attempt."""
        self._action = 0
        self._add((ATTEMPT, _now()))

    def start(self, entity: str, name: str, metadata: Mapping[str, Any] | None = None) -> int:
        """Begin an execution inside the current action; return its number."""
        trace, parent = _PARENT.get()
        self._executions += 1
        number = self._executions
        parent = parent if trace is self else self._action
        self._add((START, _now(), number, parent, entity, name, metadata, None))
        return number

    def finish(
        self,
        number: int,
        error: BaseException | str | None = None,
        attributes: Mapping[str, Any] | None = None,
        *,
        reused: bool = False,
    ) -> None:
        """End an execution: with an error, or answered from its record, or well."""
        status = "reused" if reused else "success" if error is None else "failed"
        self._add((FINISH, _now(), number, status, error, attributes))

    @contextmanager
    def execution(
        self, entity: str, name: str, metadata: Mapping[str, Any] | None
    ) -> Iterator[Execution]:
        """An execution whose block has all that belongs to it."""
        number = self.start(entity, name, metadata)
        first = len(self.entries)
        token = _PARENT.set((self, number))
        execution = Execution()
        try:
            yield execution
        except Exception as error:  # one that is given up has no end
            self.finish(number, error)
            raise
        finally:
            _PARENT.reset(token)
        reused = execution.error is None and self._is_reused(number, first)
        self.finish(number, execution.error, execution.attributes, reused=reused)

    def _is_reused(self, number: int, first: int) -> bool:
        """Whether all that an execution has done was answered from records."""
        own = {
            entry[2] for entry in self.entries[first:] if entry[0] == START and entry[3] == number
        }
        ends = [
            entry[3] for entry in self.entries[first:] if entry[0] == FINISH and entry[2] in own
        ]
        return bool(own) and all(status == "reused" for status in ends)
