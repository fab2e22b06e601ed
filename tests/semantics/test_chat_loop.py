"""Chat and tools as events: the loop of the built-in actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from support.models.scripted import ScriptedSetup, answer_by, answer_with, asked, calls, with_model
from tamias import (
    Agent,
    AgentFailedError,
    AuthFailed,
    BaseVectorStore,
    ChatErrorEvent,
    ChatMessage,
    ChatRequestEvent,
    ChatResponseEvent,
    ContextRetrievalRequestEvent,
    ContextRetrievalResponseEvent,
    Document,
    Event,
    InputEvent,
    MessageRole,
    OutputEvent,
    Overloaded,
    Prompt,
    ReActAgent,
    ResourceDescriptor,
    ResourceType,
    RunnerContext,
    ToolRequestEvent,
    ToolResponseEvent,
    TurnLimitError,
    VectorStoreQuery,
    VectorStoreQueryResult,
    run_agent,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


class Total(BaseModel):
    total: int


def add(a: int, b: int) -> int:
    """Add numbers."""
    return a + b


def broken() -> None:
    """Is broken."""
    raise OSError("no disk")


def ask(event: Event, ctx: RunnerContext) -> None:
    given = event.input
    request = ChatRequestEvent(
        model="model",
        messages=[ChatMessage(content=given["text"])],
        output_schema=Total if given.get("schema") else None,
        prompt_args=given.get("prompt_args"),
    )
    ctx.sensory_memory.set("id", str(request.id))
    ctx.send_event(request)


def answer(event: Event, ctx: RunnerContext) -> None:
    response = ChatResponseEvent.from_event(event)
    assert str(response.request_id) == ctx.sensory_memory.get("id")
    value = response.response.extra_args.get("structured_output")
    ctx.send_event(OutputEvent(output=repr(value) if value else response.response.content))


def asking(*tools: Any, **setup: Any) -> Agent:
    agent = (
        Agent().add_action("ask", InputEvent, ask).add_action("answer", ChatResponseEvent, answer)
    )
    return with_model(agent, *tools, **setup)


def outputs(agent: Agent, given: Any, **options: Any) -> list[Any]:
    return run_agent(agent, [("k", given)], **options).outputs_of("k")


def test_a_model_that_asks_for_no_tools() -> None:
    answer_with("hello")
    assert outputs(asking(), {"text": "hi"}) == ["hello"]
    assert asked == [["user: hi"]]


def test_tools_are_called_and_the_model_is_asked_again_with_all_that_was_said() -> None:
    answer_with(
        calls(("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4})),
        calls(("add", {"a": 3, "b": 7})),
        "ten",
    )
    assert outputs(asking(add), {"text": "sum up"}) == ["ten"]
    assert asked == [
        ["user: sum up"],
        ["user: sum up", "assistant: ", "tool: 3", "tool: 7"],
        ["user: sum up", "assistant: ", "tool: 3", "tool: 7", "assistant: ", "tool: 10"],
    ]


def test_ids_of_calls_are_derived_and_those_of_the_service_come_back() -> None:
    seen: list[Any] = []

    def watch(event: Event, ctx: RunnerContext) -> None:
        seen.append(event.tool_calls if isinstance(event, ToolRequestEvent) else event)

    agent = asking(add).add_action("watch", [ToolRequestEvent, ToolResponseEvent], watch)
    for _ in range(2):
        answer_with(calls(("add", {"a": 1, "b": 2}), ("add", {"a": 1, "b": 2})), "3")
        outputs(agent, {"text": "x"})
    requested, response = seen[:2]
    ids = [call["id"] for call in requested]
    assert len(set(ids)) == 2
    assert [call["original_id"] for call in requested] == ["a", "b"]
    assert response.responses == dict.fromkeys(ids, 3)
    assert response.external_ids == dict(zip(ids, "ab", strict=True))
    assert response.success == dict.fromkeys(ids, True)
    assert [call["id"] for call in seen[2]] == ids


def test_what_a_tool_has_done_wrong_is_told_to_the_model() -> None:
    told: list[ChatMessage] = []

    def reply(messages: Sequence[ChatMessage]) -> Any:
        told[:] = messages
        return "sorry" if len(messages) > 1 else calls(("broken", {}), ("unknown", {}))

    answer_by(reply)
    assert outputs(asking(broken), {"text": "x"}) == ["sorry"]
    failed, unknown = told[-2:]
    assert "no disk" in failed.content
    assert "unknown" in unknown.content
    assert (failed.role, failed.extra_args) == (MessageRole.TOOL, {"external_id": "a"})


def test_a_tool_that_the_model_was_not_told_of_is_not_called() -> None:
    called: list[int] = []

    def secret() -> None:
        """Is not offered."""
        called.append(1)

    agent = asking(add).add_resource("secret", ResourceType.TOOL, secret)
    answer_with(calls(("secret", {})), "no")
    assert outputs(agent, {"text": "x"}) == ["no"]
    assert not called


def test_the_answer_behind_tools_is_parsed_and_the_prompt_is_there_in_each_turn() -> None:
    answer_with(calls(("add", {"a": 1, "b": 2})), '{"total": 3}')
    agent = asking(add, prompt=Prompt.from_text("You are {who}."))
    given = {"text": "x", "schema": True, "prompt_args": {"who": "Ada"}}
    assert outputs(agent, given) == ["Total(total=3)"]
    assert [texts[0] for texts in asked] == ["system: You are Ada."] * 2
    assert [texts[1].partition("\n")[0][:15] for texts in asked] == ["system: The fin"] * 2


def test_a_model_that_never_answers_comes_to_a_clear_end() -> None:
    answer_by(lambda _: calls(("add", {"a": 1, "b": 2})))
    with pytest.raises(AgentFailedError, match="was asked 3 times, and asks for tools still: add"):
        outputs(asking(add), {"text": "x"}, config={"chat.max-turns": 3})
    assert len(asked) == 3


def errors(event: Event, ctx: RunnerContext) -> None:
    error = ChatErrorEvent.from_event(event)
    assert str(error.request_id) == ctx.sensory_memory.get("id")
    ctx.send_event(OutputEvent(output=[error.model, error.error]))


def test_an_action_that_listens_to_failures_gets_them() -> None:
    agent = asking(add).add_action("errors", ChatErrorEvent, errors)
    answer_with(AuthFailed("wrong key"))
    assert outputs(agent, {"text": "x"}) == [["model", "AuthFailed"]]
    answer_by(lambda _: calls(("add", {"a": 1, "b": 2})))
    options = {"config": {"chat.max-turns": 2}}
    assert outputs(agent, {"text": "x"}, **options) == [["model", TurnLimitError.__name__]]


def test_a_temporary_failure_is_tried_again_with_the_run_and_not_reported() -> None:
    agent = asking(add).add_action("errors", ChatErrorEvent, errors)
    answer_with(Overloaded("busy", retry_after=60), "hello")
    assert outputs(agent, {"text": "x"}, on_error="dead-letter") == ["hello"]


def test_the_strategy_retry_tries_a_call_again_as_often_as_it_says() -> None:
    config = {"error-handling-strategy": "retry", "max-retries": 2}
    answer_with(Overloaded("busy"), Overloaded("busy"), "hello")
    assert outputs(asking(), {"text": "x"}, config=config) == ["hello"]
    answer_by(lambda _: Overloaded("busy"))
    with pytest.raises(AgentFailedError, match="busy"):
        outputs(asking(), {"text": "x"}, config=config)
    assert len(asked) == 3


def test_a_response_says_how_often_calls_were_tried_again() -> None:
    def count(event: Event, ctx: RunnerContext) -> None:
        response = ChatResponseEvent.from_event(event)
        told = [response.retry_count, response.total_retry_wait_sec]
        ctx.send_event(OutputEvent(output=told))

    agent = Agent().add_action("ask", InputEvent, ask).add_action("count", ChatResponseEvent, count)
    with_model(agent, add)
    busy = Overloaded("busy")
    answer_with(busy, busy, calls(("add", {"a": 1, "b": 2})), busy, "hello")
    config = {"error-handling-strategy": "retry", "max-retries": 2}
    assert outputs(agent, {"text": "x"}, config=config) == [[3, 4.0]]


def test_the_strategy_ignore_sends_no_response() -> None:
    answer_with(AuthFailed("wrong key"))
    config = {"error-handling-strategy": "ignore"}
    assert outputs(asking(), {"text": "x"}, config=config) == []


class Own(ScriptedSetup):
    """A setup of a user's own, as programs for Flink Agents have them in their tests."""

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatMessage:  # type: ignore[override]
        assert not kwargs
        asked.append([str(message) for message in messages])
        if messages[-1].role is MessageRole.TOOL:
            return ChatMessage(role=MessageRole.ASSISTANT, content='{"total": 3}')
        return calls(("add", {"a": 1, "b": 2}))


