"""Plans of Flink Agents: an agent as the JSON that its versions have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import RunProgram

pytestmark = pytest.mark.process

SHOP = """
    import json
    from typing import Any
    from pydantic import BaseModel
    from flink_agents.api.agents.agent import Agent
    from flink_agents.api.decorators import action, chat_model_setup, prompt, tool
    from flink_agents.api.events.event import Event, InputEvent
    from flink_agents.api.function import JavaFunction
    from flink_agents.api.prompts.prompt import LocalPrompt
    from flink_agents.api.resource import ResourceDescriptor, ResourceName, ResourceType
    from flink_agents.api.runner_context import RunnerContext
    from flink_agents.plan.agent_plan import AgentPlan
    from flink_agents.plan.configuration import AgentConfiguration
    from tamias.flink_agents.dialect import dialect

    INPUT = InputEvent if dialect() == "0.2" else InputEvent.EVENT_TYPE

    class Limits(BaseModel):
        most: int

    class Shop(Agent):
        @action(INPUT)
        @staticmethod
        def first(event: Event, ctx: RunnerContext) -> None: ...

        @chat_model_setup
        @staticmethod
        def writer() -> ResourceDescriptor:
            return ResourceDescriptor(
                clazz=ResourceName.ChatModel.OLLAMA_SETUP, connection="here", model="small"
            )

        @tool
        @staticmethod
        def price(item: str) -> int:
            '''Look a price up.

            Args:
                item: its name
            '''

        @prompt
        @staticmethod
        def ask() -> LocalPrompt:
            return LocalPrompt(template="What is {this}?")

    def second(event: Event, ctx: RunnerContext) -> None: ...

    shop = Shop()
    shop.add_action("second", [INPUT], second, limits=Limits(most=3), names=["a", "b", "c"])
    settings = AgentConfiguration({"max-retries": 5})
    plan = AgentPlan.from_agent(shop, settings)
    written = plan.model_dump_json(serialize_as_any=True)
