"""What a task has emitted may be forgotten, and nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tamias.bridge.task import frames
from tamias.bridge.task.checkpoints import ChangedKeys
from tamias.bridge.task.delivery import TaskDelivery
from tamias.bridge.task.pipe import Pipe
from tamias.launcher.delivery.delivery import ShardRecord
from tamias.store.records.offsets import RunKind, derived_number, owned_number
from tamias.store.records.outbox import encode_outputs

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def ends() -> Iterator[tuple[Pipe, Pipe]]:
    """The launcher's end of the pipe, and the task's."""
    to_task, to_launcher = os.pipe(), os.pipe()
    yield Pipe(to_launcher[0], to_task[1]), Pipe(to_task[0], to_launcher[1])
    for descriptor in (*to_task, *to_launcher):
        os.close(descriptor)


def test_records_go_to_the_task_as_they_are_and_in_order(ends: tuple[Pipe, Pipe]) -> None:
    delivery = TaskDelivery("pickle-value", ends[0], ChangedKeys())
    records = [encode_outputs([n], [1], [b"output %d" % n]) for n in range(3)]
    for sequence, record in enumerate(records, start=1):
        delivery.accept(ShardRecord.decode(0, sequence, record))
    received = ends[1].receive()
    assert [frame.kind for frame in received] == [ord(frames.OUTPUTS)] * 3
    found = [frames.unpack_record(frame.body[8:]) for frame in received]
    assert found == [(0, sequence, record) for sequence, record in enumerate(records, start=1)]
    assert (delivery.events, delivery.outputs) == (3, 3)


def test_only_what_the_task_has_acknowledged_is_forgotten(ends: tuple[Pipe, Pipe]) -> None:
    delivery = TaskDelivery("pickle-value", ends[0], ChangedKeys())
    record = encode_outputs([0], [0], [])
    for shard, sequence in ((0, 7), (1, 3), (0, 8), (1, 4)):  # the task's records 1 to 4
        delivery.accept(ShardRecord.decode(shard, sequence, record))
    assert delivery.is_saved
    assert delivery.save() == {}
    delivery.acknowledge(1)
    assert not delivery.is_saved
    assert delivery.save() == {0: 7}
    delivery.acknowledge(3)
    assert delivery.save() == {0: 8, 1: 3}
    assert delivery.save() == {}
    assert [delivery.acknowledged(shard) for shard in range(3)] == [8, 3, None]
    delivery.acknowledge(4)
    assert delivery.save() == {1: 4}


def test_what_waits_is_not_done_and_what_has_waited_is(ends: tuple[Pipe, Pipe]) -> None:
    changed = ChangedKeys()
    delivery = TaskDelivery("pickle-value", ends[0], changed)
    timer = derived_number(RunKind.TIMER, b"k", 1)
    delivery.due([(owned_number(3), b"a"), (timer, b"b")])
    records = [
        encode_outputs([3, 4], [0, 1], [b"x"], suspended=[3], groups=[]),
        encode_outputs([owned_number(3)], [0], [], suspended=[owned_number(3)], groups=[1]),
        encode_outputs([owned_number(3), timer], [1, 1], [b"y", b"z"], groups=[1, 2]),
    ]
    events = []
    for sequence, record in enumerate(records, start=1):
        delivery.accept(ShardRecord.decode(0, sequence, record))
        events.append(delivery.events)
    assert events == [1, 1, 2]
    assert delivery.outputs == 3
    assert changed.at_barrier(begins_anew=True) == frozenset({b"a", b"b"})
    assert changed.at_barrier(begins_anew=True) == frozenset()


def test_keys_of_owned_runs_are_changed_until_the_run_is_over() -> None:
    changed = ChangedKeys(most=2)
    changed.announced([(1, b"a"), (2, b"b")])
    changed.over([1, 7])
    assert changed.at_barrier(begins_anew=False) == frozenset({b"a", b"b"})  # a savepoint
    assert changed.at_barrier(begins_anew=True) == frozenset({b"a", b"b"})
    assert changed.at_barrier(begins_anew=True) == frozenset(
        {b"b"}
    )  # it has been running since before
    changed.announced([(3, b"c"), (4, b"d")])
    assert changed.at_barrier(begins_anew=True) is None  # too many: all keys
    changed.over([2, 3, 4])
    assert changed.at_barrier(begins_anew=True) == frozenset({b"b", b"c", b"d"})
    assert changed.at_barrier(begins_anew=True) == frozenset()
