"""The examples of waiting, as their users run them; time is moved where they wait for days."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.cli import TAMIAS, Folder, wait_for
from support.moved_clock import SharedClock
from tamias import Client

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "waiting"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    for path in EXAMPLE.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    return Folder(tmp_path)


def pages(folder: Folder) -> list[tuple[str, list[str]]]:
    lines = folder.lines("sessions.jsonl")
    return sorted((line["key"], line["output"]["pages"]) for line in lines)


SESSIONS = ("sessions.py:Sessions", "--key", "user", "--output", "sessions.jsonl", "--workers", 1)


def test_sessions_end_with_a_pause_and_with_the_input(folder: Folder) -> None:
    command = ("run", *SESSIONS, "--input", "clicks.jsonl")
    folder.tamias(*command)
    first = [("ada", ["/"]), ("ada", ["/", "/shoes"]), ("bob", ["/", "/hats"])]
    assert pages(folder) == first
    with (folder.path / "clicks.jsonl").open("a") as clicks:
        clicks.write('{"user": "bob", "page": "/late", "at": 9999}\n')
    folder.tamias(*command)
    assert pages(folder) == sorted([*first, ("bob", ["/late"])])


def test_sessions_of_a_pipe_end_with_silence(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SharedClock(monkeypatch, folder.path / "clock")
    command = [str(TAMIAS), "run", *map(str, SESSIONS), "--input", "-"]
    with subprocess.Popen(
        command,
        cwd=folder.path,
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdin is not None
            process.stdin.write('{"user": "ada", "page": "/", "at": 0}\n')
            process.stdin.flush()
            output = folder.path / "sessions.jsonl"
            wait_for(lambda: _status(folder, "sessions.jsonl.tamias").get("timers") == 1)
            clock.advance(1000)
            assert not output.exists() or not output.read_text()
            clock.advance(900)
            wait_for(lambda: output.exists() and output.read_text().endswith("\n"))
            process.stdin.write('{"user": "ada", "page": "/again", "at": 1900}\n')
            process.stdin.close()
            assert process.wait(60) == 0
        finally:
            process.kill()
    assert pages(folder) == [("ada", ["/"]), ("ada", ["/again"])]


def _status(folder: Folder, state: str) -> dict[str, Any]:
    path = folder.path / state / "status.json"
    if not path.exists():
        return {}
    status: dict[str, Any] = json.loads(path.read_text())
    return status


REFUNDS = ("refunds.py:Refunds", "--key", "customer", "--output", "paid.jsonl", "--workers", 1)


def begin_refunds(folder: Folder) -> dict[str, Any]:
    """Run the job to where it waits; return the question."""
    folder.tamias("run", *REFUNDS, "--input", "refunds.jsonl", code=4)
    questions = [line["question"] for line in folder.lines("paid.jsonl") if "question" in line]
    assert len(questions) == 1
    question: dict[str, Any] = questions[0]
    return question


def outcomes(folder: Folder) -> list[dict[str, Any]]:
    lines = folder.lines("paid.jsonl")
    return sorted(
        (line["output"] for line in lines if "output" in line), key=lambda line: line["order"]
    )


PAID = [
    {"order": order, "paid": f"payment of {amount} for order {order}"}
    for order, amount in ((1, 20), (2, 500), (3, 30), (4, 10))
]


def test_a_refund_waits_for_its_approval_while_others_are_paid(folder: Folder) -> None:
    question = begin_refunds(folder)
    assert question["ask"] == {"customer": "bob", "order": 2, "amount": 500}
    assert outcomes(folder) == [PAID[0], PAID[3]]  # bob's next one waits behind his first
    folder.tamias("resume", "paid.jsonl.tamias", code=4)
    assert outcomes(folder) == [PAID[0], PAID[3]]


def test_an_approval_while_nothing_runs(folder: Folder) -> None:
    begin_refunds(folder)
    shown = json.loads(folder.tamias("waiting", "paid.jsonl.tamias", "--json").stdout)
    assert (shown["key"], shown["name"], shown["ask"]["order"]) == ("bob", "approve", 2)
    answer = ("answer", "paid.jsonl.tamias", shown["token"], "--by", "eve", "--json")
    folder.tamias(*answer, "false")
    assert "by eve" in folder.tamias(*answer, "true", code=2).stderr
    folder.tamias("resume", "paid.jsonl.tamias")
    assert outcomes(folder) == [PAID[0], {"order": 2, "refused": False}, PAID[2], PAID[3]]


def test_an_approval_may_come_as_an_input(folder: Folder) -> None:
    question = begin_refunds(folder)
    answer = {"customer": "bob", "answer_to": question["token"], "value": True, "by": "eve"}
    with (folder.path / "refunds.jsonl").open("a") as refunds:
        refunds.write(json.dumps(answer) + "\n")
    folder.tamias("run", *REFUNDS, "--input", "refunds.jsonl")
    assert outcomes(folder) == PAID
    payments = (folder.path / "payments.log").read_text().splitlines()
    assert sorted(payments) == ["ada 1 20", "bob 2 500", "bob 3 30", "eve 4 10"]


def test_a_refund_that_nobody_approves_is_refused_after_three_days(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SharedClock(monkeypatch, folder.path / "clock")
    begin_refunds(folder)
    clock.advance(3 * 86_400)
    folder.tamias("resume", "paid.jsonl.tamias")
    assert outcomes(folder) == [PAID[0], {"order": 2, "refused": "no answer"}, PAID[2], PAID[3]]


def test_approvals_by_a_service_s_clients(folder: Folder) -> None:
    command = ("serve", "refunds.py:Refunds", "--state", "refunds", "--workers", 1)
    state = folder.path / "refunds"
    with folder.started(*command) as process, Client(state, timeout=60) as client:
        submissions = client.submit_many(
            [("bob", {"order": 2, "amount": 500}), ("eve", {"order": 5, "amount": 600})]
        )
        wait_for(lambda: len(client.questions(timeout=60)) == 2)
        asked = subprocess.run(
            [sys.executable, "approve.py", "refunds"],
            cwd=folder.path,
            input="y\nn\n",
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        outputs = [submission.result(60) for submission in submissions]
        assert client.questions(timeout=60) == []
        process.terminate()
        assert process.wait(60) == 0
    assert "bob: 500 for order 2" in asked
    assert "eve: 600 for order 5" in asked
    if asked.startswith("bob"):
        assert outputs == [_paid(2, 500), [{"order": 5, "refused": False}]]
    else:
        assert outputs == [[{"order": 2, "refused": False}], _paid(5, 600)]


def _paid(order: int, amount: int) -> list[dict[str, Any]]:
    return [{"order": order, "paid": f"payment of {amount} for order {order}"}]


@contextmanager
def render_api(folder: Folder) -> Iterator[str]:
    command = [sys.executable, "render_api.py", "0", "0.5"]
    with subprocess.Popen(command, cwd=folder.path, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def test_films_are_ordered_once_whatever_is_killed(folder: Folder) -> None:
    command = ["run", "films.py:Films", "--input", "films.jsonl", "--key", "customer"]
    command += ["--output", "links.jsonl", "--workers", "1"]
    with render_api(folder) as url:

        def requests() -> dict[str, int]:
            with urllib.request.urlopen(f"{url}/requests") as answer:
                counted: dict[str, int] = json.load(answer)
                return counted

        with folder.started(*command, RENDER_API=url) as process:
            wait_for(lambda: requests()["films"] > 0)
            process.send_signal(signal.SIGKILL)
            process.wait(60)
        folder.tamias(*command, RENDER_API=url)
        assert requests()["films"] == 3
    links = sorted(line["output"]["link"] for line in folder.lines("links.jsonl"))
    assert links == ["birthday.mp4", "holidays.mp4", "wedding.mp4"]
