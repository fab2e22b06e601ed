"""The runtime modules that programs and their tests reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import RunProgram

pytestmark = pytest.mark.process


def test_the_local_runner_keeps_memory_between_inputs(run_program: RunProgram) -> None:
    program = """
from flink_agents.api.agents.agent import Agent
from flink_agents.api.events.event import InputEvent, OutputEvent
from flink_agents.api.function import JavaFunction
from flink_agents.plan.configuration import AgentConfiguration
from flink_agents.runtime.local_runner import LocalRunner

def count(event, ctx):
    seen = (ctx.short_term_memory.get("seen") or 0) + 1
    ctx.short_term_memory.set("seen", seen)
    ctx.send_event(OutputEvent(output=seen))

agent = Agent().add_action("count", [InputEvent.EVENT_TYPE], count)
runner = LocalRunner(agent, AgentConfiguration())
for key in "aab":
    runner.run(key=key, value=None)
print(runner.get_outputs())
in_java = JavaFunction.for_action("com.example.Handlers", "handle")
try:
    LocalRunner(
        Agent().add_action("j", [InputEvent.EVENT_TYPE], in_java), AgentConfiguration()
    ).run("a", 1)
except RuntimeError as error:
    print(error)
"""
    printed = run_program(program).splitlines()
    assert printed[0] == "[{'a': 1}, {'a': 2}, {'b': 1}]"
    assert "'j' is in Java" in printed[1]


def test_a_reconciler_that_takes_arguments_is_refused(run_program: RunProgram) -> None:
    program = """
from flink_agents.runtime.durable_execution import _validate_reconciler_callable

for wrong in (1, lambda value: value):
    try:
        _validate_reconciler_callable(wrong)
    except TypeError as error:
        print("reconciler must be" in str(error))
print(_validate_reconciler_callable(None))
"""
    assert run_program(program).split() == ["True", "True", "None"]


def test_settings_of_flinks_file_are_the_environments(run_program: RunProgram) -> None:
    pytest.importorskip("pyflink")
    program = """
import os
from pathlib import Path
from unittest.mock import MagicMock

os.environ["FLINK_CONF_DIR"] = os.getcwd()
Path("config.yaml").write_text("agent: {database: {host: new, port: 1}}")
Path("flink-conf.yaml").write_text("agent: {database: {host: old}}")
from flink_agents.runtime.remote_execution_environment import RemoteExecutionEnvironment

config = RemoteExecutionEnvironment(env=MagicMock()).get_config()
print(config.get_str("database.host"), config.get_int("database.port"))
"""
    assert run_program(program).split() == ["old", "1"]
