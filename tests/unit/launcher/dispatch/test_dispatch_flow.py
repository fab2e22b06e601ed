"""The ordinary life of the dispatcher: routing, order, credit, completion, and the end."""

from __future__ import annotations

import pytest

from support.dispatch.pool import Pool, item
from tamias.launcher.dispatch.dispatcher import FEW, Dispatcher
from tamias.launcher.dispatch.instructions import SendItems, StartWorker
from tamias.launcher.dispatch.slot import Phase


def test_every_slot_gets_a_worker_at_once() -> None:
    pool = Pool(slots=2, start=False)
    assert pool.tick() == [StartWorker(0, 1, [0], 0), StartWorker(1, 1, [1], 0)]
    assert pool.tick() == []


def test_nothing_is_sent_before_the_worker_is_ready() -> None:
    pool = Pool(start=False)
    pool.submit([0, 1])
    assert pool.sends() == []
    pool.dispatcher.started(0, 1)
    assert pool.dispatcher.phase(0) is Phase.STARTING
    assert pool.sends() == []
    pool.dispatcher.ready(0, 1)
    assert pool.sends() == [[0, 1]]


def test_items_go_to_their_slot_in_offset_order() -> None:
    pool = Pool(slots=2)
    items = [item(0, shard=1), item(1, shard=0), item(2, shard=1), item(5, shard=0)]
    pool.dispatcher.submit(items)
    assert pool.tick() == [
        SendItems(0, 1, [items[1], items[3]]),
        SendItems(1, 1, [items[0], items[2]]),
    ]


def test_offsets_that_go_back_are_refused() -> None:
    pool = Pool()
    pool.submit([4, 7])
    with pytest.raises(ValueError, match="ascending"):
        pool.submit([7])
    with pytest.raises(ValueError, match="ascending"):
        pool.submit([9, 8])


def test_a_message_holds_at_most_a_batch() -> None:
    pool = Pool(batch=3)
    pool.submit(range(7))
    assert pool.sends() == [[0, 1, 2], [3, 4, 5], [6]]


def test_in_flight_is_at_most_a_window() -> None:
    pool = Pool(window=4)
    pool.submit(range(9))
    assert pool.sent() == [0, 1, 2, 3]
    assert pool.sent() == []
    assert (pool.dispatcher.in_flight(0), pool.dispatcher.waiting(0)) == (4, 5)
    assert pool.complete(2, 0) == [2, 0]
    assert pool.sent() == [4, 5]


def test_in_flight_are_at_most_window_bytes() -> None:
    pool = Pool(window_bytes=100)
    pool.submit(range(5), size=40)
    assert pool.sent() == [0, 1]
    pool.complete(0)
    assert pool.sent() == [2]


def test_an_item_larger_than_the_window_goes_alone() -> None:
    pool = Pool(window_bytes=100)
    sizes = [10, 5000, 0, 10]
    pool.dispatcher.submit([item(n, size=size) for n, size in enumerate(sizes)])
    assert pool.sent() == [0]
    pool.complete(0)
    assert pool.sent() == [1]
    pool.complete(1)
    assert pool.sent() == [2, 3]


def test_a_full_pipe_is_refilled_in_gulps_but_never_runs_dry() -> None:
    pool = Pool(window=64, batch=64)
    pool.submit(range(100))
    assert len(pool.sent()) == 64
    pool.complete(0, 1, 2)
    assert pool.sent() == []  # three credits are not worth a message
    pool.complete(3)
    assert pool.sent() == [64, 65, 66, 67]
    pool.complete(*range(4, 64))
    assert len(pool.sent()) == 32
    pool.complete(64)
    pool.submit([100])
    assert pool.sent() == [100]  # all that waits fits: no reason to hold it back


def test_a_completion_counts_once() -> None:
    pool = Pool()
    pool.submit([0, 1, 2])
    pool.tick()
    assert pool.complete(1, 1, 99) == [1]
    assert pool.complete(0, 1) == [0]
    assert not pool.dispatcher.idle
    assert pool.complete(2) == [2]
    assert pool.dispatcher.idle


def test_few_are_in_flight_while_a_sender_may_wait_for_each() -> None:
    pool = Pool(slots=2)
    assert not pool.dispatcher.has_few
    pool.dispatcher.submit([item(number, shard=number % 2) for number in range(FEW)])
    assert not pool.dispatcher.has_few
    pool.tick()
    assert pool.dispatcher.has_few
    pool.dispatcher.submit([item(FEW)])
    pool.tick()
    assert not pool.dispatcher.has_few


def test_an_item_that_comes_condemned_is_sent_like_any_other() -> None:
    pool = Pool()
    pool.dispatcher.submit([item(0), item(1, bad=True), item(2)])
    (send,) = pool.tick()
    assert isinstance(send, SendItems)
    assert [each.rejection is not None for each in send.items] == [False, True, False]
    assert pool.complete(0, 1, 2) == [0, 1, 2]
    assert pool.dispatcher.counters.rejected == 0  # the dispatcher rejected none


