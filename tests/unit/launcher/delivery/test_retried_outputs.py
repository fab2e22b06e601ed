"""Outputs of retried inputs are delivered once, by their record's number, in ordered sinks too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.launcher.checkpoints import SavedCheckpoints
from tamias.launcher.delivery.checkpointed import CheckpointedDelivery
from tamias.launcher.delivery.delivery import ShardRecord
from tamias.launcher.sinks.jsonlines import JsonLinesSink
from tamias.store.records.offsets import retry_number
from tamias.store.records.outbox import encode_outputs

if TYPE_CHECKING:
    from pathlib import Path


def _record(*numbers: int) -> bytes:
    lines = [b'{"key":1,"output":1,"offset":%d}\n' % (number & 0xFFFF) for number in numbers]
    return encode_outputs(list(numbers), [1] * len(numbers), lines)


def _open(path: Path, saved: SavedCheckpoints, *, ordered: bool) -> CheckpointedDelivery:
    """A life of a job, which begins where the last checkpoint was taken."""
    delivery = CheckpointedDelivery(JsonLinesSink(str(path), ordered=ordered), saved)
    delivery.open()
    return delivery


def _offsets(path: Path) -> list[int]:
    return [json.loads(line)["offset"] for line in path.read_text().splitlines()]


@pytest.mark.parametrize("ordered", [False, True])
def test_a_record_that_comes_again_is_delivered_once(tmp_path: Path, *, ordered: bool) -> None:
    path, saved = tmp_path / "out", SavedCheckpoints()
    delivery = _open(path, saved, ordered=ordered)
    delivery.accept(ShardRecord.decode(0, 1, _record(0, 1, 2)))
    delivery.accept(ShardRecord.decode(1, 1, encode_outputs([3], [0], [])))  # a dead letter
    delivery.accept(ShardRecord.decode(0, 2, _record(retry_number(3, 1))))
    delivery.accept(ShardRecord.decode(0, 2, _record(retry_number(3, 1))))
    delivery.save()
    delivery.close()
    # Another life, before the worker has dropped the records.
    delivery = _open(path, saved, ordered=ordered)
    delivery.accept(ShardRecord.decode(0, 1, _record(0, 1, 2)))
    delivery.accept(ShardRecord.decode(0, 2, _record(retry_number(3, 1))))
    delivery.accept(ShardRecord.decode(1, 2, _record(retry_number(4, 2))))
    delivery.close()
    assert _offsets(path) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("ordered", [False, True])
def test_without_a_checkpoint_it_is_delivered_again(tmp_path: Path, *, ordered: bool) -> None:
    path, saved = tmp_path / "out", SavedCheckpoints()
    delivery = _open(path, saved, ordered=ordered)
    delivery.accept(ShardRecord.decode(0, 1, _record(retry_number(3, 1))))
    delivery.close()  # the launcher is killed
    delivery = _open(path, saved, ordered=ordered)  # which cuts the output back
    assert _offsets(path) == []
    delivery.accept(ShardRecord.decode(0, 1, _record(retry_number(3, 1))))
    assert _offsets(path) == [3]


def test_a_retried_output_does_not_wait_for_its_place(tmp_path: Path) -> None:
    path, saved = tmp_path / "out", SavedCheckpoints()
    delivery = _open(path, saved, ordered=True)
    delivery.accept(ShardRecord.decode(0, 1, _record(0, 2)))  # 2 is held back: 1 is not done
    delivery.accept(ShardRecord.decode(0, 2, _record(retry_number(7, 1))))
    assert _offsets(path) == [0, 7]
    delivery.save()
    delivery.close()
    # The record before the retried one was not delivered whole, so both come again.
    delivery = _open(path, saved, ordered=True)
    delivery.accept(ShardRecord.decode(0, 1, _record(0, 2)))
    delivery.accept(ShardRecord.decode(0, 2, _record(retry_number(7, 1))))
    delivery.accept(ShardRecord.decode(1, 1, _record(1)))
    assert _offsets(path) == [0, 7, 1, 2]


def test_retries_are_no_further_inputs(tmp_path: Path) -> None:
    delivery = _open(tmp_path / "out", SavedCheckpoints(), ordered=False)
    delivery.accept(ShardRecord.decode(0, 1, _record(0, 1)))
    delivery.accept(ShardRecord.decode(0, 2, _record(retry_number(1, 1))))
    assert delivery.checkpoint.totals.events == 2
    assert delivery.checkpoint.done.low == 2
    assert delivery.sink.outputs == 3
