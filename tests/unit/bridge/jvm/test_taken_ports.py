"""Another process takes the port of a JVM that has died: it is never the JVM."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import pytest

from support.java.resources import echo, said
from support.java.settings import eventually, is_gone, jvm_of, needs_java, registry
from tamias import BaseChatModelConnection, BridgeError, ResourceType
from tamias.bridge.jvm.port_owner import listening_users
from tamias.bridge.jvm.py4j_client import Address, JvmUnreachableError, Py4jClient
from tamias.worker.durable.call_log import durable_section

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = needs_java

CONNECTION = ResourceType.CHAT_MODEL_CONNECTION

TAKER = """
import os, socket, struct, sys, threading, time
manner, port, user = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.setresuid(user, user, user)
while True:
    try:
        listener = socket.create_server(("127.0.0.1", port))
        break
    except OSError:  # the last threads of who had it before are still ending
        time.sleep(0.01)
print(listener.getsockname()[1], flush=True)
def serve(connection):
    if manner == "resets":  # the end overtakes the answer
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        return
    while data := connection.recv(65536):
        print("heard", flush=True)
        connection.sendall({"refuses": b"!xsNo\\n", "agrees": b"!yv\\n"}[manner])
    connection.close()
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


class Taker:
    """A process that listens at a port, and treats who connects in its manner."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self.port = int(process.stdout.readline())

    def heard(self) -> bool:
        """End it; whether anything was sent to it."""
        self._process.terminate()
        return "heard" in self._process.communicate()[0]


@contextmanager
def taker(manner: str, port: int = 0, user: int | None = None) -> Iterator[Taker]:
    of_user = str(os.geteuid() if user is None else user)
    process = subprocess.Popen(
        [sys.executable, "-Ic", TAKER, manner, str(port), of_user],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Taker(process)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def shared() -> Iterator[BaseChatModelConnection]:
    with registry({CONNECTION: {"echo": echo()}}) as resources:
        connection = cast("BaseChatModelConnection", resources.get("echo", CONNECTION))
        assert connection.chat(said("x")).content == "x"
        yield connection


@pytest.mark.parametrize("manner", ["refuses", "resets"])
def test_calls_go_to_the_next_jvm(shared: BaseChatModelConnection, manner: str) -> None:
    jvm = jvm_of(shared)
    port = shared._calls._session._address.port  # type: ignore[attr-defined]
    jvm.kill()
    assert eventually(lambda: is_gone(jvm))
    with taker(manner, port), durable_section():
        assert shared.chat(said("x")).content == "x"
    assert jvm_of(shared).pid != jvm.pid


@pytest.mark.parametrize("manner", ["refuses", "resets"])
def test_a_token_is_wrong_unless_it_is_that_of_a_jvm_of_ours(manner: str) -> None:
    with taker(manner) as other:
        with pytest.raises(BridgeError, match="does not accept the token"):
            Py4jClient(Address("127.0.0.1", other.port, "wrong")).call("open", timeout=5)
        ours = Py4jClient(Address("127.0.0.1", other.port, "right", life="1-a"))
        with pytest.raises(JvmUnreachableError, match=f"taken port {other.port}"):
            ours.call("open", timeout=5)
    with pytest.raises(JvmUnreachableError):
        ours.call("open", timeout=5)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_hears_nothing() -> None:
    with taker("agrees", user=65534) as other:
        assert listening_users("localhost", other.port) == frozenset({65534})
        client = Py4jClient(Address("127.0.0.1", other.port, "right", life="1-a"))
        with pytest.raises(JvmUnreachableError, match="user 65534 has taken port"):
            client.call("open", timeout=5)
        assert not other.heard()


def test_the_kernel_knows_who_listens() -> None:
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            listener = socket.create_server((host, 0), family=family)
        except OSError:
            continue  # no IPv6 here
        with listener:
            port = listener.getsockname()[1]
            assert listening_users(host, port) == frozenset({os.geteuid()})
            with socket.create_connection((host, port)):
                assert listening_users(host, port) == frozenset({os.geteuid()})
        assert listening_users(host, port) == frozenset()
    assert listening_users("192.0.2.1", 80) is None
    assert listening_users("a.host.example", 80) is None
