"""The built-in actions of Flink Agents' plans, in contexts that are not tamias's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import RunProgram

pytestmark = pytest.mark.process

CONTEXT = """
    import asyncio
    import json
    from types import SimpleNamespace
    from flink_agents.api.agents.types import OutputSchema
    from flink_agents.api.chat_message import ChatMessage, MessageRole
    from flink_agents.api.core_options import AgentExecutionOptions, ErrorHandlingStrategy
    from flink_agents.api.events.chat_event import ChatRequestEvent, ChatResponseEvent
    from flink_agents.api.events.tool_event import ToolRequestEvent, ToolResponseEvent
    from flink_agents.api.resource import ResourceType
    from flink_agents.plan.actions.chat_model_action import process_chat_request_or_tool_response
    from flink_agents.plan.actions.tool_call_action import process_tool_request
    from flink_agents.plan.configuration import AgentConfiguration
    from flink_agents.plan.function import PythonFunction
    from flink_agents.plan.tools.function_tool import FunctionTool

    class Memory(dict):
        set = dict.__setitem__

        def is_exist(self, path):
            return path in self

    class Model:
        connection, model = "here", "small"

        def __init__(self, *answers):
            self.answers, self.asked = list(answers), []

        def chat(self, messages, prompt_args=None):
            self.asked.append([each.content for each in messages])
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    def price(item: str, tenant: str = "none") -> str:
        return f"{item} of {tenant}"

    class Context:
        action_metric_group = None

        def __init__(self, model, **settings):
            self.sensory_memory, self.sent = Memory(), []
            self.config = AgentConfiguration({"chat.async": False, **settings})
            self.resources = {"model": model, "price": FunctionTool(
                func=PythonFunction.from_callable(price),
                injected_args={"tenant": {"source": "config", "key": "shop.tenant"}},
            )}

        def get_resource(self, name, kind):
            return self.resources[name]

        def durable_execute(self, function, *args, **kwargs):
            return function(*args, **kwargs)

        async def durable_execute_async(self, function, *args, **kwargs):
            return function(*args, **kwargs)

        def send_event(self, event):
            self.sent.append(event)

    def said(text, **more):
        return ChatMessage(role=MessageRole.ASSISTANT, content=text, **more)

    def request(**more):
        asked = [ChatMessage(role=MessageRole.USER, content="How much is tea?")]
        return ChatRequestEvent(model="model", messages=asked, **more)

    def call(name, key="1"):
        return {"id": key, "function": {"name": name, "arguments": {"item": "tea"}}}
"""


@pytest.mark.parametrize("dialect", ["0.3", "0.4"])
def test_a_model_is_asked_again_with_the_results_of_its_tools(
    run_program: RunProgram, dialect: str
) -> None:
    program = f"""{CONTEXT}
    model = Model(said("", tool_calls=[call("price"), call("none", "2")]), said("It is 3."))
    ctx = Context(model, **{{"shop.tenant": "me"}})
    first = request()
    asyncio.run(process_chat_request_or_tool_response(first, ctx))
    asyncio.run(process_tool_request(ctx.sent[0], ctx))
    results = ToolResponseEvent.from_event(ctx.sent[1])
    asyncio.run(process_chat_request_or_tool_response(ctx.sent[1], ctx))
    last = ChatResponseEvent.from_event(ctx.sent[2])
    print(json.dumps([
        results.responses, model.asked[1], last.response.content, last.request_id == first.id,
    ]))
    """
    found = json.loads(run_program(program, dialect))
    results = {"1": "tea of me", "2": "Tool `none` does not exist."}
    said = ["How much is tea?", "", *results.values()]
    assert found == [results, said, "It is 3.", True]


def test_a_failure_is_tried_again_or_ignored_as_the_settings_say(run_program: RunProgram) -> None:
    program = f"""{CONTEXT}
    schema = OutputSchema(output_schema={{"type": "object"}})
    again = {{"error-handling-strategy": "retry", "retry-wait-interval": 0}}
    found = []
    for settings, answers in [
        (again, [RuntimeError("gone"), said("no json"), said('{{"a": 1}}')]),
        ({{"error-handling-strategy": "ignore"}}, [RuntimeError("gone")]),
        ({{}}, [RuntimeError("gone")]),
    ]:
        ctx = Context(Model(*answers), **settings)
        try:
            asyncio.run(process_chat_request_or_tool_response(request(output_schema=schema), ctx))
        except RuntimeError as error:
            found.append(str(error))
        for each in map(ChatResponseEvent.from_event, ctx.sent):
            found.append([each.response.extra_args["structured_output"], each.retry_count])
    print(json.dumps(found))
    """
    assert json.loads(run_program(program, "0.4")) == [[{"a": 1}, 2], "gone"]
