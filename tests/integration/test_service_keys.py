"""A service over TCP: with keys it is open to those who have one, and to nobody else."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest

from support.cli import Folder
from support.service.process import Service, serving, wait_for
from tamias import Client, ServiceTimeoutError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    path = tmp_path_factory.mktemp("remote")
    folder = Folder(path)
    folder.tamias("keys", "new", "keys")
    for name in ("alice", "bob"):
        folder.tamias("keys", "add", "keys", name)
    with serving(path, "--listen", "tcp://127.0.0.1:*", "--keys", "keys") as service:
        yield service


def address(service: Service) -> str:
    return str(service.told()["listen"])


def test_those_with_keys_are_served(service: Service) -> None:
    with Client(address(service), keys=service.folder.path / "alice.key") as client:
        assert client.submit("a", 1).result(60) == [[1, 1]]


def test_key_files_are_for_their_owner_alone(service: Service) -> None:
    for name in ("keys/server.json", "alice.key"):
        assert stat.S_IMODE((service.folder.path / name).stat().st_mode) == 0o600


def test_a_client_without_keys_does_not_even_try(service: Service) -> None:
    with pytest.raises(UsageError, match="only be reached with keys"):
        Client(address(service))


def test_a_client_whose_key_is_not_known_can_do_nothing(service: Service, tmp_path: Path) -> None:
    others = Folder(tmp_path)
    others.tamias("keys", "new", "keys")
    others.tamias("keys", "add", "keys", "eve")
    eve = json.loads((tmp_path / "eve.key").read_text())
    alice = json.loads((service.folder.path / "alice.key").read_text())
    (tmp_path / "eve.key").write_text(json.dumps({**eve, "server": alice["server"]}))
    before = service.told()["unauthorised"]
    with pytest.raises(ServiceTimeoutError, match="tamias keys list"):
        Client(address(service), keys=tmp_path / "eve.key", timeout=1)
    # The server counts it and hears nothing else of it: not even a session begins.
    wait_for(lambda: service.told()["unauthorised"] > before)


def test_two_with_keys_of_their_own_cannot_be_each_other(service: Service) -> None:
    path = service.folder.path
    with Client(address(service), keys=path / "alice.key", client_id="same") as alice:
        alice.submit("c", "alice's").result(60)
        with Client(address(service), keys=path / "bob.key", client_id="same") as bob:
            assert bob.recorded == 0
            assert bob.submit("c", "bob's").result(60) == [["bob's", 2]]
        assert alice.submit("c", "alice's, too").result(60) == [["alice's, too", 3]]


def test_a_revoked_key_is_refused_in_the_middle_of_a_conversation(service: Service) -> None:
    folder = service.folder
    folder.tamias("keys", "add", "keys", "carol")
    with Client(address(service), keys=folder.path / "carol.key", client_id="carol") as carol:
        assert carol.submit("d", 1).result(60) == [[1, 1]]
        assert "carol" in folder.tamias("keys", "list", "keys").stdout
        folder.tamias("keys", "revoke", "keys", "carol")
        refused = carol.submit("d", 2)
        with pytest.raises(ServiceTimeoutError):
            refused.result(1)
        with pytest.raises(ServiceTimeoutError):
            carol.close(0.1)
    with Client(service.state) as client:
        assert client.submit("d", 3).result(60) == [[3, 2]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("keys", "new", "keys"), "never overwritten"),
        (("keys", "add", "keys", "alice"), "There is a client alice"),
        (("keys", "add", "keys", "../x"), "cannot be a client's name"),
        (("keys", "add", "keys", "x", "--public", "short"), "not a public key"),
        (("keys", "revoke", "keys", "dave"), "There is no client dave"),
        (("keys", "list", "."), "tamias keys new"),
        (
            ("serve", "agent.py:Counter", "--state", "s", "--listen", "tcp://*:0"),
            "open to everybody",
        ),
        (("serve", "agent.py:Counter"), "needs a state directory"),
    ],
)
def test_mistakes_are_reported(service: Service, arguments: tuple[str, ...], message: str) -> None:
    assert message in service.folder.tamias(*arguments, code=2).stderr
