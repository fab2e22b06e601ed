"""Generators of random numbers get new state, wherever a module keeps them."""

from __future__ import annotations

import random
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typing_extensions import Self

from tamias.worker.importing.random_state import find_generators, renew_generators

if TYPE_CHECKING:
    from collections.abc import Callable


class Dice(random.Random):
    """Its own `seed` needs an argument."""

    def seed(self, a: Any, *_: Any) -> None:  # type: ignore[override]
        super().seed(a)

    def __new__(cls, seed: int) -> Self:
        return super().__new__(cls)


class Broken(random.Random):
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise KeyError("it is looked at")


def in_a_closure() -> Callable[[], float]:
    generator = np.random.Generator(np.random.Philox())
    return lambda: float(generator.random())


class Holder:
    def __init__(self) -> None:
        self.held = {"deep": [random.Random()]}


HOLDER = Holder()
SEEDED = np.random.default_rng(7)
LEGACY = np.random.RandomState(7)
LEGACY_PCG = np.random.RandomState(np.random.PCG64(7))
BITS = np.random.SFC64(7)
SEQUENCE = np.random.SeedSequence(7)
DICE = Dice(7)
BROKEN = Broken()

DRAWS: dict[str, Callable[[], Any]] = {
    "a seeded generator": SEEDED.random,
    "its children": lambda: SEEDED.bit_generator.seed_seq.spawn(1)[0].generate_state(1)[0],  # type: ignore[attr-defined]
    "numpy's functions": np.random.random,
    "normal numbers, which come in pairs": LEGACY.standard_normal,
    "a RandomState of other bits": LEGACY_PCG.standard_normal,
    "bits": BITS.random_raw,
    "a seed sequence": lambda: SEQUENCE.spawn(1)[0].generate_state(1)[0],
    "one inside an object": HOLDER.held["deep"][0].random,
    "one in a closure": in_a_closure(),
    "a derived class": DICE.random,
    "a class that hides what it is": BROKEN.random,
    "Python's functions": random.random,
}


@pytest.mark.parametrize("kind", DRAWS)
def test_numbers_after_a_renewal_are_not_those_of_the_state_before(kind: str) -> None:
    draw = DRAWS[kind]
    LEGACY.standard_normal()
    LEGACY_PCG.standard_normal()  # the second of each pair waits
    generators = find_generators()
    drawn = set()
    for _ in range(5):
        renew_generators(generators)
        drawn.add(float(draw()))
    assert len(drawn) == 5


def test_one_that_cannot_be_renewed_is_named_and_the_others_are_renewed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(_: Any) -> None:
        raise LookupError

    before = DICE.getstate()
    renew_generators([(HOLDER, refuse), (DICE, random.Random.seed)])
    assert "test_random_state.Holder gives each worker the same" in caplog.text
    assert DICE.getstate() != before


class Torch:
    """Stands for a `torch.Generator`."""

    __slots__ = ("device", "seeds")

    def __init__(self, device: str = "cpu") -> None:
        self.device = type("Device", (), {"type": device})
        self.seeds = 0

    def seed(self) -> None:
        self.seeds += 1


def test_generators_of_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    torch: Any = ModuleType("torch")
    torch.Generator = Torch
    torch.default_generator = Torch()
    agent: Any = ModuleType("agent")
    agent.generator, agent.other = Torch(), Torch("cuda")
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "agent", agent)
    renew_generators(find_generators())
    assert (torch.default_generator.seeds, agent.generator.seeds, agent.other.seeds) == (1, 1, 0)
