"""The vector store in the agent's own memory: documents, collections, filters, and bad uses."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, cast

import pytest

from tamias import (
    Agent,
    AgentDefinitionError,
    AgentFailedError,
    BaseEmbeddingModelConnection,
    BaseEmbeddingModelSetup,
    Collection,
    ContextRetrievalRequestEvent,
    ContextRetrievalResponseEvent,
    Document,
    Event,
    InputEvent,
    MemoryAccessError,
    MemoryVectorStore,
    OutputEvent,
    ResourceDescriptor,
    ResourceType,
    RunnerContext,
    SubAgent,
    VectorStoreQuery,
    VectorStoreQueryMode,
    call_tools,
    run_agent,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Step = Callable[[MemoryVectorStore], Any]

asked: list[str] = []


class Letters(BaseEmbeddingModelConnection):
    """How often a, b and c occur in a text."""

    def embed(self, text: str | Sequence[str], **kwargs: Any) -> Any:
        texts = [text] if isinstance(text, str) else list(text)
        asked.extend(texts)
        vectors = [[float(each.count(letter)) for letter in "abc"] for each in texts]
        return vectors[0] if isinstance(text, str) else vectors


class LettersSetup(BaseEmbeddingModelSetup):
    """The model of `Letters`."""

    connection: str = "letters"
    model: str = "abc"

    @property
    def model_kwargs(self) -> dict[str, Any]:
        return {}


def agent_of(act: Any, **arguments: Any) -> Agent:
    """An agent with a store, and with an action."""
    agent = Agent()
    given = {"embedding_model": "vectors", **arguments}
    for name, kind, descriptor in (
        ("letters", ResourceType.EMBEDDING_MODEL_CONNECTION, ResourceDescriptor(clazz=Letters)),
        ("vectors", ResourceType.EMBEDDING_MODEL, ResourceDescriptor(clazz=LettersSetup)),
        ("pages", ResourceType.VECTOR_STORE, ResourceDescriptor(clazz=MemoryVectorStore, **given)),
    ):
        agent.add_resource(name, kind, descriptor)
    agent.add_action("act", [InputEvent], act)
    return agent


def results(*steps: tuple[str, Step], **arguments: Any) -> list[Any]:
    """What steps return that runs of keys take, one after the other."""

    async def act(event: Event, ctx: RunnerContext) -> None:
        await ctx.sleep(event.input)  # until the steps before are committed, also of other keys
        store = cast("MemoryVectorStore", ctx.get_resource("pages", ResourceType.VECTOR_STORE))
        ctx.send_event(OutputEvent(output=steps[event.input][1](store)))

    inputs = [{"key": key, "value": place} for place, (key, _) in enumerate(steps)]
    outputs = run_agent(agent_of(act, **arguments), inputs).outputs
    return [value for output in outputs for value in output.values()]


def ids(documents: Sequence[Document]) -> list[str | None]:
    return [document.id for document in documents]


def found(text: str, **arguments: Any) -> Step:
    return lambda store: ids(store.query(VectorStoreQuery(query_text=text, **arguments)).documents)


THREE = [
    Document(id="1", content="aaa", metadata={"kind": "x", "n": 1}),
    Document(id="2", content="abb", metadata={"kind": "y", "n": 2}),
    Document(id="3", content="ccc"),
]


def test_documents_are_added_found_changed_and_removed() -> None:
    assert results(
        ("k", lambda store: store.add(THREE)),
        ("k", found("aa", mode=VectorStoreQueryMode.SEMANTIC, limit=2)),
        ("k", found("bb", limit=1)),
        ("k", found("aa", filters={"kind": "y"})),
        ("k", found("aa", filters={"kind": "x", "n": 2})),
        ("k", found("aa", extra_args={"filters": {"n": 2}})),
        ("k", found("abb", mode=VectorStoreQueryMode.KEYWORD)),
        ("k", lambda store: ids(store.get(["3", "no", "1"]))),
        ("k", lambda store: ids(store.get(limit=2))),
        ("k", lambda store: ids(store.get(filters={"n": 1}))),
        ("k", lambda store: store.update(Document(id="3", content="cab", metadata={"n": 3}))),
        ("k", lambda store: store.get("3")),
        ("k", lambda store: (store.delete(filters={"kind": "y"}), store.size())[1]),
        ("k", lambda store: (store.delete("1"), store.size())[1]),
        ("k", lambda store: (store.delete(), store.size())[1]),
    ) == [
        ["1", "2", "3"],
        ["1", "2"],
        ["2"],
        ["2"],
        [],
        ["2"],
        ["2"],
        ["3", "1"],
        ["1", "2"],
        ["1"],
        None,
        [Document(id="3", content="cab", metadata={"n": 3})],
        2,
        1,
        0,
    ]


def test_scores_are_cosines_where_vectors_alone_are_compared() -> None:
    def scores(mode: VectorStoreQueryMode) -> Step:
        query = VectorStoreQuery(query_text="aa", mode=mode)
        return lambda store: [(each.id, each.score) for each in store.query(query).documents]

    steps = [("k", lambda store: store.add(THREE)), ("k", scores(VectorStoreQueryMode.SEMANTIC))]
    found = results(*steps)[1]
    assert [(name, round(score, 3)) for name, score in found] == [("1", 1), ("2", 0.447), ("3", 0)]


def test_of_equals_what_has_the_word_comes_first() -> None:
    documents = [Document(id="1", content="b a"), Document(id="2", content="cc xyz")]
    assert results(
        ("k", lambda store: store.add(documents)), ("k", found("aa bb xyz", limit=1))
    ) == [["1", "2"], ["2"]]


def test_documents_without_an_id_get_one_that_is_the_same_in_each_execution() -> None:
    def add(store: MemoryVectorStore) -> Any:
        return store.add([Document(content="a"), Document(id="x", content="b"), THREE[0]])

    (first,) = results(("k", add))
    assert first[1:] == ["x", "1"]
    assert results(("k", add)) == [first]


def test_what_a_document_has_as_its_vector_is_not_asked_for() -> None:
    asked.clear()
    given = Document(id="v", content="nothing of it", embedding=[0.0, 0.0, 2.0])
    assert results(
        ("k", lambda store: store.add([THREE[0], given])),
        ("k", found("c", mode=VectorStoreQueryMode.SEMANTIC, limit=1)),
    ) == [["1", "v"], ["v"]]
    assert asked == ["aaa", "c"]


def test_a_shared_store_is_that_of_all_keys_and_another_that_of_one() -> None:
    steps: list[tuple[str, Step]] = [
        ("a", lambda store: store.add(THREE[0])),
        ("b", found("aaa")),
        ("b", lambda store: store.size()),
    ]
    assert results(*steps) == [["1"], ["1"], 1]
    assert results(*steps, scope="key") == [["1"], [], 0]


def test_collections_are_apart_and_known_by_name() -> None:
    def make(store: MemoryVectorStore) -> Any:
        store.create_collection_if_not_exists("made", metadata={"by": "me"})
        store.create_collection_if_not_exists("made")
        return [
            store.get_collection("made"),
            store.get_or_create_collection("made", {"by": "another"}),
            store.get_or_create_collection("plain"),
        ]

    made = Collection(name="made", metadata={"by": "me"})
    assert results(
        ("k", make),
        ("k", lambda store: store.add(THREE, collection_name="made")),
        ("k", lambda store: (store.size("made"), store.size(), store.size("plain"))),
        ("k", found("aaa", collection_name="made", limit=1)),
        ("k", lambda store: store.add(THREE[2], "of itself") and store.get_collection("of itself")),
        ("k", lambda store: store.delete_collection("made")),
        ("k", lambda store: store.size("made")),
        scope="key",
    ) == [
        [made, made, Collection(name="plain")],
        ["1", "2", "3"],
        (3, 0, 0),
        ["1"],
        Collection(name="of itself"),
        made,
        0,
    ]
    with pytest.raises(AgentFailedError, match="has no collection 'none'"):
        results(("k", lambda store: store.get_collection("none")))


def test_without_an_embedding_model_words_are_searched() -> None:
    asked.clear()
    steps = [("k", lambda store: store.add(THREE)), ("k", found("abb"))]
    assert results(*steps, embedding_model="") == [["1", "2", "3"], ["2"]]
    assert asked == []
    with pytest.raises(AgentFailedError, match="no embedding model to search by meaning"):
        results(("k", found("abb", mode="semantic")), embedding_model="")


def test_a_text_without_a_vector_is_found_by_its_words() -> None:
    texts = ["a", "xyz", " ", ""]
    asked.clear()
    assert results(
        ("k", lambda store: store.add([Document(id=each or "-", content=each) for each in texts])),
        ("k", found("xyz")),
        ("k", found("xyz", mode=VectorStoreQueryMode.SEMANTIC)),
        ("k", found(" ")),
    ) == [["a", "xyz", " ", "-"], ["xyz"], [], []]
    assert asked == ["a", "xyz", "xyz", "xyz"]


def test_awaited_calls_do_the_same() -> None:
    async def act(event: Event, ctx: RunnerContext) -> None:
        del event
        store = cast("MemoryVectorStore", ctx.get_resource("pages", ResourceType.VECTOR_STORE))
        added = await store.aadd(THREE)
        await store.aupdate(Document(id="3", content="abc"))
        await store.adelete("1")
        hits = await store.aquery(VectorStoreQuery(query_text="abc", limit=1))
        ctx.send_event(
            OutputEvent(output=[added, await store.asize(), ids(await store.aget()), hits])
        )

    ((added, size, left, hits),) = run_agent(agent_of(act), [("k", 0)]).outputs[0].values()
    assert (added, size, left) == (["1", "2", "3"], 2, ["2", "3"])
    assert [(hit.id, hit.content) for hit in hits.documents] == [("3", "abc")]
    assert hits.documents[0].score > 0


def test_the_action_for_retrieval_asks_it() -> None:
    async def act(event: Event, ctx: RunnerContext) -> None:
        store = cast("MemoryVectorStore", ctx.get_resource("pages", ResourceType.VECTOR_STORE))
        if event.input:
            await store.aadd(THREE)
        else:
            await ctx.sleep(1)
            request = ContextRetrievalRequestEvent(query="aa", vector_store="pages", max_results=1)
            ctx.send_event(request)

    def answer(event: Event, ctx: RunnerContext) -> None:
        response = ContextRetrievalResponseEvent.from_event(event)
        ctx.send_event(OutputEvent(output=[each.content for each in response.documents]))

    agent = agent_of(act)
    agent.add_action("answer", [ContextRetrievalResponseEvent], answer)
    assert run_agent(agent, [("a", 1), ("b", 0)]).outputs == [{"b": ["aaa"]}]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda store: store.add(Document(content="a"), wher=1), "takes no argument wher"),
        (found("a", extra_args={"where": {}}), "takes no argument where"),
        (found("a", filters={"n": {"$gt": 1}}), "asks for more than that a value is the same"),
        (lambda store: store.update(Document(content="a")), "without an id cannot be updated"),
        (lambda store: store.update(Document(id="9", content="a")), "has no document '9'"),
        (lambda store: store.add(Document(content="a", embedding=[1.0])), "dimensions"),
        (lambda store: store.add(Document(content="a", embedding=[float("nan")] * 3)), "finite"),
        (lambda store: store.add(Document(content="a"), "n" * 101), "too long"),
        (lambda store: store.add("a"), "was given a str"),
        (lambda store: store.query("a"), "asked with a str"),
        (lambda store: store.add(Document(content="a"), ".collections"), "name another"),
        (lambda store: store.get_collection(None), "no name of a collection"),
        (lambda store: store._query_embedding([1.0]), "searched by a text"),
    ],
)
def test_bad_uses_are_said_and_nothing_is_added(step: Step, message: str) -> None:
    def act(event: Event, ctx: RunnerContext) -> None:
        store = cast("MemoryVectorStore", ctx.get_resource("pages", ResourceType.VECTOR_STORE))
        store.add(THREE)
        try:
            step(store)
        except Exception as error:  # noqa: BLE001 (it is the output)
            ctx.send_event(OutputEvent(output=[str(error), store.size()]))

    ((said, size),) = run_agent(agent_of(act), [("k", 0)]).outputs[0].values()
    assert message in said
    assert size == 3


LIBRARY = """
agents:
  - name: library
    actions:
      - {name: act, function: "%(module)s:add_or_ask", listen_to: [input]}
      - {name: answer, function: "%(module)s:answer", listen_to: [context_retrieval_response]}
    vector_stores: [{name: pages, clazz: memory, scope: key, half_life: 30d}]
