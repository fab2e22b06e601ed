"""A dispatcher with obedient workers, for tests that tell one story in few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tamias.launcher.dispatch.dispatcher import Dispatcher
from tamias.launcher.dispatch.instructions import Instruction, SendItems, StartWorker
from tamias.launcher.dispatch.item import Death, Item, Rejection

if TYPE_CHECKING:
    from collections.abc import Iterable


def item(offset: int, key: str = "k", *, shard: int = 0, size: int = 1, bad: bool = False) -> Item:
    rejection = Rejection("bad-input", "not JSON") if bad else None
    return Item(offset, key.encode(), b"x" * size, shard, rejection=rejection)


class Pool:
    """Workers start as soon as they are asked to; `now` is the clock."""

    def __init__(self, slots: int = 1, *, start: bool = True, **options: Any) -> None:
        self.dispatcher = Dispatcher(slots, **options)
        self.now = 0.0
        if start:
            self.restart()

    def submit(self, offsets: Iterable[int], *, size: int = 1) -> list[int]:
        return self.dispatcher.submit([item(offset, size=size) for offset in offsets])

    def tick(self) -> list[Instruction]:
        return self.dispatcher.tick(self.now)

    def sends(self) -> list[list[int]]:
        """The offsets of each message that is to be sent now."""
        return [
            [i.offset for i in send.items] for send in self.tick() if isinstance(send, SendItems)
        ]

    def sent(self) -> list[int]:
        """The offsets of all messages that are to be sent now, in one list."""
        return [offset for message in self.sends() for offset in message]

    def starts(self) -> list[tuple[int, int]]:
        """The (slot, incarnation) of the workers that are to be started now."""
        return [(s.slot, s.incarnation) for s in self.tick() if isinstance(s, StartWorker)]

    def restart(self, recovered: Iterable[int] = ()) -> list[int]:
        """Wait until workers may start, start them, and return what they found committed."""
        self.now = max(self.now, self.dispatcher.next_deadline(self.now) or 0.0)
        done = []
        for slot, incarnation in self.starts():
            self.dispatcher.started(slot, incarnation)
            done += self.dispatcher.ready(slot, incarnation, recovered)
        return done

    def complete(self, *offsets: int, slot: int = 0) -> list[int]:
        incarnation = self.dispatcher.incarnation(slot)
        return list(self.dispatcher.completed(slot, incarnation, offsets))

    def die(self, slot: int = 0, **death: Any) -> None:
        incarnation = self.dispatcher.incarnation(slot)
        self.dispatcher.died(slot, incarnation, self.now, Death(**death))

    def crash(self, **death: Any) -> list[int]:
        """The worker of slot 0 dies; return what its successor is sent first."""
        self.die(**death)
        self.restart()
        return self.sent()