def test_a_setup_that_overrides_chat_takes_part_in_the_loop() -> None:
    answer_with()
    assert outputs(asking(add, clazz=Own), {"text": "x", "schema": True}) == ["Total(total=3)"]


def test_tools_by_a_schema_go_through_the_loop() -> None:
    answer_with('{"tool": "add", "arguments": {"a": 1, "b": 2}}', '{"answer": "3"}')
    assert outputs(asking(add, tool_mode="schema"), {"text": "x"}) == ["3"]
    assert asked[1][-2:] == [
        'assistant: {"tool": "add", "arguments": {"a": 1, "b": 2}}',
        "user: Result of add: 3",
    ]


def test_a_react_agent_answers_each_input() -> None:
    answer_with(calls(("add", {"a": 1, "b": 2})), '{"total": 3}')
    connection = ResourceDescriptor(clazz="support.models.scripted.ScriptedConnection")
    setup = ResourceDescriptor(clazz=ScriptedSetup, connection="scripted", tools=["add"])
    agent = ReActAgent(
        chat_model=setup, prompt=Prompt.from_text("What is {a} and {b}?"), output_schema=Total
    )
    agent.add_resource("scripted", ResourceType.CHAT_MODEL_CONNECTION, connection)
    agent.add_resource("add", ResourceType.TOOL, add)
    assert outputs(agent, {"a": 1, "b": 2}) == [Total(total=3)]
    assert asked[0][-1] == "user: What is 1 and 2?"


