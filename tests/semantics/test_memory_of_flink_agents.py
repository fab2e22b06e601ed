"""Programs that use long-term memory as Flink Agents' do, in both of its dialects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from support.models.scripted import answer_by, asked, with_model
from tamias import (
    Agent,
    ChatMessage,
    CompactionConfig,
    Configuration,
    DatetimeRange,
    Document,
    Event,
    InputEvent,
    LongTermMemoryBackend,
    LongTermMemoryOptions,
    MemoryVectorStore,
    MessageRole,
    OutputEvent,
    ResourceDescriptor,
    ResourceType,
    RunnerContext,
    VectorStoreQuery,
    action,
    run_agent,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


class Read(Event):
    """The second step."""


class OfTwo(Agent):
    """A program of 0.2: a set with a capacity that a model compacts, called durably."""

    @action(InputEvent)
    @staticmethod
    async def add(event: Event, ctx: RunnerContext) -> None:
        """Add an item."""
        memory_set = ctx.long_term_memory.get_or_create_memory_set(
            name="reviews",
            item_type=str,
            capacity=3,
            compaction_config=CompactionConfig(model="model"),
        )
        await ctx.durable_execute_async(memory_set.add, items=event.input)
        ctx.send_event(Read())

    @action(Read)
    @staticmethod
    async def read(event: Event, ctx: RunnerContext) -> None:
        """Read all."""
        del event
        memory_set = ctx.long_term_memory.get_memory_set(name="reviews")
        items = await ctx.durable_execute_async(memory_set.get)
        seen = [item.value for item in items]
        ranges = [isinstance(item.created_time, DatetimeRange) for item in items if item.compacted]
        ctx.send_event(OutputEvent(output=[seen, memory_set.size, ranges]))


def summarise(messages: Sequence[ChatMessage]) -> str:
    count = messages[-1].content.count("\n") + 1
    return json.dumps({"topic1": {"summarization": "all", "messages": list(range(count))}})


def test_a_set_of_the_first_dialect_is_added_to_durably_and_compacted() -> None:
    answer_by(summarise)
    inputs = [("k", text) for text in ("one", "two", "three", "four")]
    first, second, third, fourth = run_agent(with_model(OfTwo()), inputs).outputs_of("k")
    assert [first[0], second[0]] == [["one"], ["one", "two"]]
    assert third[0] in (["one", "two", "three"], ["all"])
    assert fourth == [["all", "four"], 2, [True]]
    assert len(asked) == 1


class OfThree(Agent):
    """A program of 0.3: metadata in the second place, filters, deletion, moments."""

    @action(InputEvent.EVENT_TYPE)
    @staticmethod
    async def work(event: Event, ctx: RunnerContext) -> None:
        """Use all methods."""
        del event
        memory_set = ctx.long_term_memory.get_memory_set(name="facts")
        ids = memory_set.add(["likes tea", "works at home"], [{"of": "taste"}, {"of": "work"}])
        more = await ctx.durable_execute_async(
            memory_set.add, items="likes jazz", metadatas={"of": "taste"}
        )
        by_id = memory_set.get(ids=ids[0])
        taste = await ctx.durable_execute_async(memory_set.get, filters={"of": "taste"}, limit=1)
        found = ctx.durable_execute(memory_set.search, "likes", limit=1, filters={"of": "taste"})
        moments = all(item.created_at <= item.updated_at for item in by_id if item.updated_at)
        ctx.durable_execute(memory_set.delete, more)
        left = [item.additional_metadata for item in memory_set.get()]
        names = [[item.value for item in items] for items in (by_id, taste, found)]
        ctx.send_event(OutputEvent(output=[names, left, moments]))


def test_a_set_of_the_second_dialect_has_metadata_filters_and_moments() -> None:
    names, left, moments = run_agent(OfThree(), [("k", 0)]).outputs_of("k")[0]
    assert names == [["likes tea"], ["likes tea"], ["likes tea"]]
    assert left == [{"of": "taste"}, {"of": "work"}]
    assert moments


def test_methods_of_a_vector_store_are_called_durably_too() -> None:
    async def work(event: Event, ctx: RunnerContext) -> None:
        del event
        store = cast("MemoryVectorStore", ctx.get_resource("pages", ResourceType.VECTOR_STORE))
        document = Document(content="likes tea")
        (added,) = await ctx.durable_execute_async(store.add, document, limit=None)
        query = VectorStoreQuery(query_text="tea")
        found = ctx.durable_execute(store.query, query, retry=None).documents
        ctx.send_event(OutputEvent(output=[page.id == added for page in found]))

    agent = Agent().add_action("work", [InputEvent], work)
    descriptor = ResourceDescriptor(clazz=MemoryVectorStore, scope="key")
    agent.add_resource("pages", ResourceType.VECTOR_STORE, descriptor)
    assert run_agent(agent, [("k", 0)]).outputs == [{"k": [True]}]


def test_options_of_both_are_accepted() -> None:
    config = Configuration()
    config.set(LongTermMemoryOptions.BACKEND, LongTermMemoryBackend.EXTERNAL_VECTOR_STORE)
    config.set(LongTermMemoryOptions.EXTERNAL_VECTOR_STORE_NAME, "chroma")
    config.set(LongTermMemoryOptions.ASYNC_COMPACTION, False)
    config.set(LongTermMemoryOptions.Mem0.CHAT_MODEL_SETUP, "model")
    config.set(LongTermMemoryOptions.Mem0.VECTOR_STORE, "chroma")
    run = run_agent(OfThree(), [("k", 0)], config=config.data)
    assert len(run.outputs) == 1


def test_the_embedding_model_of_mem0_is_that_of_sets() -> None:
    config = {LongTermMemoryOptions.Mem0.EMBEDDING_MODEL_SETUP.key: "vectors"}
    failed = run_agent(
        OfThree(), [("k", 0)], config={**config, "max-attempts": 1}, on_error="dead-letter"
    ).failures
    assert "has no embedding model 'vectors'" in failed[0].error


def test_a_message_is_kept_as_it_is() -> None:
    def work(event: Event, ctx: RunnerContext) -> None:
        chat = ctx.long_term_memory.get_or_create_memory_set("chat", ChatMessage, 10)
        message = ChatMessage(role=MessageRole.USER, content=event.input)
        chat.add(message)
        ctx.send_event(OutputEvent(output=[item.value == message for item in chat.get()]))

    agent = Agent().add_action("work", [InputEvent], work)
    assert run_agent(agent, [("k", "hello")]).outputs == [{"k": [True]}]
