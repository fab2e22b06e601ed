"""Deaths: what is retried, in which company, who is rejected, and when a worker starts again."""

from __future__ import annotations

import pytest

from support.dispatch.pool import Pool, item
from tamias.launcher.dispatch.backoff import Backoff
from tamias.launcher.dispatch.instructions import GiveUp, SendItems, StartWorker
from tamias.launcher.dispatch.item import Death, Item


def rejected(pool: Pool) -> list[Item]:
    """The items to be sent now that are to be set aside."""
    sends = [send for send in pool.tick() if isinstance(send, SendItems)]
    return [each for send in sends for each in send.items if each.rejection is not None]


class TestRetry:
    def test_the_next_worker_gets_what_was_in_flight_first_and_in_order(self) -> None:
        pool = Pool(window=8)
        pool.submit(range(10))
        pool.tick()
        pool.complete(1, 4)
        assert pool.sent() == [8, 9]
        assert pool.crash(suspect=99) == [0, 2]  # a quarter of the window at first
        pool.complete(0, 2)
        assert pool.sent() == [3, 5]

    def test_an_old_incarnation_is_not_heard(self) -> None:
        pool = Pool()
        pool.submit([0, 1])
        pool.tick()
        pool.die()
        assert list(pool.dispatcher.completed(0, 1, [0])) == []
        assert pool.starts() == [(0, 2)]
        assert pool.dispatcher.ready(0, 1, [0, 1]) == []
        pool.dispatcher.start_failed(0, 1, pool.now, "late")
        assert pool.dispatcher.ready(0, 2) == []
        assert pool.sent() == [0, 1]
        assert list(pool.dispatcher.completed(0, 1, [0])) == []
        pool.dispatcher.died(0, 1, pool.now, Death())
        assert pool.complete(0, 1) == [0, 1]

    def test_other_slots_do_not_notice(self) -> None:
        pool = Pool(slots=2)
        pool.dispatcher.submit([item(0, shard=0), item(1, shard=1), item(2, shard=1)])
        pool.tick()
        pool.die(slot=0)
        assert pool.complete(1, slot=1) == [1]
        assert pool.dispatcher.in_flight(1) == 1


class TestCounts:
    def test_inputs_that_had_not_begun_are_requeued_and_the_suspect_is_retried(self) -> None:
        pool = Pool(window=8)
        pool.submit(range(8))
        pool.tick()
        assert pool.crash(suspect=0) == [0]
        counters = pool.dispatcher.counters
        assert (counters.retries, counters.requeued) == (1, 0)
        pool.complete(0)
        assert pool.sent() == list(range(1, 8))
        assert (counters.retries, counters.requeued) == (1, 7)

    def test_an_input_that_is_rejected_is_neither(self) -> None:
        pool = Pool(window=8)
        pool.submit([0])
        pool.tick()
        for _ in range(2):
            assert pool.crash(suspect=0) == [0]
        assert pool.crash(suspect=0) == [0]  # to be recorded as a dead letter
        assert (pool.dispatcher.counters.retries, pool.dispatcher.counters.requeued) == (2, 0)


class TestCompany:
    def test_each_death_in_company_makes_the_next_company_smaller(self) -> None:
        pool = Pool(window=1024)
        pool.submit(range(2000))
        assert len(pool.sent()) == 1024
        assert len(pool.crash()) == 256
        assert len(pool.crash()) == 16
        assert len(pool.crash()) == 1

    def test_suspects_that_complete_are_cleared(self) -> None:
        pool = Pool(window=8)
        pool.submit(range(20))
        pool.tick()
        assert pool.crash() == [0, 1]
        assert pool.complete(0, 1) == [0, 1]
        assert pool.sent() == [2, 3]
        pool.complete(2, 3)
        assert pool.sent() == [4, 5]
        pool.complete(4, 5)
        assert pool.sent() == [6, 7]
        pool.complete(6, 7)
        assert pool.sent() == list(range(8, 16))  # none of these was a suspect: a full window

    def test_an_unsuspected_item_does_not_join_a_suspect_beyond_its_company(self) -> None:
        pool = Pool(window=8)
        pool.submit(range(3))
        pool.tick()
        pool.complete(1, 2)
        assert pool.crash() == [0]
        pool.submit([3, 4])
        assert pool.sent() == []  # item 0 was alone in flight: alone it stays
        pool.complete(0)
        assert pool.sent() == [3, 4]

    def test_a_named_suspect_waits_for_its_turn_alone_and_no_other_has_to(self) -> None:
        pool = Pool(window=8)
        pool.submit(range(8))
        pool.tick()
        assert pool.crash(suspect=3) == [0, 1, 2]
        pool.complete(0, 2)
        assert pool.sent() == []  # 3 neither joins 1 nor is overtaken
        pool.complete(1)
        assert pool.sent() == [3]
        pool.complete(3)
        assert pool.sent() == [4, 5, 6, 7]

    def test_a_hint_at_a_finished_item_is_no_hint(self) -> None:
        pool = Pool(window=8)
        pool.submit(range(8))
        pool.tick()
        pool.complete(0)
        assert pool.crash(suspect=0) == [1, 2]

    def test_an_unrelated_death_makes_no_suspect(self) -> None:
        pool = Pool(window=8)
        pool.submit(range(8))
        pool.tick()
        for _ in range(9):
            assert pool.crash(suspect=0, unrelated=True) == list(range(8))
        assert pool.starts() == []

    def test_messages_to_suspects_respect_bytes_too(self) -> None:
        pool = Pool(window=16, window_bytes=100)
        pool.submit(range(3), size=40)
        assert pool.sent() == [0, 1]
        assert pool.crash() == [0, 1]
        pool.complete(0)
        assert pool.sent() == [2]


