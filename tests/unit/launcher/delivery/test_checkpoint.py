"""What a checkpoint says, and what it allows to be dropped."""

from __future__ import annotations

import json

from tamias.launcher.delivery.checkpoint import Checkpoint
from tamias.launcher.delivery.source import Position


def reloaded(checkpoint: Checkpoint) -> Checkpoint:
    return Checkpoint.load(json.loads(json.dumps(checkpoint.capture({"length": 7}))))


def test_a_new_job_reads_from_the_beginning() -> None:
    assert Checkpoint().position() == Position(0, 0, 0)


def test_reading_begins_again_at_the_last_batch_that_is_not_behind_the_low_watermark() -> None:
    checkpoint = Checkpoint()
    for offset in (0, 10, 20, 30):
        checkpoint.mark(Position(offset, offset * 100, offset))
    checkpoint.delivered([*range(15), *range(20, 35)])
    assert checkpoint.position() == Position(10, 1000, 10)
    checkpoint.delivered(range(15, 19))
    assert checkpoint.position() == Position(10, 1000, 10)
    checkpoint.delivered([19])
    assert checkpoint.position() == Position(30, 3000, 30)


def test_marks_stay_bounded_and_usable_while_the_watermark_stands_still() -> None:
    checkpoint = Checkpoint()
    for offset in range(0, 1_000_000, 100):
        checkpoint.mark(Position(offset, offset))
    assert len(checkpoint._marks) <= 2048
    assert checkpoint.position() == Position(0)
    checkpoint.delivered(range(500_000))
    assert 250_000 < checkpoint.position().offset <= 500_000


def test_everything_comes_back_from_the_record() -> None:
    checkpoint = Checkpoint()
    checkpoint.mark(Position(4, 44, 5))
    checkpoint.delivered([0, 1, 2, 3, 4, 6])
    checkpoint.totals.outputs = 2
    checkpoint.received(3, 8)
    checkpoint.capture({})
    checkpoint.saved()
    again = reloaded(checkpoint)
    assert again.done.low == 5
    assert 6 in again.done
    assert again.position() == Position(4, 44, 5)
    assert again.totals == checkpoint.totals
    assert again.totals.events == 6
    assert again.sink == {"length": 7}
    assert again.acknowledged == {3: 8}


def test_records_of_other_versions_may_have_more_totals() -> None:
    record = Checkpoint().capture({})
    record["totals"]["unheard_of"] = 1
    assert Checkpoint.load(record).totals.events == 0


def test_outbox_records_are_dropped_only_after_the_checkpoint_that_covers_them_is_saved() -> None:
    checkpoint = Checkpoint()
    checkpoint.received(0, 1)
    checkpoint.capture({})
    checkpoint.received(0, 2)
    assert checkpoint.acknowledged == {}
    assert checkpoint.saved() == {0: 1}
    assert checkpoint.saved() == {}
    checkpoint.capture({})
    assert checkpoint.saved() == {0: 2}
    assert checkpoint.acknowledged == {0: 2}


def test_a_record_that_waits_holds_back_its_shard_and_no_other() -> None:
    checkpoint = Checkpoint()
    checkpoint.received(0, 1, 1)
    checkpoint.received(0, 2, 6)
    checkpoint.received(0, 3, 3)
    checkpoint.received(1, 1, 2)
    checkpoint.delivered(range(3))
    checkpoint.capture({})
    assert checkpoint.saved() == {0: 1, 1: 1}
    checkpoint.delivered(range(3, 6))
    checkpoint.capture({})
    assert checkpoint.saved() == {0: 3}


def test_records_that_come_again_are_counted_once() -> None:
    checkpoint = Checkpoint()
    checkpoint.received(0, 1)
    checkpoint.received(0, 2)
    checkpoint.capture({})
    checkpoint.saved()
    checkpoint.received(0, 1)
    checkpoint.received(0, 2)
    checkpoint.received(0, 3)
    checkpoint.capture({})
    assert checkpoint.saved() == {0: 3}
