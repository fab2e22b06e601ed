"""Decorators and agents in the forms of Flink Agents' versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import RunProgram

pytestmark = pytest.mark.process

DOUBLES = """
    from flink_agents.api.agents.agent import Agent
    from flink_agents.api.decorators import action
    from flink_agents.api.events.event import Event, InputEvent, OutputEvent
    from flink_agents.api.function import JavaFunction, PythonFunction
    from tamias import run_agent

    def double(event, ctx):
        ctx.send_event(OutputEvent(output=InputEvent.from_event(event).input * 2))

    def outputs(agent):
        print(run_agent(agent, [{"key": "k", "value": 2}]).outputs)

    def error_of(function):
        try:
            function()
        except Exception as error:
            print(type(error).__mro__[:-1], error)
"""


@pytest.mark.parametrize(
    ("dialect", "listens", "marks"),
    [
        ("0.2", "InputEvent", "_listen_events"),
        ("0.3", "'_input_event'", "_listen_events"),
        ("0.4", "'_input_event'", "_trigger_conditions"),
        ("0.4", "'input > 1'", "_trigger_conditions"),
    ],
)
def test_an_action_listens_to_what_its_version_has(
    run_program: RunProgram, dialect: str, listens: str, marks: str
) -> None:
    program = f"""{DOUBLES}
    class Doubling(Agent):
        @action({listens})
        @staticmethod
        def act(event, ctx):
            double(event, ctx)

    outputs(Doubling())
    print(Doubling.act.{marks})
    """
    lines = run_program(program, dialect).splitlines()
    assert lines[0] == "[{'k': 4}]"
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("dialect", "listens", "error"),
    [
        ("0.2", "'_input_event'", "AssertionError"),
        ("0.2", "", "AssertionError"),
        ("0.3", "InputEvent", "AssertionError"),
        ("0.3", "", "AssertionError"),
        ("0.4", "InputEvent", "TypeError"),
    ],
)
def test_what_its_version_refuses_is_refused(
    run_program: RunProgram, dialect: str, listens: str, error: str
) -> None:
    shown = run_program(f"{DOUBLES}\n    error_of(lambda: action({listens}))\n", dialect)
    assert error in shown


def test_an_empty_list_is_refused_when_the_agent_is_compiled(run_program: RunProgram) -> None:
    program = f"""{DOUBLES}
    class Deaf(Agent):
        @action()
        def act(event, ctx): ...

    error_of(lambda: outputs(Deaf()))
    error_of(lambda: outputs(Agent().add_action("act", [], double)))
    """
    lines = run_program(program, "0.4").splitlines()
    assert ["listens to nothing" in line for line in lines] == [True, True]


def test_functions_are_named_and_called(run_program: RunProgram) -> None:
    program = f"""{DOUBLES}
    class Targeted(Agent):
        @action("_input_event", target=PythonFunction.from_callable(double))
        @staticmethod
        def act(event, ctx):
            raise NotImplementedError

    outputs(Targeted())
    outputs(Agent().add_action("act", ["_input_event"], double))
    outputs(Agent().add_action("act", ["_input_event"], lambda event, ctx: double(event, ctx)))
    named = PythonFunction(module="builtins", qualname="dict.fromkeys")
    assert named.as_callable() == dict.fromkeys
    print(named.model_dump())
    missing = PythonFunction(module="builtins", qualname="nothing")
    error_of(lambda: outputs(Agent().add_action("act", ["_input_event"], missing)))
    java = JavaFunction.for_action("com.example.Handlers", "handle")
    error_of(lambda: outputs(Agent().add_action("act", ["_input_event"], java)))
    """
    lines = run_program(program).splitlines()
    assert lines[:3] == ["[{'k': 4}]"] * 3
    assert lines[3] == (
        "{'func_type': 'PythonFunction', 'module': 'builtins', 'qualname': 'dict.fromkeys'}"
    )
    assert "builtins:nothing cannot be found" in lines[4]
    assert "a function in Java" in lines[5]


def test_settings_of_an_action_may_have_any_name(run_program: RunProgram) -> None:
    program = f"""{DOUBLES}
    agent = Agent().add_action("act", events=["_input_event"], func=double, retry=3)
    print(agent.actions["act"][2])
    error_of(lambda: agent.add_action("act", ["_input_event"], double))
    error_of(lambda: agent.add_action("other"))
    """
    lines = run_program(program).splitlines()
    assert lines[0] == "{'retry': 3}"
    assert "ValueError" in lines[1]
    assert "TypeError" in lines[2]


def test_a_tool_knows_what_its_model_does_not_see(run_program: RunProgram) -> None:
    program = f"""{DOUBLES}
    from flink_agents.api.decorators import tool
    from flink_agents.api.tools import InjectedArg

    @tool(injected_args={{"tenant": {{"key": "request.tenant"}}}})
    def order(number: str, tenant: str) -> str: ...

    @tool
    def plain(number: str) -> str: ...

    assert order._injected_args == {{"tenant": InjectedArg.from_sensory_memory("request.tenant")}}
    assert order._is_tool and plain._is_tool
    error_of(lambda: tool(injected_args={{"tenent": {{}}}})(order))
    error_of(lambda: tool(injected_args=["tenant"])(order))
    error_of(lambda: tool(injected_args={{"tenant": 1}})(order))
    """
    lines = run_program(program, "0.4").splitlines()
    assert "tenent do not match function" in lines[0]
    assert "must be a dict" in lines[1]
    assert "Unsupported injected arg spec" in lines[2]


def test_a_setup_that_answers_itself_needs_no_connection(run_program: RunProgram) -> None:
    program = """
from flink_agents.api.agents.agent import Agent
from flink_agents.api.chat_message import ChatMessage, MessageRole
from flink_agents.api.chat_models.chat_model import BaseChatModelSetup
from flink_agents.api.decorators import action, chat_model_setup
from flink_agents.api.events.event import InputEvent, OutputEvent
from flink_agents.api.execution_environment import AgentsExecutionEnvironment
from flink_agents.api.resource import ResourceDescriptor, ResourceType

class Echo(BaseChatModelSetup):
    def open(self):
        pass

    @property
    def model_kwargs(self):
        return {}

    def chat(self, messages, **kwargs):
        return ChatMessage(role=MessageRole.ASSISTANT, content=messages[0].content)

class Echoes(Agent):
    @chat_model_setup
    @staticmethod
    def echo():
        return ResourceDescriptor(clazz="program.Echo", connection="none", model="m")

    @action(InputEvent.EVENT_TYPE)
    @staticmethod
    def answer(event, ctx):
        echo = ctx.get_resource("echo", ResourceType.CHAT_MODEL)
        message = ChatMessage(role=MessageRole.USER, content=event.input)
        ctx.send_event(OutputEvent(output=echo.chat([message]).content))

if __name__ == "__main__":
    env = AgentsExecutionEnvironment.get_execution_environment()
    outputs = env.from_list([{"key": 1, "value": "hello"}]).apply(Echoes()).to_list()
    env.execute()
    print(outputs)
"""
    assert run_program(program).splitlines()[-1] == "[{1: 'hello'}]"
