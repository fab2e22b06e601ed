"""Agents in YAML files, by every way in which a program can have them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from tamias import (
    AgentDefinitionError,
    AgentsExecutionEnvironment,
    TargetError,
    load_yaml,
    run_agent,
)
from tamias.worker.importing.codebase import own_files
from tamias.worker.importing.yaml_files import target_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODULE = """
from tamias import OutputEvent

class Sums:
    @staticmethod
    async def add(event, ctx):
        memory = ctx.short_term_memory
        memory.set("sum", (memory.get("sum") or 0) + event.input)
        ctx.send_event(OutputEvent(output=memory.get("sum") * ctx.action_config["factor"]))
"""
AGENTS = """
config: {suspend-after: 7, mine: {level: 3}}
actions:
  - name: add
    function: yaml_sums:Sums.add
    listen_to: [input]
    config: {factor: 1}
agents:
  - name: sums
    actions: [add]
  - name: tenfold
    actions:
      - name: add
        function: yaml_sums:Sums.add
        trigger_conditions: [input]
        config: {factor: 10}
"""
INPUTS: list[Any] = [("a", 1), ("b", 5), ("a", 2)]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with two agents in YAML, the working directory."""
    path = list(sys.path)
    (tmp_path / "yaml_sums.py").write_text(MODULE)
    (tmp_path / "agents.yaml").write_text(AGENTS)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.path[:] = path
    sys.modules.pop("yaml_sums", None)


def test_a_target_may_be_a_yaml_file(home: Path) -> None:
    run = run_agent("agents.yaml:tenfold", INPUTS)
    assert sorted(map(str, run.outputs)) == ["{'a': 10}", "{'a': 30}", "{'b': 50}"]
    assert run.memory["a"] == {"sum": 3}
    assert str(home / "agents.yaml") in own_files()


def test_the_name_may_be_left_out_where_there_is_one_agent(home: Path) -> None:
    (home / "one.yaml").write_text(AGENTS.partition("  - name: tenfold")[0])
    assert run_agent(str(home / "one.yaml"), [("a", 4)]).outputs == [{"a": 4}]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("agents.yaml", "has several agents: sums, tenfold. Say which, as in agents.yaml:sums."),
        ("agents.yaml:sum", "has no agent 'sum'. Did you mean 'sums'?"),
        ("agents.yaml:x", "has no agent 'x'. Agents there: sums, tenfold."),
        ("none.yaml:x", "cannot be read: No such file"),
        ("empty.yaml", "has no agents."),
    ],
)
def test_a_target_that_names_nothing_is_refused(home: Path, target: str, said: str) -> None:
    (home / "empty.yaml").write_text("prompts: []")
    with pytest.raises(TargetError) as caught:
        run_agent(target, INPUTS)
    assert said in str(caught.value)


def test_load_yaml_gives_agents_by_name(home: Path) -> None:
    agents = load_yaml([home / "agents.yaml"])
    assert list(agents) == ["sums", "tenfold"]
    assert run_agent(agents["sums"], [("a", 4)]).outputs == [{"a": 4}]


def test_an_environment_runs_an_agent_by_its_name(home: Path) -> None:
    env = AgentsExecutionEnvironment.get_execution_environment()
    env.load_yaml("agents.yaml")
    outputs = env.from_list([{"key": "a", "value": 2}]).apply("tenfold").to_list()
    env.execute()
    assert outputs == [{"a": 20}]


def test_an_environment_takes_files_one_after_the_other(home: Path) -> None:
    (home / "shared.yaml").write_text("prompts: [{name: p, text: x}]")
    env = AgentsExecutionEnvironment.get_execution_environment()
    env.load_yaml([home / "shared.yaml"])
    with pytest.raises(AgentDefinitionError, match="has the prompt 'p' already"):
        env.load_yaml([home / "agents.yaml", home / "shared.yaml"])
    assert env.agents == {}
    env.load_yaml(home / "agents.yaml")
    assert list(env.agents) == ["sums", "tenfold"]


def test_settings_of_a_file_count_where_no_others_are_given(home: Path) -> None:
    assert target_settings("agents.yaml:sums", home) == {"suspend-after": 7, "mine.level": 3}
    assert target_settings("yaml_sums.py:Sums", home) == {}
    env = AgentsExecutionEnvironment.get_execution_environment()
    env.get_config().set_int("mine.level", 4)
    env.load_yaml("agents.yaml")
    assert env.get_config().get_int("mine.level") == 4
    assert env.get_config().get_int("suspend-after") == 7
