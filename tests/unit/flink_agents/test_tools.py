"""Tools as Flink Agents declares them: functions by name, and schemas of arguments."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import RunProgram

pytestmark = pytest.mark.process

TOOLS = """
    import asyncio
    import json
    from typing import Annotated
    from pydantic import BaseModel, Field
    from flink_agents.api.agents.agent import Agent
    from flink_agents.api.events.event import InputEvent, OutputEvent
    from flink_agents.api.function import JavaFunction, PythonFunction
    from flink_agents.api.resource import ResourceType
    from flink_agents.api.tools.function_tool import FunctionTool
    from flink_agents.api.tools.tool_parameter_injection import InjectedArg
    from flink_agents.api.tools.utils import (
        create_java_tool_schema_str_from_model,
        create_model_from_java_tool_schema_str,
        create_model_from_schema,
        create_schema_from_function,
    )
    from flink_agents.plan.tools.function_tool import FunctionTool as PlanTool
    from tamias import AgentDefinitionError, run_agent

    def price(item: str, tenant: str = "none") -> str:
        '''Look a price up.

        Args:
            item: its name
        '''
        return f"{item} of {tenant}"
"""


def test_a_function_by_name_is_a_tool_of_an_agent(run_program: RunProgram) -> None:
    program = f"""{TOOLS}
    async def act(event, ctx):
        tool = ctx.get_resource("price", ResourceType.TOOL)
        arguments = tool.check_arguments({{"item": InputEvent.from_event(event).input}})
        injected = tool.injected_arguments(ctx)
        ctx.send_event(OutputEvent(output=[
            tool.name, tool.description, sorted(tool.parameters["properties"]),
            await tool.acall(**arguments, **injected),
        ]))

    found = []
    for kind in (FunctionTool, PlanTool):
        named = PythonFunction.from_callable(price)
        if kind is PlanTool:
            from flink_agents.plan.function import PythonFunction as Planned
            named = Planned.of(named)
        tool = kind(func=named, injected_args={{"tenant": InjectedArg.from_config("shop.tenant")}})
        agent = Agent().add_action("act", ["_input_event"], act)
        agent.add_resource("price", ResourceType.TOOL, tool)
        run = run_agent(agent, [{{"key": "k", "value": "tea"}}], config={{"shop.tenant": "me"}})
        found.append(run.outputs[0]["k"])
    print(json.dumps(found))
    """
    for name, description, parameters, result in json.loads(run_program(program)):
        assert (name, description.strip()) == ("price", "Look a price up.")
        assert parameters == ["item"]
        assert result == "tea of me"


def test_a_tool_in_java_can_be_declared_and_not_called(run_program: RunProgram) -> None:
    program = f"""{TOOLS}
    java = JavaFunction(qualname="org.example.A", method_name="add", parameter_types=["int"])
    tool = FunctionTool(func=java)
    try:
        tool.call(1)
    except AgentDefinitionError as error:
        print(error.message)
    """
    assert "org.example.A.add" in run_program(program)


def test_classes_of_arguments_and_schemas_are_made_of_each_other(run_program: RunProgram) -> None:
    program = f"""{TOOLS}
    class Address(BaseModel):
        street: str
        next: "Address | None" = None

    class Order(BaseModel):
        amount: int = Field(ge=1, le=9)
        names: list[str] = []
        kind: Annotated[str, "unseen"] = "a"
        to: Address

    schema = Order.model_json_schema()
    again = create_model_from_schema("Order", schema)
    order = again(amount=3, to={{"street": "A"}})
    refused = []
    for wrong in ({{"amount": 10, "to": {{"street": "A"}}}}, {{"amount": 1, "to": {{}}}}):
        try:
            again(**wrong)
        except ValueError:
            refused.append(True)
    loose = create_model_from_schema("Loose", {{"properties": {{
        "level": {{"enum": ["low", "high"]}}, "either": {{"type": ["string", "null"]}},
    }}}})
    of_function = create_schema_from_function("price", price, ["tenant"]).model_json_schema()
    java = create_java_tool_schema_str_from_model(Order)
    print(json.dumps([
        order.model_dump(), refused, loose(level="low").model_dump(),
        of_function["properties"]["item"]["description"], sorted(of_function["properties"]),
        json.loads(java),
        sorted(create_model_from_java_tool_schema_str("Order", java).model_fields),
    ]))
    """
    found = json.loads(run_program(program))
    assert found == [
        {"amount": 3, "names": [], "kind": "a", "to": {"street": "A", "next": None}},
        [True, True],
        {"level": "low", "either": None},
        "its name",
        ["item"],
        {
            "properties": {
                "amount": {"type": "integer", "description": "Parameter: amount"},
                "names": {"type": "array", "description": "Parameter: names"},
                "kind": {"type": "string", "description": "Parameter: kind"},
                "to": {"type": "string", "description": "Parameter: to"},
            },
            "required": ["amount", "to"],
        },
        ["amount", "kind", "names", "to"],
    ]
