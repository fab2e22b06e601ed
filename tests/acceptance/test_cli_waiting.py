"""`tamias waiting` and `tamias answer`: people who look at what waits, and answer."""

from __future__ import annotations

import getpass
import json
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest

from support.cli import Folder, wait_for
from support.moved_clock import SharedClock
from tamias.agent.errors import PoolError
from tamias.cli.waiting import answer
from tamias.store.encoding.keys import encode_key, shard_of
from tamias.store.records.offsets import RunKind, owned_number
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.state.directory import StateDirectory
from tamias.store.state.layout import StateLayout
from tamias.store.state.reader import StoreReader
from tamias.store.state.waiting import all_waiting
from tamias.store.waiting.records import OwnedRun, QuestionRecord
from tamias.store.waiting.tokens import make_token

if TYPE_CHECKING:
    from pathlib import Path

STATE = "out.jsonl.tamias"
AGENT = """
from tamias import Agent, InputEvent, OutputEvent, WaitTimeoutError, action


class Approval(Agent):
    @action(InputEvent)
    @staticmethod
    async def ask(event, ctx):
        order = event.input
        ctx.short_term_memory.set("asked", order["amount"])
        try:
            answer = await ctx.wait_for("approve", timeout=order.get("timeout"), ask=order)
        except WaitTimeoutError:
            answer = "nobody"
        ctx.send_event(OutputEvent(output=[order["amount"], answer]))


class Napper(Agent):
    @action(InputEvent)
    @staticmethod
    async def nap(event, ctx):
        if event.input == "remind":
            ctx.schedule(after=7200, event=InputEvent(input="late"), id="reminder")
        else:
            await ctx.sleep(3600)
"""
RUN = ("run", "agent.py:Approval", "-i", "in.jsonl", "-o", "out.jsonl", "--workers", "1")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    folder = Folder(tmp_path)
    folder.write("agent.py", AGENT)
    folder.clock = SharedClock(monkeypatch, tmp_path / "clock")  # type: ignore[attr-defined]
    return folder


def orders(folder: Folder, *values: tuple[str, Any]) -> None:
    lines = [json.dumps({"key": key, "value": value}) for key, value in values]
    folder.write("in.jsonl", "".join(f"{line}\n" for line in lines))


def questions(folder: Folder, *arguments: str) -> list[dict[str, Any]]:
    done = folder.tamias("waiting", STATE, "--json", *arguments)
    return [json.loads(line) for line in done.stdout.splitlines()]


def outputs(folder: Folder) -> list[Any]:
    return [line["output"] for line in folder.lines() if "output" in line]


