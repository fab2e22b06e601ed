"""Tools and prompts: functions and texts as resources."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import cloudpickle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from tamias import (
    Agent,
    AgentDefinitionError,
    AgentPlan,
    Configuration,
    FunctionTool,
    LocalPrompt,
    Prompt,
    ResourceDescriptor,
    ResourceType,
    Tool,
    prompt,
    tool,
)
from tamias.agent.resources.registry import ResourceRegistry

if TYPE_CHECKING:
    from decimal import Decimal


class Place(BaseModel):
    city: str


def forecast(
    place: Place,
    days: Annotated[int, Field(ge=1, description="how far ahead")] = 1,
    unit: Literal["C", "F"] = "C",
    *,
    verbose: bool = False,
) -> str:
    """Tell the weather.

    At some place.
    """
    return f"{place.city} {days} {unit} {verbose}"


class Tooled(Agent):
    @tool
    @staticmethod
    def add(a: int, b: int = 2) -> int:
        """Add two numbers."""
        return a + b

    @prompt
    @staticmethod
    def greeting() -> Prompt:
        return Prompt.from_text("Hello {name}")

    @prompt
    @staticmethod
    def described() -> ResourceDescriptor:
        return ResourceDescriptor(clazz=LocalPrompt, template="Bye {name}")


def registry_of(agent: Agent | type[Agent]) -> ResourceRegistry:
    plan = AgentPlan.compile(agent)
    return ResourceRegistry(plan.providers, Configuration())


def test_a_decorated_function_is_a_tool() -> None:
    add: Any = registry_of(Tooled).get("add", ResourceType.TOOL)

    assert (add.name, add.description) == ("add", "Add two numbers.")
    assert add.call(1) == add.call(a=1, b=2) == 3
    assert add.parameters["properties"]["a"]["type"] == "integer"
    assert add.parameters["required"] == ["a"]
    assert Tooled.add(1) == 3


def test_the_schema_tells_all_that_annotations_tell() -> None:
    found = Tool.from_callable(forecast)
    properties = found.parameters["properties"]

    assert found.description == "Tell the weather.\n\nAt some place."
    assert found.parameters["$defs"]["Place"]["properties"]["city"]["type"] == "string"
    assert properties["days"] == {
        "default": 1,
        "description": "how far ahead",
        "minimum": 1,
        "title": "Days",
        "type": "integer",
    }
    assert properties["unit"]["enum"] == ["C", "F"]
    assert found.parameters["required"] == ["place"]
    assert found.args_schema is found.args_schema


def test_a_plain_function_added_as_a_tool() -> None:
    for instance in (forecast, Tool.from_callable(forecast), FunctionTool(func=forecast)):
        registry = registry_of(Agent().add_resource("weather", ResourceType.TOOL, instance))
        found: Any = registry.get("weather", ResourceType.TOOL)
        assert found.call(Place(city="Ulm"), 2) == "Ulm 2 C False"


def test_an_async_tool_is_awaited_by_its_caller() -> None:
    async def wait(word: str) -> str:
        return word

    assert asyncio.run(Tool.from_callable(wait).call("x")) == "x"


def test_a_parameter_without_a_type_is_an_error_that_names_it() -> None:
    with pytest.raises(AgentDefinitionError, match="parameter 'b' of the tool 'half' has no type"):
        AgentPlan.compile(Agent().add_resource("half", ResourceType.TOOL, half))


def half(a: Any, b=1):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    return a, b


def test_a_parameter_may_be_anything() -> None:
    def both(a: Any, b: Any = 1) -> Any:
        return a, b

    found = Tool.from_callable(both)
    assert set(found.parameters["properties"]) == {"a", "b"}
    assert found.parameters["required"] == ["a"]


def test_parameters_may_have_the_names_of_a_models_own_methods() -> None:
    def named(copy: int, schema: int, model_name: int) -> tuple[int, int, int]:
        return copy, schema, model_name

    found = Tool.from_callable(named)
    assert found.parameters["required"] == ["copy", "schema", "model_name"]
    assert found.call(1, schema=2, model_name=3) == (1, 2, 3)


def test_annotations_that_only_a_type_checker_understands() -> None:
    def price(amount: Decimal) -> Decimal:
        return amount

    with pytest.raises(AgentDefinitionError, match="'Decimal' of the parameter 'amount' of the"):
        Tool.from_callable(price).parameters  # noqa: B018


def variadic(*numbers: int) -> int:
    return sum(numbers)


def keywords(**numbers: int) -> int:
    return sum(numbers.values())


def strange(lock: type[asyncio.Lock], thing: asyncio.Lock) -> None:
    pass


def calling(back: Callable[[], None]) -> None:
    back()


@pytest.mark.parametrize("function", [variadic, keywords, strange, calling])
def test_a_tool_that_cannot_be_described_is_found_out_at_compile_time(function: Any) -> None:
    agent = Agent().add_resource("t", ResourceType.TOOL, function)
    with pytest.raises(AgentDefinitionError, match="cannot be described to a model"):
        AgentPlan.compile(agent)


@pytest.mark.parametrize("described", [False, True])
def test_a_tool_travels_as_its_function(described: Any) -> None:
    found = Tool.from_callable(forecast)
    if described:
        assert found.parameters
    assert len(pickle.dumps(found)) < 500
    copy = pickle.loads(pickle.dumps(found))
    assert copy.call(Place(city="Ulm")) == "Ulm 1 C False"
    assert copy.parameters == found.parameters

    word = "closure"
    local = pickle.loads(cloudpickle.dumps(Tool.from_callable(lambda: word)))
    assert local.call() == word


def test_prompts_from_an_instance_and_from_a_descriptor() -> None:
    registry = registry_of(Tooled)
    greeting: Any = registry.get("greeting", ResourceType.PROMPT)
    described: Any = registry.get("described", ResourceType.PROMPT)
    assert greeting.format_string(name="you") == "Hello you"
    assert described.format_string(name="you") == "Bye you"


def test_only_given_names_are_filled_in() -> None:
    text = Prompt.from_text('{name}: answer as {"json": {name}} or {other} {}')
    assert text.format_string(name="A") == 'A: answer as {"json": A} or {other} {}'
    assert text.format_string() == text.template


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,5}", fullmatch=True), st.text()))
def test_values_are_put_in_as_they_are(values: dict[str, str]) -> None:
    # Braces, backslashes and further placeholders in a value mean nothing.
    text = Prompt.from_text("|".join(f"{{{name}}}" for name in values))
    assert text.format_string(**values) == "|".join(values.values())


def test_prompts_travel() -> None:
    text = Prompt.from_text("x {y}")
    assert pickle.loads(pickle.dumps(text)) == text
