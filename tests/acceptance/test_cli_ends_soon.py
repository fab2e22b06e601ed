"""The first signal finishes what is executed; all else is done by the next life."""

from __future__ import annotations

import json
import signal
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.cli import Folder, wait_for

if TYPE_CHECKING:
    from pathlib import Path

AGENT = """
import asyncio, time
from pathlib import Path
from tamias import Agent, Event, InputEvent, OutputEvent, action

HERE = Path(__file__).parent

def begin(value):
    with (HERE / "begun").open("a") as file:
        file.write(f"{value}\\n")

def is_open():
    return (HERE / "go").exists()

def send(event, ctx):
    memory = ctx.short_term_memory
    memory.set("n", (memory.get("n") or 0) + 1)
    ctx.send_event(OutputEvent(output=[event.input, memory.get("n")]))

class Plain(Agent):
    @action(InputEvent)
    @staticmethod
    def act(event, ctx):
        begin(event.input)
        while not is_open():
            time.sleep(0.03)
        send(event, ctx)

class Coroutine(Agent):
    @action(InputEvent)
    @staticmethod
    async def act(event, ctx):
        begin(event.input)
        while not is_open():
            await asyncio.sleep(0.03)
        send(event, ctx)

class Sleeper(Agent):
    @action(InputEvent)
    @staticmethod
    async def act(event, ctx):
        begin(event.input)
        await ctx.sleep(30 if event.input < 2 else 0)
        send(event, ctx)
"""
INPUTS = 6000
IN_THREADS = ("--set", "sync-in-threads=true", "--set", "num-async-threads=1")
STATE = "out.jsonl.tamias"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.write("slow.py", AGENT)
    return folder


def begun(folder: Folder) -> list[str]:
    """The inputs whose actions were begun, as often as they were."""
    path = folder.path / "begun"
    return path.read_text().split() if path.exists() else []


def command(agent: str, *more: str) -> tuple[str, ...]:
    return ("run", f"slow.py:{agent}", "-i", "in.jsonl", "-o", "out.jsonl", "-w", "2", *more)


def check(folder: Folder, keys: int, clock: str = "") -> None:
    """Carry on to the end: each input has one line, in the order of its key."""
    folder.tamias("resume", STATE, TAMIAS_CLOCK=clock)
    lines = folder.lines()
    assert sorted(line["offset"] for line in lines) == list(range(INPUTS))
    for key in range(keys):
        values = [line["output"] for line in lines if line["key"] == f"k{key}"]
        of_key = range(key, INPUTS, keys)
        assert values == [[value, n] for n, value in enumerate(of_key, 1)]


def until_halted(process: subprocess.Popen[str]) -> str:
    """Read the messages up to the one that says what the signal does; return that one."""
    assert process.stderr is not None
    line = ""
    while "stopping" not in line:
        line = process.stderr.readline()
        assert line
    return line


@pytest.mark.parametrize(
    ("agent", "keys", "number"),
    [
        (("Plain",), 1000, signal.SIGINT),
        (("Plain", *IN_THREADS), 1000, signal.SIGTERM),
        (("Coroutine",), 2, signal.SIGINT),
    ],
)
def test_only_what_is_executed_is_finished(
    folder: Folder, agent: tuple[str, ...], keys: int, number: signal.Signals
) -> None:
    executed = 2  # one in each worker
    folder.inputs(list(range(INPUTS)), keys=keys)
    with folder.started(*command(*agent)) as process:
        wait_for(lambda: len(begun(folder)) == executed)
        process.send_signal(number)
        said = until_halted(process)
        (folder.path / "go").touch()
        assert process.wait() == 130
    assert len(begun(folder)) == executed
    assert len(folder.lines()) == executed
    assert f"stopping after {executed} runs that are executed; " in said
    assert " queued inputs go back, to be done when the job is resumed; interrupt again" in said
    check(folder, keys)
    assert len(begun(folder)) == INPUTS


def test_a_run_that_waits_does_not_hold_up_the_end(folder: Folder) -> None:
    folder.inputs(list(range(INPUTS)), keys=2)
    with folder.started(*command("Sleeper", "--set", "suspend-after=60s")) as process:
        wait_for(lambda: len(begun(folder)) == 2)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    assert folder.lines() == []
    assert len(begun(folder)) == 2
    clock = folder.path / "clock"
    clock.write_bytes(struct.pack("=d", 60.0))
    check(folder, 2, str(clock))


def test_the_command_stop_is_a_first_signal(folder: Folder) -> None:
    folder.inputs(list(range(INPUTS)), keys=1000)
    with folder.started(*command("Plain", "--set", "batch-size=1")) as process:
        wait_for(lambda: len(begun(folder)) == 2)
        with folder.started("stop", STATE) as stopping:
            until_halted(process)
            (folder.path / "go").touch()
            assert stopping.wait() == 0
        assert process.wait() == 130
    assert len(begun(folder)) == len(folder.lines()) == 2


def test_the_second_signal_waits_for_nothing(folder: Folder) -> None:
    folder.inputs(list(range(INPUTS)), keys=1000)
    with folder.started(*command("Plain")) as process:
        wait_for(lambda: len(begun(folder)) == 2)
        process.send_signal(signal.SIGINT)
        until_halted(process)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    assert len(begun(folder)) == 2
    assert folder.lines() == []
    (folder.path / "go").touch()
    check(folder, 1000)


def test_a_hanging_action_ends_with_drain_timeout_and_the_rest_goes_back(folder: Folder) -> None:
    folder.inputs(list(range(INPUTS)), keys=1000)
    with folder.started(*command("Plain", "--set", "drain-timeout=300ms")) as process:
        wait_for(lambda: len(begun(folder)) == 2)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate()
    assert process.returncode == 130
    assert errors.count("is ended after drain-timeout") == 2
    (folder.path / "go").touch()
    check(folder, 1000)


def test_the_status_tells_running_and_queued_apart(folder: Folder) -> None:
    folder.inputs(list(range(INPUTS)), keys=1000)
    with folder.started(*command("Plain")) as process:
        wait_for(lambda: len(begun(folder)) == 2)

        def running() -> list[int]:
            status = json.loads(folder.tamias("status", STATE, "--json").stdout)
            return [worker["active"] for worker in status["workers"]]

        wait_for(lambda: running() == [1, 1])
        status = json.loads(folder.tamias("status", STATE, "--json").stdout)
        for worker in status["workers"]:
            assert worker["queued"] == worker["in_flight"] - 1 + worker["waiting"]
        text = folder.tamias("status", STATE).stdout
        assert "running" in text
        assert "queued" in text
        process.kill()