class TestWanted:
    def test_the_source_may_fill_the_queues_but_not_more(self) -> None:
        pool = Pool(slots=2, window=2, queue=10, start=False)
        pool.submit([0])
        assert pool.dispatcher.wanted() == 9  # they might all belong to slot 0
        pool.submit(range(1, 10))
        assert pool.dispatcher.wanted() == 0

    def test_one_full_queue_stops_the_source(self) -> None:
        pool = Pool(slots=2, window=2, queue=4)
        pool.submit(range(6))
        pool.tick()
        assert (pool.dispatcher.waiting(0), pool.dispatcher.waiting(1)) == (4, 0)
        assert pool.dispatcher.wanted() == 0
        pool.complete(0, 1)
        pool.tick()
        assert pool.dispatcher.wanted() == 2

    def test_a_nearly_full_queue_is_not_filled_in_driblets(self) -> None:
        pool = Pool(window=1, batch=50, queue=100, start=False)
        pool.submit(range(80))
        assert pool.dispatcher.wanted() == 0  # room for 20, but 25 are a portion

    def test_large_items_are_bounded_by_their_bytes(self) -> None:
        pool = Pool(queue_bytes=1000, start=False)
        assert pool.dispatcher.wanted_bytes() == 1000
        pool.submit([0, 1], size=100)
        assert pool.dispatcher.wanted_bytes() == 800
        assert pool.dispatcher.wanted() == 8
        pool.submit([2, 3], size=900)
        assert (pool.dispatcher.wanted(), pool.dispatcher.wanted_bytes()) == (0, 0)

    def test_what_is_sent_makes_room(self) -> None:
        pool = Pool(queue_bytes=1000)
        pool.submit([0, 1], size=500)
        assert pool.dispatcher.wanted() == 0
        pool.tick()
        assert pool.dispatcher.wanted() == 2

    def test_before_any_size_is_known_one_batch_is_enough(self) -> None:
        assert Pool(batch=16).dispatcher.wanted() == 16

    def test_empty_payloads_are_bounded_by_their_number(self) -> None:
        pool = Pool(queue=100, start=False)
        pool.submit(range(10), size=0)
        assert pool.dispatcher.wanted() == 90


class TestRecovered:
    def test_committed_items_that_wait_are_completed_by_the_announcement(self) -> None:
        pool = Pool(start=False)
        pool.submit(range(4))
        assert pool.restart(recovered=[1, 3]) == [1, 3]
        assert pool.sent() == [0, 2]
        assert pool.complete(0, 2) == [0, 2]
        assert pool.dispatcher.idle
        assert pool.dispatcher.counters.recovered == 2

    def test_committed_items_read_later_are_never_sent(self) -> None:
        pool = Pool(start=False)
        assert pool.restart(recovered=[2, 3, 9]) == []
        assert pool.submit([0, 1, 2]) == [2]
        assert pool.submit([3, 4]) == [3]
        assert pool.sent() == [0, 1, 4]
        assert pool.submit([9]) == [9]

    def test_a_resent_item_that_was_committed_is_completed_instead(self) -> None:
        pool = Pool()
        pool.submit(range(3))
        pool.tick()
        pool.die()
        assert pool.restart(recovered=[1]) == [1]
        assert pool.sent() == [0, 2]
        assert pool.dispatcher.counters.requeued == 2

    def test_what_was_completed_before_is_not_completed_again(self) -> None:
        pool = Pool()
        pool.submit(range(3))
        pool.tick()
        pool.complete(0)
        pool.die()
        assert pool.restart(recovered=[0]) == []
        assert pool.sent() == [1, 2]


class TestDrain:
    def test_nothing_new_begins_and_what_is_in_flight_may_finish(self) -> None:
        pool = Pool(window=2)
        pool.submit(range(5))
        pool.tick()
        pool.dispatcher.drain()
        assert pool.dispatcher.wanted() == 0
        assert pool.complete(1) == [1]
        assert pool.tick() == []
        assert not pool.dispatcher.quiet
        assert pool.complete(0) == [0]
        assert pool.dispatcher.quiet
        assert not pool.dispatcher.idle

    def test_a_worker_that_dies_meanwhile_is_not_replaced(self) -> None:
        pool = Pool()
        pool.submit([0])
        pool.tick()
        pool.dispatcher.drain()
        pool.die()
        assert pool.dispatcher.quiet
        assert pool.dispatcher.next_deadline(pool.now) is None
        assert pool.tick() == []

    def test_what_a_worker_has_not_begun_goes_back(self) -> None:
        pool = Pool()
        pool.submit(range(5))
        pool.tick()
        pool.dispatcher.drain()
        assert pool.complete(1) == [1]
        pool.dispatcher.returned(0, pool.dispatcher.incarnation(0))
        assert pool.dispatcher.quiet
        assert not pool.dispatcher.idle
        assert [item.offset for item in pool.dispatcher.known()] == [0, 2, 3, 4]
        assert pool.dispatcher.waiting(0) == 4
        assert pool.tick() == []


def test_impossible_limits_are_refused() -> None:
    with pytest.raises(ValueError, match="start at 1"):
        Dispatcher(0)
    with pytest.raises(ValueError, match="start at 1"):
        Dispatcher(1, window=0)
