"""A service and its clients, in processes of their own, as they are used and as they die."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.service.process import Service, serving, wait_for
from tamias import (
    AsyncClient,
    Client,
    ServiceError,
    ServiceTimeoutError,
    SubmissionFailedError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("service")) as service:
        yield service


def test_outputs_come_back(service: Service) -> None:
    with Client(service.state) as client:
        assert client.submit("a", {"x": [1, None]}).result() == [[{"x": [1, None]}, 1]]
        assert client.submit("a", "twice").result() == ["first", ["twice", 2]]
        assert client.submit("a", "silent").result() == []
        assert client.submit("a", 10**30).result() == [[10**30, 4]]
        assert client.submit(("tuple", 1), 0).result() == [[0, 1]]


def test_many_and_streams(service: Service) -> None:
    with Client(service.state) as client:
        many = client.submit_many((f"m{n % 3}", n) for n in range(300))
        assert [done.result()[0][0] for done in many] == list(range(300))
        stream = client.stream((f"s{n % 3}", n) for n in range(300))
        assert sorted(done.result()[0][0] for done in stream) == list(range(300))
        ordered = client.stream(((f"o{n % 3}", n) for n in range(300)), ordered=True)
        assert [done.result()[0][0] for done in ordered] == list(range(300))


def test_asyncio(service: Service) -> None:
    async def main() -> None:
        async with AsyncClient(service.state) as client:
            first = await client.submit("async", 1)
            assert await first == await first == [[1, 1]]
            results = await asyncio.gather(*await client.submit_many([("async", 2), ("async", 3)]))
            assert results == [[[2, 2]], [[3, 3]]]
            done = [await each async for each in client.stream((f"as{n}", n) for n in range(50))]
            assert sorted(done) == [[[n, 1]] for n in range(50)]

    asyncio.run(main())


def test_a_failed_run_is_reported_with_its_cause(service: Service) -> None:
    with Client(service.state) as client:
        with pytest.raises(SubmissionFailedError, match="ValueError: this is trouble") as raised:
            client.submit("f", "raise").result()
        assert raised.value.cause == "exception"
        assert "in count" in raised.value.user_traceback
        with pytest.raises(SubmissionFailedError) as raised:
            client.submit("f", "crash").result()
        assert raised.value.cause == "crash"
        assert client.submit("f", "fine").result() == [["fine", 1]]


def test_values_that_cannot_be_sent_cost_nothing(service: Service) -> None:
    with Client(service.state, client_id="careful") as client:
        for value in (object(), "x" * (1 << 24)):
            with pytest.raises((TypeError, UsageError, Exception)):
                client.submit("v", value)
        assert client.submit("v", 1).sequence == 1


def test_repeating_has_no_second_effect(service: Service) -> None:
    inputs = [("r", n) for n in range(20)]
    with Client(service.state, client_id="again") as client:
        before = [done.result() for done in client.submit_many(inputs)]
    with Client(service.state, client_id="again") as client:
        assert client.recorded == 20
        assert [done.result() for done in client.submit_many(inputs)] == before
        assert client.submit("r", "new").result() == [["new", 21]]


def test_another_input_under_the_same_number_is_refused(service: Service) -> None:
    with Client(service.state, client_id="mistaken") as client:
        client.submit("x", 1).result()
    with Client(service.state, client_id="mistaken") as client:
        with pytest.raises(SubmissionFailedError, match="Another input") as raised:
            client.submit("x", 2).result()
        assert raised.value.cause == "mismatch"
    with Client(service.state, client_id="mistaken", repeat=False) as client:
        assert client.submit("x", 2).sequence == 2


def test_what_is_acknowledged_is_forgotten_but_not_run_again(service: Service) -> None:
    with Client(service.state, client_id="done with") as client:
        first, second, third = client.submit_many([("d", 1), ("d", 2), ("d", 3)])
        third.result()
        client.acknowledge(third)
        client.acknowledge(first)
    with Client(service.state, client_id="done with") as client:
        assert client.acknowledged == 1
        assert client.recorded == 3
        with pytest.raises(SubmissionFailedError) as raised:
            client.submit("d", 1).result()
        assert raised.value.cause == "forgotten"
        assert client.submit("d", 2).result() == [[2, 2]] == second.result()


def test_the_younger_of_two_with_one_id_stays(service: Service) -> None:
    with Client(service.state, client_id="twin") as older:
        older.submit("t", 1).result()
        with Client(service.state, client_id="twin", repeat=False) as younger:
            with pytest.raises(ServiceError, match="younger"):
                older.submit("t", 1).result(60)
            assert younger.submit("t", "mine").result()[0][0] == "mine"


CHILD = """
import sys
from tamias import Client
client = Client(sys.argv[1], client_id=sys.argv[2])
submissions = client.submit_many((f"k{n % 5}", [sys.argv[2], n]) for n in range(int(sys.argv[3])))
print("submitted", flush=True)
for submission in submissions:
    print(submission.result()[0][1], flush=True)
