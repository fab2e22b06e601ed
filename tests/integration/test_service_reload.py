"""A served pool goes over to new code while clients hand in without a pause."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from support.reloading import code
from support.service import serving, wait_for
from tamias import Client, SubmissionFailedError
from tamias.agent.errors import ReloadError
from tamias.launcher.remote import ask

if TYPE_CHECKING:
    from pathlib import Path

KEYS = 5
QUICK = ("reload-probation=100ms", "reload-canary=0s", "shards=4")


class Customer:
    """A client that hands in as fast as it is answered, each input under the next number."""

    def __init__(self, state: Path, name: str) -> None:
        self.name = name
        self.state = state
        self.told: list[tuple[list[Any], int | None]] = []
        """Of each input, its outputs and who made them."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._submit)
        self._thread.start()

    def _inputs(self) -> Any:
        while not self._stop.is_set():
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
        """Hand in no more, and wait for the rest."""
        self._stop.set()
        self._thread.join()


def test_clients_notice_nothing_but_the_new_code(tmp_path: Path) -> None:
    settings = [word for setting in QUICK for word in ("--set", setting)]
    with serving(tmp_path, *settings, agent=code(0)) as service:
        customers = [Customer(service.state, name) for name in ("anna", "bert", "carl")]

        def all_go_on() -> None:
            for customer in customers:
                customer.more()

        try:
            all_go_on()
            for version in (1, 2):
                service.folder.write("agent.py", code(version))
                answer = ask(service.state, "reload", {})
                assert (answer["generation"], answer["outcome"]) == (version, "promoted")
                all_go_on()
            service.folder.write("agent.py", "import nothing_of_the_kind")
            with pytest.raises(ReloadError, match="nothing_of_the_kind"):
                ask(service.state, "reload", {})
            all_go_on()
        finally:
            for customer in customers:
                customer.finish()
        for customer in customers:
            # Each once, and those of a key in order: the count is the place.
            expected = [n // KEYS + 1 for n in range(len(customer.told))]
            assert [outputs[0][1] for outputs, _ in customer.told] == expected
            # Who made it is told, and it is who says so itself; of a key, never one of before.
            assert all(outputs[0][2] == number for outputs, number in customer.told)
            for key in range(KEYS):
                numbers = [number or 0 for _, number in customer.told[key::KEYS]]
                assert numbers == sorted(numbers)
            assert {number for _, number in customer.told} == {0, 1, 2}
            # It is on record so: repeated, nothing is run again.
            with Client(service.state, client_id=customer.name) as client:
                again = client.submit_many(customer.inputs(len(customer.told)))
                assert [(done.result(), done.generation) for done in again] == customer.told
        service.end()


def test_a_failed_run_tells_its_generation_too(tmp_path: Path) -> None:
    settings = [word for setting in QUICK for word in ("--set", setting)]
    with (
        serving(tmp_path, *settings, agent=code(0)) as service,
        Client(service.state) as client,
    ):
        service.folder.write("agent.py", code(1, "if event.input == 'bad': raise ValueError"))
        ask(service.state, "reload", {})
        bad = client.submit("key", "bad")
        with pytest.raises(SubmissionFailedError):
            bad.result()
        assert bad.generation == 1
        service.end()
