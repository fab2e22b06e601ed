"""A served pool goes over to new code while clients hand in without a pause."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.launcher.reloading import code
from support.service.customers import Customer
from support.service.process import serving
from tamias import Client, SubmissionFailedError
from tamias.agent.errors import ReloadError
from tamias.launcher.control.client import send_request

if TYPE_CHECKING:
    from pathlib import Path

QUICK = ("reload-probation=100ms", "reload-canary=0s", "shards=4")


def test_clients_notice_nothing_but_the_new_code(tmp_path: Path) -> None:
    settings = [word for setting in QUICK for word in ("--set", setting)]
    with serving(tmp_path, *settings, agent=code(0)) as service:
        customers = [Customer(service.state, name) for name in ("anna", "bert", "carl")]

        def all_go_on() -> None:
            for customer in customers:
                customer.more()

        all_go_on()
        for version in (1, 2):
            service.folder.write("agent.py", code(version))
            answer = send_request(service.state, "reload", {})
            assert (answer["generation"], answer["outcome"]) == (version, "promoted")
            all_go_on()
        service.folder.write("agent.py", "import nothing_of_the_kind")
        with pytest.raises(ReloadError, match="nothing_of_the_kind"):
            send_request(service.state, "reload", {})
        all_go_on()
        for customer in customers:
            customer.finish()
            customer.check()
            # Who made it is told, and it is who says so itself.
            assert all(outputs[0][2] == number for outputs, number in customer.told)
            assert {number for _, number in customer.told} == {0, 1, 2}
        service.end()


def test_a_failed_run_has_its_generation_too(tmp_path: Path) -> None:
    settings = [word for setting in QUICK for word in ("--set", setting)]
    with (
        serving(tmp_path, *settings, agent=code(0)) as service,
        Client(service.state) as client,
    ):
        service.folder.write("agent.py", code(1, "if event.input == 'bad': raise ValueError"))
        send_request(service.state, "reload", {})
        bad = client.submit("key", "bad")
        with pytest.raises(SubmissionFailedError):
            bad.result()
        assert bad.generation == 1
        service.end()
    tamias = service.folder.tamias
    (letter,) = service.folder.dead_letters("state")
    assert letter["generation"] == 1
    assert "generation 1\n" in tamias("dead-letters", "show", "state", letter["offset"]).stdout
    # It has been told to its client, and that is on record: a second outcome has nowhere to go.
    refused = tamias("dead-letters", "retry", "state", "--all", code=2).stderr
    assert "whose clients know of their failures already" in refused
    assert "as a new one; tamias dead-letters show state OFFSET --json has it." in refused
    assert "retry" not in tamias("dead-letters", "list", "state").stderr
