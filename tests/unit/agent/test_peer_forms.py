"""Forms that programs of Flink Agents use: arguments of decorators, and the errors they catch."""

from __future__ import annotations

from typing import Any

import pytest

from tamias import (
    Agent,
    AgentDefinitionError,
    AgentPlan,
    AgentsExecutionEnvironment,
    ConfigError,
    Configuration,
    Event,
    InputEvent,
    OutputEvent,
    PoolOptions,
    Resource,
    ResourceType,
    RunnerContext,
    action,
    run_agent,
)
from tamias.agent.resources.registry import ResourceRegistry
from tamias.worker.metrics import WorkerMetricGroup


def double(event: Event, ctx: RunnerContext) -> None:
    ctx.send_event(OutputEvent(InputEvent.from_event(event).input * 2))


class Targeted(Agent):
    @action(InputEvent.EVENT_TYPE, target=double)
    @staticmethod
    def act(event: Event, ctx: RunnerContext) -> None:
        raise AssertionError("the target is called instead")


class Listed(Agent):
    @action(trigger_conditions=["_input_event"])
    @staticmethod
    def act(event: Event, ctx: RunnerContext) -> None:
        double(event, ctx)


AGENTS = [
    Targeted(),
    Listed(),
    Agent().add_action("act", InputEvent, double),
    Agent().add_action("act", trigger_conditions=["_input_event"], func=double),
    Agent().add_action(name="act", events=["_input_event"], func=double),
]


@pytest.mark.parametrize("agent", AGENTS)
def test_what_an_action_listens_to_is_given_in_several_ways(agent: Agent) -> None:
    assert run_agent(agent, [{"key": "k", "value": 2}]).outputs == [{"k": 4}]


def test_an_action_without_a_function_is_refused() -> None:
    with pytest.raises(AgentDefinitionError, match="without a function"):
        Agent().add_action("act", ["x"])
    with pytest.raises(AgentDefinitionError, match="cannot be called"):
        action("x", target="other.function")  # type: ignore[arg-type]
    with pytest.raises(AgentDefinitionError, match="neither"):
        action("  ")(lambda event, ctx: None)


class Bad(Resource):
    """Raises an error of tamias where pydantic would wrap it."""

    @classmethod
    def resource_type(cls) -> ResourceType:
        return ResourceType.CHAT_MODEL

    def model_post_init(self, context: Any, /) -> None:
        raise AgentDefinitionError("it has no key", hint="Give one.")


def mistake(what: str) -> None:
    agent = Agent().add_action("act", [InputEvent], double)
    env = AgentsExecutionEnvironment.get_execution_environment()
    if what == "action twice":
        agent.add_action("act", [InputEvent], double)
    elif what == "resource twice":
        for _ in range(2):
            agent.add_resource("r", ResourceType.TOOL, double)
    elif what == "no event":
        agent.add_action("other", [], double)
    elif what == "bad setting":
        Configuration().set(PoolOptions.WORKERS, -1)
    elif what == "missing resource":
        plan = AgentPlan.compile(agent)
        ResourceRegistry(plan.providers, plan.config).get("x", ResourceType.TOOL)
    elif what == "from_list twice":
        env.from_list([])
        env.from_list([])
    elif what == "apply twice":
        env.from_list([]).apply(agent).apply(agent)
    elif what == "execute too early":
        env.execute()


@pytest.mark.parametrize(
    ("what", "kind", "own"),
    [
        ("action twice", ValueError, AgentDefinitionError),
        ("resource twice", ValueError, AgentDefinitionError),
        ("no event", ValueError, AgentDefinitionError),
        ("bad setting", ValueError, ConfigError),
        ("missing resource", KeyError, AgentDefinitionError),
        ("from_list twice", RuntimeError, Exception),
        ("apply twice", RuntimeError, Exception),
        ("execute too early", RuntimeError, Exception),
    ],
)
def test_mistakes_are_the_errors_that_programs_catch(
    what: str, kind: type[Exception], own: type[Exception]
) -> None:
    with pytest.raises(kind) as caught:
        mistake(what)
    assert isinstance(caught.value, own)


def test_an_error_of_tamias_comes_out_of_a_resource_as_it_is() -> None:
    with pytest.raises(AgentDefinitionError, match="it has no key") as caught:
        Bad()
    assert caught.value.hint == "Give one."


def test_a_metric_group_of_a_pair() -> None:
    group = WorkerMetricGroup()
    group.get_sub_group("model", "gpt").get_counter("tokens").inc(3)
    assert group.get_sub_group("model").get_sub_group("gpt").get_counter("tokens").get_count() == 3
