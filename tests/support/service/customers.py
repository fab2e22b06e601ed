"""Clients that hand in without a pause, whatever happens to the service meanwhile.

The agent is that of `reloading.code`: it tells the count of its key, and its version.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from support.cli import PATIENCE, wait_for
from tamias import Client

if TYPE_CHECKING:
    from pathlib import Path

KEYS = 5


class Customer:
    """A client that hands in some inputs every hundredth of a second, each with the next number."""

    def __init__(self, state: Path, name: str) -> None:
        self.name = name
        self.state = state
        self.told: list[tuple[list[Any], int | None]] = []
        """Of each input, its outputs and who made them."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._submit, daemon=True)
        self._thread.start()

    def _inputs(self) -> Any:
        while not self._stop.wait(0.01):
            yield from self.inputs(KEYS)

    def inputs(self, number: int) -> list[tuple[str, str]]:
        """The first ones; all have the same value, so that those of a key are alike."""
        return [(f"{self.name}-{n % KEYS}", self.name) for n in range(number)]

    def _submit(self) -> None:
        with Client(self.state, client_id=self.name) as client:
            for done in client.stream(self._inputs(), ordered=True):
                self.told.append((done.result(), done.generation))

    def more(self) -> None:
        """Wait until it has been answered some more."""
        until = len(self.told) + 5 * KEYS
        wait_for(lambda: len(self.told) >= until or not self._thread.is_alive())

    def finish(self) -> None:
        """Hand in no more, and wait for the rest, for which the service is needed."""
        self._stop.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def check(self) -> None:
        """Each had its effect once, in order, by code that was never followed by older code."""
        expected = [n // KEYS + 1 for n in range(len(self.told))]
        assert [outputs[0][1] for outputs, _ in self.told] == expected
        for key in range(KEYS):
            of_key = self.told[key::KEYS]
            numbers = [number if number is not None else -1 for _, number in of_key]
            assert numbers == sorted(numbers)
            versions = [outputs[0][2] for outputs, _ in of_key]
            assert versions == sorted(versions)
        # It is on record so: repeated, nothing is run again.
        with Client(self.state, client_id=self.name) as client:
            again = client.submit_many(self.inputs(len(self.told)))
            assert [(done.result(), done.generation) for done in again] == self.told