"""


def plan_of(run_program: RunProgram, dialect: str) -> Any:
    return json.loads(run_program(SHOP + "\n    print(written)", dialect))


@pytest.mark.parametrize(
    ("dialect", "listens", "listened", "limits"),
    [
        (
            "0.2",
            "listen_event_types",
            "flink_agents.api.events.event.InputEvent",
            ["__main__", "Limits", {"most": 3}],
        ),
        ("0.3", "listen_event_types", "_input_event", ["__main__", "Limits", {"most": 3}]),
        (
            "0.4",
            "trigger_conditions",
            "_input_event",
            {
                "__pydantic_model__": True,
                "module": "__main__",
                "class": "Limits",
                "value": {"most": 3},
            },
        ),
    ],
)
def test_a_plan_is_written_as_the_version_has_it(
    run_program: RunProgram, dialect: str, listens: str, listened: str, limits: Any
) -> None:
    plan = plan_of(run_program, dialect)
    assert list(plan["actions"]) == [
        "first",
        "second",
        "chat_model_action",
        "tool_call_action",
        "context_retrieval_action",
    ]
    first, second = plan["actions"]["first"], plan["actions"]["second"]
    assert first["exec"] == {
        "func_type": "PythonFunction",
        "module": "__main__",
        "qualname": "Shop.first",
    }
    assert (first[listens], first["config"]) == ([listened], None)
    assert second["config"] == {
        "__config_type__": "python",
        "limits": limits,
        "names": ["a", "b", "c"],
    }
    if dialect == "0.4":
        assert (plan["agent_name"], "actions_by_event" in plan) == ("Shop", False)
    else:
        assert plan["actions_by_event"][listened] == ["first", "second"]
        assert "agent_name" not in plan
    assert plan["config"] == {"conf_data": {"max-retries": 5}}


@pytest.mark.parametrize("dialect", ["0.2", "0.3", "0.4"])
def test_resources_are_named_as_flink_agents_has_them(
    run_program: RunProgram, dialect: str
) -> None:
    providers = plan_of(run_program, dialect)["resource_providers"]
    assert providers["chat_model"]["writer"] == {
        "name": "writer",
        "type": "chat_model",
        "descriptor": {
            "target_module": "flink_agents.integrations.chat_models.ollama_chat_model",
            "target_clazz": "OllamaChatModelSetup",
            "arguments": {"connection": "here", "model": "small"},
        },
        "__resource_provider_type__": "PythonResourceProvider",
    }
    ask = providers["prompt"]["ask"]
    assert (ask["module"], ask["clazz"]) == ("flink_agents.api.prompts.prompt", "LocalPrompt")
    assert ask["serialized"]["template"] == "What is {this}?"
    price = providers["tool"]["price"]
    assert (price["module"], price["clazz"]) == (
        "flink_agents.plan.tools.function_tool",
        "FunctionTool",
    )
    assert price["serialized"]["func"]["qualname"] == "Shop.price"
    assert price["serialized"]["metadata"] == {
        "name": "price",
        "description": "Look a price up.\n",
        "args_schema": {
            "properties": {"item": {"description": "its name", "title": "Item", "type": "string"}},
            "required": ["item"],
            "title": "price",
            "type": "object",
        },
    }


@pytest.mark.parametrize("dialect", ["0.2", "0.3", "0.4"])
def test_a_plan_that_was_written_is_read(run_program: RunProgram, dialect: str) -> None:
    program = f"""{SHOP}
    again = AgentPlan.model_validate_json(written)
    second = again.actions["second"]
    price = again.resource_providers[ResourceType.TOOL]["price"].provide(None, settings)
    print(json.dumps([
        again == plan,
        again.model_dump_json(serialize_as_any=True) == written,
        type(second.config["limits"]).__name__,
        again.get_action_config_value("second", "names"),
        again.config.get_int("max-retries"),
        again.get_resource("ask", ResourceType.PROMPT).format_string(this="it"),
        price.metadata.name,
    ]))
    """
    found = json.loads(run_program(program, dialect))
    assert found == [True, True, "Limits", ["a", "b", "c"], 5, "What is it?", "price"]


def test_an_action_in_java_is_kept(run_program: RunProgram) -> None:
    program = f"""{SHOP}
    java = Agent().add_action("act", [INPUT], JavaFunction.for_action("org.example.A", "act"))
    plan = AgentPlan.from_agent(java, AgentConfiguration())
    again = AgentPlan.model_validate_json(plan.model_dump_json())
    act = again.actions["act"].exec
    try:
        act(1, 2)
    except RuntimeError as error:
        refused = str(error)
    print(json.dumps([act.qualname, act.method_name, len(act.parameter_types), refused]))
    """
    found = json.loads(run_program(program))
    assert found[:3] == ["org.example.A", "act", 2]
    assert found[3].startswith("org.example.A.act needs the JVM resource adapter")


def test_what_flink_agents_does_not_take_is_refused(run_program: RunProgram) -> None:
    program = f"""{SHOP}
    class Smaller(Shop): ...

    class Wrong(Agent):
        @action(INPUT)
        @staticmethod
        def act(event: Event) -> None: ...

    def error_of(agent):
        try:
            AgentPlan.from_agent(agent, settings)
        except Exception as error:
            return [type(error).__name__, str(error)]

    def act(event: Event, ctx: RunnerContext) -> None: ...

    twice = Shop()
    twice.add_action("first", [INPUT], act)
    print(json.dumps([error_of(Smaller), error_of(Wrong()), error_of(twice)]))
    """
    inherited, wrong, twice = json.loads(run_program(program))
    assert inherited[0] == "RuntimeError"
    assert "Shop.first" in inherited[1]
    assert wrong[0] == "TypeError"
    assert "Wrong.act takes" in wrong[1]
    assert twice == ["ValueError", "Duplicate action name: first"]


def test_the_skills_of_an_agent_are_one_resource_and_two_tools(run_program: RunProgram) -> None:
    program = f"""{SHOP}
    from flink_agents.api.skills import Skills

    agent = Agent()
    for name, path in [("some", "/a"), ("others", "/b"), ("same", "/a")]:
        agent.add_resource(name, ResourceType.SKILLS, Skills.from_local_dir(path))
    plan = json.loads(AgentPlan.from_agent(agent, settings).model_dump_json())
    providers = plan["resource_providers"]
    skills = providers["skills"]["_skills_config"]
    sources = skills["serialized"]["sources"]
    print(json.dumps([list(providers["tool"]), skills["module"], len(sources)]))
    """
    found = json.loads(run_program(program))
    assert found == [["load_skill", "bash"], "flink_agents.api.skills", 2]


def test_an_agent_of_tamias_has_a_plan_too(run_program: RunProgram) -> None:
    program = """
    import json
    import tamias
    from flink_agents.plan.agent_plan import AgentPlan

    class Plain(tamias.Agent):
        @tamias.action(tamias.InputEvent, "amount > 3")
        @staticmethod
        def act(event: tamias.Event, ctx: tamias.RunnerContext) -> None: ...

    config = tamias.Configuration({"max-retries": 2})
    plan = json.loads(AgentPlan.from_agent(Plain, config).model_dump_json())
    print(json.dumps([plan["actions"]["act"]["trigger_conditions"], plan["config"]]))
    """
    found = json.loads(run_program(program, "0.4"))
    assert found == [["_input_event", "amount > 3"], {"conf_data": {"max-retries": 2}}]


def test_the_resources_of_a_plan_are_made_once_and_find_each_other(
    run_program: RunProgram,
) -> None:
    program = f"""{SHOP}
    from flink_agents.api.resource import Resource
    from flink_agents.runtime.resource_cache import ResourceCache

    class Store(Resource):
        asks: str
        text: str = ""

        @classmethod
        def resource_type(cls):
            return ResourceType.VECTOR_STORE

        def open(self):
            prompt = self.resource_context.get_resource(self.asks, ResourceType.PROMPT)
            self.text = prompt.format_string(this="that")

        def close(self):
            self.text = "closed"

    described = ResourceDescriptor(clazz="__main__.Store", asks="ask")
    shop.add_resource("store", ResourceType.VECTOR_STORE, described)
    plan = AgentPlan.from_agent(shop, AgentConfiguration({{"Store.asks": "other"}}))
    cache = ResourceCache(plan.resource_providers, plan.config)
    store = cache.get_resource("store", ResourceType.VECTOR_STORE)
    found = [store.text, store is cache.get_resource("store", ResourceType.VECTOR_STORE)]
    try:
        cache.get_resource("none", ResourceType.TOOL)
    except KeyError as error:
        found.append(error.message)
    found.append(cache.get_resource_context().generate_available_skills_prompt("a"))
    cache.close()
    print(json.dumps([*found, store.text]))
    """
    found = json.loads(run_program(program))
    assert found == ["What is that?", True, "The plan has no tool 'none'.", "", "closed"]