class TestGuilt:
    def test_a_poison_named_by_its_worker_is_condemned_at_the_third_death(self) -> None:
        pool = Pool()
        pool.submit(range(5))
        pool.tick()
        assert pool.crash(suspect=1, signal=11) == [0]
        pool.complete(0)
        assert pool.sent() == [1]
        assert pool.crash(suspect=1, signal=11) == [1]
        pool.die(suspect=1, signal=11, stacks="main: f()", worker_pid=77)
        pool.restart()
        (poisonous,) = rejected(pool)
        rejection = poisonous.rejection
        assert rejection is not None
        assert poisonous.offset == 1
        assert (rejection.cause, rejection.attempts, rejection.signal) == ("crash", 3, 11)
        assert (rejection.stacks, rejection.worker_pid) == ("main: f()", 77)
        assert "3 times" in rejection.error
        assert "signal 11" in rejection.error

    @pytest.mark.parametrize(("cause", "deaths"), [("crash", 6), ("timeout", 3)])
    def test_a_kill_that_may_have_come_from_anywhere_proves_less(
        self, cause: str, deaths: int
    ) -> None:
        pool = Pool()
        pool.submit(range(5))
        pool.tick()
        pool.crash(suspect=1, signal=9, cause=cause)
        pool.complete(0)
        assert pool.sent() == [1]
        for _ in range(deaths - 2):
            assert pool.crash(suspect=1, signal=9, cause=cause) == [1]
        pool.die(suspect=1, signal=9, cause=cause)
        pool.restart()
        (poisonous,) = rejected(pool)
        assert poisonous.offset == 1

    def test_a_hint_in_a_crowd_is_no_proof(self) -> None:
        pool = Pool(max_attempts=1)
        pool.submit([0, 1])
        pool.tick()
        pool.die(suspect=0)
        pool.restart()
        assert rejected(pool) == []
        assert pool.complete(0) == [0]

    def test_a_rejected_item_delays_no_other(self) -> None:
        pool = Pool(max_attempts=1)
        pool.submit([0])
        pool.tick()
        pool.die()
        pool.restart()
        pool.submit([1, 2])
        assert pool.sent() == [0, 1, 2]
        assert pool.complete(2, 1, 0) == [2, 1, 0]
        assert pool.dispatcher.idle
        assert pool.dispatcher.counters.rejected == 1

    @pytest.mark.parametrize("poison", [0, 1, 300, 1023])
    def test_without_hints_a_poison_in_a_full_window_takes_five_deaths(self, poison: int) -> None:
        pool = Pool(window=1024)
        pool.submit(range(1024))
        deaths = 0
        set_aside: list[int] = []
        while not pool.dispatcher.idle:
            sent = [
                each for send in pool.tick() if isinstance(send, SendItems) for each in send.items
            ]
            for each in sent:
                if each.offset == poison and each.rejection is None:
                    deaths += 1
                    pool.die()
                    pool.restart()
                    break
            else:  # all of these survive
                set_aside += [each.offset for each in sent if each.rejection is not None]
                pool.complete(*[each.offset for each in sent])
        assert (set_aside, deaths) == ([poison], 5)

    def test_an_accident_that_hits_a_lonely_item_after_others_is_forgiven(self) -> None:
        pool = Pool(window=64)
        pool.submit(range(64))
        pool.tick()
        assert len(pool.crash()) == 16
        assert len(pool.crash()) == 1
        assert pool.crash() == [0]
        assert rejected(pool) == []
        assert pool.complete(0) == [0]

    @pytest.mark.parametrize(("max_attempts", "deaths"), [(1, 1), (2, 2), (3, 3), (5, 5)])
    def test_a_lonely_poison_gets_as_many_attempts_as_configured(
        self, max_attempts: int, deaths: int
    ) -> None:
        pool = Pool(max_attempts=max_attempts)
        pool.submit([0])
        for _ in range(deaths):
            assert rejected(pool) == []
            pool.die()
            pool.restart()
        assert [each.offset for each in rejected(pool)] == [0]

    def test_a_hang_is_set_aside_as_a_timeout(self) -> None:
        pool = Pool(max_attempts=1)
        pool.submit([0])
        pool.tick()
        pool.die(cause="timeout", text="ran for more than 30 s")
        pool.restart()
        (poisonous,) = rejected(pool)
        assert poisonous.rejection is not None
        assert poisonous.rejection.cause == "timeout"
        assert poisonous.rejection.error.endswith("ran for more than 30 s")

    def test_a_condemned_item_that_turns_out_committed_is_not_set_aside(self) -> None:
        pool = Pool(max_attempts=1)
        pool.submit([0, 1])
        pool.tick()
        pool.complete(1)
        pool.die()
        assert pool.restart(recovered=[0]) == [0]
        assert pool.dispatcher.idle
        assert pool.dispatcher.counters.rejected == 0