def test_a_job_that_waits_is_listed_answered_at_rest_and_resumed(folder: Folder) -> None:
    orders(folder, ("ada", {"amount": 1}), ("bob", {"amount": 2}), ("bob", {"amount": 3}))
    folder.tamias(*RUN, code=4)
    listed = questions(folder)
    assert [(row["key"], row["name"], row["ask"]) for row in listed] == [
        ("ada", "approve", {"amount": 1}),
        ("bob", "approve", {"amount": 2}),
    ]
    assert listed[0]["asked_at"] <= listed[1]["asked_at"]
    assert [(row["deadline"], row["offset"], row["agent"]) for row in listed] == [
        (None, 0, "agent:Approval"),
        (None, 1, "agent:Approval"),
    ]
    assert questions(folder, "--key", "bob") == listed[1:]
    assert questions(folder, "--name", "other") == []
    text = folder.tamias("waiting", STATE).stdout.splitlines()
    assert text[0].split() == ["token", "name", "key", "waits", "until", "asks"]
    assert re.fullmatch(
        rf'{listed[1]["token"]}  approve  bob +\d.* for ever  {{"amount":2}}', text[2]
    )

    shown = json.loads(folder.tamias("inspect", STATE, "--key", "bob", "--json").stdout)
    (question,) = shown["waiting"]["questions"]
    assert (question["token"], question["ask"]) == (listed[1]["token"], {"amount": 2})
    (run,) = shown["waiting"]["runs"]
    assert (run["of"], run["until"], run["answered"], run["attempts"]) == (1, None, False, 0)
    assert run["recorded"] == ["step 0, call 0: ctx.wait_for returned (generation 0)"]
    assert (shown["waiting"]["behind"], shown["waiting"]["timers"]) == (1, [])
    tree = folder.tamias("inspect", STATE, "--key", "bob").stdout
    assert f"question approve {question['token']}" in tree
    overview = folder.tamias("inspect", STATE).stdout
    assert "waiting      2 runs wait, with 1 input behind (2 questions asked)" in overview
    assert "no unfinished runs" in overview
    status = json.loads(folder.tamias("status", STATE, "--json").stdout)
    assert (status["waiting_runs"], status["waiting_inputs"], status["questions"]) == (2, 1, 2)

    token = listed[1]["token"]
    done = folder.tamias("answer", STATE, token, "--json", '{"ok": [1, null]}', "--by", "eve")
    assert f"tamias resume {STATE} goes on with it" in done.stderr
    second = folder.tamias("answer", STATE, token, "--text", "no", code=2)
    assert "was answered already by eve at 20" in second.stderr
    assert [row["key"] for row in questions(folder)] == ["ada"]

    folder.tamias("resume", STATE, code=4)
    assert outputs(folder) == [[2, {"ok": [1, None]}]]
    (ada, bob) = questions(folder)
    assert (ada["key"], bob["key"], bob["ask"]) == ("ada", "bob", {"amount": 3})
    assert "was answered already by eve" in (
        folder.tamias("answer", STATE, token, "--text", "no", code=2).stderr
    )
    for row in (ada, bob):
        folder.tamias("answer", STATE, row["token"], "--text", "yes")
    folder.tamias("resume", STATE)
    assert sorted(outputs(folder)) == [[1, "yes"], [2, {"ok": [1, None]}], [3, "yes"]]
    assert questions(folder) == []
    assert "No question waits" in folder.tamias("waiting", STATE).stderr


def test_an_answer_to_a_running_pool(folder: Folder) -> None:
    orders(folder, ("ada", {"amount": 1}))
    with folder.started(*RUN, "--set", "at-end=wait") as job:
        wait_for(StateLayout(folder.path / STATE).manifest.exists)
        wait_for(lambda: bool(questions(folder)))
        (row,) = questions(folder)
        done = folder.tamias("answer", STATE, row["token"], "--json", "true")
        assert done.stderr.strip() == "answered: on record"
        assert job.wait(60) == 0
    assert outputs(folder) == [[1, True]]
    late = folder.tamias("answer", STATE, row["token"], "--json", "true", code=2)
    assert f"was answered already by {getpass.getuser()} at 20" in late.stderr


def test_answers_that_are_refused(folder: Folder) -> None:
    orders(folder, ("ada", {"amount": 1, "timeout": 60}))
    folder.tamias(*RUN, "--set", "at-end=suspend", code=4)
    (row,) = questions(folder)
    token = row["token"]
    assert row["deadline"] == pytest.approx(row["asked_at"] + 60)
    other = token[:-4] + ("0000" if token[-4:] != "0000" else "1111")
    for arguments, problem in (
        ((token,), "An answer has one value"),
        ((token, "--text", "a", "--json", "1"), "An answer has one value"),
        ((token, "--json", "{yes"), "'{yes' is not JSON"),
        (("q123", "--text", "a"), "'q123' is not the token of a question"),
        ((token[:12] + "ffff" + token[16:], "--text", "a"), "in another state directory"),
        ((other, "--text", "a"), "No question with this token waits"),
    ):
        assert problem in folder.tamias("answer", STATE, *arguments, code=2).stderr
    folder.clock.advance(61)  # type: ignore[attr-defined]
    assert [row["late"] for row in questions(folder)] == [True]
    late = folder.tamias("answer", STATE, token, "--text", "a", code=2)
    assert "The answer comes too late" in late.stderr
    folder.tamias("resume", STATE)
    assert outputs(folder) == [[1, "nobody"]]


