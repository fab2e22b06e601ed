"""The collector during a job: rare, not moved by kept objects, and as before afterwards."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest

from tamias.launcher.garbage import hold, kept_alive, rare_collections

if TYPE_CHECKING:
    from collections.abc import Iterator

RARE = 50_000


@pytest.fixture(autouse=True)
def usual_thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


class Loop:
    """Garbage: it refers to itself."""

    alive = 0

    def __init__(self) -> None:
        self.itself = self
        Loop.alive += 1

    def __del__(self) -> None:
        Loop.alive -= 1


def keep(kept: list[Any], count: int) -> None:
    with kept_alive():
        kept += [[] for _ in range(count)]


def test_jobs_make_collections_rare_and_the_last_one_restores_them() -> None:
    with rare_collections():
        assert gc.get_threshold()[0] == RARE
        with rare_collections():
            assert gc.get_threshold()[0] == RARE
        assert gc.get_threshold()[0] == RARE
    assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.parametrize("thresholds", [(0, 10, 10), (1_000_000, 10, 10)])
def test_a_program_with_rarer_ones_keeps_them(thresholds: tuple[int, int, int]) -> None:
    gc.set_threshold(*thresholds)
    with rare_collections():
        keep([], 1000)
        assert gc.get_threshold() == thresholds
    assert gc.get_threshold() == thresholds


def test_kept_objects_are_not_looked_at() -> None:
    kept: list[Any] = []
    visits: list[str] = []

    def visited(phase: str, _: Any) -> None:
        visits.append(phase)

    gc.collect()
    gc.callbacks.append(visited)
    try:
        with rare_collections():
            for _ in range(300):
                keep(kept, 1000)
        assert visits == []
    finally:
        gc.callbacks.remove(visited)
    assert len(kept) == 300_000


def test_objects_that_come_and_go_put_a_collection_off_while_they_are_there() -> None:
    with rare_collections():
        hold(30_000)
        assert gc.get_threshold()[0] == RARE + 30_000
        hold(-10_000)
        assert gc.get_threshold()[0] == RARE + 20_000
        gc.collect()  # the others were looked at
        hold(-20_000)
        assert gc.get_threshold()[0] == RARE


def test_garbage_between_them_is_found_as_without_them() -> None:
    gc.collect()
    Loop.alive = 0
    kept: list[Any] = []
    with rare_collections():
        most = 0
        for _ in range(300):
            keep(kept, 1000)
            for _ in range(1000):
                Loop()
            most = max(most, Loop.alive)
        # Each has a dictionary for its attributes at most: two objects.
        assert RARE // 3 < most <= RARE + 1000
    gc.collect()
    assert Loop.alive == 0


def test_after_a_collection_the_count_of_kept_ones_begins_anew() -> None:
    with rare_collections():
        keep([], 20_000)
        assert gc.get_threshold()[0] >= RARE + 19_000
        gc.collect()
        keep([], 1000)
        assert RARE <= gc.get_threshold()[0] <= RARE + 2000  # the others were looked at


def test_outside_of_jobs_nothing_changes() -> None:
    keep([], 20_000)
    assert gc.get_threshold() == (700, 10, 10)


def test_what_a_program_has_frozen_stays_frozen() -> None:
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        kept: list[Any] = []
        with rare_collections():
            keep(kept, 20_000)
        assert gc.get_freeze_count() >= frozen - 100
    finally:
        gc.unfreeze()


def test_kept_objects_are_still_collected_when_they_have_become_garbage() -> None:
    gc.collect()
    Loop.alive = 0
    with rare_collections(), kept_alive():
        kept = [Loop() for _ in range(20_000)]
    assert Loop.alive == 20_000
    kept.clear()
    gc.collect()
    assert Loop.alive == 0
