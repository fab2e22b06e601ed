"""Reads inputs from the source into the dispatcher, as many as it wants."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING, Final

from ...agent.errors import InputError
from ..dispatch.item import Item, Rejection
from ..garbage import hold
from ..metrics.input_ages import InputAges
from ..metrics.top_keys import TopKeys

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..delivery.delivery import Delivery
    from ..delivery.source import Record, Source
    from ..dispatch.dispatcher import Dispatcher

READ_AT_ONCE: Final = 1024
READ_FIRST: Final = 16
"""The first time, when the size of inputs is unknown."""
BACKLOG_BYTES: Final = 64 << 20
"""A sink that holds back more than this for the sake of order stops the source."""


class Reader:
    """Reads the source of one pool.

    Attributes:
        closed: whether reading has ended; set by the pool.
        is_full: returns whether the store has too many inputs that wait; set by the pool.
        starved: whether inputs (or what else the source receives) are wanted, but none has arrived.
    """

    def __init__(
        self, source: Source, delivery: Delivery, dispatcher: Dispatcher, malformed_limit: int = 0
    ) -> None:
        """`malformed_limit` is of `check_beginning`."""
        self._source = source
        self._delivery = delivery
        self._dispatcher = dispatcher
        self._shard_of = dispatcher.placement.shard_of
        self._malformed_limit = malformed_limit
        self._malformed = 0
        """Malformed records at the beginning of the input, without a sound one."""
        self.closed = False
        self.is_full: Callable[[], bool] = lambda: False
        self.starved = False
        self.ages = InputAges()
        """When inputs were read."""
        self.top_keys = TopKeys()
        """Which keys have the most inputs."""

    def _wants(self) -> int:
        if self.closed or self._delivery.backlog > BACKLOG_BYTES or self.is_full():
            return 0
        return self._dispatcher.wanted()

    def feed(self) -> bool:
        """Read until the dispatcher wants no more, or fewer have arrived. Never waits.

        Returns whether there may be more: those that are read go to their workers before the source
        is asked for them.
        """
        source = self._source
        delivery = self._delivery
        self.starved = False
        while not source.exhausted and (wanted := self._wants()) > 0:
            source.receive()
            position = source.position
            most = min(wanted, READ_AT_ONCE if position.offset else READ_FIRST)
            records = source.read(most)
            if not records:
                self.starved = source.listens or not source.exhausted
                return False
            if self._malformed == position.offset < self._malformed_limit:
                self._malformed += check_beginning(records, self._malformed_limit, self._malformed)
            done = delivery.reading(position)
            shard_of = self._shard_of
            items = [
                Item(offset, key, payload, shard_of[key])
                if fault is None
                else Item(offset, key, payload, shard_of[key], Rejection("bad-input", fault))
                for offset, (key, payload, fault) in zip(
                    count(position.offset, source.step), records, strict=False
                )
            ]
            if done is not None:  # an earlier life has read from here
                items = [item for item in items if item.offset not in done]
            self.ages.read(position.offset, time.monotonic())
            self.top_keys.sample(items)
            hold(len(items))
            self._dispatcher.submit(items)
            if self._dispatcher.moves.under_way:
                break  # a moving shard waits for the next turn of the loop
            if len(records) < most:
                return True
        if source.listens:
            source.receive()
            self.starved = True
        return False


def check_beginning(records: list[Record], limit: int, before: int = 0) -> int:
    """Return how many of the first records of an input are malformed.

    Args:
        records: the next ones.
        limit: so many malformed records without a sound one are too many.
        before: malformed records that came before these, without a sound one.

    Raises:
        InputError: there are as many as `limit`.
    """
    malformed = 0
    for _, _, fault in records:
        if fault is None:
            break
        malformed += 1
        if before + malformed >= limit:
            raise InputError(
                f"The first {limit} records of the input are all malformed; the last of them: "
                f"{fault}.",
                hint="Name the field that holds the key (--key), or the format (--input-format). "
                "To have malformed records set aside, however many: --set malformed-limit=0.",
            )
    return malformed
