"""Generations: versions of code, configuration and interpreter that a pool's workers come from.

A pool begins with one. While it is reloaded there are two: the new one's workers come up beside the
old one's, shards move, and in the end one of the two leaves. A generation is a `Boot`, which says
what its workers run, and a starter, which makes them; its slots are the dispatcher's business.

Numbers go up and are kept in the state directory, so that what a run has left behind (outputs, its
journal, a dead letter) can be told from another generation's, launcher deaths or not.
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
"""What makes a generation's workers, by start method."""


@dataclass(slots=True)
class Generation:
    """One of a pool's generations.

    While it is on trial, whatever would end the pool (its agent does not load, an action fails and
    the policy is to fail) is left in `failure` instead.
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
        """End a generation with all processes that it still has; waits for that."""
        self._by_number.pop(number).starter.close()

    def take_out(self, number: int) -> Generation:
        """Remove a generation without ending it; the caller does that."""
        return self._by_number.pop(number)

    def descriptors(self) -> list[int]:
        """What to poll; `poll` is due when one is readable."""
        return [
            descriptor
            for generation in self._by_number.values()
            for descriptor in generation.starter.descriptors()
        ]

    def poll(self) -> list[tuple[Generation, Event]]:
        """The events since the last call, each with its generation. Never waits."""
        return [(generation, event) for generation in self for event in generation.starter.poll()]

    def close(self) -> None:
        """End every process that is left, and wait for that."""
        for generation in self:
            self.remove(generation.number)


def make_starter(
    method: str, boot: Boot, log: IO[bytes] | int, launch: Launch | None = None
) -> Starter:
    """The starter for a start method: "zygote" or "spawn"; `launch` None is this interpreter."""
    return STARTERS[method](boot, log, launch)
