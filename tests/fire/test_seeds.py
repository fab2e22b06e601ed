"""Exactly once under fire: a few dozen seeds; `scripts/fire` runs hundreds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.fire.run import Field, Shape
from support.fire.seeds import retried_under_fire, shape_of, under_fire
from support.profiles import examples

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("seed", range(3))
def test_an_undisturbed_run_does_what_the_model_says(tmp_path: Path, seed: int) -> None:
    field = Field(tmp_path, seed, shape_of(seed))
    assert field.finish(field.start()) == 0, field.last_words()
    outcome = field.judge()
    assert not outcome.wrong
    assert outcome.repeated == 0


@pytest.mark.parametrize("seed", range(examples(16)))
def test_killed_at_random_instants(tmp_path: Path, seed: int) -> None:
    field, outcome = under_fire(tmp_path, seed)
    assert not outcome.wrong, field.last_words()


@pytest.mark.parametrize("durability", ["none", "machine"])
@pytest.mark.parametrize("seed", [100, 101, 102])
def test_at_other_durabilities(tmp_path: Path, seed: int, durability: str) -> None:
    field, outcome = under_fire(tmp_path, seed, Shape(config={"durability": durability}))
    assert not outcome.wrong, field.last_words()


@pytest.mark.parametrize("seed", [200, 201, 202])
def test_with_spawned_workers(tmp_path: Path, seed: int) -> None:
    field, outcome = under_fire(tmp_path, seed, Shape(config={"start-method": "spawn"}))
    assert not outcome.wrong, field.last_words()


@pytest.mark.parametrize("seed", range(300, 306))
def test_dead_letters_are_retried_exactly_once(tmp_path: Path, seed: int) -> None:
    field, outcome = retried_under_fire(tmp_path, seed)
    assert not outcome.wrong, field.last_words()