def test_what_else_waits(folder: Folder) -> None:
    orders(folder, ("ada", "remind"), ("bob", "remind"), ("ada", 1), ("ada", 2), ("bob", 3))
    folder.tamias("run", "agent.py:Napper", *RUN[2:], code=4)
    rows = questions(folder, "--all")
    runs = {row["key"]: row for row in rows if row["kind"] == "run"}
    assert {key: (row["offset"], row["behind"]) for key, row in runs.items()} == {
        "ada": (2, 1),
        "bob": (4, 0),
    }
    assert all(not row["due"] and row["attempts"] == 0 for row in runs.values())
    timers = {row["key"]: row for row in rows if row["kind"] == "timer"}
    assert {key: (row["id"], row["offset"]) for key, row in timers.items()} == {
        "ada": ("reminder", 0),
        "bob": ("reminder", 1),
    }
    assert timers["bob"]["due"] == pytest.approx(runs["bob"]["until"] + 3600, abs=5)
    assert [row["kind"] for row in questions(folder, "--all", "--name", "reminder")] == [
        "timer",
        "timer",
    ]
    done = folder.tamias("waiting", STATE, "--all")
    assert "In all, 2 runs wait, with 1 input behind and 2 timers to come" in done.stderr
    assert "reminder" in done.stdout
    folder.clock.advance(3601)  # type: ignore[attr-defined]
    rows = questions(folder, "--all", "--key", "ada")
    assert [row["due"] for row in rows if row["kind"] == "run"] == [True]


def test_answers_while_lives_of_the_job_begin_and_end(folder: Folder) -> None:
    orders(folder, *((f"k{n}", {"amount": n}) for n in range(4)))
    folder.tamias(*RUN, code=4)
    listed = questions(folder)
    stopped = threading.Event()

    def live() -> None:
        while not stopped.is_set():
            folder.tamias("resume", STATE, code=None)

    lives = threading.Thread(target=live)
    lives.start()
    try:
        for row in listed:
            folder.tamias("answer", STATE, row["token"], "--json", row["ask"]["amount"])
    finally:
        stopped.set()
        lives.join()
    folder.tamias("resume", STATE)
    assert sorted(outputs(folder)) == [[n, n] for n in range(4)]


def test_an_answer_is_not_given_to_a_launcher_that_does_not_listen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "_PATIENCE", 0.3)
    token = make_token(0, 1.0)
    with (
        StateDirectory.open(tmp_path / "state", "agent:A", 2, "none", {}),
        pytest.raises(PoolError, match=r"The answer is not on record yet: .* does not answer"),
    ):
        answer._give(tmp_path / "state", answer._Answer(token, 1, None, "r"))


@pytest.mark.parametrize(
    ("point", "counts"),
    [
        ("answer.before:1", False),
        ("waiting.inside:1", False),
        ("waiting.inside:2", False),
        ("commit.inside:1", False),
        ("commit.after:1", True),
    ],
)
def test_a_command_that_is_killed_has_answered_or_not(
    tmp_path: Path, point: str, *, counts: bool
) -> None:
    key = encode_key("a")
    shard = shard_of(key, 2)
    token = make_token(shard, 1.0)
    number = owned_number(7)
    with StateDirectory.open(tmp_path / "state", "agent:A", 2, "none", {}) as state:
        batch = Batch()
        changes = batch.changes_of_waiting()
        changes.put(number, OwnedRun(RunKind.INPUT, key, begun=True).encode(), queued=True)
        changes.put_question(token, QuestionRecord(number, key, "n", b"", 1.0).encode())
        writer = Shard.acquire(state.layout.shard(shard), shard, "none")
        writer.commit(batch)
        writer.close()
    flag = tmp_path / "flag"
    flag.touch()
    folder = Folder(tmp_path)
    words = ("answer", "state", token, "--text", "yes")
    folder.tamias(*words, code=-9, TAMIAS_CRASH=f"{point}:{flag}")

    def state_of() -> tuple[int, int]:
        with StoreReader(tmp_path / "state") as reader, all_waiting(reader) as waiting:
            woken = [run for run in waiting.runs() if run.woken]
            return len(list(waiting.questions())), len(woken)

    assert state_of() == ((0, 1) if counts else (1, 0))
    folder.tamias(*words, code=2 if counts else 0)
    assert state_of() == (0, 1)
    assert folder.tamias("doctor", "state", "--deep").stdout.count("records read") == 2
