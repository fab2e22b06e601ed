"""The environment of Flink Agents' programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import RunProgram

PROGRAM = """
    from flink_agents.api.agents.agent import Agent
    from flink_agents.api.chat_message import ChatMessage, MessageRole
    from flink_agents.api.decorators import action
    from flink_agents.api.events.event import InputEvent, OutputEvent
    from flink_agents.api.execution_environment import AgentsExecutionEnvironment
    from flink_agents.api.prompts.prompt import Prompt
    from flink_agents.api.resource import ResourceType


    class Greeter(Agent):
        @action({listens})
        @staticmethod
        def greet(event, ctx):
            prompt = ctx.get_resource("greeting", ResourceType.PROMPT)
            name = InputEvent.from_event(event).input if {typed} else event.input
            ctx.send_event(OutputEvent(output=prompt.format_string(name=name)))


    if __name__ == "__main__":
        env = AgentsExecutionEnvironment.get_execution_environment()
        assert isinstance(env, AgentsExecutionEnvironment)
        env.add_resource("greeting", ResourceType.TOOL, Prompt.from_text("Hello {{name}}."))
        outputs = env.from_list([{{"key": 1, "value": "ada"}}]).apply(Greeter()).to_list()
        env.execute()
        print(outputs)
"""


@pytest.mark.process
@pytest.mark.parametrize("dialect", ["0.2", "0.3", "0.4"])
def test_a_resource_has_the_type_of_its_class(run_program: RunProgram, dialect: str) -> None:
    old = dialect == "0.2"
    program = PROGRAM.format(
        listens="InputEvent" if old else "InputEvent.EVENT_TYPE", typed=not old
    )
    assert run_program(program, dialect) == "[{1: 'Hello ada.'}]\n"
