"""A service that is down, and then overloaded: `tamias run` waits, and loses and holds nothing."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from support.cli import Folder, wait_for
from support.moved_clock import SharedClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STATE = "out.jsonl.tamias"
AGENT = """
import os
import urllib.request

from tamias import Agent, InputEvent, OutputEvent, RetryPolicy, action
from tamias.store import clock

POLICY = RetryPolicy(attempts=7, wait=60, longest="1h")
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(key):
    with open("attempts.txt", "a") as attempts:
        print(key, clock.now(), file=attempts)
    with OPENER.open(os.environ["SERVICE"] + "/" + key, timeout=20) as answer:
        return answer.read().decode()


class Asking(Agent):
    @action(InputEvent)
    @staticmethod
    async def act(event, ctx):
        answer = None
        if event.input == "run":  # tried again as a whole, by the job's default policy
            answer = ask(ctx.key)
        elif event.input == "call":
            answer = await ctx.durable_execute_async(ask, ctx.key, retry=POLICY)
        ctx.send_event(OutputEvent(output=[event.input, answer]))
"""
RUNS = [f"run{number}" for number in range(10)]
CALLS = [f"call{number}" for number in range(10)]
ASKING = [*RUNS, *CALLS]
WAITS = [60, 120, 240, 480, 960]
"""Of both policies; each is a tenth longer or shorter. The test ends before the first has passed,
so that only the clock it moves brings the next attempt."""
RETRY_AFTER = 600


class Service(ThreadingHTTPServer):
    """Refuses connections until it is opened; then each path is answered 429 first, then 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers, bind_and_activate=False)
        self.requests: list[str] = []
        self.server_bind()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    def open(self) -> None:
        """Take connections from now on."""
        self.server_activate()
        self._thread.start()

    def close(self) -> None:
        """End it."""
        if self._thread.ident is not None:
            self.shutdown()
            self._thread.join()
        self.server_close()


class Answers(BaseHTTPRequestHandler):
    """What the service answers."""

    server: Service

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        if self.server.requests.count(self.path) == 1:
            self.send_response(429)
            self.send_header("Retry-After", str(RETRY_AFTER))
            self.end_headers()
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"here")

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()


def attempts(folder: Folder) -> dict[str, list[float]]:
    """When each key has made its requests."""
    made: dict[str, list[float]] = {key: [] for key in ASKING}
    file = folder.path / "attempts.txt"
    for line in file.read_text().splitlines() if file.exists() else ():
        key, moment = line.split()
        made[key].append(float(moment))
    return made


def outputs(folder: Folder) -> list[tuple[str, Any]]:
    file = folder.path / "out.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(row["key"], row["output"]) for row in map(json.loads, lines)]


def status(folder: Folder) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(folder.tamias("status", STATE, "--json").stdout)
    return shown


def count_waiting(folder: Folder) -> int:
    """How many runs are in the store, with a moment to come."""
    listed = folder.tamias("waiting", STATE, "--all", "--json").stdout.splitlines()
    rows = [json.loads(line) for line in listed]
    return sum(row["kind"] == "run" and not row["due"] for row in rows)


def test_a_service_that_is_down_and_then_overloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: Service
) -> None:
    folder = Folder(tmp_path)
    folder.write("agent.py", AGENT)
    clock = SharedClock(monkeypatch, tmp_path / "clock")
    inputs = [(key, key[:-1]) for key in ASKING]
    inputs += [(f"other{number % 40}", "plain") for number in range(400)]
    inputs += [(key, "behind") for key in ASKING]
    folder.write(
        "in.jsonl",
        "".join(json.dumps({"key": key, "value": value}) + "\n" for key, value in inputs),
    )
    address = f"http://127.0.0.1:{service.server_port}"
    settings = (f"retry-wait={WAITS[0]}s", "retry-longest=1h", "at-end=wait")
    command = ["run", "agent.py:Asking", "-i", "in.jsonl", "-o", "out.jsonl", "--workers", "2"]
    for setting in settings:
        command += ["--set", setting]
    with folder.started(*command, SERVICE=address) as job:

        def wait_for_attempts(number: int) -> None:
            wait_for(lambda: {len(each) for each in attempts(folder).values()} == {number})

        wait_for_attempts(1)
        for number, wait in enumerate(WAITS[:-1], 2):
            wait_for(lambda: count_waiting(folder) == len(ASKING))  # the next moment is on record
            clock.advance(1.1 * wait)
            wait_for_attempts(number)
        # It is down for some time now. Other keys are done; what waits is in no worker.
        wait_for(lambda: len(outputs(folder)) == 400)
        assert {key[:5] for key, _ in outputs(folder)} == {"other"}
        wait_for(lambda: count_waiting(folder) == len(ASKING))
        wait_for(lambda: status(folder)["waiting_runs"] == len(ASKING))
        waiting = status(folder)
        assert waiting["waiting_inputs"] == len(ASKING)
        assert (waiting["events"], waiting["dead_letters"]) == (400, 0)
        assert [worker["in_flight"] for worker in waiting["workers"]] == [0, 0]

        service.open()
        clock.advance(1.1 * WAITS[-1])
        wait_for_attempts(6)
        wait_for(lambda: count_waiting(folder) == len(ASKING))
        clock.advance(1.1 * RETRY_AFTER)
        _, printed = job.communicate(timeout=60)
    assert job.returncode == 0, printed
    assert folder.dead_letters() == []

    # Five attempts while it was down, one that was refused, one that was answered.
    assert Counter(service.requests) == {f"/{key}": 2 for key in ASKING}
    for made in attempts(folder).values():
        gaps = [later - earlier for earlier, later in pairwise(made)]
        assert len(gaps) == 6
        assert all(gap >= 0.9 * wait for gap, wait in zip(gaps, WAITS, strict=False))
        assert gaps[-1] >= RETRY_AFTER
    by_key: dict[str, list[Any]] = {}
    for key, output in outputs(folder):
        by_key.setdefault(key, []).append(output)
    assert len(by_key) == len(ASKING) + 40
    for key in ASKING:
        assert by_key[key] == [[key[:-1], "here"], ["behind", None]]


