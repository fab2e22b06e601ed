"""`tamias trace`: after a worker was killed, and beside a disk that is full."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from support.cli import Folder
from support.tmpfs import small_disk

if TYPE_CHECKING:
    from pathlib import Path

AGENT = """
import os
import signal
from pathlib import Path

from tamias import Agent, Event, InputEvent, OutputEvent, action

HERE = Path(__file__).parent


class Charged(Event):
    pass


def charge(amount):
    with (HERE / "charged").open("a") as file:
        file.write("x")
    return amount


class Shop(Agent):
    @action(InputEvent)
    @staticmethod
    def begin(event, ctx):
        if event.input == "bad":
            raise ValueError("this is bad")
        ctx.durable_execute(charge, event.input)
        ctx.send_event(Charged())

    @action(Charged)
    @staticmethod
    async def finish(event, ctx):
        await ctx.durable_execute_async(charge, 2)
        if not (HERE / "killed").exists():
            (HERE / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        ctx.send_event(OutputEvent(output="done"))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder with the agent."""
    folder = Folder(tmp_path)
    (tmp_path / "shop.py").write_text(AGENT)
    return folder


def run(folder: Folder, *values: object, code: int = 0) -> None:
    """Run the job, or go on with it."""
    lines = [json.dumps({"key": f"k{n}", "value": value}) for n, value in enumerate(values)]
    (folder.path / "in.jsonl").write_text("".join(f"{line}\n" for line in lines))
    options = ["--workers", "1", "--set", "max-attempts=1"]
    files = ["--input", "in.jsonl", "--output", "out.jsonl"]
    folder.tamias("run", "shop.py:Shop", *files, *options, code=code)


def test_what_a_worker_goes_on_with_was_reused(folder: Folder) -> None:
    run(folder, 1)
    assert (folder.path / "charged").read_text() == "xx"
    shown = folder.tamias("trace", "out.jsonl.tamias", "--format", "json").stdout
    (traced,) = [json.loads(line) for line in shown.splitlines()]
    (event,) = traced["roots"]
    (begin,) = event["children"]
    assert (begin["name"], begin["status"]) == ("begin", "reused")
    (finish,) = begin["children"][0]["children"]
    assert [(step["name"], step["status"]) for step in finish["children"]] == [
        ("shop.charge", "reused"),
        ("_output_event", "success"),
    ]
    text = folder.tamias("trace", "out.jsonl.tamias", "--key", "k0").stdout
    assert "call shop.charge  reused" in text
    otlp = json.loads(folder.tamias("trace", "out.jsonl.tamias", "--format", "otlp").stdout)
    assert otlp["resourceSpans"]
    nothing = folder.tamias("trace", "out.jsonl.tamias", "--failed")
    assert (nothing.stdout, nothing.stderr) == ("", "No such run is in the event log.\n")
    folder.tamias("trace", "out.jsonl.tamias", "--last", "soon", code=2)


def test_runs_are_unharmed_beside_a_full_disk(folder: Folder) -> None:
    (folder.path / "killed").touch()
    run(folder, 1)
    events = folder.path / "out.jsonl.tamias" / "events"
    shutil.rmtree(events)
    with small_disk(events, "64k") as disk:
        disk.fill()
        run(folder, 1, "bad", 2, "bad", "bad", code=3)
        outputs = (folder.path / "out.jsonl").read_text().splitlines()
        assert sorted(json.loads(line)["offset"] for line in outputs) == [0, 2]
        metrics = folder.tamias("metrics", "out.jsonl.tamias").stdout
        counted = [line for line in metrics.splitlines() if "unwritten_total{" in line]
        assert [line.rpartition(" ")[2] for line in counted if 'file="events"' in line] == ["3.0"]
