"""A job that is asked to end ends, whatever hangs in it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from support.cli import Folder, wait_for
from support.processes import line, python

if TYPE_CHECKING:
    from pathlib import Path

AGENT = """
import asyncio, time
from pathlib import Path
from tamias import Agent, InputEvent, OutputEvent, action

def reach(value):
    Path(f"reached-{value}").touch()

class Plain(Agent):
    @action(InputEvent)
    @staticmethod
    def hang(event, ctx):
        reach(event.input)
        if event.input == "hang" and not Path("repaired").exists():
            time.sleep(3600)
        ctx.send_event(OutputEvent(output=event.input))

class Waiting(Agent):
    @action(InputEvent)
    @staticmethod
    async def hang(event, ctx):
        reach(event.input)
        if event.input == "hang" and not Path("repaired").exists():
            await asyncio.Event().wait()
        ctx.send_event(OutputEvent(output=event.input))
"""


@pytest.mark.parametrize(
    ("agent", "settings", "said"),
    [
        ("Plain", (), "executing input 1 (key 'k1')"),
        (
            "Plain",
            ("--set", "sync-in-threads=true"),
            "with 1 input in flight (1 (key 'k1')), executing none",
        ),
        ("Waiting", (), "with 1 input in flight (1 (key 'k1')), executing none"),
    ],
)
def test_what_hangs_is_ended_after_drain_timeout_and_done_again_later(
    tmp_path: Path, agent: str, settings: tuple[str, ...], said: str
) -> None:
    folder = Folder(tmp_path)
    folder.write("hang.py", AGENT)
    folder.inputs(["first", "hang"])
    arguments = ["run", f"hang.py:{agent}", "-i", "in.jsonl", "-o", "out.jsonl", "-w", 1]
    arguments += ["--set", "drain-timeout=300ms", *settings]
    with folder.started(*arguments) as job:
        wait_for((tmp_path / "reached-hang").exists)
        job.send_signal(signal.SIGTERM)
        _, errors = job.communicate()
    assert job.returncode == 130
    assert "is ended after drain-timeout" in errors
    assert said in errors
    folder.write("repaired", "")
    folder.tamias(*arguments)
    assert sorted(row["output"] for row in folder.lines()) == ["first", "hang"]


HUNG_LAUNCHER = """
import os, sys
from tamias.launcher.pool import signals
signals.GRACE_SECONDS = 0.1
with signals.Signals(lambda: print("drains", flush=True), 0.1):
    print("ready", flush=True)
    os.read(os.pipe()[0], 1)
"""


def test_a_launcher_whose_own_thread_hangs_ends_too() -> None:
    with python(HUNG_LAUNCHER) as process:
        assert line(process) == "ready"
        process.send_signal(signal.SIGTERM)
        assert line(process) == "drains"
        assert process.wait() == 130