GIVING_UP = """
from tamias import Agent, Event, InputEvent, RetryPolicy, action

TRIES = []


def ask(key):
    TRIES.append(key)
    raise ConnectionError(f"down {TRIES.count(key)}")


class Asking(Agent):
    @action(InputEvent)
    @staticmethod
    def begin(event, ctx):
        ctx.send_event(Event(type=event.input))

    @action("run", retry=RetryPolicy(attempts=3, wait="10ms"))
    @staticmethod
    def run(event, ctx):
        ask(ctx.key)

    @action("call")
    @staticmethod
    async def call(event, ctx):
        policy = RetryPolicy(attempts=4, wait="10ms")
        await ctx.durable_execute_async(ask, ctx.key, retry=policy)

    @action("call-by-default")
    @staticmethod
    def call_by_default(event, ctx):
        ctx.durable_execute(ask, ctx.key)

    @action("job")
    @staticmethod
    def job(event, ctx):
        ask(ctx.key)

    @action("once", retry=RetryPolicy(give_up_on=OSError))
    @staticmethod
    def once(event, ctx):
        ask(ctx.key)
"""
ROWS: list[tuple[str, int, int, str, list[str]]] = [
    ("run", 3, 3, "", ["run"]),
    ("call", 4, 1, " (agent.ask was tried 4 times)", ["call", "agent.ask"]),
    ("call-by-default", 5, 1, " (agent.ask was tried 5 times)", ["call_by_default", "agent.ask"]),
    ("job", 6, 6, "", ["job"]),
    ("once", 1, 1, "", ["once"]),
]
"""What is asked for, how often it is tried, attempts at the run, what the error says, and who is
named in the errors of the attempts."""


def test_dead_letters_say_what_all_attempts_have_raised(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write("agent.py", GIVING_UP)
    folder.inputs([row[0] for row in ROWS], keys=len(ROWS))
    options = ("retry-attempts=6", "call-attempts=5", "retry-wait=10ms", "retry-factor=1")
    settings = [word for option in options for word in ("--set", option)]
    folder.tamias("run", "agent.py:Asking", "-i", "in.jsonl", "-o", "out.jsonl", *settings, code=3)
    for offset, (_, tries, attempts, tried, names) in enumerate(ROWS):
        shown = json.loads(folder.tamias("dead-letters", "show", STATE, offset, "--json").stdout)
        errors = shown["attempts_errors"]
        assert (shown["attempts"], shown["cause"]) == (attempts, "exception")
        assert shown["error"] == f"ConnectionError: down {tries}{tried}"
        of_last = [each for each in errors if each["of"] == names[-1]]
        assert [each["error"] for each in of_last] == [
            f"ConnectionError: down {number + 1}" for number in range(tries)
        ]
        assert [each["at"] for each in of_last] == sorted(each["at"] for each in of_last)
        assert {each["of"] for each in errors} == set(names)

        text = folder.tamias("dead-letters", "show", STATE, offset).stdout
        listed = text.partition("all attempts\n")[2].partition("\n\n")[0].splitlines()
        assert len(listed) == (len(errors) if tries > 1 else 0)
        for line, each in zip(listed, errors, strict=False):
            assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", line)
            assert line.endswith(f" {each['of']}: {each['error']}")
