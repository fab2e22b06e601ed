"""Calls of tools with approvals, through a crash at each commit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from support.worker.bench import CrashError, bench
from tamias import (
    Agent,
    Answer,
    Event,
    InputEvent,
    OutputEvent,
    ResourceType,
    RunnerContext,
    SubAgent,
    action,
    call_tools,
    tool,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.worker.bench import Bench

PAID: list[int] = []
SENT: list[str] = []


@tool(approval=True)
async def pay(amount: int) -> str:
    """Pay."""
    PAID.append(amount)
    await asyncio.sleep(0)
    return f"paid {amount}"


@tool(idempotent=False)
def send(text: str) -> str:
    """Send a letter."""
    SENT.append(text)
    return f"sent {text}"


def look_up(name: str) -> str:
    """Look a name up."""
    return name.upper()


def request(name: str, /, **arguments: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}}


CALLS = [
    request("pay", amount=1),
    request("look_up", name="a"),
    request("pay", amount=2),
    request("send", text="b"),
    request("pay", amount=3),
]


async def act(event: Event, ctx: RunnerContext) -> None:
    results = await call_tools(ctx, CALLS)
    ctx.send_event(OutputEvent(output=[each.content for each in results.results]))


AGENT = Agent().add_action("act", [InputEvent], act)
for function in (pay, send, look_up):
    AGENT.add_resource(function.__name__, ResourceType.TOOL, function)

ANSWERS: dict[int, Any] = {
    1: True,
    2: {"approved": False, "reason": "too much"},
    3: {"approved": True, "arguments": {"amount": 30}},
}
REFUSED = "The call of `pay` was not approved. Reason: too much"
UNKNOWN = "Whether tool `send` has done its work is not known"


@pytest.fixture(autouse=True)
def nothing_made() -> Iterator[None]:
    PAID.clear()
    SENT.clear()
    yield
    PAID.clear()


class Order(Agent):
    """Pays what it is told to, the same as its siblings do."""

    @action(InputEvent)
    @staticmethod
    async def order(event: Event, ctx: RunnerContext) -> None:
        (result,) = (await call_tools(ctx, [request("pay", amount=5)])).results
        ctx.send_event(OutputEvent(output=f"{event.input}: {result.content}"))


async def act_by_agents(event: Event, ctx: RunnerContext) -> None:
    calls = [request("order", input=str(number)) for number in range(3)]
    results = await call_tools(ctx, calls)
    ctx.send_event(OutputEvent(output=[each.content for each in results.results]))


TEAM = Agent().add_action("act", [InputEvent], act_by_agents)
TEAM.add_resource("order", ResourceType.TOOL, SubAgent(agent=Order, name="order"))
TEAM.add_resource("pay", ResourceType.TOOL, pay)


async def live(life: Bench, tokens: list[str], answer: Callable[[Any], Any]) -> bool:
    """Answer what is asked until the input is done, or the worker dies."""
    if 0 not in life.recovered:
        life.send(("k", "go"))
    sent: set[str] = set()
    for _ in range(5000):
        if life.failed:
            assert all(isinstance(error, CrashError) for error in life.failed), life.failed
            return False
        if 0 in life.done:
            return True
        for question in list(life.notices):
            if question.token in sent:
                continue
            sent.add(question.token)
            if question.token not in tokens:
                tokens.append(question.token)
            offset = 1 + tokens.index(question.token)
            if offset not in life.recovered:
                life.send(("k", Answer(question.token, answer(question))), first=offset)
        await asyncio.sleep(0.001)
    raise AssertionError("it makes no progress")


@pytest.mark.parametrize("dies_after", [False, True])
@pytest.mark.parametrize("commits", range(1, 13))
def test_answers_are_for_the_calls_that_were_asked_about(
    tmp_path: Path, commits: int, *, dies_after: bool
) -> None:
    async def job() -> list[Any]:
        tokens: list[str] = []
        for crashes in (commits, 1 << 30):
            with bench(
                AGENT,
                tmp_path,
                commits_left=crashes,
                dies_after=dies_after,
                suspend_after="1ms",
            ) as life:
                if await live(life, tokens, by_amount):
                    return life.done[0]
        raise AssertionError("it has not ended")

    def by_amount(question: Any) -> Any:
        return ANSWERS[question.ask["arguments"]["amount"]]

    [[paid, looked_up, refused, sent, edited]] = asyncio.run(job())
    assert (paid, looked_up, refused, edited) == ("paid 1", "A", REFUSED, "paid 30")
    assert sent == "sent b" or sent.startswith(UNKNOWN)
    assert SENT.count("b") <= 1
    assert set(PAID) == {1, 30}
    assert max(PAID.count(1), PAID.count(30)) <= 2  # only what the crash has cut off


@pytest.mark.parametrize("commits", range(1, 14))
def test_equal_calls_of_sub_agents_are_not_confused(tmp_path: Path, commits: int) -> None:
    """Each is approved with an amount of its own, which one of them has as its result."""

    def by_caller(question: Any) -> Any:
        number = questions.setdefault(question.token, len(questions))
        return {"approved": True, "arguments": {"amount": 10 + number}}

    async def job() -> list[Any]:
        tokens: list[str] = []
        done: list[Any] = []
        for crashes in (commits, 1 << 30):
            options = {"commits_left": crashes, "suspend_after": "1ms"}
            with bench(TEAM, tmp_path, dies_after=True, **options) as life:
                if await live(life, tokens, by_caller):
                    done = life.done[0]
                    break
        return done

    questions: dict[str, int] = {}
    [told] = asyncio.run(job())
    assert [text[:8] for text in told] == ["0: paid ", "1: paid ", "2: paid "]
    assert sorted(text[8:] for text in told) == ["10", "11", "12"]
    assert set(PAID) == {10, 11, 12}
    assert max(map(PAID.count, PAID)) <= 2  # only what the crash has cut off


def test_sub_agents_that_are_answered_in_another_order_are_not_confused(tmp_path: Path) -> None:
    async def job() -> list[Any]:
        with bench(TEAM, tmp_path, suspend_after="1ms") as life:
            life.send(("k", "go"))
            # Questions are told apart by the id of the call, which names the sub-agent's.
            while len(life.notices) < 3:  # noqa: ASYNC110 (there is no event to wait for)
                await asyncio.sleep(0.001)
            asked = [question.ask["call_id"] for question in life.notices]
            assert sorted(asked) == [f"call-{number}/call-0" for number in range(3)]
            for place, question in enumerate(reversed(life.notices), 1):
                value = {"approved": True, "arguments": {"amount": 10 * place}}
                life.send(("k", Answer(question.token, value)), first=place)
                while len(PAID) < place and not life.failed:  # noqa: ASYNC110 (as above)
                    await asyncio.sleep(0.001)
                await asyncio.sleep(0.02)
            await life.until(0)
            return life.done[0]

    [told] = asyncio.run(asyncio.wait_for(job(), 60))
    assert told == ["0: paid 30", "1: paid 20", "2: paid 10"]
    assert PAID == [10, 20, 30]
