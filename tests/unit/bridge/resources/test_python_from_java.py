"""Python's resources as Java uses them: behind the usual interfaces of its own."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, cast

import pytest

from support.java.resources import PYTHON, echo, said
from support.java.settings import needs_java, registry
from tamias import (
    BaseChatModelConnection,
    BaseChatModelSetup,
    ChatMessage,
    JavaCallError,
    JavaChatModelConnection,
    JavaChatModelSetup,
    ResourceDescriptor,
    ResourceType,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tamias.agent.resources.registry import ResourceRegistry

pytestmark = needs_java

CONNECTION = ResourceType.CHAT_MODEL_CONNECTION
SETUP = ResourceDescriptor(clazz=JavaChatModelSetup, java_clazz="trials.Setup", connection="here")
ASKER = ResourceDescriptor(clazz=JavaChatModelConnection, java_clazz="trials.Asker")


async def slow_add(a: int, b: int) -> int:
    """Add two numbers, after a while."""
    await asyncio.sleep(0.01)
    return a + b


DECLARED: dict[ResourceType, dict[str, Any]] = {
    **PYTHON,
    CONNECTION: {**PYTHON[CONNECTION], "asker": ASKER},
    ResourceType.CHAT_MODEL: {
        **PYTHON[ResourceType.CHAT_MODEL],
        "java over python": ResourceDescriptor(
            clazz=JavaChatModelSetup,
            java_clazz="trials.Setup",
            connection="here",
            prompt="text",
            tools=["add"],
        ),
        "circle": ResourceDescriptor(
            clazz=JavaChatModelSetup, java_clazz="trials.Setup", connection="missing"
        ),
    },
    ResourceType.TOOL: {**PYTHON[ResourceType.TOOL], "slow_add": slow_add},
}


@pytest.fixture(scope="module")
def resources() -> Iterator[ResourceRegistry]:
    with registry(DECLARED) as made:
        yield made


@pytest.fixture(params=["called", "awaited"])
def chat(request: pytest.FixtureRequest, resources: ResourceRegistry) -> Any:
    """Calls a chat model or connection in both ways."""

    def call(name: str, text: str, kind: ResourceType = CONNECTION) -> ChatMessage:
        model = cast("BaseChatModelConnection", resources.get(name, kind))
        given = [ChatMessage(content=text, extra_args={"name": "Ada"})]
        if request.param == "called":
            return model.chat(given)
        return asyncio.run(model.achat(given))

    return call


def test_a_java_setup_over_a_python_connection_with_a_python_prompt_and_tool(chat: Any) -> None:
    answer = chat("java over python", "hi", ResourceType.CHAT_MODEL)
    # A user's message is what Java's setup makes of the prompt that has a single text.
    assert answer.content.endswith("You are Ada. {unknown} | user: hi")
    assert answer.extra_args["kwargs"] == {"temperature": 0.5}
    ((name, schema),) = answer.extra_args["tools"]
    assert name == "add"
    described = {"description": "Parameter: a", "title": "A", "type": "integer"}
    assert schema["properties"]["a"] == described
    assert answer.extra_args["results"] == [3]


def test_a_python_setup_over_a_java_connection(chat: Any) -> None:
    answer = chat("python over java", "hi", ResourceType.CHAT_MODEL)
    assert answer.extra_args["arguments"] == {"model": "python"}


@pytest.mark.parametrize("tool", ["add", "slow_add"])
def test_tools(chat: Any, tool: str) -> None:
    assert chat("echo", f"use {tool}").extra_args["result"] == 42


def test_from_a_thread_that_no_call_knows_of(chat: Any) -> None:
    assert chat("echo", "thread add").extra_args["result"] == 3


def test_an_embedding_model(chat: Any) -> None:
    assert chat("asker", "embed").extra_args == {
        "one": [13.0, 3.0],
        "two": [[3.0, 2.0], [3.0, 1.0]],
        "model": "m",
    }


def test_a_vector_store(chat: Any) -> None:
    got = chat("asker", "store").extra_args
    short = {"content": "short", "metadata": {"n": 1}, "id": "1", "embedding": [5.0, 1.0]}
    assert got["ids"] == ["1", "2"]
    assert got["size"] == 2
    assert got["found"] == {"documents": [short]}
    assert [each["id"] for each in got["left"]] == ["2"]
    assert got["made"] == got["there"] == got["gone"] == {"name": "new", "metadata": {"n": 1}}


def test_a_prompt_that_is_more_than_a_template(chat: Any) -> None:
    got = chat("asker", "prompt").extra_args
    assert got["string"] == "HEY Ada"
    assert [each["content"] for each in got["messages"]] == ["HEY Ada"]


def test_a_connection(chat: Any) -> None:
    assert chat("asker", "connection").content == "user: connection"


def test_from_language_to_language_and_back(chat: Any) -> None:
    # Java's asker, Python's setup, Java's echo, Python's tool.
    answer = chat("asker", "python over java")
    assert answer.extra_args["arguments"] == {"model": "python"}


def test_what_python_raises_comes_out_of_java(chat: Any) -> None:
    with pytest.raises(JavaCallError, match="LookupError: no sum of 19 and 23") as caught:
        chat("echo", "use refuse")
    assert isinstance(caught.value.__cause__, LookupError)


def test_a_resource_that_is_missing(chat: Any) -> None:
    with pytest.raises(JavaCallError, match="has no tool 'nothing'"):
        chat("echo", "use nothing")
    with pytest.raises(JavaCallError, match="has no chat_model_connection 'missing'"):
        chat("circle", "x", ResourceType.CHAT_MODEL)


def test_deep_chains_and_many_of_them(resources: ResourceRegistry) -> None:
    setup = cast("BaseChatModelSetup", resources.get("java over python", ResourceType.CHAT_MODEL))

    async def main() -> list[ChatMessage]:
        calls = (setup.achat([ChatMessage(content=str(n))]) for n in range(200))
        return await asyncio.gather(*calls)

    answers = asyncio.run(main())
    assert [each.content.rpartition(" ")[2] for each in answers] == [str(n) for n in range(200)]


def test_a_forked_child_has_a_session_of_its_own(resources: ResourceRegistry) -> None:
    connection = cast("BaseChatModelConnection", resources.get("echo", CONNECTION))
    connection.chat(said("warm"))
    child = os.fork()
    if child == 0:
        try:
            good = connection.chat(said("use add")).extra_args["result"] == 42
            os._exit(0 if good else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert connection.chat(said("use add")).extra_args["result"] == 42


def test_resources_that_need_each_other_to_be_made() -> None:
    with registry(
        {CONNECTION: {"echo": echo()}, ResourceType.CHAT_MODEL: {"setup": SETUP}}
    ) as made:
        setup = cast("BaseChatModelSetup", made.get("setup", ResourceType.CHAT_MODEL))
        with pytest.raises(JavaCallError, match="has no chat_model_connection 'here'"):
            setup.chat(said("x"))
