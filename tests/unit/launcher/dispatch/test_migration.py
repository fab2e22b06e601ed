"""Shards that move from one slot to another: single stories (the machine test has all others)."""

from __future__ import annotations

from typing import Any

import pytest

from support.dispatch.pool import Pool
from tamias.launcher.dispatch.instructions import (
    ReleaseShard,
    SendItems,
    StartWorker,
    StopWorker,
    TakeShard,
)
from tamias.launcher.dispatch.item import Item
from tamias.launcher.dispatch.migration import DRAINING_SECONDS, NARROWING_SECONDS
from tamias.store.encoding.keys import shard_of

SHARDS = 2


def key_of(shard: int) -> bytes:
    return next(key for n in range(99) if shard_of(key := b"%d" % n, SHARDS) == shard)


class Moving(Pool):
    """Two slots with a shard each."""

    def __init__(self, **options: Any) -> None:
        super().__init__(2, shards=SHARDS, **options)

    def read(self, shard: int, *offsets: int) -> list[int]:
        return self.dispatcher.submit([Item(n, key_of(shard), b"x", shard) for n in offsets])

    def orders(self) -> list[Any]:
        return [order for order in self.tick() if not isinstance(order, (SendItems, StartWorker))]

    def release(self, slot: int, shard: int) -> None:
        self.dispatcher.released(slot, self.dispatcher.incarnation(slot), shard)

    def take(self, slot: int, shard: int, *found: int) -> list[int]:
        incarnation = self.dispatcher.incarnation(slot)
        return self.dispatcher.taken(slot, incarnation, shard, self.now, found)


def test_a_shard_moves_when_what_is_in_flight_of_it_is_done() -> None:
    pool = Moving()
    pool.read(0, 1, 2)
    assert pool.sends() == [[1, 2]]
    pool.dispatcher.move(0, 1)
    pool.now += 1
    assert pool.orders() == []
    pool.now += NARROWING_SECONDS
    pool.read(0, 3)
    assert pool.orders() == []  # held back now
    pool.read(0, 4)
    pool.complete(1, 2)
    assert pool.orders() == [ReleaseShard(0, 1, 0)]
    pool.release(0, 0)
    pool.now += 0.5
    assert pool.orders() == [TakeShard(1, 1, 0)]
    assert pool.take(1, 0, 2) == []
    assert pool.sends() == [[3, 4]]
    assert pool.dispatcher.placement.owners == [1, 1]
    assert pool.dispatcher.moves.longest == pytest.approx(0.5)


def test_what_was_found_in_the_outbox_is_done_read_or_not() -> None:
    pool = Moving(start=False)
    (first, second) = [order for order in pool.tick() if isinstance(order, StartWorker)]
    pool.dispatcher.ready(second.slot, second.incarnation)
    pool.read(0, 1, 2)
    pool.dispatcher.start_failed(first.slot, first.incarnation, pool.now, "no luck")
    pool.dispatcher.move(0, 1)
    assert pool.orders() == [TakeShard(1, 1, 0)]
    assert pool.take(1, 0, 1, 5) == [1]
    assert pool.sends() == [[2]]
    assert pool.read(0, 3, 5) == [5]


def test_the_death_of_the_old_worker_sets_its_shard_free_in_order() -> None:
    pool = Moving()
    pool.read(0, 1, 2)
    pool.tick()
    pool.dispatcher.move(0, 1)
    pool.tick()
    pool.now += NARROWING_SECONDS
    pool.tick()
    pool.read(0, 3)
    pool.die(0)
    orders = pool.tick()
    assert TakeShard(1, 1, 0) in orders
    assert [order.shards for order in orders if isinstance(order, StartWorker)] == [[]]
    assert pool.take(1, 0, 1) == [1]
    (send,) = [order for order in pool.tick() if isinstance(order, SendItems)]
    assert [(item.offset, item.deaths) for item in send.items] == [(2, 1), (3, 0)]
    assert pool.dispatcher.counters.of(0).requeued == 1


def test_the_death_of_the_new_worker_makes_its_successor_take_the_shard() -> None:
    pool = Moving()
    pool.dispatcher.move(0, 1)
    assert pool.orders() == [ReleaseShard(0, 1, 0)]
    pool.release(0, 0)
    assert pool.orders() == [TakeShard(1, 1, 0)]
    pool.die(1)
    assert pool.dispatcher.taken(1, 1, 0, pool.now) == []  # last words
    pool.restart()
    assert pool.orders() == [TakeShard(1, 2, 0)]
    pool.take(1, 0)
    assert pool.dispatcher.shards_of(1) == [0, 1]


def test_a_source_that_dies_while_it_is_watched_has_its_shard_taken_away() -> None:
    pool = Moving()
    pool.read(0, 1, 2)
    pool.tick()
    pool.dispatcher.move(0, 1)
    pool.tick()
    pool.die(0)
    assert TakeShard(1, 1, 0) in pool.tick()
    pool.take(1, 0)
    assert [send.slot for send in pool.tick() if isinstance(send, SendItems)] == [1]


