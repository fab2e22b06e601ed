"""How long a client waits for a service: long if it may come, seconds if it cannot."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tamias import AsyncClient, ServiceTimeoutError
from tamias.service.client.opening import ABSENT_SECONDS, IDLE_SECONDS, TIMEOUT, steps
from tamias.store.lease import Lease
from tamias.store.state.layout import StateLayout

if TYPE_CHECKING:
    from pathlib import Path


def verdict(where: object) -> tuple[float, str]:
    """After how many seconds a client gives up if nothing answers, and what it says."""
    waited = 0.0
    for step in steps(str(where), None):
        waited += step.seconds
        error = step.error()
        if error is not None:
            return waited, error.message
    raise AssertionError("never")


def test_a_directory_that_does_not_exist_is_given_up_soon(tmp_path: Path) -> None:
    seconds, message = verdict(tmp_path / "nosuch")
    assert seconds == ABSENT_SECONDS
    assert message == f"There is no state directory {tmp_path / 'nosuch'}."


def test_a_directory_that_nobody_uses_is_given_up_a_little_later(tmp_path: Path) -> None:
    seconds, message = verdict(tmp_path)
    assert seconds == IDLE_SECONDS
    assert message == f"No service is running in {tmp_path}."


def test_a_service_that_is_starting_has_all_the_time(tmp_path: Path) -> None:
    with closing(Lease.acquire(StateLayout(tmp_path).launcher_lock)):
        seconds, message = verdict(tmp_path)
    assert seconds == TIMEOUT
    assert message == f"The service at {tmp_path} has not answered for 30 s."


def test_an_address_where_nothing_listens_is_given_up_soon() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        seconds, message = verdict(address)
    assert seconds == ABSENT_SECONDS
    assert message == f"There is no service at {address}: Connection refused."


def test_a_listener_that_does_not_answer_has_all_the_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        seconds, _ = verdict(f"tcp://127.0.0.1:{server.getsockname()[1]}")
    assert seconds == TIMEOUT


def test_a_timeout_that_is_given_counts_alone(tmp_path: Path) -> None:
    (only,) = steps(tmp_path / "nosuch", 3.0)
    assert only.seconds == 3.0
    error = only.error()
    assert error is not None
    assert "has not answered for 3 s" in error.message


def test_a_client_of_asyncio_gives_up_as_well(tmp_path: Path) -> None:
    async def connect() -> None:
        async with AsyncClient(tmp_path / "nosuch", timeout=0.05):
            raise AssertionError("never")

    with pytest.raises(ServiceTimeoutError, match=r"has not answered for 0\.05 s"):
        asyncio.run(connect())
