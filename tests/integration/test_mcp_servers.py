"""MCP servers in pools: one for all workers, nothing is left over, questions become waits."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from support.mcp.log import SERVER, Log, eventually, lives
from tamias import (
    Agent,
    AgentsExecutionEnvironment,
    BaseChatModelConnection,
    BaseChatModelSetup,
    ChatMessage,
    ChatRequestEvent,
    ChatResponseEvent,
    Event,
    InputEvent,
    MCPServer,
    MessageRole,
    OutputEvent,
    PoolOptions,
    ResourceDescriptor,
    ResourceType,
    RunnerContext,
    action,
    run_agent,
)
from tamias.agent.mcp.recorded import find_tools
from tamias.agent.tools.calling import call_tools

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def call_of(name: str, **arguments: Any) -> dict[str, Any]:
    return {"id": "one", "type": "function", "function": {"name": name, "arguments": arguments}}


class Caller(Agent):
    """Calls the tools that its inputs name."""

    @action(InputEvent)
    @staticmethod
    async def serve(event: InputEvent, ctx: RunnerContext) -> None:
        name, arguments = event.input
        results = await call_tools(ctx, [call_of(name, **arguments)])
        (result,) = results.results
        worker = {
            "pid": os.getpid(),
            "sdk": any(each.partition(".")[0] == "mcp" for each in sys.modules),
        }
        ctx.send_event(
            OutputEvent(output={"content": result.content, "error": result.error, **worker})
        )


class Model(BaseChatModelConnection):
    """Asks for the tools that the user names, then says what it has got."""

    def chat(
        self, messages: Sequence[ChatMessage], tools: Any = None, **kwargs: Any
    ) -> ChatMessage:
        last = messages[-1]
        if last.role is MessageRole.TOOL:
            return ChatMessage(role=MessageRole.ASSISTANT, content=f"got {last.content}")
        names = sorted(tool.name for tool in tools)
        if last.content not in names:
            return ChatMessage(role=MessageRole.ASSISTANT, content=" ".join(names))
        calls = [call_of(last.content, item="tea")]
        return ChatMessage(role=MessageRole.ASSISTANT, tool_calls=calls)


class Setup(BaseChatModelSetup):
    @property
    def model_kwargs(self) -> dict[str, Any]:
        return {}


class Chatter(Agent):
    """Hands its inputs to a chat model, and its answers out."""

    @action(InputEvent)
    @staticmethod
    def ask(event: InputEvent, ctx: RunnerContext) -> None:
        ctx.send_event(ChatRequestEvent(model="setup", messages=[ChatMessage(content=event.input)]))

    @action(ChatResponseEvent)
    @staticmethod
    def answer(event: Event, ctx: RunnerContext) -> None:
        response = ChatResponseEvent.from_event(event).response
        ctx.send_event(OutputEvent(output=response.content))


def server_for(log: Log, **settings: Any) -> MCPServer:
    return MCPServer(command=sys.executable, args=[SERVER, str(log.path)], **settings)


def resources_for(log: Log, **settings: Any) -> dict[ResourceType, dict[str, Any]]:
    return {ResourceType.MCP_SERVER: {"shop": server_for(log, **settings)}}


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log")


def test_a_model_uses_the_tools_and_prompts_of_a_server(log: Log) -> None:
    chatter = Chatter()
    chatter.add_resource(
        "model", ResourceType.CHAT_MODEL_CONNECTION, ResourceDescriptor(clazz=Model)
    )
    setup = ResourceDescriptor(clazz=Setup, connection="model", tools=["buy", "shop.order", "add"])
    chatter.add_resource("setup", ResourceType.CHAT_MODEL, setup)
    run = run_agent(
        chatter,
        [("a", "buy"), ("b", "hello"), ("c", "shop__order")],
        resources=resources_for(log),
        answers=lambda question: {"consent": True, "note": question.ask["message"]},
    )
    assert run.outputs_of("a") == ["got bought tea"]
    assert run.outputs_of("b") == ["add buy shop__order"]
    assert run.outputs_of("c") == ["got ordered tea: True Order tea?"]
    assert log.lines == ["buy tea", "order tea True Order tea?"]
    # The server has ended with the run.
    assert not any(map(lives, log.starts))


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        ({"consent": True, "note": "gladly"}, "ordered tea: True gladly"),
        (False, "elicitation was decline"),
    ],
)
def test_a_question_of_a_server_waits_across_a_restart_of_everything(
    log: Log, tmp_path: Path, answer: Any, content: str
) -> None:
    state = tmp_path / "state"
    inputs = [("a", ("order", {"item": "tea"}))]
    first = run_agent(Caller, inputs, resources=resources_for(log), state=state)
    (question,) = first.questions
    assert (question.ask["server"], question.ask["tool"]) == ("shop", "order")
    assert question.ask["message"] == "Order tea?"
    assert set(question.ask["schema"]["properties"]) == {"consent", "note"}
    assert log.lines == []
    resources = resources_for(log)
    second = run_agent(Caller, inputs, resources=resources, state=state, answers=lambda _: answer)
    (output,) = second.outputs_of("a")
    assert content in output["content"]
    assert log.lines == ([f"order tea True {answer['note']}"] if answer else [])
    assert len(set(log.starts)) == 2


def test_a_call_that_needs_an_approval(log: Log) -> None:
    inputs = [("a", ("buy", {"item": "tea"})), ("b", ("buy", {"item": "gold"}))]
    run = run_agent(
        Caller,
        inputs,
        resources=resources_for(log, approval=["buy"]),
        answers=lambda question: question.ask["arguments"]["item"] == "tea",
    )
    contents = [run.outputs_of(key)[0]["content"] for key in "ab"]
    assert contents == ["bought tea", "The call of `buy` was not approved."]
    assert log.lines == ["buy tea"]


def test_a_call_that_is_lost_while_it_waits_is_made_again(log: Log, tmp_path: Path) -> None:
    """Protocol 2025-11-25: from the beginning, and its question has its answer."""
    state, inputs = tmp_path / "state", [("a", ("ask", {"item": "tea"}))]
    resources = resources_for(log, protocol="2025-11-25")
    assert len(run_agent(Caller, inputs, resources=resources, state=state).questions) == 1
    run = run_agent(
        Caller,
        inputs,
        resources=resources_for(log, protocol="2025-11-25"),
        state=state,
        answers=lambda _: {"consent": True, "note": "late"},
    )
    assert run.outputs_of("a")[0]["content"] == "tea: True late"
    assert log.lines == ["ask tea", "ask tea", "answered tea accept"]


def test_a_question_in_the_middle_of_a_call(log: Log) -> None:
    """Protocol 2025-11-25: the call is held, and goes on with the answer."""
    run = run_agent(
        Caller,
        [("a", ("ask", {"item": "tea"})), ("b", ("ask", {"item": "milk"}))],
        resources=resources_for(log, protocol="2025-11-25"),
        answers=lambda question: {"consent": "tea" in question.ask["message"], "note": "so"},
    )
    assert [run.outputs_of(key)[0]["content"] for key in "ab"] == ["tea: True so", "milk: False so"]
    # Both may have been begun twice: see the text of `keeper/calls.py`.
    assert sorted(set(log.lines)) == [
        "answered milk accept",
        "answered tea accept",
        "ask milk",
        "ask tea",
    ]
    assert sum(line.startswith("answered") for line in log.lines) == 2


class Finder(Agent):
    @action(InputEvent)
    @staticmethod
    async def find(event: InputEvent, ctx: RunnerContext) -> None:
        tools = await find_tools(ctx, event.input)
        ctx.send_event(OutputEvent(output=[tool.name for tool in tools]))


def test_names_of_tools(log: Log) -> None:
    shop = server_for(log, allowed_tools=["add", "buy"])
    shops: dict[str, Any] = {"shop": shop, "other": server_for(log)}
    resources = {ResourceType.MCP_SERVER: shops}
    names = ["shop.add", "shop__buy", "other.die", "shop.*", "wait"]
    inputs = [("a", names), ("b", ["add"]), ("c", ["nowhere"])]
    run = run_agent(Finder, inputs, resources=resources, on_error="dead-letter")
    found = ["shop__add", "shop__buy", "other__die", "add", "buy", "wait"]
    assert run.outputs_of("a") == [found]
    errors = {failure.key: failure.error for failure in run.failures}
    assert "Name it shop.add or other.add." in errors["b"]
    assert "'nowhere'" in errors["c"]


@pytest.mark.parametrize("start", ["zygote", "spawn"])
def test_all_workers_of_a_pool_share_a_server(log: Log, tmp_path: Path, start: str) -> None:
    env = AgentsExecutionEnvironment.get_execution_environment()
    env.get_config().set(PoolOptions.WORKERS, 2)
    env.get_config().set(PoolOptions.START_METHOD, start)
    env.add_resource("shop", ResourceType.MCP_SERVER, server_for(log))
    inputs = [{"key": f"k{n}", "value": ("add", {"a": n, "b": 1})} for n in range(40)]
    results = env.from_list(inputs).apply(Caller).to_list()
    env.execute()
    outputs = [output for pair in results for output in pair.values()]
    assert sorted(int(each["content"]) for each in outputs) == list(range(1, 41))
    assert len({each["pid"] for each in outputs}) == 2
    assert not any(each["sdk"] for each in outputs)
    (server,) = log.starts
    eventually(lambda: not lives(server))


@pytest.mark.parametrize(
    ("tool", "content", "calls"),
    [("kill_caller", "is not known: it was interrupted", 1), ("kill_caller_safely", "alive", 2)],
)
def test_a_call_whose_worker_is_killed_is_made_again_only_if_it_may_be(
    log: Log, tmp_path: Path, tool: str, content: str, calls: int
) -> None:
    env = AgentsExecutionEnvironment.get_execution_environment()
    env.get_config().set(PoolOptions.WORKERS, 1)
    env.add_resource("shop", ResourceType.MCP_SERVER, server_for(log))
    inputs = [{"key": "a", "value": (tool, {"mark": str(tmp_path / "mark")})}]
    results = env.from_list(inputs).apply(Caller).to_list()
    env.execute()
    ((output,),) = [pair.values() for pair in results]
    assert content in output["content"]
    assert log.lines == ["kill_caller"] * calls
    # The server of the worker that was killed was there for its successor, and ends with the pool.
    (server,) = log.starts
    eventually(lambda: not lives(server))