"""


async def add_or_ask(event: Event, ctx: RunnerContext) -> None:
    """Add a page, or ask for one."""
    store = cast("MemoryVectorStore", ctx.get_resource("pages", ResourceType.VECTOR_STORE))
    if event.input:
        await store.aadd(Document(content=event.input))
        return
    request = ContextRetrievalRequestEvent(query="sleeps", vector_store="pages")
    ctx.send_event(request)


def answer(event: Event, ctx: RunnerContext) -> None:
    """Send what was found."""
    ctx.send_event(OutputEvent(output=[document.content for document in event.documents]))


def test_a_sub_agent_has_a_store_and_an_embedding_model_of_its_own() -> None:
    async def add(event: Event, ctx: RunnerContext) -> None:
        store = cast("MemoryVectorStore", ctx.get_resource("pages", ResourceType.VECTOR_STORE))
        await store.aadd(Document(content=event.input))
        hits = await store.aquery(VectorStoreQuery(query_text="aa", limit=1))
        notes = ctx.long_term_memory.get_memory_set("notes", embedding="vectors")
        await notes.aadd(event.input)
        found = await notes.asearch("a", mode="vector")
        ctx.send_event(OutputEvent(output=f"{hits.documents[0].content}, {len(found)}"))

    async def delegate(event: Event, ctx: RunnerContext) -> None:
        asked = [{"id": "1", "function": {"name": "adder", "arguments": {"input": event.input}}}]
        told = (await call_tools(ctx, asked)).results[0].content
        ctx.send_event(OutputEvent(output=[told, ctx.long_term_memory.memory_set_names()]))

    outer = Agent().add_action("delegate", [InputEvent], delegate)
    inner = SubAgent(agent=agent_of(add, scope="key"), name="adder", description="Adds.")
    outer.add_resource("adder", ResourceType.TOOL, inner)
    runs = run_agent(outer, [("k", "ab"), ("k", "aac")]).outputs_of("k")
    names = ["adder/notes", "adder/pages"]
    assert runs == [["ab, 1", names], ["aac, 2", names]]


def test_an_agent_in_yaml_has_it_by_a_short_name(tmp_path: Path) -> None:
    path = tmp_path / "library.yaml"
    path.write_text(LIBRARY % {"module": __name__})
    inputs = [("a", "the cat sleeps"), ("a", "the dog barks"), ("a", "")]
    assert run_agent(str(path), inputs).outputs == [{"a": ["the cat sleeps"]}]


def test_outside_of_actions_it_says_where_it_can_be_used() -> None:
    with pytest.raises(MemoryAccessError, match="can be used in an action alone"):
        MemoryVectorStore(embedding_model="vectors").add(THREE)


@pytest.mark.parametrize(
    "arguments", [{"scope": "world"}, {"capacity": 0}, {"mode": "telepathy"}, {"ttl": "long"}]
)
def test_wrong_arguments_are_refused_before_workers_start(arguments: dict[str, Any]) -> None:
    with pytest.raises(AgentDefinitionError, match="arguments of MemoryVectorStore are wrong"):
        MemoryVectorStore.preload(arguments)


def test_documents_and_queries_of_older_versions_are_read_and_written() -> None:
    for new in (Document(content="a", id="1"), VectorStoreQuery(query_text="a")):
        state = new.__getstate__()
        assert not {"score", "filters"} & state["__dict__"].keys()
        assert pickle.loads(pickle.dumps(new)) == new
    scored = Document(content="a", score=0.5)
    assert pickle.loads(pickle.dumps(scored)) == scored
