"""The chat loop through the providers' client libraries, against the fake server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from support.providers.script import Ask, Call, Fault, Queue, Reply, Used, rate_limited
from support.providers.server import FakeProviders, fake_providers
from tamias import (
    Agent,
    ChatErrorEvent,
    ChatResponseEvent,
    Event,
    OutputEvent,
    ReActAgent,
    ResourceDescriptor,
    ResourceName,
    ResourceType,
    RunnerContext,
    run_agent,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sk-secret-0987654321"
CONNECTION = ResourceType.CHAT_MODEL_CONNECTION
NAMES = ResourceName.ChatModel


class Total(BaseModel):
    total: int


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@pytest.fixture
def fake() -> Iterator[FakeProviders]:
    with fake_providers() as server:
        yield server


def setup_of(clazz: str, **more: Any) -> ResourceDescriptor:
    given: dict[str, Any] = {"connection": "first", "model": "m", "tools": ["add"], **more}
    return ResourceDescriptor(clazz=clazz, **given)


def agent_of(fake: FakeProviders, model: ResourceDescriptor, schema: Any = None) -> Agent:
    agent = ReActAgent(chat_model=model, output_schema=schema)
    openai: dict[str, Any] = {"api_key": KEY, "api_base_url": fake.openai_url}
    places = {
        "first": ResourceDescriptor(clazz=NAMES.OPENAI_COMPLETIONS_CONNECTION, **openai),
        "responses": ResourceDescriptor(clazz=NAMES.OPENAI_RESPONSES_CONNECTION, **openai),
        "anthropic": ResourceDescriptor(
            clazz=NAMES.ANTHROPIC_CONNECTION, api_key=KEY, base_url=fake.url
        ),
        "ollama": ResourceDescriptor(clazz=NAMES.OLLAMA_CONNECTION, base_url=fake.url),
    }
    for name, place in places.items():
        agent.add_resource(name, CONNECTION, place)
    return agent.add_resource("add", ResourceType.TOOL, add)


def turns(ask: Ask) -> Reply:
    """Ask for two sums at once, then for one of the results, and answer with that."""
    results = ask.results
    if not results:
        calls = (Call("add", {"a": 1, "b": 2}, "c1"), Call("add", {"a": 3, "b": 4}, "c2"))
        return Reply(calls=calls, reasoning="Two sums.", used=Used(10, 5))
    if len(results) == 2:
        first, second = map(int, results)
        return Reply(calls=(Call("add", {"a": first, "b": second}, "c3"),))
    return Reply(f'{{"total": {results[-1]}}}')


EACH = pytest.mark.parametrize(
    ("connection", "clazz"),
    [
        ("first", NAMES.OPENAI_COMPLETIONS_SETUP),
        ("responses", NAMES.OPENAI_RESPONSES_SETUP),
        ("anthropic", NAMES.ANTHROPIC_SETUP),
        ("ollama", NAMES.OLLAMA_SETUP),
    ],
)


@EACH
def test_tools_in_two_turns_and_a_parsed_answer(
    fake: FakeProviders, connection: str, clazz: str
) -> None:
    fake.script = turns
    agent = agent_of(fake, setup_of(clazz, connection=connection), Total)
    run = run_agent(agent, [("k", "What is 1 + 2 + 3 + 4?")])
    assert run.outputs_of("k") == [Total(total=10)]
    assert [ask.results for ask in fake.asked] == [[], ["3", "7"], ["3", "7", "10"]]


@EACH
def test_texts_that_utf8_cannot_hold_reach_the_service_with_a_mark(
    fake: FakeProviders, connection: str, clazz: str
) -> None:
    def name_of_file() -> str:
        """A name that is not UTF-8, as `os.listdir` has it."""
        return "a\udcff"

    def script(ask: Ask) -> Reply:
        return Reply("done") if ask.results else Reply(calls=(Call("name_of_file"),))

    fake.script = script
    agent = agent_of(fake, setup_of(clazz, connection=connection, tools=["name_of_file"]))
    agent.add_resource("name_of_file", ResourceType.TOOL, name_of_file)
    assert run_agent(agent, [("k", "b\ud83d")]).outputs_of("k") == ["done"]
    assert fake.asked[-1].first == "b\N{REPLACEMENT CHARACTER}"
    assert fake.asked[-1].results == ["a\N{REPLACEMENT CHARACTER}"]


@EACH
def test_a_service_may_give_one_id_to_several_calls(
    fake: FakeProviders, connection: str, clazz: str
) -> None:
    def script(ask: Ask) -> Reply:
        calls = tuple(Call("add", {"a": number}, "same") for number in range(3))
        return Reply(",".join(ask.results)) if ask.results else Reply(calls=calls)

    fake.script = script
    agent = agent_of(fake, setup_of(clazz, connection=connection))
    (answer,) = run_agent(agent, [("k", "x")]).outputs_of("k")
    assert answer.count("b: is required") == 3


def test_a_schema_is_forced_by_the_service_if_there_are_no_tools(fake: FakeProviders) -> None:
    fake.script = Queue([Reply('{"total": 3}')])
    model = setup_of(NAMES.OPENAI_COMPLETIONS_SETUP, tools=None, model="gpt-4o-mini")
    run = run_agent(agent_of(fake, model, Total), [("k", "x")])
    assert run.outputs_of("k") == [Total(total=3)]
    schema = fake.asked[0].schema
    assert schema is not None
    assert schema["properties"].keys() == {"total"}


@pytest.mark.parametrize("fault", [rate_limited(30), Fault(status=529), Fault(status=503)])
def test_a_fallback_speaks_the_protocol_of_another_provider(
    fake: FakeProviders, fault: Fault
) -> None:
    fake.script = turns
    fake.faults.append(fault)
    model = setup_of(NAMES.OPENAI_COMPLETIONS_SETUP, fallbacks=[{"setup": "claude"}], logprobs=True)
    agent = agent_of(fake, model, Total)
    claude = setup_of(NAMES.ANTHROPIC_SETUP, connection="anthropic", model="claude", max_tokens=99)
    agent.add_resource("claude", ResourceType.CHAT_MODEL, claude)
    assert run_agent(agent, [("k", "x")]).outputs_of("k") == [Total(total=10)]
    [body] = [ask.body for ask in fake.asked if ask.provider == "anthropic"][:1]
    assert (body["model"], body["max_tokens"]) == ("claude", 99)


def report(event: Event, ctx: RunnerContext) -> None:
    ctx.send_event(OutputEvent(output=ChatErrorEvent.from_event(event).error))


def test_a_budget_that_is_used_up_is_an_event(fake: FakeProviders) -> None:
    fake.script = turns
    agent = agent_of(fake, setup_of(NAMES.OPENAI_COMPLETIONS_SETUP))
    agent.add_action("report", ChatErrorEvent, report)
    config = {"limits": {"first": {"budget-tokens": 12}}}
    run = run_agent(agent, [("k", "x"), ("k", "y")], config=config)
    assert "BudgetExceeded" in run.outputs_of("k")


def test_a_wrong_key_is_an_event() -> None:
    with fake_providers(keys=frozenset({"sk-another-1234567890"})) as fake:
        agent = agent_of(fake, setup_of(NAMES.OPENAI_COMPLETIONS_SETUP))
        agent.add_action("report", ChatErrorEvent, report)
        assert run_agent(agent, [("k", "x")]).outputs_of("k") == ["AuthFailed"]


def test_tokens_of_the_loop_are_in_the_last_answer_and_counted_for_each(
    fake: FakeProviders,
) -> None:
    fake.script = Queue([Reply("hi", used=Used(7, 2))])
    agent = agent_of(fake, setup_of(NAMES.OPENAI_COMPLETIONS_SETUP))

    def usage(event: Event, ctx: RunnerContext) -> None:
        response = ChatResponseEvent.from_event(event).response
        assert response.usage is not None
        extra = response.extra_args
        ctx.send_event(OutputEvent(output=[response.usage.total, extra["connection"]]))

    agent.add_action("usage", ChatResponseEvent, usage)
    assert run_agent(agent, [("k", "x")]).outputs_of("k") == ["hi", [9, "first"]]
