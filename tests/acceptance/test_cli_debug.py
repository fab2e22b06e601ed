"""`tamias debug` beside a job that runs."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from support.cli import Folder, wait_for
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    from pathlib import Path


def test_dead_letters_of_a_running_job_are_executed_again(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.inputs([7, "raise", "crash", 8, "wait"], keys=1)
    words = ["run", "agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl", "-w", "1"]
    words += ["--env", "GREETING=hello"]
    # One after the other, so that the input that waits keeps no other from being committed.
    settings = ("--set", "window=1", "--max-attempts", "1")
    with folder.started(*words, *settings) as job:
        wait_for((tmp_path / "waiting").exists)
        with StoreReader(tmp_path / "out.jsonl.tamias") as reader:
            wait_for(lambda: reader.memory("k0") == {"n": 2, "last": {"value": 8}})
        done = folder.tamias("debug", "out.jsonl.tamias", 1, "--no-pdb", code=1)
        assert "the agent has an environment of its own" in done.stderr
        raised = done.stdout
        assert "memory: as it was before the run" in raised
        assert "n: 1, now 2" in raised
        assert 'raise ValueError("this is trouble")' in raised
        assert "value = 'raise'" in raised
        crashed = folder.tamias("debug", "out.jsonl.tamias", 2, "--no-pdb", code=1)
        assert "the run has ended its process by SIGSEGV" in crashed.stdout
        assert "in count" in crashed.stderr  # the stack
        (tmp_path / "go").touch()
        job.communicate(timeout=60)
        assert job.returncode == 3
    assert [line["output"] for line in folder.lines()] == [[7, 1], [8, 2], [4, 3]]
    assert [letter["cause"] for letter in folder.dead_letters()] == ["exception", "crash"]


PROGRAM = """
from tamias import Agent, AgentsExecutionEnvironment, Event, InputEvent, OutputEvent, action


def rate(value):
    return value * 10


class Rated(Event):
    rating: int


class Shop(Agent):
    @action(InputEvent)
    @staticmethod
    def first(event, ctx):
        ctx.send_event(Rated(rating=ctx.durable_execute(rate, event.input)))

    @action(Rated)
    @staticmethod
    def second(event, ctx):
        price = ctx.durable_execute(rate, event.rating)
        raise ValueError(price)


if __name__ == "__main__":
    env = AgentsExecutionEnvironment.get_execution_environment(workers=1)
    env.get_config().set_str("state-dir", "state")
    env.get_config().set_str("on-error", "dead-letter")
    env.from_list([{"key": "a", "value": 3}]).apply(Shop()).to_list()
    env.execute()
"""


def test_the_agent_of_a_program_is_named(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write("prog.py", PROGRAM)
    subprocess.run([sys.executable, "prog.py"], cwd=tmp_path, check=True, capture_output=True)
    refused = folder.tamias("debug", "state", 0, "--no-pdb", code=2).stderr
    assert "--agent" in refused
    named = folder.tamias("debug", "state", 0, "--no-pdb", "--agent", "prog.py:Shop", code=1)
    assert "durable calls on record: __main__.rate, __main__.rate" in named.stdout
    assert "event = Rated(rating=30)" in named.stdout
    assert "the run has failed: ValueError: 300" in named.stdout
