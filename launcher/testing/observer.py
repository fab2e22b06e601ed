"""What a test sees of runs: the durable calls and events of actions, and timers that are set."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ...agent.event import Event  # noqa: TC001 (`public` classes evaluate annotations)
from ...store.encoding.keys import decode_key
from ...store.encoding.values import loads
from ...store.records.offsets import RunKind
from ...store.state.reader import StoreReader
from ...worker.intercepting.context import abandon, action_in, offset_in
from ...worker.intercepting.interceptor import Interceptor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ...agent.context import RunnerContext
    from ...worker.intercepting.interceptor import MadeCall

__all__ = ["Observer", "SentEvent", "SetTimer", "timers_in"]


@dataclass(frozen=True)
class SentEvent:
    """An event that an action has sent to other actions."""

    event: Event
    action: str
    """The action that has sent it."""
    key: Any
    offset: int
    """Of the input whose run it belongs to."""


@dataclass(frozen=True)
class SetTimer:
    """A timer that is to come."""

    id: str
    key: Any
    due: datetime
    """In UTC."""
    event: Event
    every: float
    """Seconds after which it comes again; 0 for never."""


class _WorkerCrash(BaseException):
    """Raised out of an action whose worker is to die."""


class Observer(Interceptor):
    """Collects calls and events.

    Attributes:
        calls: the durable calls, in the order in which they have ended.
        events: the events, in the order in which they were sent.
        crashes_after: after so many more calls the worker dies; None: it does not.
        crash: has the worker die when its loop comes to that.
    """

    def __init__(self) -> None:
        self.calls: list[MadeCall] = []
        self.events: list[SentEvent] = []
        self.crashes_after: int | None = None
        self.crash: Callable[[], object] = lambda: None

    def event_sent(self, ctx: RunnerContext, event: Event) -> None:
        """As `Interceptor.event_sent`."""
        self.events.append(SentEvent(event, action_in(ctx), ctx.key, offset_in(ctx)))

    def call_ended(self, ctx: RunnerContext, call: MadeCall) -> None:
        """As `Interceptor.call_ended`."""
        self.calls.append(call)
        if self.crashes_after is None or call.is_replayed:
            return
        self.crashes_after -= 1
        if self.crashes_after <= 0:
            self.crashes_after = None
            abandon(ctx)
            self.crash()
            raise _WorkerCrash


def timers_in(state: Path) -> list[SetTimer]:
    """The timers that are set in a state directory, the next one first."""
    found = []
    with StoreReader(state) as reader:
        for number in range(reader.view.manifest.shards):
            with reader.shard(number) as snapshot:
                if snapshot is None:
                    continue
                view = snapshot.waiting
                owned = [view.owned(timer) for timer in view.timers()]
                found += [
                    SetTimer(
                        each.id,
                        decode_key(each.key),
                        datetime.fromtimestamp(each.due, timezone.utc),
                        loads(each.payload),
                        each.every,
                    )
                    for each in owned
                    if each is not None and each.kind == RunKind.TIMER
                ]
    return sorted(found, key=lambda timer: timer.due)