@pytest.mark.parametrize("state", ["ready", "dead", "starting"])
def test_at_once_means_not_another_input(state: str) -> None:
    """Both shards of slot 0 go to a slot that is not even ready, and slot 0 gets none of theirs."""
    pool = Moving()
    pool.dispatcher.move(1, 0)
    pool.tick()
    pool.release(1, 1)
    pool.tick()
    pool.take(0, 1)
    pool.die(1)  # that is where they are to go
    if state == "starting":
        pool.die(0)
    starts = dict(pool.starts())
    for shard in (0, 1):
        pool.read(shard, 2 * shard + 1, 2 * shard + 2)
        pool.dispatcher.move(shard, 1, at_once=True)
    if state == "dead":
        pool.die(0)
    if state == "starting":
        assert pool.tick() == []  # it may have them already
        pool.dispatcher.started(0, starts[0])
        pool.dispatcher.ready(0, starts[0])
    orders = pool.tick()
    assert not [order for order in orders if isinstance(order, SendItems)]
    assert pool.dispatcher.shards_of(0) == []
    if state != "dead":
        number = pool.dispatcher.incarnation(0)
        assert orders == [ReleaseShard(0, number, shard) for shard in (0, 1)]
        pool.release(0, 0)
        pool.release(0, 1)
    pool.dispatcher.started(1, starts[1])
    pool.dispatcher.ready(1, starts[1])
    assert pool.tick() == [TakeShard(1, starts[1], shard) for shard in (0, 1)]
    assert pool.take(1, 0, 1) == [1]
    assert pool.sent() == [2]
    assert pool.take(1, 1) == []
    assert pool.sent() == [3, 4]


def test_deaths_under_other_code_prove_nothing_against_an_item() -> None:
    pool = Moving()
    new = pool.dispatcher.add_slot(generation=1)
    pool.restart()
    pool.read(0, 1)
    pool.tick()

    def die(slot: int, to: int) -> bool:
        """Die with the item alone in flight, while its shard moves; whether it is rejected now."""
        if slot != to:
            pool.dispatcher.move(0, to)
            pool.tick()
            pool.now += NARROWING_SECONDS
            pool.tick()
        pool.die(slot, suspect=1, signal=11)
        pool.restart()
        if slot != to:
            pool.take(to, 0)
        (send,) = [order for order in pool.tick() if isinstance(order, SendItems)]
        return send.items[0].rejection is not None

    # An accident, two under bad code that is rolled back then, and two more accidents.
    assert [die(0, new), die(new, new), die(new, 0), die(0, 0), die(0, 0)] == [False] * 5
    assert die(0, 0)


def test_a_move_can_be_called_back_at_any_time() -> None:
    pool = Moving()
    pool.dispatcher.move(0, 1)
    assert pool.orders() == [ReleaseShard(0, 1, 0)]
    pool.dispatcher.move(0, 0)
    pool.release(0, 0)
    assert pool.orders() == [TakeShard(0, 1, 0)]
    pool.dispatcher.move(0, 1)  # too late: it comes back first
    pool.take(0, 0)
    assert pool.orders() == [ReleaseShard(0, 1, 0)]
    assert pool.dispatcher.moves.destinations() == [1, 1]


def test_a_retired_slot_ends_when_its_shards_are_gone_and_its_number_is_used_again() -> None:
    pool = Moving()
    pool.dispatcher.move(0, 1)
    pool.dispatcher.retire(0)
    assert pool.orders() == [ReleaseShard(0, 1, 0)]
    pool.release(0, 0)
    assert pool.orders() == [TakeShard(1, 1, 0)]
    pool.take(1, 0)
    assert pool.orders() == [StopWorker(0, 1)]
    pool.die(0)
    assert pool.dispatcher.counters.deaths == 0
    assert pool.dispatcher.slots() == [1]
    assert pool.dispatcher.add_slot(7) == 0
    assert pool.tick() == [StartWorker(0, 2, [], 7)]
    pool.dispatcher.retire(1)
    with pytest.raises(ValueError, match="retired"):
        pool.dispatcher.move(0, 1)


def test_workers_of_a_move_get_less_to_do_and_their_credit_back() -> None:
    pool = Moving(window=64, batch=64)
    pool.read(0, *range(64))
    assert len(pool.sent()) == 64
    pool.dispatcher.observed(0, 1, 20)
    pool.dispatcher.move(0, 1)
    pool.tick()
    pool.now += 1.0
    pool.tick()
    assert pool.dispatcher._states[0].window == 20  # what it has under way, and nothing to wait
    pool.complete(*range(44))
    pool.read(0, *range(64, 80))
    assert pool.sends() == []  # held back
    pool.now += DRAINING_SECONDS
    pool.tick()
    assert pool.dispatcher._states[0].window == 64


def test_on_trial_a_worker_that_cannot_live_is_not_the_end_of_the_pool() -> None:
    pool = Moving()
    pool.dispatcher.on_trial.add(1)
    slot = pool.dispatcher.add_slot(1)
    for _ in range(9):
        pool.now += 60.0
        for order in pool.tick():
            if isinstance(order, StartWorker):
                pool.dispatcher.start_failed(slot, order.incarnation, pool.now, "no luck")
    assert "no luck" in pool.dispatcher.given_up[1]
    assert pool.dispatcher.counters.of(1).start_failures == 5
    assert pool.dispatcher.counters.of(0).start_failures == 0
    pool.dispatcher.retire(slot)
    pool.tick()
    assert pool.dispatcher.slots() == [0, 1]
