"""Documents of agents, read by programs in the way of Flink Agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import RunProgram

pytestmark = pytest.mark.process

DOCUMENT = """
from pathlib import Path

from flink_agents.api.events.event import OutputEvent
from flink_agents.api.execution_environment import AgentsExecutionEnvironment
from flink_agents.api.resource import ResourceType
from flink_agents.api.yaml.loader import build_agents, load_yaml
from flink_agents.api.yaml.specs import ActionSpec

def add_one(event, ctx):
    ctx.send_event(OutputEvent(output=event.input + 1))

KEY = {key!r}
Path("shared.yaml").write_text('''
actions:
  - name: add
    function: program:add_one
    KEY: [input]
chat_model_connections:
  - name: ollama
    clazz: ollama
    base_url: http://localhost:11434
'''.replace("KEY", KEY))
Path("agent.yaml").write_text("agents: [{{name: counter, actions: [add]}}]")
"""
BY_DIALECT = [("0.3", "listen_to"), ("0.4", "trigger_conditions")]


@pytest.mark.parametrize(("dialect", "key"), BY_DIALECT)
def test_agents_find_what_another_document_shares(
    run_program: RunProgram, dialect: str, key: str
) -> None:
    program = DOCUMENT.format(key=key) + (
        """
if __name__ == "__main__":
    env = AgentsExecutionEnvironment.get_execution_environment()
    load_yaml(env, ["agent.yaml", "shared.yaml"])
    descriptor = env.resources[ResourceType.CHAT_MODEL_CONNECTION]["ollama"]
    print(descriptor.clazz.__name__, descriptor.arguments)
    action = env.agents["counter"].actions["add"]
    print(action[0], type(action[1]).__name__, action[1].qualname)
    print(ActionSpec.model_fields.keys() & {"listen_to", "trigger_conditions"})
"""
    )
    assert run_program(program, dialect).splitlines() == [
        "OllamaChatModelConnection {'base_url': 'http://localhost:11434'}",
        "['_input_event'] PythonFunction add_one",
        f"{{{key!r}}}",
    ]


def test_an_agent_of_documents_runs(run_program: RunProgram) -> None:
    program = DOCUMENT.format(key="listen_to") + (
        """
if __name__ == "__main__":
    env = AgentsExecutionEnvironment.get_execution_environment()
    load_yaml(env, ["agent.yaml", "shared.yaml"])
    outputs = env.from_list([{"key": "a", "value": 41}]).apply("counter").to_list()
    env.execute()
    print(outputs)
"""
    )
    assert run_program(program).splitlines()[-1] == "[{'a': 42}]"


MISTAKES = {
    "agents: [{name: a}, {name: a}]": "Duplicate agent name 'a'",
    "agents: [{name: a, actions: [b]}]": "the action 'b', which is not shared",
    "agents: [{name: a, tools: [{name: t, function: f}]}]": "<module-or-class>:<qualname>",
    "mcp_servers: [{name: m, clazz: x, type: java}]": "a mcp_server cannot live in Java",
    "agents: [{name: a, events: []}]": "events",
    "prompts: [{name: p}]": "either a text or messages",
}


def test_mistakes_in_documents_are_value_errors(run_program: RunProgram) -> None:
    program = f"""
from pathlib import Path
from flink_agents.api.execution_environment import AgentsExecutionEnvironment
from flink_agents.api.yaml.loader import load_yaml

for text, said in {MISTAKES!r}.items():
    Path("bad.yaml").write_text(text)
    env = AgentsExecutionEnvironment.get_execution_environment()
    try:
        load_yaml(env, "bad.yaml")
    except ValueError as error:
        assert said in str(error), error
    else:
        raise SystemExit(text)
    assert not env.agents
"""
    run_program(program)
