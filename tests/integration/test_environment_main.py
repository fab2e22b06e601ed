"""Agents that no module has: of a script, of `python -c`, of standard input, of a notebook cell."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = textwrap.dedent("""
    import os, sys
    from dataclasses import dataclass, field
    from enum import Enum
    from tamias import *

    class Colour(Enum):
        RED = 1

    @dataclass
    class Order:
        number: int
        colour: Colour = Colour.RED
        tags: set = field(default_factory=set)

    class Doubled(Event):
        order: Order

    class OddError(Exception):
        pass

    FACTOR = 2
    STATE = sys.argv[1]  # the workers have a command line of their own

    def double(order):
        with open(STATE + ".calls", "a") as calls:
            calls.write("called\\n")
        return Order(order.number * FACTOR, tags=order.tags | {"doubled"})

    def odd(number):
        raise OddError(number)

    class Shop(Agent):
        @action(InputEvent)
        @staticmethod
        def take(event, ctx):
            assert isinstance(event.input, Order), type(event.input)
            assert event.input.colour is Colour.RED
            last = ctx.short_term_memory.get("last")
            assert last is None or isinstance(last, Order)
            ctx.short_term_memory.set("last", event.input)
            ctx.send_event(Doubled(order=ctx.durable_execute(double, event.input)))

        @action(Doubled)
        @staticmethod
        async def give(event, ctx):
            try:
                await ctx.durable_execute_async(odd, event.order.number)
            except OddError as error:
                assert error.args == (event.order.number,)
            if os.path.exists(STATE + ".stop"):
                raise RuntimeError("stopped")
            ctx.send_event(OutputEvent(output=event.order))

    def main():
        env = AgentsExecutionEnvironment.get_execution_environment(workers=2)
        env.get_config().set_str("state-dir", STATE)
        orders = [{"key": n % 2, "value": Order(n, tags={"a", "b", "c"})} for n in range(6)]
        outputs = env.from_list(orders).apply(Shop()).to_list()
        env.execute()
        for n, output in enumerate(outputs):
            (order,) = output.values()
            assert isinstance(order, Order), type(order)
            assert order.number == n * 2 and order.tags == {"a", "b", "c", "doubled"}
        print(len(outputs))
""")
AS_MAIN = PROGRAM + "\nif __name__ == '__main__':\n    main()\n"


def interpreter(*arguments: object, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "shop.py"
    path.write_text(AS_MAIN)
    return path


@pytest.mark.parametrize("way", ["script", "-c", "stdin", "cell"])
def test_agents_of_main(tmp_path: Path, script: Path, way: str) -> None:
    state = tmp_path / "state"
    if way == "script":
        done = interpreter(script, state)
    elif way == "-c":
        done = interpreter("-c", AS_MAIN, state)
    elif way == "stdin":
        done = interpreter("-", state, text=AS_MAIN)
    else:  # as a notebook does it: piece by piece, in a namespace that is called __main__
        cells = re.split(r"\n\n(?=\S)", PROGRAM)
        notebook = (
            "import sys, types\n"
            "module = types.ModuleType('__main__')\n"
            "sys.modules['__main__'] = module\n"
            f"for number, cell in enumerate({cells!r}):\n"
            "    exec(compile(cell, f'<cell {number}>', 'exec'), module.__dict__)\n"
            "module.main()\n"
        )
        done = interpreter("-c", notebook, state)
    assert (done.returncode, done.stdout) == (0, "6\n"), done.stderr
    assert (tmp_path / "state.calls").read_text().count("called") == 6


def test_a_script_that_failed_goes_on_and_calls_nothing_again(tmp_path: Path, script: Path) -> None:
    """Another process, so other ids of the classes of __main__, and another order of sets."""
    state = tmp_path / "state"
    stop = tmp_path / "state.stop"
    stop.touch()
    failed = interpreter(script, state)
    assert failed.returncode == 1
    assert "RuntimeError: stopped" in failed.stderr
    assert "in give" in failed.stderr
    before = (tmp_path / "state.calls").read_text().count("called")
    assert before > 0
    stop.unlink()
    done = interpreter(script, state, "resumed")
    assert (done.returncode, done.stdout) == (0, "6\n"), done.stderr
    assert (tmp_path / "state.calls").read_text().count("called") == 6


def test_an_agent_definition_is_refused_before_anything_starts(tmp_path: Path) -> None:
    program = (
        "from tamias import *\n"
        "agent = Agent()\n"
        "agent.add_action('act', [InputEvent], lambda event: None)\n"
        "env = AgentsExecutionEnvironment.get_execution_environment()\n"
        "env.from_list([]).apply(agent).to_list()\n"
        "env.execute()\n"
    )
    done = interpreter("-c", program)
    assert done.returncode == 1
    assert "AgentDefinitionError" in done.stderr


def test_what_an_agent_prints_does_not_mix_with_the_programs_output(tmp_path: Path) -> None:
    program = (
        "from tamias import *\n"
        "agent = Agent()\n"
        "agent.add_action('act', [InputEvent], lambda event, ctx: print('noise'))\n"
        "env = AgentsExecutionEnvironment.get_execution_environment(workers=1)\n"
        f"env.get_config().set_str('state-dir', {str(tmp_path / 'state')!r})\n"
        "env.from_list([{'value': 1}]).apply(agent).to_list()\n"
        "env.execute()\n"
        "print('result')\n"
    )
    done = interpreter("-c", program)
    assert (done.returncode, done.stdout) == (0, "result\n"), done.stderr
    assert "noise" in (tmp_path / "state" / "logs" / "pool.log").read_text()
