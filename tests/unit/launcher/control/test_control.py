"""The control socket, spoken to by a client of its own kind and by plain HTTP."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from support.processes import line, python
from tamias.agent.errors import PoolError, StoreFormatError, UsageError
from tamias.launcher.control.client import NoAnswerError, send_request
from tamias.launcher.control.server import Control
from tamias.launcher.control.unix_socket import connect_to
from tamias.store.state.directory import StateDirectory
from tamias.store.state.layout import StateLayout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUESTIONS = {"status": "GET", "scale": "POST", "reload": "POST"}


def answer(question: str, arguments: dict[str, Any]) -> Future[dict[str, Any]]:
    future: Future[dict[str, Any]] = Future()
    if question == "reload":
        future.set_exception(PoolError("it was rolled back", hint="Repair it."))
    elif arguments.get("workers") == "none":
        raise UsageError("that is no number")
    else:
        future.set_result({"question": question, **arguments})
    return future


@contextmanager
def pool(state: Path) -> Iterator[Control]:
    with (
        StateDirectory.open(state, "an:agent", 4, "process", {}),
        Control(state, QUESTIONS, answer) as control,
    ):
        yield control


def curl(state: Path, *arguments: str) -> str:
    command = ["curl", "-sS", "--unix-socket", str(StateLayout(state).control_socket), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_questions_are_answered(tmp_path: Path) -> None:
    with pool(tmp_path / "s"):
        assert send_request(tmp_path / "s", "status") == {"question": "status"}
        asked = send_request(tmp_path / "s", "scale", {"workers": 4})
        assert asked == {"question": "scale", "workers": 4}


def test_errors_come_back_as_they_were(tmp_path: Path) -> None:
    with pool(tmp_path / "s"):
        with pytest.raises(PoolError, match="it was rolled back") as caught:
            send_request(tmp_path / "s", "reload", {})
        assert caught.value.hint == "Repair it."
        with pytest.raises(UsageError, match="no number"):
            send_request(tmp_path / "s", "scale", {"workers": "none"})
        with pytest.raises(UsageError, match="There is no /dance here") as offered:
            send_request(tmp_path / "s", "dance", {})
        assert "POST /scale" in offered.value.hint
        with pytest.raises(UsageError, match="too large for a running launcher: it has 16,"):
            send_request(tmp_path / "s", "scale", {"workers": "x" * (16 << 20)})


@pytest.mark.process
@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_curl_works(tmp_path: Path) -> None:
    state = tmp_path / "s"
    with pool(state):
        assert curl(state, "http://tamias/status") == '{"question": "status"}\n'
        scaled = curl(state, "-X", "POST", "http://tamias/scale?workers=4")
        assert scaled == '{"question": "scale", "workers": "4"}\n'
        scaled = curl(state, "-d", '{"workers": 4}', "http://tamias/scale")
        assert scaled == '{"question": "scale", "workers": 4}\n'
        assert "/status is for GET" in curl(state, "-X", "POST", "http://tamias/status")


def test_a_deep_folder_is_no_obstacle(tmp_path: Path) -> None:
    state = tmp_path / ("d" * 100) / ("e" * 100) / "s"
    with pool(state):
        assert send_request(state, "status") == {"question": "status"}


def test_it_is_for_its_owner_alone_and_gone_in_the_end(tmp_path: Path) -> None:
    with pool(tmp_path):
        mode = StateLayout(tmp_path).control_socket.stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert not StateLayout(tmp_path).control_socket.exists()
    with pytest.raises(NoAnswerError, match="No launcher is at work"):
        send_request(tmp_path, "status")
    assert not [t for t in threading.enumerate() if t.name == "tamias-control" and t.is_alive()]


@pytest.mark.process
def test_what_a_killed_launcher_left_is_replaced(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from tamias.launcher.control.server import Control
Control(Path(sys.argv[1]), {}, None).__enter__()
print("listening", flush=True)
time.sleep(100)
"""
    with python(code, tmp_path) as launcher:
        assert line(launcher) == "listening"
        launcher.kill()
        launcher.wait()
    assert StateLayout(tmp_path).control_socket.exists()
    shutil.rmtree(tmp_path / "run" / "control", ignore_errors=True)
    (tmp_path / "run").rename(tmp_path / "old")  # a state directory must be empty at first
    StateDirectory.open(tmp_path / "s", "an:agent", 4, "process", {}).close()
    (tmp_path / "old").rename(tmp_path / "s" / "run")
    with pytest.raises(NoAnswerError):
        send_request(tmp_path / "s", "status")
    with pool(tmp_path / "s"):
        assert send_request(tmp_path / "s", "status") == {"question": "status"}


def test_a_launcher_that_does_not_answer_is_told_from_none(tmp_path: Path) -> None:
    with (
        StateDirectory.open(tmp_path, "an:agent", 4, "process", {}),
        pytest.raises(NoAnswerError, match=f"pid {os.getpid()}"),
    ):
        send_request(tmp_path, "status")
    with pytest.raises(StoreFormatError, match="not a state directory"):
        send_request(tmp_path / "nothing", "status")


def test_a_pool_that_ends_is_an_answer_too(tmp_path: Path) -> None:
    future: Future[dict[str, Any]] = Future()
    with (
        StateDirectory.open(tmp_path, "an:agent", 4, "process", {}),
        Control(tmp_path, {"stop": "POST"}, lambda *_: future),
    ):
        future.cancel()
        with pytest.raises(PoolError, match="has ended before"):
            send_request(tmp_path, "stop", {})


@pytest.mark.parametrize(
    "request_",
    [
        b"\x00\xff\x16\x03\x01 garbage\r\n\r\n",
        b"POST /scale HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST /scale HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /scale HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST /scale HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /scale HTTP/1.1\r\nContent-Length: 5\r\n\r\n[1,2]",
        b"POST /scale HTTP/1.1\r\nContent-Length: 3\r\n\r\n{{{",
        b"POST /scale HTTP/1.1\r\nContent-Length: 200000\r\n\r\n" + b"[" * 200_000,
        b"POST /scale HTTP/1.1\r\nContent-Length: 200000\r\n\r\n" + b'{"a":' * 40_000,
    ],
)
def test_nonsense_is_answered_and_harms_nobody(tmp_path: Path, request_: bytes) -> None:
    with pool(tmp_path):
        with connect_to(StateLayout(tmp_path).control_socket, 10) as connection:
            connection.sendall(request_)
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as reader:
                assert b"400" in reader.read()
        assert send_request(tmp_path, "status") == {"question": "status"}
