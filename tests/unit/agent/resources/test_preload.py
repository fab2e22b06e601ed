"""What a plan imports before workers are forked, and what resources close on the loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from support.loops import on_loop
from tamias import (
    Agent,
    AgentDefinitionError,
    AgentPlan,
    Configuration,
    InputEvent,
    MissingExtraError,
    Resource,
    ResourceDescriptor,
    ResourceType,
    action,
    chat_model_connection,
    chat_model_setup,
)
from tamias.agent.resources.registry import ResourceRegistry


class Model(Resource):
    asked: ClassVar[list[dict[str, Any]]] = []
    closed: ClassVar[list[str]] = []
    name: str = ""

    @classmethod
    def resource_type(cls) -> ResourceType:
        return ResourceType.CHAT_MODEL

    @classmethod
    def preload(cls, arguments: Mapping[str, Any]) -> None:
        if arguments.get("name") == "missing":
            raise MissingExtraError("The package x is not installed.")
        cls.asked.append(dict(arguments))

    def close(self) -> None:
        self.closed.append(f"close {self.name}")

    async def aclose(self) -> None:
        self.closed.append(f"aclose {self.name}")
        if self.name == "broken":
            raise OSError("broken")


class Connected(Model):
    made: ClassVar[int] = 0

    def model_post_init(self, _: Any) -> None:
        type(self).made += 1


def compiled(*names: str, **methods: Any) -> AgentPlan:
    Model.asked.clear()

    class Own(Agent):
        @action(InputEvent)
        @staticmethod
        def act(event: Any, ctx: Any) -> None: ...

    for name, method in methods.items():
        setattr(Own, name, staticmethod(chat_model_setup(method)))
    agent = Own()
    for name in names:
        agent.add_resource(
            name, ResourceType.CHAT_MODEL, ResourceDescriptor(clazz=Model, name=name)
        )
    return AgentPlan.compile(agent, Configuration({"Model.size": 3}))


def test_classes_of_descriptors_are_preloaded_with_their_arguments() -> None:
    compiled("a", b=lambda: ResourceDescriptor(clazz=Model, name="b")).preload()
    assert Model.asked == [{"size": 3, "name": "b"}, {"size": 3, "name": "a"}]


def test_what_else_a_method_returns_or_raises_is_the_workers() -> None:
    def fails() -> None:
        raise OSError

    plan = compiled(a=Connected, b=fails)
    plan.preload()
    assert Model.asked == []


def test_a_replay_needs_nothing() -> None:
    plan = compiled("missing")
    plan.config.set_str("model-calls", "replay")
    plan.preload()


def test_what_is_missing_is_said_at_once() -> None:
    with pytest.raises(MissingExtraError, match="x is not installed"):
        compiled("missing").preload()
    broken = compiled(a=lambda: ResourceDescriptor(clazz="no.such.Model"))
    with pytest.raises(AgentDefinitionError, match=r"no\.such\.Model cannot be imported"):
        broken.preload()


@on_loop
async def test_resources_are_closed_on_the_loop_once() -> None:
    plan = compiled("a", "broken")
    registry = ResourceRegistry(plan.providers, plan.config)
    for name in ("a", "broken"):
        registry.get(name, ResourceType.CHAT_MODEL)
    registry.close()
    assert Model.closed == ["close broken", "close a"]
    await registry.aclose()
    await registry.aclose()
    assert Model.closed[2:] == ["aclose broken", "aclose a"]


def test_a_descriptor_shows_no_secrets() -> None:
    given: dict[str, Any] = {
        "api_key": "sk-1",
        "default_headers": {"X": "sk-2"},
        "password": "sk-3",
    }
    shown = repr(
        ResourceDescriptor(clazz=Model, model="m", max_tokens=3, auth_token="sk-4", **given)
    )
    assert "sk-" not in shown
    assert "model='m', max_tokens=3" in shown


def test_connections_are_declared_in_both_ways() -> None:
    class Own(Agent):
        @chat_model_connection
        @staticmethod
        def service() -> ResourceDescriptor:
            return ResourceDescriptor(
                clazz="tamias.models.openai.chat_model.OpenAIChatModelConnection", api_key="k"
            )

    plan = AgentPlan.compile(Own)
    plan.preload()
    registry = ResourceRegistry(plan.providers, plan.config)
    service = registry.get("service", ResourceType.CHAT_MODEL_CONNECTION)
    assert type(service).__qualname__ == "OpenAIChatModelConnection"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"connection": "nope"}, "chat_model_connection 'nope'"),
        ({"fallbacks": ["nope"]}, "chat_model_connection 'nope'"),
        ({"fallbacks": [{"setup": "nope"}]}, "chat_model 'nope'"),
        ({"prompt": "nope"}, "prompt 'nope'"),
        ({"tools": ["nope"]}, "tool 'nope'"),
    ],
)
def test_names_of_other_resources_are_checked_before_there_are_workers(
    wrong: dict[str, Any], named: str
) -> None:
    connection = ResourceDescriptor(clazz="support.models.scripted.ScriptedConnection")
    setup: dict[str, Any] = {"clazz": "support.models.scripted.ScriptedSetup", "connection": "c"}
    agent = Agent().add_resource("c", ResourceType.CHAT_MODEL_CONNECTION, connection)
    agent.add_resource("m", ResourceType.CHAT_MODEL, ResourceDescriptor(**{**setup, **wrong}))
    with pytest.raises(AgentDefinitionError, match=f"The chat_model 'm' names the {named}"):
        AgentPlan.compile(agent).preload()


def test_names_that_there_are_pass() -> None:
    connection = ResourceDescriptor(clazz="support.models.scripted.ScriptedConnection")
    setup = ResourceDescriptor(clazz="support.models.scripted.ScriptedSetup", connection="c")
    agent = Agent().add_resource("c", ResourceType.CHAT_MODEL_CONNECTION, connection)
    AgentPlan.compile(agent.add_resource("m", ResourceType.CHAT_MODEL, setup)).preload()