class TestRestart:
    def test_the_first_restart_is_immediate_and_the_search_for_a_poison_never_waits(self) -> None:
        pool = Pool()
        pool.submit([0])
        pool.tick()
        for incarnation in (2, 3):
            pool.die()
            assert pool.tick() == [StartWorker(0, incarnation, [0], 0)]
            pool.dispatcher.ready(0, incarnation)
            pool.tick()

    def test_idle_deaths_in_a_row_wait_longer_and_longer(self) -> None:
        pool = Pool()
        pauses = []
        for _ in range(9):
            pool.die()
            died = pool.now
            pool.restart()
            pauses.append(round(pool.now - died, 3))
        assert pauses == [0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0]

    def test_a_completion_or_a_steady_life_ends_the_row(self) -> None:
        pool = Pool()
        for _ in range(3):
            pool.die()
            pool.restart()
        pool.submit([0])
        pool.tick()
        pool.complete(0)
        pool.die()
        assert pool.starts() == [(0, 5)]
        pool.dispatcher.ready(0, 5)
        pool.die()
        assert pool.starts() == []
        pool.restart()
        pool.now += 60
        pool.die()
        assert pool.starts() == [(0, 7)]

    def test_nothing_starts_before_its_time(self) -> None:
        pool = Pool(start=False)
        pool.tick()
        pool.dispatcher.start_failed(0, 1, 3.0, "no such interpreter")
        assert pool.dispatcher.next_deadline(3.0) == 3.05
        assert pool.dispatcher.tick(3.04) == []
        assert pool.dispatcher.tick(3.05) == [StartWorker(0, 2, [0], 0)]
        assert pool.dispatcher.next_deadline(3.06) is None

    def test_five_failed_starts_in_a_row_end_the_pool(self) -> None:
        pool = Pool(start=False)
        for incarnation in range(1, 6):
            assert pool.starts() == [(0, incarnation)]
            pool.dispatcher.start_failed(0, incarnation, pool.now, "ImportError: no module foo")
            pool.now += 10
        assert pool.dispatcher.next_deadline(pool.now) == pool.now
        (give_up,) = pool.tick()
        assert isinstance(give_up, GiveUp)
        assert "5 times" in give_up.reason
        assert "ImportError: no module foo" in give_up.reason
        assert pool.tick() == []
        assert pool.dispatcher.wanted() == 0

    def test_a_death_before_ready_is_a_failed_start(self) -> None:
        pool = Pool(start=False, backoff=Backoff(starts=1))
        (slot, incarnation) = pool.starts()[0]
        pool.dispatcher.started(slot, incarnation)
        pool.dispatcher.died(slot, incarnation, 0.0, Death(exit_code=3))
        (give_up,) = pool.tick()
        assert isinstance(give_up, GiveUp)
        assert "exit code 3" in give_up.reason
        assert pool.dispatcher.counters.start_failures == 1

    def test_a_successful_start_ends_the_row_of_failures(self) -> None:
        pool = Pool(backoff=Backoff(starts=2))
        for _ in range(3):
            pool.die()
            pool.now += 10
            ((slot, incarnation),) = pool.starts()
            pool.dispatcher.start_failed(slot, incarnation, pool.now, "")
            pool.restart()
        pool.submit([0])
        assert pool.sent() == [0]

    def test_a_worker_that_dies_of_setting_aside_is_given_up_and_makes_no_suspect(self) -> None:
        pool = Pool(backoff=Backoff(deaths=3))
        pool.dispatcher.submit([item(0, bad=True)])
        for _ in range(2):
            assert pool.sent() == [0]
            pool.die(suspect=0, text="disk full")
            pool.restart()
        pool.die(suspect=0, text="disk full")
        assert pool.tick() == [GiveUp(0, "worker 0 died 3 times in a row: disk full")]
        assert pool.dispatcher.counters.rejected == 0
