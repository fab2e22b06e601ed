"""What workers print: where it is, how it is shown, and which input printed it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.cli import Folder, wait_for

if TYPE_CHECKING:
    from pathlib import Path

AGENT = """
import asyncio, logging, os, subprocess, sys
from pathlib import Path
from tamias import Agent, InputEvent, OutputEvent, Event, action
logging.basicConfig(format="MINE %(levelname)s %(message)s", level=logging.DEBUG)
print("imported")

class Later(Event):
    value: str

class Noisy(Agent):
    @action(InputEvent)
    @staticmethod
    def first(event, ctx):
        print("plain", event.input)
        logging.debug("logged %s", event.input)
        ctx.send_event(Later(value=event.input))

    @action(Later)
    @staticmethod
    async def second(event, ctx):
        await asyncio.sleep(0.001)
        print("async", event.value, file=sys.stderr)
        await asyncio.gather(child(event.value))
        await ctx.durable_execute_async(in_a_thread, event.value)
        ctx.send_event(OutputEvent(output=event.value))

async def child(value):
    await asyncio.sleep(0.001)
    print("child", value)

def in_a_thread(value):
    print("thread", value)

class Waiting(Agent):
    @action(InputEvent)
    @staticmethod
    async def wait(event, ctx):
        print("waits", event.input)
        while not Path("go").exists():
            await asyncio.sleep(0.005)
        print("went on", event.input)
        ctx.send_event(OutputEvent(output=event.input))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.write("noisy.py", AGENT)
    return folder


def test_lines_have_worker_input_and_key_and_the_summary_says_where_they_are(
    folder: Folder,
) -> None:
    folder.inputs(["a", "b", "c"], keys=3)
    done = folder.tamias(
        "run", "noisy.py:Noisy", "-i", "in.jsonl", "-o", "out.jsonl", "-w", 1, "--logs"
    )
    assert "log:     out.jsonl.tamias/logs/pool.log" in done.stderr
    shown = folder.tamias("logs", "out.jsonl.tamias").stdout.splitlines()
    assert shown[0] == "[zygote] imported"
    assert sorted(shown[1:]) == sorted(
        f"[worker 0, input {number}, key 'k{number}'] {text} {value}"
        for number, value in enumerate("abc")
        for text in ("plain", "MINE DEBUG logged", "async", "child", "thread")
    )
    assert all(line in done.stderr for line in shown)  # with --logs
    of_b = folder.tamias("logs", "out.jsonl.tamias", "--key", "k1").stdout.splitlines()
    assert of_b == [line for line in shown if "key 'k1'" in line]
    last = folder.tamias("logs", "out.jsonl.tamias", "--offset", 2, "-n", 1).stdout
    assert last == "[worker 0, input 2, key 'k2'] thread c\n"
    assert folder.tamias("logs", "out.jsonl.tamias", "--worker", 7).stdout == ""


def test_what_was_printed_is_mentioned_where_the_state_is_temporary(folder: Folder) -> None:
    folder.inputs(["a"])
    done = folder.tamias("run", "noisy.py:Noisy", "-i", "in.jsonl")
    assert "log:     deleted with the temporary state; --logs shows what" in done.stderr
    folder.write("broken.py", "print('the reason')\nraise SystemExit(3)\n")
    done = folder.tamias("run", "broken.py:Any", "-i", "in.jsonl", code=None)
    assert done.returncode != 0
    kept = done.stderr.partition("What the workers printed is in ")[2].split()[0].rstrip(".")
    assert "the reason" in folder.write(kept, folder.path.joinpath(kept).read_text()).read_text()
    folder.path.joinpath(kept).unlink()


def test_logs_are_followed_to_the_end_of_the_job(folder: Folder) -> None:
    folder.inputs(["a"])
    arguments = ("run", "noisy.py:Waiting", "-i", "in.jsonl", "-o", "out.jsonl")
    with folder.started(*arguments) as job:
        log = folder.path / "out.jsonl.tamias/logs/pool.log"
        wait_for(lambda: log.exists() and "waits" in log.read_text())
        with folder.started("logs", "out.jsonl.tamias", "--follow") as follower:
            assert follower.stdout is not None
            assert "imported" in follower.stdout.readline()
            assert "waits a" in follower.stdout.readline()
            folder.write("go", "")
            assert "went on a" in follower.stdout.readline()
            assert job.wait() == 0
            assert follower.wait() == 0


def test_an_action_that_prints_for_ever_does_not_fill_the_disk(folder: Folder) -> None:
    folder.write(
        "flood.py",
        """
import os
from tamias import Agent, InputEvent, OutputEvent, action
class Flood(Agent):
    @action(InputEvent)
    @staticmethod
    def print_much(event, ctx):
        for number in range(200_000):
            print("line", number)
        os.system("echo from a child")
        ctx.send_event(OutputEvent(output=1))
""",
    )
    folder.inputs(["a"])
    arguments = ("-i", "in.jsonl", "-o", "out.jsonl", "--set", "log-limit=200KiB")
    folder.tamias("run", "flood.py:Flood", *arguments)
    logs = (folder.path / "out.jsonl.tamias/logs").iterdir()
    assert {path.name for path in logs} == {"pool.log", "pool.log.1"}
    shown = folder.tamias("logs", "out.jsonl.tamias").stdout.splitlines()
    assert "from a child" in shown
    assert "[worker" in shown[-2]
    assert len(shown) < 200_000
