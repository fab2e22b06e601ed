"""Generations: versions of code, configuration and interpreter that a pool's workers come from.

A pool begins with one. During a reload there are two: the new one's workers start beside the old
one's, shards move, and in the end one of the two is removed. A generation has a `Boot`, which
describes what its workers run, and a starter, which starts them; the dispatcher has its slots.

Numbers only grow, and are kept in the state directory, so that the records of a run (outputs, its
journal, a dead letter) name their generation, also after the launcher was killed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from .spawn import SpawnStarter
from .starter import Event, Starter
from .zygote import ZygoteStarter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...agent.errors import TamiasError
    from ...environments.launch import Launch
    from ...worker.process.boot import Boot
    from .starter import Event, Starter


STARTERS: Final[dict[str, Callable[[Boot, IO[bytes] | int, Launch | None], Starter]]] = {
    "zygote": ZygoteStarter,
    "spawn": SpawnStarter,
}
"""The starters, by start method."""


@dataclass(slots=True)
class Generation:
    """One of a pool's generations.

    While it is on trial, an error that would end the pool (its agent cannot be loaded, or an action
    fails and the policy is to fail) is kept in `failure` instead.
    """

    number: int
    boot: Boot
    starter: Starter
    failure: TamiasError | None = None


class Generations:
    """The generations that a pool has now."""

    def __init__(self) -> None:
        self._by_number: dict[int, Generation] = {}

    def __getitem__(self, number: int) -> Generation:
        return self._by_number[number]

    def __iter__(self) -> Iterator[Generation]:
        return iter(list(self._by_number.values()))

    def add(self, generation: Generation) -> Generation:
        """Add a generation.

        Raises:
            ValueError: there is one of that number.
        """
        if generation.number in self._by_number:
            raise ValueError(f"there is a generation {generation.number} already")
        self._by_number[generation.number] = generation
        return generation

    def remove(self, number: int) -> None:
        """End a generation with all its processes, and wait for that."""
        self._by_number.pop(number).starter.close()

    def take_out(self, number: int) -> Generation:
        """Remove a generation without ending it; the caller does that."""
        return self._by_number.pop(number)

    def descriptors(self) -> list[int]:
        """Return the descriptors to poll; call `poll` when one is readable."""
        return [
            descriptor
            for generation in self._by_number.values()
            for descriptor in generation.starter.descriptors()
        ]

    def poll(self) -> list[tuple[Generation, Event]]:
        """Return the events since the last call, each with its generation. Never waits."""
        return [(generation, event) for generation in self for event in generation.starter.poll()]

    def close(self) -> None:
        """End every process that still runs, and wait for that."""
        for generation in self:
            self.remove(generation.number)


def make_starter(
    method: str, boot: Boot, log: IO[bytes] | int, launch: Launch | None = None
) -> Starter:
    """The starter for a start method: "zygote" or "spawn"; `launch` None is this interpreter."""
    return STARTERS[method](boot, log, launch)
