"""Java resources as Python uses them: like those of its own, synchronously and awaited."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, cast

import pytest

from support.java.resources import add, echo, said
from support.java.settings import needs_java, registry
from tamias import (
    AgentDefinitionError,
    BaseChatModelConnection,
    BaseChatModelSetup,
    ChatMessage,
    Collection,
    Document,
    JavaCallError,
    JavaChatModelSetup,
    JavaCollectionManageableVectorStore,
    JavaEmbeddingModelConnection,
    JavaEmbeddingModelSetup,
    JavaPrompt,
    JavaTimeoutError,
    JavaTool,
    MessageRole,
    Prompt,
    ResourceDescriptor,
    ResourceType,
    UnserializableError,
    UsageError,
    VectorStoreQuery,
)
from tamias.worker.metrics import WorkerMetrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tamias.agent.resources.registry import ResourceRegistry

pytestmark = needs_java

CONNECTION = ResourceType.CHAT_MODEL_CONNECTION


def java(clazz: type, java_clazz: str, **more: Any) -> ResourceDescriptor:
    return ResourceDescriptor(clazz=clazz, java_clazz=f"trials.{java_clazz}", **more)


DECLARED: dict[ResourceType, dict[str, Any]] = {
    CONNECTION: {
        "echo": echo(greeting={"a": [1, 2.5, None]}),
        "nothing": ResourceDescriptor(
            clazz="tamias.JavaChatModelConnection", java_clazz="trials.Nothing"
        ),
        "no resource": ResourceDescriptor(
            clazz="tamias.JavaChatModelConnection", java_clazz="java.lang.Object"
        ),
        "another type": ResourceDescriptor(
            clazz="tamias.JavaChatModelConnection", java_clazz="trials.Setup"
        ),
        "without constructor": ResourceDescriptor(
            clazz="tamias.JavaChatModelConnection", java_clazz="java.lang.Integer"
        ),
    },
    ResourceType.CHAT_MODEL: {
        "setup": java(JavaChatModelSetup, "Setup", connection="echo", prompt="greeting"),
        "inline": java(
            JavaChatModelSetup,
            "Setup",
            connection="echo",
            prompt=Prompt.from_text("Inline {name}."),
            tools=["add", "sum"],
        ),
    },
    ResourceType.EMBEDDING_MODEL_CONNECTION: {
        "vectors": java(JavaEmbeddingModelConnection, "Vectors")
    },
    ResourceType.EMBEDDING_MODEL: {
        "vectors": java(JavaEmbeddingModelSetup, "VectorsSetup", connection="vectors", model="m"),
    },
    ResourceType.VECTOR_STORE: {
        "shelf": java(JavaCollectionManageableVectorStore, "Shelf", embedding_model="vectors"),
    },
    ResourceType.PROMPT: {
        "greeting": java(JavaPrompt, "Tools", java_method="greeting"),
        "conversation": java(JavaPrompt, "Tools", java_method="conversation"),
    },
    ResourceType.TOOL: {
        "add": add,
        "sum": java(JavaTool, "Tools", java_method="add"),
        "no method": java(JavaTool, "Tools", java_method="subtract"),
    },
}


@pytest.fixture(scope="module")
def resources() -> Iterator[ResourceRegistry]:
    with registry(DECLARED) as made:
        yield made


@pytest.fixture
def connection(resources: ResourceRegistry) -> BaseChatModelConnection:
    return cast("BaseChatModelConnection", resources.get("echo", CONNECTION))


def test_a_connection(connection: BaseChatModelConnection) -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": {"x": 1}}}]
    given = ChatMessage(content="héllo", tool_calls=calls)
    answer = connection.chat([given, given], temperature=0.5, stop=["a"])
    assert answer.role is MessageRole.ASSISTANT
    assert answer.content == "héllo"
    assert answer.tool_calls == calls
    assert answer.extra_args["arguments"] == {"temperature": 0.5, "stop": ["a"]}
    assert answer.extra_args["greeting"] == {"a": [1, 2.5, None]}
    assert answer.extra_args["count"] == 2


def test_it_is_made_once(resources: ResourceRegistry, connection: BaseChatModelConnection) -> None:
    assert resources.get("echo", CONNECTION) is connection
    assert connection.chat(said("a")).extra_args["thread"]


def test_a_setup_finds_its_prompt_and_tools(resources: ResourceRegistry) -> None:
    setup = cast("BaseChatModelSetup", resources.get("setup", ResourceType.CHAT_MODEL))
    given = ChatMessage(content="hi", extra_args={"name": "Ada", "age": 36})
    answer = setup.chat([given])
    assert answer.extra_args["count"] == 2
    assert answer.extra_args["arguments"] == {"temperature": 0.5}
    inline = cast("BaseChatModelSetup", resources.get("inline", ResourceType.CHAT_MODEL))
    answer = inline.chat([given], temperature=1)
    assert answer.extra_args["count"] == 2
    assert answer.extra_args["arguments"] == {"temperature": 1}
    assert answer.extra_args["tools"] == ["add", "add"]  # both call themselves so


def test_tools(resources: ResourceRegistry, connection: BaseChatModelConnection) -> None:
    tool = cast("JavaTool", resources.get("sum", ResourceType.TOOL))
    # The compiler of the tests leaves out the annotations of parameters, and so their names.
    assert tool.name == "add"
    assert tool.description == "Adds two numbers."
    assert tool.parameters["properties"]["arg0"] == {"type": "integer"}
    assert tool.call(arg0=20, arg1=22) == 42
    assert asyncio.run(tool.acall(arg0=1, arg1=2)) == 3
    answer = connection.chat(
        said("x"), [tool, cast("Any", resources.get("add", ResourceType.TOOL))]
    )
    assert answer.extra_args["tools"] == ["add", "add"]
    with pytest.raises(UsageError, match="without names"):
        tool.call(1, 2)
    with pytest.raises(JavaCallError):
        tool.call(arg0=1)


def test_prompts(resources: ResourceRegistry) -> None:
    greeting = cast("Prompt", resources.get("greeting", ResourceType.PROMPT))
    assert greeting.format_string(name="Ada", age=36) == "Hello Ada, you are 36."
    assert greeting.format_messages(MessageRole.USER, name="Ada") == [
        ChatMessage(role=MessageRole.USER, content="Hello Ada, you are {age}.")
    ]
    conversation = cast("Prompt", resources.get("conversation", ResourceType.PROMPT))
    assert [str(each) for each in conversation.format_messages(mood="kind", name="Ada")] == [
        "system: Be kind.",
        "user: I am Ada.",
    ]


def test_embeddings(resources: ResourceRegistry) -> None:
    for kind in (ResourceType.EMBEDDING_MODEL, ResourceType.EMBEDDING_MODEL_CONNECTION):
        model = cast("JavaEmbeddingModelSetup", resources.get("vectors", kind))
        assert model.embed("banana") == [6.0, 3.0]
        assert model.embed(["a", "bc"]) == [[1.0, 1.0], [2.0, 0.0]]
        assert asyncio.run(model.aembed("tree")) == [4.0, 2.0]


def test_a_vector_store(resources: ResourceRegistry) -> None:
    store = cast(
        "JavaCollectionManageableVectorStore", resources.get("shelf", ResourceType.VECTOR_STORE)
    )
    short = Document(content="tree", metadata={"n": 1}, id="1")
    long = Document(content="a long long text", id="2", embedding=[16.0, 4.0])
    assert store.add([short, long], "c") == ["1", "2"]
    assert store.size("c") == 2
    assert store.size() == 0
    found = store.query(VectorStoreQuery(query_text="trees", limit=1, collection_name="c"))
    assert found.documents == [short.model_copy(update={"embedding": [4.0, 2.0]})]
    assert store._query_embedding([16.0, 4.0], 1, "c") == [long]
    assert store.get("2", "c") == [long]
    assert asyncio.run(store.aget(["2"], "c")) == [long]
    store.delete("1", "c")
    assert [each.id for each in store.get(collection_name="c")] == ["2"]
    assert store.get_or_create_collection("d", {"a": 1}) == Collection(name="d", metadata={"a": 1})
    assert store.get_or_create_collection("d").metadata == {"a": 1}
    assert store.get_collection("d").name == "d"
    assert store.delete_collection("d").metadata == {"a": 1}
    with pytest.raises(JavaCallError, match="There is no collection d"):
        store.get_collection("d")


def test_what_java_throws(connection: BaseChatModelConnection) -> None:
    with pytest.raises(JavaCallError) as caught:
        connection.chat(said("fail"))
    assert str(caught.value) == (
        "chat of the chat_model_connection 'echo' has failed in Java:"
        " java.lang.IllegalArgumentException: told to."
    )
    assert caught.value.java_type == "java.lang.IllegalArgumentException"
    assert "trials.Echo.chat" in caught.value.java_stack
    assert connection.chat(said("on")).content == "on"


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("nothing", CONNECTION, "ClassNotFoundException: trials.Nothing. Is the class spelled"),
        ("no resource", CONNECTION, "java.lang.Object is no subclass of"),
        (
            "another type",
            CONNECTION,
            "trials.Setup is a chat_model, and declared as a chat_model_c",
        ),
        ("without constructor", CONNECTION, "java.lang.Integer has neither a public constructor"),
        ("no method", ResourceType.TOOL, "trials.Tools has no public static method 'subtract'"),
    ],
)
def test_what_cannot_be_made_is_said(
    resources: ResourceRegistry, name: str, kind: ResourceType, told: str
) -> None:
    resource = cast("Any", resources.get(name, kind))
    for _ in range(2):  # it is tried again each time
        with pytest.raises(JavaCallError) as caught:
            resource.chat(said("x")) if kind is CONNECTION else resource.call()
        assert told in str(caught.value)


def test_what_cannot_go_to_java_is_said(connection: BaseChatModelConnection) -> None:
    with pytest.raises(UnserializableError, match="type object"):
        connection.chat(said("x"), stop=object())
    with pytest.raises(UnserializableError, match="type object"):
        asyncio.run(connection.achat(said("x"), stop=object()))


def test_a_resource_of_no_agent() -> None:
    setup = JavaChatModelSetup(java_clazz="trials.Setup")
    with pytest.raises(AgentDefinitionError, match="belongs to no agent"):
        setup.chat(said("x"))


def test_a_hundred_calls_at_once_and_the_loop_goes_on(connection: BaseChatModelConnection) -> None:
    ticks = []

    async def tick() -> None:
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.01)

    async def main() -> list[ChatMessage]:
        ticking = asyncio.create_task(tick())
        calls = (connection.achat(said(f"sleep {2000 + n % 2}")) for n in range(100))
        answers = await asyncio.gather(*calls)
        ticking.cancel()
        return answers

    answers = asyncio.run(main())
    assert [each.content for each in answers] == [f"sleep {2000 + n % 2}" for n in range(100)]
    # Nearly all of them slept at the same time: they are more than asyncio has threads for.
    assert max(each.extra_args["most"] for each in answers) > 50
    assert len(ticks) > 20


def test_a_call_that_takes_too_long_is_interrupted(connection: BaseChatModelConnection) -> None:
    with registry({CONNECTION: {"echo": echo()}}, java_call_timeout=2.0) as hasty:
        impatient = cast("BaseChatModelConnection", hasty.get("echo", CONNECTION))
        impatient.chat(said("warm"))
        for _ in range(2):
            with pytest.raises(JavaTimeoutError, match="more than 2 seconds in Java"):
                impatient.chat(said("sleep 60000"))
            with pytest.raises(TimeoutError):
                asyncio.run(impatient.achat(said("sleep 60000")))
    # The JVM is fine, and was not touched: others may have calls there.
    assert connection.chat(said("x")).content == "x"


def test_a_cancelled_call_is_interrupted(
    connection: BaseChatModelConnection, capfd: pytest.CaptureFixture[str]
) -> None:
    async def main() -> None:
        task = asyncio.create_task(connection.achat(said("sleep 60000")))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await connection.achat(said("x"))).content == "x"

    asyncio.run(main())


def test_metrics_of_java_are_the_actions(connection: BaseChatModelConnection) -> None:
    metrics = WorkerMetrics({})
    connection.set_metric_group(metrics.agent)
    connection.chat(said("x"))
    asyncio.run(connection.achat(said("x")))
    group = metrics.agent.get_sub_group("echo")
    assert group.get_counter("promptTokens").get_count() == 6
    assert group.get_counter("completionTokens").get_count() == 8