def test_a_placeholder_that_nothing_fills_in_is_reported() -> None:
    answer_with("yes")
    connection = ResourceDescriptor(clazz="support.models.scripted.ScriptedConnection")
    told = Prompt.from_text('Be {manner}, {nmae}: {{"a": 1}} { x }')
    setup = ResourceDescriptor(clazz=ScriptedSetup, connection="scripted", prompt=told)
    agent = ReActAgent(chat_model=setup, prompt=Prompt.from_text("What is {b}, {c}?"))
    agent.add_resource("scripted", ResourceType.CHAT_MODEL_CONNECTION, connection)
    run = run_agent(agent, [("k", {"b": 2})])
    assert run.outputs == [{"k": "yes"}]
    assert run.notices == {
        f"nothing fills in {{{name}}} of a prompt, so it stays in the text": 1
        for name in ("manner", "nmae", "c")
    }


def test_plain_events_and_a_tool_action_of_the_agents_own_take_part() -> None:
    def plain(event: Event, ctx: RunnerContext) -> None:
        message = {"role": "user", "content": event.input}
        attributes = {"model": "model", "messages": [message]}
        ctx.send_event(Event(type="_chat_request_event", attributes=attributes))

    def own(event: Event, ctx: RunnerContext) -> None:
        request = ToolRequestEvent.from_event(event)
        [call] = request.tool_calls
        found = {"request_id": request.id, "responses": {call["id"]: 42}}
        ctx.send_event(Event(type="_tool_response_event", attributes=found))

    def told(event: Event, ctx: RunnerContext) -> None:
        ctx.send_event(OutputEvent(output=event.get_attr("response").content))

    agent = Agent().add_action("plain", InputEvent, plain)
    agent.add_action("tool_call_action", "_tool_request_event", own)
    agent.add_action("told", "_chat_response_event", told)
    answer_with(calls(("add", {"a": 1, "b": 2})), "done")
    assert outputs(with_model(agent, add), "x") == ["done"]
    assert asked[1][-1] == "tool: 42"


def test_documents_are_retrieved_by_events() -> None:
    def retrieve(event: Event, ctx: RunnerContext) -> None:
        request = ContextRetrievalRequestEvent(query=event.input, vector_store="s", max_results=2)
        ctx.sensory_memory.set("id", request.id)
        ctx.send_event(request)

    def found(event: Event, ctx: RunnerContext) -> None:
        response = ContextRetrievalResponseEvent.from_event(event)
        assert response.request_id == ctx.sensory_memory.get("id")
        documents = [document.content for document in response.documents]
        ctx.send_event(OutputEvent(output=[response.query, documents]))

    agent = Agent().add_action("retrieve", InputEvent, retrieve)
    agent.add_action("found", ContextRetrievalResponseEvent, found)
    agent.add_resource(
        "s", ResourceType.VECTOR_STORE, ResourceDescriptor(clazz=Shelf, embedding_model="e")
    )
    assert outputs(agent, "x") == [["x", ["x 0", "x 1"]]]


class Shelf(BaseVectorStore):
    """A store that needs no vectors."""

    @property
    def store_kwargs(self) -> dict[str, Any]:
        return {}

    def query(self, query: VectorStoreQuery) -> VectorStoreQueryResult:
        texts = [f"{query.query_text} {number}" for number in range(query.limit)]
        return VectorStoreQueryResult(documents=[Document(content=text) for text in texts])

    def size(self, collection_name: str | None = None) -> int:
        return 0

    def get(self, *args: Any, **kwargs: Any) -> list[Document]:
        return []

    def delete(self, *args: Any, **kwargs: Any) -> None:
        pass

    def _query_embedding(self, *args: Any, **kwargs: Any) -> list[Document]:
        return []

    def _add_embedding(self, **kwargs: Any) -> list[str]:
        return []
