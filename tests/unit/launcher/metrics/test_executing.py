"""What a worker executes, from its heartbeat, its beacon and what it was sent."""

from __future__ import annotations

from typing import Any

import pytest

from tamias.launcher.dispatch.item import Item
from tamias.launcher.metrics.executing import MOST, ExecutingRuns
from tamias.store.encoding.keys import encode_key
from tamias.store.records.offsets import owned_number, retry_number
from tamias.worker.beacon import Beacon

ACTIONS = ("first", "second")


@pytest.fixture
def beacon() -> Beacon:
    beacon = Beacon()
    beacon.know_actions(ACTIONS)
    return beacon


def flight(*numbers: int) -> dict[int, Item]:
    return {number: Item(number, encode_key(f"k{number}"), b"", 0) for number in numbers}


def test_a_worker_that_is_stuck_is_seen_by_its_beacon(beacon: Beacon) -> None:
    runs = ExecutingRuns()
    beacon.naming("first")(3)
    for now in (100.0, 101.0, 160.0):  # no heartbeat comes
        found = runs.of(0, 1, beacon, reported=(), flight=flight(3, 4), actions=ACTIONS, now=now)
        assert found == [{"offset": 3, "key": "k3", "action": "first", "since": 100.0}]
    beacon.naming("first")(4)
    (one,) = runs.of(0, 1, beacon, reported=(), flight=flight(4), actions=ACTIONS, now=161.0)
    assert (one["offset"], one["since"]) == (4, 161.0)
    (one,) = runs.of(0, 2, beacon, reported=(), flight=flight(4), actions=ACTIONS, now=170.0)
    assert one["since"] == 170.0  # another worker has the same input


def test_what_is_done_is_not_executed(beacon: Beacon) -> None:
    beacon.naming("first")(3)
    reported: list[list[Any]] = [[5, "second", 90.0]]
    found = ExecutingRuns().of(
        0, 1, beacon, reported=reported, flight=flight(6), actions=ACTIONS, now=100.0
    )
    assert found == []


def test_a_step_of_one_among_others_is_first(beacon: Beacon) -> None:
    reported: list[list[Any]] = [[number, "second", 50.0 + number] for number in range(20)]
    beacon.name_action("first", 30)  # another one has begun since
    beacon.name_input(5)
    found = ExecutingRuns().of(
        0, 1, beacon, reported=reported, flight=flight(*range(31)), actions=ACTIONS, now=100.0
    )
    assert found[0] == {"offset": 5, "key": "k5", "action": "second", "since": 55.0}
    assert [each["offset"] for each in found[1:]] == [0, 1, 2, 3, 4, 6, 7]
    assert len(found) == MOST


def test_numbers_are_shown_as_offsets(beacon: Beacon) -> None:
    number = owned_number(retry_number(7, 2))
    (one,) = ExecutingRuns().of(
        0,
        1,
        beacon,
        reported=[[number, "first", 1.0]],
        flight=flight(number),
        actions=(),
        now=2.0,
    )
    assert one["offset"] == 7
