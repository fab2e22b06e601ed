"""The execution environment with workers of another Python version."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.environments.pythons import other_python, shared_cache

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODULE = """
import sys
from tamias import Agent, InputEvent, OutputEvent, Prompt, ResourceType, action

class Order:
    def __init__(self, number):
        self.number = number

class Maker(Agent):
    @action(InputEvent)
    @staticmethod
    def make(event, ctx):
        ctx.send_event(OutputEvent(output=lambda: 1))

class Shop(Agent):
    @action(InputEvent)
    @staticmethod
    def take(event, ctx):
        number = getattr(event.input, "number", event.input)
        ctx.send_event(OutputEvent(output=["%d.%d" % sys.version_info[:2], number]))
"""

PROGRAM = """
import sys
import shop
from tamias import *

env = AgentsExecutionEnvironment.get_execution_environment(environment={"python": sys.argv[1]})
env.get_config().set_int("workers", 1)
MORE
inputs = [{"key": "a", "value": value} for value in (VALUES)]
outputs = env.from_list(inputs).apply(AGENT).to_list()
try:
    env.execute()
except TamiasError as error:
    print(type(error).__name__, error)
else:
    print(outputs)
"""

OF_MAIN = """
class Mine(shop.Shop):
    pass

class Order(shop.Order):
    pass
"""


@pytest.fixture(scope="module")
def cache(pytestconfig: pytest.Config) -> Iterator[Path]:
    with shared_cache(pytestconfig) as folder:
        yield folder


def _printed(
    folder: Path, cache: Path, python: str, agent: str, *, values: str = "1, 2", more: str = ""
) -> str:
    (folder / "shop.py").write_text(MODULE)
    program = folder / "program.py"
    code = PROGRAM.replace("MORE", more).replace("VALUES", values).replace("AGENT", agent)
    program.write_text(code)
    done = subprocess.run(
        [sys.executable, str(program), python],
        env={"TAMIAS_CACHE": str(cache), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _minor() -> str:
    return "{}.{}".format(*other_python().minor)


@pytest.mark.parametrize("agent", ["shop.Shop", "shop.Shop()", '"shop:Shop"'])
def test_an_agent_of_a_module_runs_there(tmp_path: Path, cache: Path, agent: str) -> None:
    python = _minor()
    values = "1, shop.Order(2)"
    printed = _printed(tmp_path, cache, python, agent, values=values)
    assert printed == str([{"a": [python, 1]}, {"a": [python, 2]}])


def test_an_agent_of_a_file_is_not_imported_here(tmp_path: Path, cache: Path) -> None:
    python = _minor()
    wanted = f"import sys\nif '%d.%d' % sys.version_info[:2] != '{python}': raise ImportError\n"
    (tmp_path / "there.py").write_text(wanted + MODULE)
    printed = _printed(tmp_path, cache, python, f'"{tmp_path}/there.py:Shop"')
    assert printed == str([{"a": [python, 1]}, {"a": [python, 2]}])


def test_an_agent_of_main_is_refused(tmp_path: Path, cache: Path) -> None:
    printed = _printed(tmp_path, cache, _minor(), "Mine", more=OF_MAIN)
    assert printed.startswith("AgentDefinitionError The agent cannot go from Python")
    assert "Mine belongs to __main__" in printed


def test_inputs_of_main_are_refused(tmp_path: Path, cache: Path) -> None:
    printed = _printed(tmp_path, cache, _minor(), "shop.Shop", values="1, Order(2)", more=OF_MAIN)
    assert printed.startswith("InputError")
    assert "Order belongs to __main__" in printed


def test_outputs_with_code_in_them_are_refused(tmp_path: Path, cache: Path) -> None:
    printed = _printed(tmp_path, cache, _minor(), "shop.Maker")
    assert printed.startswith("UnserializableError 2 of 2 outputs cannot be read here")
    assert "An output holds a function or class" in printed


def test_resources_of_the_environment_go_along_with_an_agent(tmp_path: Path, cache: Path) -> None:
    more = 'env.add_resource("greeting", ResourceType.PROMPT, Prompt.from_text("hello"))\n'
    python = _minor()
    printed = _printed(tmp_path, cache, python, "shop.Shop", values="1,", more=more)
    assert printed == str([{"a": [python, 1]}])
    named = _printed(tmp_path, cache, python, '"shop:Shop"', values="1,", more=more)
    assert named.startswith("UsageError An agent that is only named cannot be given resources")
