"""Models that an action uses directly: each call is on record before the action goes on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from pydantic import BaseModel

from tamias import (
    Agent,
    BaseChatModelConnection,
    BaseChatModelSetup,
    BaseEmbeddingModelConnection,
    BaseEmbeddingModelSetup,
    BaseVectorStore,
    ChatDelta,
    ChatMessage,
    Document,
    Event,
    InputEvent,
    MessageRole,
    OutputEvent,
    OutputParseError,
    Overloaded,
    Prompt,
    ResourceDescriptor,
    ResourceType,
    RunnerContext,
    TokenUsage,
    VectorStoreQuery,
    run_agent,
    tool,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

MODEL = ResourceType.CHAT_MODEL
asked: list[tuple[str, list[str], dict[str, Any]]] = []
answers: list[Any] = []
attempts: list[int] = []


class Fake(BaseChatModelConnection):
    """Answers from a list; an exception in it is raised."""

    name: str = "first"
    native: bool = False

    def chat(
        self, messages: Sequence[ChatMessage], tools: Any = None, **kwargs: Any
    ) -> ChatMessage:
        told = {**kwargs, **({"tools": [each.name for each in tools]} if tools else {})}
        asked.append((self.name, [str(message) for message in messages], told))
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, ChatMessage):
            return answer
        return ChatMessage(
            role=MessageRole.ASSISTANT,
            content=answer,
            usage=TokenUsage(prompt_tokens=3, completion_tokens=4),
        )

    async def astream(
        self, messages: Sequence[ChatMessage], tools: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatDelta]:
        message = self.chat(messages, tools, **kwargs)
        for word in message.content.split():
            yield ChatDelta(text=word)
        yield ChatDelta(message=message)

    def supports_native_structured_output(self, model: str | None = None) -> bool:
        return self.native


class Setup(BaseChatModelSetup):
    model: str = "m"

    @property
    def model_kwargs(self) -> dict[str, Any]:
        return {"model": self.model}


class Answer(BaseModel):
    total: int


@tool
def add(a: int, b: int) -> int:
    """Add numbers."""
    return a + b


@pytest.fixture(autouse=True)
def nothing_asked() -> None:
    asked.clear()
    answers.clear()
    attempts.clear()


def agent_of(function: Any, **setup: Any) -> Agent:
    agent = Agent().add_action("act", InputEvent, function)
    first = ResourceDescriptor(clazz=Fake)
    agent.add_resource("fake", ResourceType.CHAT_MODEL_CONNECTION, first)
    second = ResourceDescriptor(clazz=Fake, name="second", native=True)
    agent.add_resource("other", ResourceType.CHAT_MODEL_CONNECTION, second)
    agent.add_resource("add", ResourceType.TOOL, add)
    clazz = setup.pop("clazz", Setup)
    setup = {"connection": "fake", **setup}
    agent.add_resource("model", MODEL, ResourceDescriptor(clazz=clazz, **setup))
    return agent


def model_of(ctx: RunnerContext) -> BaseChatModelSetup:
    return cast("BaseChatModelSetup", ctx.get_resource("model", MODEL))


def fails_at_first() -> None:
    """Fails in the first attempt, after what came before is on record."""
    attempts.append(1)
    if len(attempts) == 1:
        raise ConnectionError("once")


def outputs(agent: Agent, *inputs: Any, **options: Any) -> list[Any]:
    run = run_agent(agent, [("k", value) for value in inputs or (1,)], **options)
    assert not run.failures, run.failures
    return run.outputs_of("k")


async def twice(event: Event, ctx: RunnerContext) -> None:
    model = model_of(ctx)
    first = await model.achat([ChatMessage(content="one")])
    second = model.chat([ChatMessage(content="two")])
    fails_at_first()
    ctx.send_event(OutputEvent(output=[first.content, second.content, dict(second.extra_args)]))


def test_a_call_is_made_once_although_the_action_runs_twice() -> None:
    answers.extend(["a", "b"])
    found = outputs(agent_of(twice), on_error="dead-letter")
    assert found == [["a", "b", {"connection": "fake", "model": "m"}]]
    assert [texts for _, texts, _ in asked] == [["user: one"], ["user: two"]]
    assert len(attempts) == 2


def test_a_call_inside_a_durable_function_is_part_of_that() -> None:
    async def act(event: Event, ctx: RunnerContext) -> None:
        model = model_of(ctx)
        answer = await ctx.durable_execute_async(model.achat, [ChatMessage(content="one")])
        fails_at_first()
        ctx.send_event(OutputEvent(output=answer.content))

    answers.append("a")
    assert outputs(agent_of(act), on_error="dead-letter") == ["a"]
    assert len(asked) == 1


class Own(Setup):
    """A setup that overrides the plain form alone."""

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatMessage:  # type: ignore[override]
        asked.append(("own", [str(message) for message in messages], kwargs))
        return ChatMessage(content="own")


def test_calls_of_a_setup_that_overrides_chat_are_durable_too() -> None:
    assert outputs(agent_of(twice, clazz=Own), on_error="dead-letter") == [["own", "own", {}]]
    assert len(asked) == 2


async def once(event: Event, ctx: RunnerContext) -> None:
    schema: dict[str, Any] = {"output_schema": Answer} if event.input == "schema" else {}
    answer = await model_of(ctx).achat([ChatMessage(content="one")], **schema)
    value = answer.extra_args.get("structured_output")
    calls = answer.tool_calls
    ctx.send_event(OutputEvent(output=repr(value or calls or answer.content)))


def test_what_is_overloaded_is_asked_again_by_the_setups_policy() -> None:
    answers.extend([Overloaded("busy", retry_after=5), "a"])
    assert outputs(agent_of(once, retry={"attempts": 2})) == ["'a'"]
    assert len(asked) == 2


def test_a_fallback_is_asked_for_its_own_model() -> None:
    answers.extend([Overloaded("busy"), "a"])
    setup = {"fallbacks": [{"connection": "other", "model": "n"}]}
    assert outputs(agent_of(once, **setup)) == ["'a'"]
    assert [(name, told["model"]) for name, _, told in asked] == [("first", "m"), ("second", "n")]


def test_a_schema_in_words_for_a_service_that_knows_none() -> None:
    answers.append('```json\n{"total": 3}\n```')
    assert outputs(agent_of(once), "schema") == ["Answer(total=3)"]
    [(_, [instruction, question], told)] = asked
    assert instruction.startswith("system: ")
    assert json.loads(instruction.splitlines()[-1])["properties"].keys() == {"total"}
    assert (question, told) == ("user: one", {"model": "m"})


def test_a_schema_for_a_service_that_knows_them() -> None:
    answers.append('{"total": 3}')
    assert outputs(agent_of(once, connection="other"), "schema") == ["Answer(total=3)"]
    [(_, texts, told)] = asked
    assert texts == ["user: one"]
    assert told["output_schema"]["properties"].keys() == {"total"}


def test_an_answer_that_does_not_match_is_asked_for_again_with_the_error() -> None:
    answers.extend(['{"sum": 3}', '{"total": 3}'])
    assert outputs(agent_of(once), "schema") == ["Answer(total=3)"]
    assert asked[1][1][-2] == 'assistant: {"sum": 3}'
    assert "total: Field required" in asked[1][1][-1]


def test_an_answer_that_never_matches_is_a_clear_error() -> None:
    answers.extend(["no", "no"])
    with pytest.raises(Exception, match=r"no JSON: 'no'\. The model was asked 2 times") as failure:
        outputs(agent_of(once), "schema")
    assert OutputParseError.__name__ in str(failure.value)


def test_tools_by_a_schema() -> None:
    answers.append('{"tool": "add", "arguments": {"a": 1, "b": 2}}')
    agent = agent_of(once, tools=["add"], tool_mode="schema", connection="other")
    [found] = outputs(agent)
    assert "'name': 'add', 'arguments': {'a': 1, 'b': 2}" in found
    [(_, texts, told)] = asked
    assert "add: Add numbers." in texts[0]
    turns = told["output_schema"]["anyOf"]
    assert turns[0]["properties"]["tool"] == {"const": "add"}
    assert turns[1]["properties"] == {"answer": {"type": "string"}}
    assert "tools" not in told


def test_an_answer_and_a_schema_where_tools_are_told_in_words() -> None:
    answers.append('{"answer": {"total": 3}}')
    agent = agent_of(once, tools=["add"], tool_mode="schema")
    assert outputs(agent, "schema") == ["Answer(total=3)"]
    assert '"const": "add"' in asked[0][1][0]


def test_a_prompt_is_filled_in_from_its_arguments_or_from_the_messages() -> None:
    async def act(event: Event, ctx: RunnerContext) -> None:
        model = model_of(ctx)
        values = ChatMessage(extra_args={"who": "Ada"})
        await model.achat([values, ChatMessage(content="hi")])
        await model.achat([values, ChatMessage(content="hi")], {"who": "Bob"})

    answers.extend(["a", "b"])
    prompt = Prompt.from_text("You are {who}, {what}, {{who}}.")
    run_agent(agent_of(act, prompt=prompt), [("k", 1)])
    said = [texts for _, texts, _ in asked]
    assert said == [
        ["system: You are Ada, {what}, {{who}}.", "user: hi"],
        ["system: You are Bob, {what}, {{who}}.", "user: hi"],
    ]


def test_an_answer_comes_bit_by_bit_and_is_replayed_as_one_piece() -> None:
    pieces: list[str] = []

    async def act(event: Event, ctx: RunnerContext) -> None:
        message = None
        async for piece in model_of(ctx).astream([ChatMessage(content="one")]):
            pieces.append(piece.text)
            message = piece.message
        fails_at_first()
        assert message is not None
        ctx.send_event(OutputEvent(output=message.content))

    answers.append("a b c")
    assert outputs(agent_of(act), on_error="dead-letter") == ["a b c"]
    assert pieces == ["a", "b", "c", "", "a b c"]
    assert len(asked) == 1


class Vectors(BaseEmbeddingModelConnection):
    def embed(self, text: str | Sequence[str], **kwargs: Any) -> Any:
        asked.append(("vectors", [text] if isinstance(text, str) else list(text), {}))
        return [1.0] if isinstance(text, str) else [[float(len(each))] for each in text]


class VectorSetup(BaseEmbeddingModelSetup):
    @property
    def model_kwargs(self) -> dict[str, Any]:
        return {}


class Store(BaseVectorStore):
    kept: list[Document] = []  # noqa: RUF012 (pydantic copies it)

    @property
    def store_kwargs(self) -> dict[str, Any]:
        return {}

    def size(self, collection_name: str | None = None) -> int:
        asked.append(("size", [], {}))
        return len(self.kept)

    def get(self, *args: Any, **kwargs: Any) -> list[Document]:
        return self.kept

    def delete(self, *args: Any, **kwargs: Any) -> None:
        self.kept.clear()

    def _query_embedding(self, embedding: list[float], *args: Any, **kwargs: Any) -> Any:
        return self.kept[:1]

    def _add_embedding(self, *, documents: Sequence[Document], **kwargs: Any) -> list[str]:
        asked.append(("kept", [document.content for document in documents], {}))
        self.kept.extend(documents)
        return [document.content for document in documents]


def test_vectors_and_stores_are_durable_and_texts_go_in_batches() -> None:
    async def act(event: Event, ctx: RunnerContext) -> None:
        store = cast("BaseVectorStore", ctx.get_resource("store", ResourceType.VECTOR_STORE))
        ids = await store.aadd([Document(content=text) for text in ("a", "bb", "ccc")])
        found = await store.aquery(VectorStoreQuery(query_text="x"))
        size = await store.asize()
        fails_at_first()
        ctx.send_event(OutputEvent(output=[ids, found.documents[0].content, size, store.size()]))

    agent = agent_of(act)
    setup = ResourceDescriptor(clazz=VectorSetup, connection="v", model="e", batch_size=2)
    agent.add_resource(
        "v", ResourceType.EMBEDDING_MODEL_CONNECTION, ResourceDescriptor(clazz=Vectors)
    )
    agent.add_resource("e", ResourceType.EMBEDDING_MODEL, setup)
    agent.add_resource(
        "store", ResourceType.VECTOR_STORE, ResourceDescriptor(clazz=Store, embedding_model="e")
    )
    assert outputs(agent, on_error="dead-letter") == [[["a", "bb", "ccc"], "a", 3, 3]]
    assert [(what, texts) for what, texts, _ in asked] == [
        ("vectors", ["a", "bb"]),
        ("vectors", ["ccc"]),
        ("kept", ["a", "bb", "ccc"]),
        ("vectors", ["x"]),
        ("size", []),
        ("size", []),
    ]


def test_tokens_are_counted_when_a_call_is_made_and_not_when_it_is_replayed() -> None:
    def act(event: Event, ctx: RunnerContext) -> None:
        model_of(ctx).chat([ChatMessage(content="one")])
        group = ctx.action_metric_group.get_sub_group("model").get_sub_group("m")
        fails_at_first()
        counted = [group.get_counter(f"{kind}Tokens") for kind in ("prompt", "completion")]
        ctx.send_event(OutputEvent(output=[counter.get_count() for counter in counted]))

    answers.append("a")
    assert outputs(agent_of(act), on_error="dead-letter") == [[3, 4]]
