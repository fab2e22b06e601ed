"""What memory sets refuse: each says what is wrong, and nothing of the call is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tamias import (
    Agent,
    BaseEmbeddingModelConnection,
    BaseEmbeddingModelSetup,
    ChatMessage,
    CompactionConfig,
    Event,
    InputEvent,
    LongTermMemory,
    MemorySetError,
    OutputEvent,
    ResourceDescriptor,
    ResourceType,
    RunnerContext,
    run_agent,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BEFORE = "before"
"""The id of an item that is there before the bad use."""
VECTORS: dict[str, Any] = {
    "nan": [float("nan"), 1.0],
    "infinite": [float("inf"), 1.0],
    "short": [1.0],
    "texts": ["a", "b"],
    "nested": [[1.0, 2.0]],
    "nothing": None,
    "huge": [10**400, 1.0],
}


class Odd(BaseEmbeddingModelConnection):
    """Returns what `VECTORS` has for a text, or a vector of two numbers."""

    def embed(self, text: str | Sequence[str], **kwargs: Any) -> Any:
        if isinstance(text, str):
            return VECTORS.get(text, [float(len(text)), 1.0])
        return [] if "lost" in text else [self.embed(each) for each in text]


class OddSetup(BaseEmbeddingModelSetup):
    """The model of `Odd`."""

    connection: str = "odd"

    @property
    def model_kwargs(self) -> dict[str, Any]:
        return {}


def text(memory: LongTermMemory) -> Any:
    return memory.get_memory_set("t")


def filled(memory: LongTermMemory) -> Any:
    """A set of texts with one item."""
    found = memory.get_memory_set("t")
    found.add("one", BEFORE)
    return found


def vectors(memory: LongTermMemory, embedding: str = "odd") -> Any:
    return memory.get_memory_set("v", embedding=embedding)


def with_one(memory: LongTermMemory) -> LongTermMemory:
    """The memory, with a set that has one vector."""
    vectors(memory).add("fine", BEFORE)
    return memory


def json_set(memory: LongTermMemory) -> Any:
    return memory.get_memory_set("j", item_type=object)


CASES: dict[str, tuple[Callable[[LongTermMemory], Any], str]] = {
    "nan": (lambda m: vectors(m).add(["fine", "nan"]), "has NaN or an infinite number"),
    "infinite": (lambda m: vectors(m).add("infinite"), "has NaN or an infinite number"),
    "texts": (lambda m: vectors(m).add("texts"), "finite numbers"),
    "nested": (lambda m: vectors(m).add("nested"), "finite numbers"),
    "nothing": (lambda m: vectors(m).add(["fine", "nothing"]), "which is no vector"),
    "huge": (lambda m: vectors(m).add("huge"), "as floats have them"),
    "no vectors": (lambda m: vectors(m).add("x", vectors=5), "one for each item"),
    "too few vectors": (lambda m: vectors(m).add("lost"), "made 0 vectors of 1 texts"),
    "dimensions at once": (lambda m: vectors(m).add(["fine", "short"]), "has 1 dimensions"),
    "dimensions later": (lambda m: vectors(with_one(m)).add("short"), "has 1 dimensions"),
    "dimensions of a query": (lambda m: vectors(with_one(m)).search("short"), "has 1 dimensions"),
    "another model": (lambda m: vectors(with_one(m), "other").add("x"), "memory reembed"),
    "search by another model": (lambda m: vectors(with_one(m), "other").search("x"), "reembed"),
    "no such model": (lambda m: vectors(m, "none").add("x"), "has no embedding model 'none'"),
    "vectors without a model": (lambda m: text(m).add("x", vectors=[[1.0]]), "was given vectors"),
    "too large": (lambda m: text(m).add(["x", "y" * 300_000]), "262,144 are allowed"),
    "metadata too large": (lambda m: text(m).add("x", None, {"a": "y" * 300_000}), "are allowed"),
    "no text": (lambda m: text(m).add(5), "the set has texts"),
    "no message": (lambda m: m.get_memory_set("c", item_type=ChatMessage).add("x"), "has messages"),
    "another type": (
        lambda m: filled(m) and m.get_memory_set("t", item_type=object),
        "has items of the type 'text'",
    ),
    "no type": (lambda m: m.get_memory_set("t", item_type=int), "item_type"),
    "no JSON": (lambda m: json_set(m).add([{"a": 1}, {2}]), "not what JSON can say"),
    "bytes": (lambda m: json_set(m).add(b"x"), "not what JSON can say"),
    "no JSON in a message": (
        lambda m: m.get_memory_set("c", item_type=ChatMessage).add(
            ChatMessage(content="x", extra_args={"a": object()})
        ),
        "not what JSON can say",
    ),
    "no such model to infer with": (lambda m: text(m).add("x", infer="none"), "infer='none'"),
    "NaN in JSON": (lambda m: json_set(m).add(float("nan")), "not what JSON can say"),
    "empty name": (lambda m: m.get_memory_set(""), "is no name of a memory set"),
    "long name": (lambda m: m.get_memory_set("é" * 51), "too long"),
    "surrogate in a name": (lambda m: m.get_memory_set("\ud800"), "no UTF-8"),
    "line in a name": (lambda m: m.get_memory_set("a\nb"), "control characters"),
    "capacity": (lambda m: m.get_memory_set("t", capacity=0), "from 1 on"),
    "eviction": (
        lambda m: m.get_or_create_memory_set("t", eviction="newest"),
        "least-recently-used",
    ),
    "no such chat model": (
        lambda m: m.get_memory_set("t", compaction_config=CompactionConfig(model="none")),
        "has no chat model 'none'",
    ),
    "ids": (lambda m: text(m).add(["x", "y"], ids=["1"]), "came with 1 ids"),
    "id twice": (lambda m: text(m).add(["x", "y"], ids=["1", "1"]), "have the id '1'"),
    "no id": (lambda m: text(m).add("x", ids=5), "is no id of an item"),
    "metadata": (lambda m: text(m).add("x", metadatas="hello"), "no mapping"),
    "limit": (lambda m: filled(m).search("one", limit=0), "give 1 or more"),
    "limit of get": (lambda m: filled(m).get(limit=-1), "give 1 or more"),
    "no query": (lambda m: filled(m).search(None), "not a text"),
    "operators": (lambda m: filled(m).search("one", filters={"n": {"$gt": 3}}), "is the same"),
    "no filters": (lambda m: filled(m).get(filters=["n"]), "Filters are no list"),
    "mode": (lambda m: filled(m).search("one", mode="fuzzy"), "auto, vector or text"),
    "by meaning": (lambda m: filled(m).search("one", mode="vector"), "no embedding model"),
    "update": (lambda m: filled(m).update("2", "x"), "has no item '2'"),
}


def act(event: Event, ctx: RunnerContext) -> None:
    """Do what a case says; send what it raises, and what it has added."""
    memory = ctx.long_term_memory
    try:
        CASES[event.input][0](memory)
        said = "nothing was refused"
    except MemorySetError as error:
        said = str(error)
    added = [
        item.value
        for name in memory.memory_set_names()
        for item in memory.get_memory_set(name).get()
        if item.id != BEFORE
    ]
    ctx.send_event(OutputEvent(output=[said, added]))


@pytest.fixture(scope="module")
def outcomes() -> dict[str, list[Any]]:
    """What comes of all cases, each in a key of its own."""
    agent = Agent().add_action("act", [InputEvent], act)
    connection = ResourceDescriptor(clazz=Odd)
    agent.add_resource("odd", ResourceType.EMBEDDING_MODEL_CONNECTION, connection)
    for name in ("odd", "other"):
        setup = ResourceDescriptor(clazz=OddSetup, model=name)
        agent.add_resource(name, ResourceType.EMBEDDING_MODEL, setup)
    outputs = run_agent(agent, [(name, name) for name in CASES]).outputs
    return {key: value for output in outputs for key, value in output.items()}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_use_is_refused_and_leaves_the_set_as_it_was(
    case: str, outcomes: dict[str, list[Any]]
) -> None:
    said, added = outcomes[case]
    assert CASES[case][1] in said
    assert added == []


def test_a_limit_may_be_more_than_any_set_has() -> None:
    def act(event: Event, ctx: RunnerContext) -> None:
        del event
        found = filled(ctx.long_term_memory)
        limit = 10**30
        ctx.send_event(
            OutputEvent(output=[len(found.search("one", limit)), len(found.get(limit=limit))])
        )

    agent = Agent().add_action("act", [InputEvent], act)
    assert run_agent(agent, [("k", 0)]).outputs == [{"k": [1, 1]}]


def test_what_looks_like_a_message_is_what_was_given() -> None:
    given = [{"role": "boss"}, {"role": "user", "content": "x", "city": "Bern"}]

    def keep(event: Event, ctx: RunnerContext) -> None:
        del event
        people = json_set(ctx.long_term_memory)
        people.add(given)
        message = ChatMessage(content="hello")
        chat = ctx.long_term_memory.get_memory_set("c", item_type=ChatMessage)
        chat.add(message)
        found = people.search("Bern")[0].value
        values = [item.value for item in (*people.get(), *chat.get())]
        ctx.send_event(OutputEvent(output=[values == [*given, message], found]))

    agent = Agent().add_action("keep", [InputEvent], keep)
    assert run_agent(agent, [("k", 0)]).outputs == [{"k": [True, given[1]]}]
