"""Chat models, embedding models, vector stores: what their base classes do for one's own."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any, cast

import pytest

from support.java.resources import PYTHON, PythonConnection, PythonSetup, PythonShelf, add
from tamias import (
    AgentDefinitionError,
    BaseChatModelConnection,
    BaseChatModelSetup,
    BaseEmbeddingModelConnection,
    BaseEmbeddingModelSetup,
    ChatMessage,
    Collection,
    Configuration,
    Document,
    EmbeddingResult,
    EmbeddingTokenUsage,
    LocalPrompt,
    MessageRole,
    Prompt,
    ResourceDescriptor,
    ResourceType,
    Tool,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)
from tamias.agent.models.embedding_model import MeasuredEmbeddingCall
from tamias.agent.resources.provider import provider_of
from tamias.agent.resources.registry import ResourceRegistry
from tamias.agent.tools.tool import as_tool
from tamias.worker.metrics import WorkerMetrics


def registry(**setup: Any) -> ResourceRegistry:
    model = ResourceDescriptor(clazz=PythonSetup, connection="here", **setup)
    declared = {**PYTHON, ResourceType.CHAT_MODEL: {"model": model}}
    providers = {
        kind: {name: provider_of(name, kind, as_tool(kind, what)) for name, what in named.items()}
        for kind, named in declared.items()
    }
    return ResourceRegistry(providers, Configuration())


def model_of(resources: ResourceRegistry) -> BaseChatModelSetup:
    return cast("BaseChatModelSetup", resources.get("model", ResourceType.CHAT_MODEL))


ASKED = [
    ChatMessage(content="hi", extra_args={"name": "Ada", "role": 7}),
    ChatMessage(extra_args={"unknown": 1}),
    ChatMessage(role=MessageRole.ASSISTANT),
]


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        (None, "user: hi | user:  | assistant: "),
        ("text", "system: You are Ada. 1 | user: hi | assistant: "),
        (
            Prompt.from_messages([ChatMessage(content="A {name}"), ChatMessage(content="{x}")]),
            "user: A Ada | user: {x} | user: hi | assistant: ",
        ),
    ],
)
def test_a_setup_puts_its_prompt_first(prompt: Any, said: str) -> None:
    model = model_of(registry(prompt=prompt))
    assert model.chat(ASKED).content == said
    assert asyncio.run(model.achat(ASKED)).content == said


def test_a_setup_hands_tools_and_parameters_on() -> None:
    answer = model_of(registry(tools=["add"])).chat(ASKED, temperature=1)
    assert answer.extra_args["kwargs"] == {"model": "python", "temperature": 1}
    assert [name for name, _ in answer.extra_args["tools"]] == ["add"]
    assert answer.extra_args["results"] == [3]
    assert model_of(registry()).chat(ASKED, model="x").extra_args["kwargs"] == {"model": "x"}


def test_what_belongs_to_no_agent_says_so() -> None:
    with pytest.raises(AgentDefinitionError, match="needs 'here', and belongs to no agent"):
        PythonSetup(connection="here").chat(ASKED)
    with pytest.raises(AgentDefinitionError, match="needs 'here', and belongs to no agent"):
        PythonShelf(embedding_model="here").add(Document(content="x"))


def test_by_default_one_awaits_a_thread() -> None:
    class Where(PythonConnection):
        def chat(self, *_: Any, **__: Any) -> ChatMessage:
            return ChatMessage(content=threading.current_thread().name)

    answer = asyncio.run(Where().achat(ASKED))
    assert answer.content != threading.current_thread().name


def test_tokens_are_counted_by_model() -> None:
    metrics = WorkerMetrics({})
    model = model_of(registry())
    model._record_token_metrics("m", 1, 2)  # nobody to tell: nothing happens
    model.set_metric_group(metrics.agent)
    model._record_token_metrics("m", 3, 4)
    group = metrics.agent.get_sub_group("model").get_sub_group("m")
    assert group.get_counter("promptTokens").get_count() == 3
    assert group.get_counter("completionTokens").get_count() == 4


@pytest.mark.parametrize(
    ("content", "said", "thought"),
    [
        ("", "", None),
        ("just this", "just this", None),
        ("<think>hm\nwell</think>yes", "yes", "hm\nwell"),
        ("a <THINK>one</THINK>  b <analysis>two</analysis>", "a b", "one\n\ntwo"),
        ("```reasoning\nsteps\n```\n\n\n\ndone", "done", "steps"),
        ("<think>  </think>x", "x", None),
    ],
)
def test_thoughts_are_told_from_what_is_said(content: str, said: str, thought: str | None) -> None:
    assert BaseChatModelConnection._extract_reasoning(content) == (said, thought)


def test_embeddings_of_one_and_of_several() -> None:
    model = registry().get("here", ResourceType.EMBEDDING_MODEL)
    embed = cast("BaseEmbeddingModelSetup", model)
    assert embed.embed("a bc") == [4.0, 2.0]
    assert asyncio.run(embed.aembed(["a", "b c"])) == [[1.0, 1.0], [3.0, 2.0]]


class _Counting(BaseEmbeddingModelConnection):
    """Takes a token for each character; keeps them for itself where it is asked to."""

    tells: bool = True

    def embed(self, text: Any, **_: Any) -> Any:
        texts = [text] if isinstance(text, str) else text
        vectors = [[float(len(each))] for each in texts]
        return vectors[0] if isinstance(text, str) else vectors

    def embed_with_usage(self, text: Any, **kwargs: Any) -> EmbeddingResult[Any]:
        if not self.tells:
            return super().embed_with_usage(text, **kwargs)
        count = len(text) if isinstance(text, str) else sum(map(len, text))
        return EmbeddingResult(self.embed(text), EmbeddingTokenUsage(count, count + 1))


class _InTwos(BaseEmbeddingModelSetup):
    batch_size: int = 2

    @property
    def model_kwargs(self) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize("tells", [True, False])
def test_embeddings_with_the_tokens_that_they_have_cost(*, tells: bool) -> None:
    connection = _Counting(tells=tells)
    setup = _InTwos(connection="c", model="m", get_resource=lambda *_: connection)
    known = EmbeddingTokenUsage(6, 8) if tells else None
    wanted = EmbeddingResult([[1.0], [2.0], [3.0]], known)
    assert setup.embed_with_usage(["a", "bb", "ccc"]) == wanted
    assert asyncio.run(setup.aembed_with_usage(["a", "bb", "ccc"])) == wanted
    one = EmbeddingResult([2.0], EmbeddingTokenUsage(2, 3) if tells else None)
    assert setup.embed_with_usage("ab") == asyncio.run(setup.aembed_with_usage("ab")) == one
    call = MeasuredEmbeddingCall(setup, "ab", {})
    assert call.from_json(json.loads(json.dumps(call.to_json(one)))) == one
    assert call.asked()["call"] == "embed_with_usage"
    usage = call.usage(one)
    assert (usage.prompt_tokens if usage else None) == (2 if tells else None)


def test_a_store_embeds_what_has_no_embedding() -> None:
    store = cast("PythonShelf", registry().get("here", ResourceType.VECTOR_STORE))
    near, far = Document(content="abc", id="1"), Document(content="x", id="2", embedding=[9.0, 9.0])
    assert store.add([near, far], "c") == ["1", "2"]
    assert near.embedding == [3.0, 1.0]
    assert far.embedding == [9.0, 9.0]
    query = VectorStoreQuery(query_text="abd", limit=1, collection_name="c")
    assert store.query(query) == VectorStoreQueryResult(documents=[near])

    async def main() -> None:
        assert await store.aquery(query) == VectorStoreQueryResult(documents=[near])
        assert await store.aadd(Document(content="y", id="3")) == ["3"]
        assert (await store.asize(), await store.asize("c")) == (1, 2)
        await store.adelete("1", "c")
        assert await store.aget(collection_name="c") == [far]

    asyncio.run(main())
    assert store.get_or_create_collection("d") == Collection(name="d")


def test_a_store_that_cannot_update_or_search_so_refuses() -> None:
    store = cast("PythonShelf", registry().get("here", ResourceType.VECTOR_STORE))
    with pytest.raises(AgentDefinitionError, match="without an id cannot be updated"):
        store.update(Document(content="a"))
    with pytest.raises(AgentDefinitionError, match="PythonShelf cannot update documents"):
        asyncio.run(store.aupdate(Document(content="a", id="1")))
    with pytest.raises(AgentDefinitionError, match="cannot search by keyword"):
        store.query(VectorStoreQuery(query_text="a", mode=VectorStoreQueryMode.KEYWORD))


def test_how_they_look() -> None:
    assert str(ChatMessage(role=MessageRole.TOOL, content="x")) == "tool: x"
    assert str(Document(content="x" * 60)) == f"Document: {'x' * 50}..."
    assert str(VectorStoreQuery(query_text="a")) == "semantic query: 'a' (limit=10)"
    assert str(VectorStoreQueryResult(documents=[])) == "QueryResult: 0 documents"


def test_prompts_of_messages() -> None:
    template = [
        ChatMessage(role=MessageRole.SYSTEM, content="Be {mood}.", extra_args={"a": 1}),
        ChatMessage(content="I am {name}."),
    ]
    prompt = Prompt.from_messages(template)
    assert prompt == LocalPrompt(template=template)
    assert prompt.format_string(mood="kind") == "system: Be kind.{'a': 1}\nuser: I am {name}."
    assert list(map(str, prompt.format_messages(name="Ada"))) == [
        "system: Be {mood}.",
        "user: I am Ada.",
    ]
    assert template[1].content == "I am {name}."
    assert Prompt.from_text("{x}").format_messages(MessageRole.USER, x=1) == [
        ChatMessage(content="1")
    ]


def test_tools_of_either_sort_are_awaited() -> None:
    async def later(a: int) -> int:
        return a + 1

    assert asyncio.run(Tool.from_callable(add).acall(1, b=2)) == 3
    assert asyncio.run(Tool.from_callable(later).acall(a=1)) == 2
