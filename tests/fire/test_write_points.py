"""A death at every write point in turn; `scripts/fire --points` tries more counts of each."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.fire.points import (
    AFTER_A_CRASH,
    AT_REST,
    CRASH_FIRST,
    IN_SETS,
    MOVED,
    POISONED,
    UNDER_POISON,
    WHILE_EXPIRING,
    WHILE_MOVING,
    WHILE_RELOADING,
    die_at,
    named_points,
    reached,
)

if TYPE_CHECKING:
    from pathlib import Path

AT_ONCE = 2


@pytest.mark.timeout(300)
def test_no_death_at_any_write_point_loses_or_doubles_anything(tmp_path: Path) -> None:
    counted = reached(tmp_path / "undisturbed")
    elsewhere = {*UNDER_POISON, *WHILE_MOVING, *WHILE_RELOADING, *WHILE_EXPIRING, *AT_REST}
    known = set(counted) | set(AFTER_A_CRASH) | elsewhere
    assert named_points() == known, "a point in the code is not reached, or not named here"
    chains = [[(point, 1)] for point in counted]
    chains += [[CRASH_FIRST, (point, 1)] for point in AFTER_A_CRASH]
    assert deaths(tmp_path, chains).keys() == known - elsewhere


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_no_later_death_at_any_write_point_loses_or_doubles_anything(tmp_path: Path) -> None:
    counted = reached(tmp_path / "undisturbed")
    later = counted.keys() - IN_SETS  # of these, other tests have later counts
    chains = [[(point, counted[point] // 4)] for point in later if counted[point] >= 8]
    chains += [[CRASH_FIRST, ("announce.before", 1)], [CRASH_FIRST, ("acquire.inside", 1)]]
    chains += [[CRASH_FIRST, ("sink.truncate.after", 1), ("checkpoint.after", 1)]]
    assert deaths(tmp_path, chains)


def deaths(folder: Path, chains: list[list[tuple[str, int]]]) -> Counter[str]:
    """Have a job die by each chain of points; return how often it died at each point."""

    def killed(number: int) -> tuple[list[bool], list[str]]:
        hits, outcome = die_at(folder / str(number), chains[number])
        return hits, outcome.wrong

    died: Counter[str] = Counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(killed, range(len(chains))))
    for chain, (hits, wrong) in zip(chains, results, strict=True):
        assert not wrong, f"{chain}: {wrong}"
        died.update(point for (point, _), hit in zip(chain, hits, strict=True) if hit)
    return died


@pytest.mark.parametrize("point", UNDER_POISON)
def test_a_death_while_poison_is_set_aside(tmp_path: Path, point: str) -> None:
    hits, outcome = die_at(tmp_path, [(point, 1)], POISONED)
    assert not outcome.wrong
    assert hits == [True]


@pytest.mark.parametrize("point", WHILE_MOVING)
def test_a_death_while_a_shard_moves(tmp_path: Path, point: str) -> None:
    for inputs in (600, 2400, 9600):  # on a busy machine a job may end before the second move
        shape = replace(MOVED, inputs=inputs)
        hits, outcome = die_at(tmp_path / str(inputs), [(point, 2)], shape)
        assert not outcome.wrong
        if hits == [True]:
            return
    pytest.fail(f"{point} was not reached twice")