"""


def test_clients_that_are_killed_and_repeat_themselves(service: Service) -> None:
    for life in range(4):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, service.state, "mortal", "2000"],
            stdout=subprocess.PIPE,
            text=True,
        )
        with child:
            assert child.stdout is not None
            for _ in range(life * 200):
                child.stdout.readline()
            if life < 3:
                child.kill()
                child.stdout.read()
            else:
                child.stdout.read()
                assert child.wait() == 0
    with Client(service.state, client_id="mortal") as client:
        again = client.submit_many((f"k{n % 5}", ["mortal", n]) for n in range(2000))
        counts = [done.result()[0] for done in again]
    assert counts == [[["mortal", n], n // 5 + 1] for n in range(2000)]


def test_the_socket_is_for_this_user_alone(service: Service) -> None:
    path = Path(service.told()["address"].removeprefix("ipc://"))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(os.fsencode(path)) < 108


def test_garbage_does_no_harm(service: Service) -> None:
    path = service.told()["address"].removeprefix("ipc://")
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31)
    claim = b"\x02" + (1 << 31).to_bytes(8, "big")
    for data in (b"", b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 50, greeting + claim + b"x"):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(path)
            raw.sendall(data)
            if data.startswith(b"\xff\x00"):
                raw.settimeout(60)
                while raw.recv(1000):
                    pass  # until the server has hung up
    with Client(service.state) as client:
        assert client.submit("g", 1).result() == [[1, 1]]


def test_a_killed_server_carries_on(tmp_path: Path) -> None:
    with serving(tmp_path) as service, Client(service.state, client_id="patient") as client:
        done = client.submit_many([("k", n) for n in range(10)])
        waiting = [client.submit("w", "wait"), client.submit("w", "after")]
        client.flush()
        assert [each.result() for each in done] == [[[n, n + 1]] for n in range(10)]
        service.kill()
        later = client.submit("k", "later")
        (tmp_path / "go").touch()
        with serving(tmp_path) as next_life:
            assert [each.result(60) for each in waiting] == [[["wait", 1]], [["after", 2]]]
            assert later.result(60) == [["later", 11]]
            next_life.end()
            assert not Path(next_life.told()["address"].removeprefix("ipc://")).exists()


def test_ending_finishes_what_is_executed_and_keeps_the_rest(tmp_path: Path) -> None:
    with (
        serving(tmp_path) as service,
        Client(service.state, client_id="c") as client,
    ):
        first, second = client.submit("w", "wait"), client.submit("w", 2)
        client.flush()
        status = service.state / "status.json"
        wait_for(lambda: any(w["in_flight"] > 1 for w in json.loads(status.read_text())["workers"]))
        service.process.send_signal(signal.SIGTERM)
        wait_for(lambda: service.told()["draining"])
        refused = client.submit("w", 3)
        (tmp_path / "go").touch()
        assert first.result(60) == [["wait", 1]]
        service.process.communicate(timeout=60)
        assert service.process.returncode == 0
        assert service.folder.memory("w", "state")["n"] == 1
        with serving(tmp_path):
            assert second.result(60) == [[2, 2]]
            assert refused.result(60) == [[3, 3]]


def test_a_full_server_pushes_back(tmp_path: Path) -> None:
    with (
        serving(tmp_path, "--set", "service-window=5", "--set", "service-backlog=8") as service,
        Client(service.state) as client,
        Client(service.state) as other,
    ):
        first = client.submit_many([("w", "wait")] * 5)
        with pytest.raises(ServiceTimeoutError, match="no room"):
            client.submit("w", 6, timeout=0.2)
        theirs = other.submit_many([("w", n) for n in range(5)])
        with pytest.raises(ServiceTimeoutError):
            other.flush(0.2)
        assert service.told()["waiting"] <= 8
        (tmp_path / "go").touch()
        assert [each.result()[0][0] for each in first] == ["wait"] * 5
        assert [each.result()[0][0] for each in theirs] == list(range(5))
        assert client.submit("w", 6).result()[0][0] == 6


def test_systemd_is_notified_of_readiness(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(path)
        ear.settimeout(60)
        with serving(tmp_path, NOTIFY_SOCKET=path) as service:
            assert ear.recv(100) == b"READY=1"
            service.end()
            assert ear.recv(100) == b"STOPPING=1"


def test_failures_are_printed_while_it_runs(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        with Client(service.state) as client, pytest.raises(SubmissionFailedError):
            client.submit("f", "raise").result()
        assert service.process.stdout is not None
        told = json.loads(service.process.stdout.readline())
        assert (told["event"], told["count"], told["first"]) == ("failed", 1, 0)
        assert told["error"] == "ValueError: this is trouble"
        assert "agent.py" in told["kind"]
        service.end()
