"""Agents as tools of other agents: their actions run inside the call, as exact as the caller's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from tamias import (
    Agent,
    AgentDefinitionError,
    AgentFailedError,
    Event,
    InputEvent,
    LocalPrompt,
    OutputEvent,
    ResourceType,
    RunnerContext,
    SubAgent,
    action,
    call_tools,
    run_agent,
    tool,
)

MADE: list[Any] = []
FAILURES: list[Exception] = []


@pytest.fixture(autouse=True)
def nothing_made() -> None:
    MADE.clear()
    FAILURES.clear()


def call(name: str, id_: str, **arguments: Any) -> dict[str, Any]:
    return {"id": id_, "function": {"name": name, "arguments": arguments}}


async def fetch(place: str, number: int) -> str:
    MADE.append((place, number))
    await asyncio.sleep(0.001 * number)
    return f"{place}{number}"


class Found(Event):
    text: str


class Researcher(Agent):
    """Makes two durable calls in two actions, and remembers what it has done."""

    @action(InputEvent)
    @staticmethod
    async def begin(event: Event, ctx: RunnerContext) -> None:
        count = (ctx.short_term_memory.get("count") or 0) + 1
        ctx.short_term_memory.set("count", count)
        ctx.sensory_memory.set("place", event.input)
        ctx.send_event(Found(text=await ctx.durable_execute_async(fetch, event.input, 1)))

    @action(Found)
    @staticmethod
    async def end(event: Event, ctx: RunnerContext) -> None:
        place = ctx.sensory_memory.get("place")
        more = await ctx.durable_execute_async(fetch, place, 2)
        count = ctx.short_term_memory.get("count")
        ctx.send_event(OutputEvent(output=f"{event.text}, {more} ({count})"))


async def delegate(event: Event, ctx: RunnerContext) -> None:
    found = (await call_tools(ctx, event.input)).results
    if FAILURES:
        raise FAILURES.pop()
    ctx.send_event(OutputEvent(output=[each.content for each in found]))


def outer(**tools: Any) -> Agent:
    made = Agent().add_action("delegate", [InputEvent], delegate)
    for name, each in tools.items():
        made.add_resource(name, ResourceType.TOOL, each)
    return made


def research(**options: Any) -> SubAgent:
    return SubAgent(agent=Researcher, name="research", description="Looks it up.", **options)


def test_its_outputs_are_the_result_and_it_keeps_a_memory_of_its_own() -> None:
    inputs = [("k", [call("research", "1", input="x")]), ("k", [call("research", "1", input="y")])]
    run = run_agent(outer(research=research()), inputs)
    assert run.outputs_of("k") == [["x1, x2 (1)"], ["y1, y2 (2)"]]
    assert run.memory == {"k": {"_sub_agents": {"research": {"count": 2}}}}


def test_it_may_share_the_memory_of_the_key() -> None:
    inputs = [("k", [call("research", "1", input="x")])]
    run = run_agent(outer(research=research(memory="shared")), inputs)
    assert run.memory == {"k": {"count": 1}}


def test_several_at_once_repeat_nothing_that_is_on_record() -> None:
    FAILURES.append(ConnectionError("after all calls"))
    calls = [call("research", str(n), input=place) for n, place in enumerate("abab")]
    run = run_agent(outer(research=research()), [("k", calls)], on_error="dead-letter")
    assert [each.partition(" (")[0] for each in run.outputs_of("k")[0]] == [
        *("a1, a2", "b1, b2", "a1, a2", "b1, b2")
    ]
    assert run.retries == 1
    assert sorted(MADE) == sorted([(place, n) for place in "abab" for n in (1, 2)])


def test_an_exception_is_told_to_the_model_with_the_name_of_the_sub_agent() -> None:
    def fail(event: Event, ctx: RunnerContext) -> None:
        raise LookupError("no such book")

    broken = SubAgent(agent=Agent().add_action("fail", [InputEvent], fail), name="broken")
    asked = [("k", [call("broken", "1", input="x")])]
    told = run_agent(outer(broken=broken), asked).outputs_of("k")[0][0]
    assert "action 'fail' of the sub-agent 'broken' has failed" in told
    assert "no such book" in told
    with pytest.raises(AgentFailedError, match="no such book"):
        run_agent(outer(broken=broken), asked, config={"tool-call.error-strategy": "fail"})


def test_what_looks_temporary_is_tried_again_by_the_run() -> None:
    failures = [ConnectionError("down")]

    def unsteady(event: Event, ctx: RunnerContext) -> None:
        if failures:
            raise failures.pop()
        ctx.send_event(OutputEvent(output="up"))

    inner = SubAgent(agent=Agent().add_action("unsteady", [InputEvent], unsteady), name="inner")
    asked = [("k", [call("inner", "1", input="x")])]
    run = run_agent(outer(inner=inner), asked, on_error="dead-letter")
    assert run.outputs_of("k") == [["up"]]
    assert run.retries == 1


def test_an_approval_inside_suspends_the_outer_run() -> None:
    @tool(approval=True)
    def pay(amount: int) -> str:
        """Pay."""
        return f"paid {amount}"

    async def buy(event: Event, ctx: RunnerContext) -> None:
        [paid] = (await call_tools(ctx, [call("pay", "p", amount=int(event.input))])).results
        ctx.send_event(OutputEvent(output=paid.content))

    buyer = Agent().add_action("buy", [InputEvent], buy).add_resource("pay", ResourceType.TOOL, pay)
    calls = [call("buyer", str(n), input=str(n)) for n in range(3)]
    agent = outer(buyer=SubAgent(agent=buyer, name="buyer"))
    assert run_agent(agent, [("k", calls)]).waiting == 1
    run = run_agent(agent, [("k", calls)], answers=lambda q: q.ask["arguments"]["amount"] != 1)
    assert run.outputs_of("k") == [["paid 0", "The call of `pay` was not approved.", "paid 2"]]


def test_its_resources_come_before_the_callers() -> None:
    def both(event: Event, ctx: RunnerContext) -> None:
        prompts = [ctx.get_resource(name, ResourceType.PROMPT) for name in ("own", "outer")]
        texts = [each.format_string() for each in prompts if isinstance(each, LocalPrompt)]
        ctx.send_event(OutputEvent(output=texts))

    inner = Agent().add_action("both", [InputEvent], both)
    inner.add_resource("own", ResourceType.PROMPT, LocalPrompt(template="inner"))
    made = outer(inner=SubAgent(agent=inner, name="inner"))
    made.add_resource("own", ResourceType.PROMPT, LocalPrompt(template="not this"))
    made.add_resource("outer", ResourceType.PROMPT, LocalPrompt(template="outer"))
    run = run_agent(made, [("k", [call("inner", "1", input="x")])])
    assert run.outputs_of("k") == [['["inner","outer"]']]


class Order(BaseModel):
    what: str
    count: int = 1


def test_its_input_may_be_a_model() -> None:
    def take(event: Event, ctx: RunnerContext) -> None:
        ctx.send_event(OutputEvent(output=f"{event.input.count} {event.input.what}"))

    taker = Agent().add_action("take", [InputEvent], take)
    sub = SubAgent(agent=taker, name="taker", input=Order)
    assert set(sub.parameters["properties"]) == {"what", "count"}
    calls = [call("taker", "1", what="tea", count=2), call("taker", "2", count=1)]
    found = run_agent(outer(taker=sub), [("k", calls)]).outputs_of("k")[0]
    assert found[0] == "2 tea"
    assert "what: is required" in found[1]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"agent": Agent()}, "has no action"),
        ({"agent": Researcher, "name": "a.b"}, "name of a sub-agent"),
        ({"agent": Researcher, "input": str}, "no pydantic model"),
    ],
    ids=["no action", "name", "input"],
)
def test_mistakes_are_found_where_it_is_declared(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(AgentDefinitionError, match=message):
        SubAgent(**{"name": "sub", **wrong})


def test_agents_that_call_each_other_in_a_circle_end() -> None:
    agent = Agent().add_action("delegate", [InputEvent], again)
    agent.add_resource("again", ResourceType.TOOL, SubAgent(agent=agent, name="again"))
    found = run_agent(agent, [("k", "x")], on_error="dead-letter").failures
    assert "is inside of 8 others" in found[0].error


async def again(event: Event, ctx: RunnerContext) -> None:
    await call_tools(ctx, [call("again", "1", input="x")], error_strategy="fail")
