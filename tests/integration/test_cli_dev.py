"""`tamias dev` and `tamias debug` at a terminal."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from support.terminal import Terminal
from tamias.store.state.reader import StoreReader

AGENT = """
import time
from pathlib import Path

from tamias import Agent, InputEvent, OutputEvent, action


def twice(value):
    return 2 * value


class Doubler(Agent):
    @action(InputEvent)
    @staticmethod
    async def handle(event, ctx):
        print("printed", event.input)
        seen = ctx.short_term_memory.get("seen", 0) + 1
        ctx.short_term_memory.set("seen", seen)
        if event.input == 2:
            breakpoint()
        left = await ctx.durable_execute_async(twice, 3 - event.input)
        ctx.send_event(OutputEvent(output=100 // left))


class Sleeper(Agent):
    @action(InputEvent)
    @staticmethod
    def handle(event, ctx):
        print("begun", flush=True)
        while not Path("go").exists():
            time.sleep(0.01)
        ctx.send_event(OutputEvent(output=event.input))


class Asker(Agent):
    @action(InputEvent)
    @staticmethod
    async def handle(event, ctx):
        if event.input == 1:
            await ctx.sleep(3600)
            answer = await ctx.wait_for("approval", ask=event.input)
            ctx.send_event(OutputEvent(output=answer))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "agents.py").write_text(AGENT)
    lines = [json.dumps({"key": "k", "value": value}) for value in (1, 2, 3, 4)]
    (tmp_path / "in.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


def _dev(folder: Path, agent: str, *arguments: str) -> Terminal:
    command = [sys.executable, "-m", "tamias", "dev", f"agents.py:{agent}", "-i", "in.jsonl"]
    return Terminal([*command, *arguments], folder)


def test_a_breakpoint_in_an_action_stops_there(folder: Path) -> None:
    with _dev(folder, "Doubler", "--state", "state") as terminal:
        terminal.wait_for("printed 2")
        assert "agents.py" in terminal.wait_for("(pdb) ")
        terminal.type("p event.input, seen")
        assert "(2, 2)" in terminal.wait_for("(pdb) ")
        terminal.interrupt_until("--KeyboardInterrupt--")  # at the prompt, it is the debugger's
        terminal.wait_for("(pdb) ")
        terminal.type("c")
        terminal.wait_for("input 2, key 'k', action 'handle' raises")
        assert terminal.ended() == 3
    assert "ZeroDivisionError" in terminal.shown
    assert "console/debugging" not in terminal.shown
    assert '{"key":"k","output":25,"offset":0}' in terminal.shown
    assert '{"key":"k","output":50,"offset":1}' in terminal.shown
    assert '{"key":"k","output":-50,"offset":3}' in terminal.shown


def test_quitting_the_debugger_ends_the_job(folder: Path) -> None:
    with _dev(folder, "Doubler", "--state", "state") as terminal:
        terminal.wait_for("(pdb) ")
        terminal.type("q")
        assert terminal.ended() == 130
    assert "printed 3" not in terminal.shown
    assert "BdbQuit" not in terminal.shown
    with StoreReader(folder / "state") as reader:
        assert reader.memory("k") == {"seen": 1}  # the run that was left is not committed


def test_ctrl_c_ends_the_job_when_the_run_has_ended(folder: Path) -> None:
    with _dev(folder, "Sleeper") as terminal:
        terminal.wait_for("begun")
        terminal.interrupt()
        terminal.wait_for("ends when the runs under way have ended")
        (folder / "go").touch()
        assert terminal.ended() == 130
    assert '{"key":"k","output":1,"offset":0}' in terminal.shown
    assert '"offset":1' not in terminal.shown


def test_a_second_ctrl_c_ends_it_at_once_and_names_the_place(folder: Path) -> None:
    with _dev(folder, "Sleeper") as terminal:
        terminal.wait_for("begun")
        terminal.interrupt()
        terminal.wait_for("Ctrl-C again ends at once")
        terminal.interrupt()
        terminal.wait_for("ended in ")
        assert terminal.ended() == 130


def test_a_dead_letter_is_debugged_at_a_terminal(folder: Path) -> None:
    with _dev(folder, "Doubler", "--state", "state") as terminal:
        terminal.wait_for("(pdb) ")
        terminal.type("c")
        assert terminal.ended() == 3
    command = [sys.executable, "-m", "tamias", "debug", "state", "2"]
    with Terminal(command, folder) as terminal:
        terminal.wait_for("(pdb) ")
        terminal.type("p event.input, seen, ctx.short_term_memory.get('seen')")
        assert "(3, 3, 3)" in terminal.wait_for("(pdb) ")
        terminal.type("q")
        assert terminal.ended() == 1


def test_the_debugger_stops_where_an_action_raises(folder: Path) -> None:
    with _dev(folder, "Doubler", "--pdb", "--state", "state") as terminal:
        terminal.wait_for("(pdb) ")
        terminal.type("c")
        terminal.wait_for("input 2, key 'k', action 'handle' raises")
        assert "100 // left" in terminal.wait_for("(pdb) ")
        terminal.type("p left, seen")
        assert "(0, 3)" in terminal.wait_for("(pdb) ")
        terminal.type("q")
        assert terminal.ended() == 3


def test_waits_are_skipped_and_questions_are_asked(folder: Path) -> None:
    with _dev(folder, "Asker", "--skip-waits") as terminal:
        terminal.wait_for("question 'approval' of key 'k': 1")
        terminal.wait_for("answer, as Python")
        terminal.type("1/0")
        terminal.wait_for("ZeroDivisionError")
        terminal.wait_for("answer, as Python")
        terminal.type("{'by': 'me'}")
        assert terminal.ended() == 0
    assert '{"key":"k","output":{"by":"me"},"offset":0}' in terminal.shown
