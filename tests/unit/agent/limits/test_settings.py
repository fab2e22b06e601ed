"""The limits of a configuration."""

from __future__ import annotations

import pytest

from tamias import (
    Agent,
    AgentDefinitionError,
    BaseChatModelConnection,
    Configuration,
    Event,
    InputEvent,
    ResourceDescriptor,
    ResourceType,
    RunnerContext,
    TokenUsage,
)
from tamias.agent.limits.limited_call import Route
from tamias.agent.limits.prices import NANO, Price
from tamias.agent.limits.settings import Limit, Limits
from tamias.agent.plan import AgentPlan

SETTINGS = """
limits:
  gpt-4.1-mini: {requests-per-minute: 600, concurrency: 16, budget-tokens: 1000}
  slow: {requests-per-minute: 2}
  keyed: {per-key: {requests-per-minute: 10, budget: 0.1}}
  job: {budget: 20.0}
prices:
  gpt-4.1-mini: {input: 0.15, output: 0.6, cached: 0.075}
  other: {input: 1, output: 2}
"""


def limits() -> Limits:
    return Limits.of(Configuration.from_yaml_text(SETTINGS).data)


def test_names_of_limits_and_models_may_have_dots() -> None:
    assert limits().limit("gpt-4.1-mini") == Limit(600, 0, 16, 1000)
    assert limits().prices["gpt-4.1-mini"] == Price(0.15, 0.6, 0.075)
    assert limits().prices["other"].cached == 1


def test_what_is_not_limited_has_no_limits() -> None:
    assert limits().limit("keyed") == limits().limit("unknown") == Limit()
    assert limits().limit_of_key("keyed") == Limit(requests_per_minute=10, budget=NANO // 10)
    assert not limits().limit("keyed").is_rate
    assert limits().is_limited("unknown")  # by the budget of the job
    assert not Limits.of({"max-attempts": 3})


def test_a_call_costs_what_its_tokens_cost() -> None:
    usage = TokenUsage(prompt_tokens=1_000_000, cached_tokens=400_000, completion_tokens=100_000)
    price = limits().prices["gpt-4.1-mini"]
    assert price.cost(usage) == round((0.6 * 0.15 + 0.4 * 0.075 + 0.1 * 0.6) * NANO)
    assert price.cost(TokenUsage(prompt_tokens=1)) == 150
    assert limits().cost(Route("x", "other", 1_000_000)) == 2 * NANO
    assert limits().cost(Route("x")) == 0


def test_parts_of_limits_are_equal_and_never_none() -> None:
    part = limits().share(4)
    assert part.limit("gpt-4.1-mini") == Limit(150, 0, 4, 250)
    assert part.limit("slow").requests_per_minute == 1
    assert part.limit("job").budget == 5 * NANO
    assert part.limit_of_key("keyed") == limits().limit_of_key("keyed")
    assert limits().share(1) == limits()


class Connection(BaseChatModelConnection):
    pass


def compiled(name: str) -> AgentPlan:
    def act(event: Event, ctx: RunnerContext) -> None:
        pass

    agent = Agent().add_action("act", [InputEvent], act)
    agent.add_resource(
        "my_connection", ResourceType.CHAT_MODEL_CONNECTION, ResourceDescriptor(clazz=Connection)
    )
    config = Configuration({f"limits.{name}.requests-per-minute": 5})
    return AgentPlan.compile(agent, config)


def test_a_mistyped_connection_is_an_error_of_the_definition() -> None:
    with pytest.raises(AgentDefinitionError, match="Did you mean 'my_connection'"):
        compiled("my_conection")


@pytest.mark.parametrize("name", ["my_connection", "geo"])
def test_a_connection_and_the_name_of_a_durable_call_are_none(name: str) -> None:
    assert compiled(name).actions.keys() == {"act"}
