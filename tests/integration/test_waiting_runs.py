"""Runs that wait, in pools of processes: retries of dead letters, and runs that kill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.moved_clock import SharedClock
from tamias.launcher.jobs.file_job import JobSpec, run_file_job
from tamias.launcher.jobs.retry import retry_dead_letters
from tamias.store.state.reader import StoreReader

POISON = """
import os
from tamias import Agent, InputEvent, OutputEvent, action

class Bomb(Agent):
    @action(InputEvent)
    @staticmethod
    async def run(event, ctx):
        await ctx.sleep(60)
        if event.input == "bomb":
            os._exit(9)
        ctx.send_event(OutputEvent(output=event.input))
"""

AGENT = """
from pathlib import Path
from tamias import Agent, EndOfInputEvent, InputEvent, OutputEvent, action

class Careful(Agent):
    @action(InputEvent)
    @staticmethod
    async def run(event, ctx):
        if event.input["fails"] and not (Path(__file__).parent / "repaired").exists():
            raise ValueError("broken")
        await ctx.sleep(event.input["sleep"])
        ctx.send_event(OutputEvent(output=event.input["sleep"]))

    @action(EndOfInputEvent)
    @staticmethod
    def end(event, ctx):
        ctx.send_event(OutputEvent(output="end"))
"""


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SharedClock:
    return SharedClock(monkeypatch, tmp_path / "clock")


def outputs(spec: JobSpec) -> list[tuple[str, object]]:
    lines = Path(spec.output).read_text().splitlines()
    return [(line["key"], line["output"]) for line in map(json.loads, lines)]


def test_a_retry_runs_what_is_due_and_leaves_what_waits(tmp_path: Path, moved: SharedClock) -> None:
    (tmp_path / "agent.py").write_text(AGENT)
    inputs = [("a", 0, True), ("b", 3000, False), ("c", 5000, True), ("d", 9000, False)]
    (tmp_path / "in.jsonl").write_text(
        "".join(
            json.dumps({"key": key, "value": {"sleep": sleep, "fails": fails}}) + "\n"
            for key, sleep, fails in inputs
        )
    )
    spec = JobSpec(
        target=f"{tmp_path}/agent.py:Careful",
        input=str(tmp_path / "in.jsonl"),
        output=str(tmp_path / "out.jsonl"),
        config={"workers": 1, "shards": 2, "max-attempts": 1},
        folder=str(tmp_path),
    )
    state = tmp_path / "state"
    report = run_file_job(spec, state)
    assert (report.exit_code, report.waiting_runs, report.dead_letters) == (4, 2, 2)
    assert report.events == 2  # the dead letters
    assert ("b", 3000) not in outputs(spec)

    moved.advance(3100)
    (tmp_path / "repaired").touch()
    retried = retry_dead_letters(spec, state)
    assert retried.finished
    assert retried.failed == []
    assert retried.succeeded == [0]
    assert retried.waiting == [2]
    rest = [each for each in outputs(spec) if each[1] != "end"]
    assert sorted(rest) == [("a", 0), ("b", 3000)]
    assert retried.job is not None
    assert retried.job.waiting_runs == 2
    assert retried.job.events == 3

    moved.advance(9000)
    report = run_file_job(spec, state)
    rest = [each for each in outputs(spec) if each[1] != "end"]
    assert sorted(rest) == [("a", 0), ("b", 3000), ("c", 5000), ("d", 9000)]
    assert (report.exit_code, report.events) == (0, 4)
    assert {key for key, value in outputs(spec) if value == "end"} == {"a", "b", "c", "d"}


def test_a_suspended_run_that_kills_its_workers_is_set_aside(
    tmp_path: Path, moved: SharedClock
) -> None:
    (tmp_path / "agent.py").write_text(POISON)
    values = ["bomb" if n == 11 else n for n in range(40)]
    (tmp_path / "in.jsonl").write_text(
        "".join(
            json.dumps({"key": n % 13, "value": value}) + "\n" for n, value in enumerate(values)
        )
    )
    spec = JobSpec(
        target=f"{tmp_path}/agent.py:Bomb",
        input=str(tmp_path / "in.jsonl"),
        output=str(tmp_path / "out.jsonl"),
        config={"workers": 2, "shards": 2, "at-end": "suspend"},
        folder=str(tmp_path),
    )
    state = tmp_path / "state"
    report = run_file_job(spec, state)
    assert (report.exit_code, report.waiting_runs, report.waiting_inputs) == (4, 13, 27)
    for _ in range(4):
        moved.advance(61)
        report = run_file_job(spec, state)
    assert (report.exit_code, report.events, report.dead_letters) == (3, 40, 1)
    with StoreReader(state) as reader:
        (letter,) = reader.dead_letters()
    assert (letter.offset, letter.cause) == (11, "crash")
    assert [value for _, value in sorted(outputs(spec), key=lambda pair: str(pair[1]))] == sorted(
        [value for value in values if value != "bomb"], key=str
    )
    by_key: dict[object, list[object]] = {}
    for key, value in outputs(spec):
        by_key.setdefault(key, []).append(value)
    assert by_key == {key: [n for n in range(40) if n % 13 == key and n != 11] for key in range(13)}
