"""The dashboard beside real pools, and as a process of its own."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import psutil

from support.cli import Folder, wait_for
from support.console.dashboards import make_state, opened_page
from support.service.process import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.console.dashboards import Page

APPROVAL = """
from tamias import Agent, InputEvent, OutputEvent, action


class Approval(Agent):
    @action(InputEvent)
    @staticmethod
    async def ask(event, ctx):
        answer = await ctx.wait_for("approve", ask=event.input)
        ctx.send_event(OutputEvent(output=answer))
"""


def slots_of(page: Page) -> list[int]:
    return [worker["slot"] for worker in page.get("0/status")["workers"]]


def test_a_running_pool_is_shown_and_changed(tmp_path: Path) -> None:
    with serving(tmp_path):
        state = tmp_path / "state"
        with opened_page(state, allow=True) as page:
            (row,) = page.get("jobs")
            assert (row["running"], row["phase"], row["error"]) == (True, "running", None)
            assert page.post("0/scale", {"workers": 3}).json()["workers"] == 3
            assert page.post("0/workers/0/swap", {}).json()["workers"] == 3
            wait_for(lambda: slots_of(page) == [1, 2, 3])
            assert "main" in page.get("0/stacks/3")["text"].lower()
            assert page.post("0/profile", {"seconds": 0.2}).json()["workers"] == [1, 2, 3]
            assert page.get("0/generations")["current"] == 0
            answer = page.post("0/workers/77/swap", {})
            assert answer.status_code in (400, 409)
            assert "77" in answer.json()["error"]["message"]


def test_a_question_is_answered_at_rest(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write("agent.py", APPROVAL)
    folder.write("in.jsonl", '{"key": "ada", "value": {"amount": 5}}\n')
    run = ("agent.py:Approval", "-i", "in.jsonl", "-o", "out.jsonl", "--state", "s", "-w", "1")
    folder.tamias("run", *run, code=4)
    with opened_page(tmp_path / "s", allow=True) as page:
        (question,) = page.get("0/questions")["questions"]
        assert (question["key"], question["ask"]) == ("ada", {"amount": 5})
        memory = page.get(f"0/keys/{question['key_token']}")
        assert memory["waiting"] == [question]
        assert memory["runs"][0]["offset"] == "0"
        address = f"0/questions/{question['token']}/answer"
        assert page.post(address, {"value": {"ok": True}, "by": "eve"}).json()["answered"]
        again = page.post(address, {"value": False})
        assert (again.status_code, "eve" in again.text) == (400, True)
        assert page.get("0/questions")["questions"] == []
    folder.tamias("resume", "s")
    assert [line["output"] for line in folder.lines() if "output" in line] == [{"ok": True}]


class Browser:
    """Speaks HTTP with a dashboard, as little as it needs."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.token = parse_qs(parts.query)["token"][0]
        self.address = (str(parts.hostname), int(parts.port or 0))
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        self.cookie = str(answer.headers["set-cookie"]).partition(";")[0]
        connection.close()

    def request(self, path: str) -> bytes:
        """A request, as it goes through a socket."""
        host = f"{self.address[0]}:{self.address[1]}"
        return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {self.cookie}\r\n\r\n".encode()

    def get(self, path: str) -> Any:
        """What a GET answers."""
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        connection.request("GET", path, headers={"Cookie": self.cookie})
        content = json.loads(connection.getresponse().read())
        connection.close()
        return content

    def connected(self, data: bytes) -> socket.socket:
        """A connection that has sent something, and takes nothing that is sent to it."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.connect(self.address)
        connection.sendall(data)
        return connection


@contextmanager
def served(folder: Folder, *arguments: object) -> Iterator[tuple[psutil.Process, Browser]]:
    with folder.started("dashboard", *arguments, "--port", 0) as process:
        assert process.stdout is not None
        url = process.stdout.readline()
        assert url, process.communicate()[1]
        yield psutil.Process(process.pid), Browser(url.strip())


def contents(state: Path) -> dict[Path, bytes]:
    """What a state directory has, without the table of readers."""
    files = (path for path in state.rglob("*") if path.is_file() and path.name != "lock.mdb")
    return {path: path.read_bytes() for path in files}


def test_stalled_browsers_and_a_kill_harm_nothing(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    state = make_state(tmp_path / "state", {"k": {"n": 1}})
    before = contents(state)
    with served(folder) as (process, browser), ExitStack() as stack:
        assert browser.token not in " ".join(process.cmdline())
        assert browser.token not in str(process.environ())
        assert {place.laddr.ip for place in process.net_connections()} == {"127.0.0.1"}
        for number in range(120):
            whole = browser.request("/api/0/events")
            data = whole if number % 4 else whole[: number % len(whole)]
            stack.enter_context(browser.connected(data))
        (job,) = browser.get("/api/jobs")
        assert (job["name"], job["running"]) == ("state", False)
        assert browser.get("/api/0/keys")["keys"][0]["text"] == "k"
        listener = stack.enter_context(browser.connected(browser.request("/api/0/events")))
        received = b""
        while b"event: status\ndata: {" not in received:
            received += listener.recv(1024)
        os.kill(process.pid, signal.SIGKILL)
    assert contents(state) == before
    assert json.loads(folder.tamias("inspect", "state", "--json").stdout)["keys"] == 1


def test_a_signal_ends_it_without_an_error(tmp_path: Path) -> None:
    make_state(tmp_path / "state")
    with served(Folder(tmp_path), "state") as (process, browser):
        assert browser.get("/api/session")["actions"] is False
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
