"""Calls with limits: which route they take, when they are made, and when they are refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tamias import (
    Agent,
    BudgetExceeded,
    Event,
    InputEvent,
    OutputEvent,
    Overloaded,
    RateLimited,
    RunnerContext,
    TokenUsage,
    run_agent,
)
from tamias.agent.errors import AgentFailedError, ConfigError
from tamias.agent.limits.limited_call import LimitedCall, Route
from tamias.store import clock

if TYPE_CHECKING:
    from pathlib import Path

MADE: list[tuple[str, float]] = []
DOWN: dict[str, Exception] = {}


def say(text: str) -> str:
    """By whose name the call is recognised."""
    return text


class Saying(LimitedCall):
    """Says a text by one of two routes; each call uses 100 tokens, 60 of them for the answer."""

    routes: tuple[Route, ...] = (Route("first", "big", 100), Route("second", "small", 100))
    function = staticmethod(say)

    def __init__(self, text: str, routes: int = 2) -> None:
        self.arguments = (text,)
        self.routes = self.routes[:routes]

    async def attempt(self, route: int) -> str:
        return self.attempt_now(route)

    def attempt_now(self, route: int) -> str:
        name = self.routes[route].limit
        MADE.append((name, clock.now()))
        if name in DOWN:
            raise DOWN[name]
        return f"{name}: {self.arguments[0]}"

    def usage(self, result: Any) -> TokenUsage:
        del result
        return TokenUsage(prompt_tokens=40, completion_tokens=60)


@pytest.fixture(autouse=True)
def nothing_made() -> None:
    MADE.clear()
    DOWN.clear()


async def speak(event: Event, ctx: RunnerContext) -> None:
    ctx.send_event(OutputEvent(output=await ctx.durable_execute_async(Saying(event.input))))


def speak_plainly(event: Event, ctx: RunnerContext) -> None:
    ctx.send_event(OutputEvent(output=ctx.durable_execute(Saying(event.input))))


def say_by_one(event: Event, ctx: RunnerContext) -> None:
    ctx.send_event(OutputEvent(output=ctx.durable_execute(Saying(event.input, 1))))


async def speak_by_one(event: Event, ctx: RunnerContext) -> None:
    ctx.send_event(OutputEvent(output=await ctx.durable_execute_async(Saying(event.input, 1))))


async def speak_or_not(event: Event, ctx: RunnerContext) -> None:
    try:
        said = await ctx.durable_execute_async(Saying(event.input, 1))
    except BudgetExceeded as error:
        said = error.message
    ctx.send_event(OutputEvent(output=said))


def agent_of(action: Any) -> Agent:
    return Agent().add_action("speak", [InputEvent], action)


def names() -> list[str]:
    return [name for name, _ in MADE]


# -- routes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", [speak, speak_plainly])
@pytest.mark.parametrize("error", [RateLimited("no"), Overloaded("no"), TimeoutError("late")])
def test_a_call_goes_over_to_the_next_route_when_the_first_one_fails_for_now(
    action: Any, error: Exception
) -> None:
    DOWN["first"] = error
    run = run_agent(agent_of(action), [("a", "hello")])
    assert run.outputs == [{"a": "second: hello"}]
    assert names() == ["first", "second"]


@pytest.mark.parametrize("action", [speak, speak_plainly])
def test_a_connection_that_is_out_of_order_is_not_asked_again_at_once(action: Any) -> None:
    DOWN["first"] = RateLimited("no", retry_after=1000)
    run = run_agent(
        agent_of(action), [("a", 1), ("a", 2), ("b", 3), ("b", 4)], config={"window": 1}
    )
    assert [value for output in run.outputs for value in output.values()] == [
        f"second: {number}" for number in (1, 2, 3, 4)
    ]
    assert names() == ["first", "second", "second", "second", "second"]


def test_a_plain_action_in_a_thread_goes_over_too() -> None:
    DOWN["first"] = RateLimited("no")
    run = run_agent(agent_of(speak_plainly), [("a", "hello")], config={"sync-in-threads": True})
    assert run.outputs == [{"a": "second: hello"}]
    assert names() == ["first", "second"]


def test_a_connection_is_asked_again_when_its_time_has_passed() -> None:
    DOWN["first"] = RateLimited("no", retry_after=30)

    async def speak_later(event: Event, ctx: RunnerContext) -> None:
        said = [await ctx.durable_execute_async(Saying(event.input))]
        DOWN.clear()
        said.append(await ctx.durable_execute_async(Saying("soon")))
        await ctx.sleep(31)
        said.append(await ctx.durable_execute_async(Saying("later")))
        ctx.send_event(OutputEvent(output=said))

    run = run_agent(agent_of(speak_later), [("a", "hello")])
    assert run.outputs == [{"a": ["second: hello", "second: soon", "first: later"]}]


def test_a_retry_policy_begins_with_the_first_route_again() -> None:
    DOWN.update(first=OSError("no"), second=OSError("neither"))

    async def speak_patiently(event: Event, ctx: RunnerContext) -> None:
        call = Saying(event.input)
        said = await ctx.durable_execute_async(call, retry={"attempts": 3, "wait": 10})
        ctx.send_event(OutputEvent(output=said))

    with pytest.raises(AgentFailedError, match="neither"):
        run_agent(agent_of(speak_patiently), [("a", "hello")])
    assert names() == ["first", "second"] * 3


def test_all_workers_leave_a_connection_that_is_out_of_order() -> None:
    DOWN["first"] = RateLimited("no", retry_after=1000)
    inputs = [(str(number), number) for number in range(40)]
    config = {"workers": 4, "window": 1, "batch-size": 1}
    run = run_agent(agent_of(speak), inputs, config=config)
    assert len(run.outputs) == 40
    assert names().count("second") == 40
    assert names().count("first") <= 4


def test_a_mistake_in_the_request_does_not_go_over() -> None:
    DOWN["first"] = ValueError("a bad request")
    with pytest.raises(AgentFailedError, match="a bad request"):
        run_agent(agent_of(speak), [("a", "hello")])
    assert names() == ["first"]


def test_the_last_error_is_that_of_the_call_when_all_routes_fail() -> None:
    DOWN.update(first=RateLimited("no"), second=Overloaded("neither"))
    with pytest.raises(AgentFailedError, match="neither"):
        run_agent(agent_of(speak), [("a", "hello")])
    assert names() == ["first", "second"]


def test_a_replay_takes_the_answer_on_record_whatever_the_route_is_now(tmp_path: Path) -> None:
    failures = iter([RuntimeError("once")])

    async def speak_and_fail(event: Event, ctx: RunnerContext) -> None:
        said = await ctx.durable_execute_async(Saying(event.input))
        DOWN.clear()
        for failure in failures:
            raise failure
        ctx.send_event(OutputEvent(output=said))

    DOWN["first"] = RateLimited("no")
    run = run_agent(
        agent_of(speak_and_fail), [("a", "hello")], on_error="dead-letter", state=tmp_path / "s"
    )
    assert run.outputs == [{"a": "second: hello"}]
    assert names() == ["first", "second"]


# -- rates ----------------------------------------------------------------------------------------

PER_MINUTE = {"limits": {"first": {"requests-per-minute": 10}}}


@pytest.mark.parametrize("action", [speak_by_one, say_by_one])
@pytest.mark.parametrize("config", [{}, {"workers": 2}, {"sync-in-threads": True}])
def test_no_more_calls_are_made_within_a_minute_than_allowed(action: Any, config: Any) -> None:
    inputs = [(f"k{number}", number) for number in range(25)]
    run = run_agent(agent_of(action), inputs, config={**PER_MINUTE, **config})
    assert len(run.outputs) == len(MADE) == 25
    times = sorted(time for _, time in MADE)
    assert all(later - earlier > 60 for earlier, later in zip(times, times[10:], strict=False))
    assert times[-1] - times[0] < 190


def test_calls_of_one_run_share_the_rate() -> None:
    async def speak_often(event: Event, ctx: RunnerContext) -> None:
        said = await asyncio.gather(
            *(ctx.durable_execute_async(Saying(f"{event.input}{n}", 1)) for n in range(15))
        )
        ctx.send_event(OutputEvent(output=len(said)))

    run = run_agent(agent_of(speak_often), [("a", "x")], config=PER_MINUTE)
    assert run.outputs == [{"a": 15}]
    times = sorted(time for _, time in MADE)
    assert len(times) == 15
    assert times[10] - times[0] > 60


def test_a_rate_per_key_holds_up_that_key_only() -> None:
    config = {"limits": {"first": {"per-key": {"requests-per-minute": 1}}}}
    inputs = [("a", 1), ("a", 2), ("a", 3), ("b", 4)]
    run = run_agent(agent_of(speak_by_one), inputs, config=config)
    assert len(run.outputs) == 4
    times = sorted(time for _, time in MADE)
    assert times[1] - times[0] < 30
    assert times[2] - times[0] > 60
    assert times[3] - times[2] > 60


def test_tokens_per_minute_are_corrected_by_what_was_used() -> None:
    # Each call is estimated at 100 tokens; with 1,000 a minute that is ten calls.
    config = {"limits": {"first": {"tokens-per-minute": 1000}}}
    run_agent(agent_of(speak_by_one), [(str(n), n) for n in range(15)], config=config)
    times = sorted(time for _, time in MADE)
    assert all(later - earlier > 60 for earlier, later in zip(times, times[10:], strict=False))


def test_a_plain_durable_call_has_the_limit_that_it_names() -> None:
    def call(event: Event, ctx: RunnerContext) -> None:
        ctx.send_event(OutputEvent(output=ctx.durable_execute(note, event.input, limit="geo")))

    def note(value: int) -> int:
        MADE.append(("geo", clock.now()))
        return value

    config = {"limits": {"geo": {"requests-per-minute": 2}}}
    run = run_agent(agent_of(call), [(str(n), n) for n in range(4)], config=config)
    assert sorted(value for output in run.outputs for value in output.values()) == [0, 1, 2, 3]
    times = sorted(time for _, time in MADE)
    assert times[2] - times[0] > 60


def test_a_plain_function_on_a_thread_has_its_limit() -> None:
    async def call(event: Event, ctx: RunnerContext) -> None:
        found = await ctx.durable_execute_async(note, event.input, limit="geo")
        ctx.send_event(OutputEvent(output=found))

    def note(value: int) -> int:
        MADE.append(("geo", clock.now()))
        return value

    config = {"limits": {"geo": {"requests-per-minute": 2, "concurrency": 1}}}
    run = run_agent(agent_of(call), [(str(n), n) for n in range(4)], config=config)
    assert len(run.outputs) == 4
    times = sorted(time for _, time in MADE)
    assert times[2] - times[0] > 60


def test_a_parameter_of_that_name_is_the_functions() -> None:
    def call(event: Event, ctx: RunnerContext) -> None:
        ctx.send_event(OutputEvent(output=ctx.durable_execute(head, event.input, limit=2)))

    def head(text: str, limit: int) -> str:
        return text[:limit]

    config = {"limits": {"geo": {"requests-per-minute": 2}}}
    assert run_agent(agent_of(call), [("a", "hello")], config=config).outputs == [{"a": "he"}]


def test_at_most_so_many_calls_are_under_way() -> None:
    most, now = 0, 0

    async def work(_: int) -> None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.005)
        now -= 1

    async def call(event: Event, ctx: RunnerContext) -> None:
        await ctx.durable_execute_async(work, event.input, limit="geo")

    config = {"limits": {"geo": {"concurrency": 3}}, "suspend-after": 2, "shards": 4}
    run_agent(agent_of(call), [(str(n), n) for n in range(12)], config=config)
    assert most == 3


def test_a_limit_that_is_not_configured_beside_others_is_an_error() -> None:
    def call(event: Event, ctx: RunnerContext) -> None:
        ctx.durable_execute(say, event.input, limit="goe")

    config = {"limits": {"geo": {"requests-per-minute": 2}}}
    with pytest.raises(AgentFailedError, match=r"limits\.goe"):
        run_agent(agent_of(call), [("a", 1)], config=config)
    assert run_agent(agent_of(call), [("a", 1)]).outputs == []


# -- budgets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "made"),
    [
        ({"first": {"budget-tokens": 250}}, 3),
        ({"first": {"budget-tokens": 300}}, 3),
        ({"first": {"budget": 0.01}}, 0),
        ({"job": {"budget-tokens": 100}}, 1),
        ({"first": {"budget-tokens": 0}}, 0),
    ],
)
def test_no_call_is_made_when_the_budget_is_used_up(limits: Any, made: int, tmp_path: Path) -> None:
    # A call costs 40 tokens at 100 and 60 at 200 per million: 0.016.
    config = {"limits": limits, "prices": {"big": {"input": 100, "output": 200}}}
    if limits == {"first": {"budget": 0.01}}:
        made = 1
    run = run_agent(
        agent_of(speak_by_one),
        [(str(number), number) for number in range(6)],
        config=config,
        on_error="dead-letter",
        state=tmp_path / "state",
    )
    assert len(MADE) == len(run.outputs) == made
    assert len(run.failures) == 6 - made
    assert all("BudgetExceeded" in failure.error for failure in run.failures)


def test_a_budget_holds_over_lives(tmp_path: Path) -> None:
    def said(count: int, budget: int) -> list[bool]:
        run = run_agent(
            agent_of(speak_or_not),
            [(str(number), number) for number in range(count)],
            config={"limits": {"first": {"budget-tokens": budget}}},
            state=tmp_path / "state",
        )
        return ["first:" in value for output in run.outputs for value in output.values()]

    assert said(3, 200).count(True) == 2
    assert said(6, 200).count(True) == 2
    assert said(9, 400).count(True) == 4
    assert len(MADE) == 4


def test_a_refusal_is_on_record(tmp_path: Path) -> None:
    failures = iter([RuntimeError("once")])

    async def speak_and_fail(event: Event, ctx: RunnerContext) -> None:
        try:
            said = await ctx.durable_execute_async(Saying(event.input, 1))
        except BudgetExceeded as error:
            said = error.message
        again = await ctx.durable_execute_async(say_later, event.input)
        for failure in failures:
            raise failure
        ctx.send_event(OutputEvent(output=[said, again]))

    async def say_later(text: str) -> str:
        return text

    config = {"limits": {"first": {"budget-tokens": 0}}}
    run = run_agent(
        agent_of(speak_and_fail),
        [("a", "hello")],
        config=config,
        on_error="dead-letter",
        state=tmp_path / "s",
    )
    ((said, again),) = [value for output in run.outputs for value in output.values()]
    assert "limits.first (0 tokens) is used up" in said
    assert again == "hello"


@pytest.mark.parametrize("action", [speak_by_one, say_by_one])
def test_a_budget_per_key_stops_that_key_only(action: Any, tmp_path: Path) -> None:
    config = {"limits": {"first": {"per-key": {"budget-tokens": 150}}}}
    inputs = [("a", 1), ("a", 2), ("b", 3), ("a", 4), ("a", 5), ("b", 6)]
    run = run_agent(
        agent_of(action), inputs, config=config, on_error="dead-letter", state=tmp_path / "s"
    )
    assert len(run.outputs_of("a")) == 2
    assert len(run.outputs_of("b")) == 2
    assert [failure.key for failure in run.failures] == ["a", "a"]
    assert "of key 'a' in limits.first.per-key" in run.failures[0].error


def test_calls_of_one_run_do_not_pass_a_budget_together(tmp_path: Path) -> None:
    async def speak_often(event: Event, ctx: RunnerContext) -> None:
        said = await asyncio.gather(
            *(ctx.durable_execute_async(Saying(f"{event.input}{n}", 1)) for n in range(9)),
            return_exceptions=True,
        )
        ctx.send_event(OutputEvent(output=[isinstance(each, str) for each in said].count(True)))

    for limits in (
        {"first": {"per-key": {"budget-tokens": 300}}},
        {"first": {"budget-tokens": 300}},
        {"job": {"budget-tokens": 300}},
    ):
        run = run_agent(agent_of(speak_often), [("a", "x")], config={"limits": limits})
        assert run.outputs == [{"a": 3}]
    assert len(MADE) == 9


def test_a_route_whose_budget_is_used_up_is_passed_over() -> None:
    config = {"limits": {"first": {"budget-tokens": 200}}}
    run = run_agent(agent_of(speak), [("a", n) for n in range(4)], config=config)
    assert len(run.outputs) == 4
    assert names() == ["first", "first", "second", "second"]


def test_a_model_without_a_price_cannot_be_called_under_a_budget_of_money() -> None:
    config = {
        "limits": {"first": {"budget": 1}},
        "prices": {"other": {"input": 100, "output": 200}},
    }
    with pytest.raises(AgentFailedError, match="the model 'big' has no price"):
        run_agent(agent_of(speak_by_one), [("a", 1)], config=config)
    assert not MADE


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"limits": {"first": {"request-per-minute": 1}}}, "Did you mean 'requests-per-minute'"),
        ({"limits": {"first": {"requests-per-minute": 0}}}, "a whole number from 1"),
        ({"limits": {"first": {"budget": "much"}}}, "a number from 0"),
        ({"limits": {"first": {"budget": 1}}}, "has no prices"),
        ({"limits": {"job": {"concurrency": 1}}}, "job has budget, budget-tokens"),
        ({"limits": {"first": {"per-key": {"concurrency": 1}}}}, "no setting"),
        ({"limits": 3}, "not a section"),
        ({"limits": {"first": 600}}, "no setting 'limits.first'"),
        ({"prices": {"gpt-4.1": {"input": 1}}}, "'gpt-4.1' lack output"),
        ({"prices": {"gpt-4.1": {"input": -1, "output": 2}}}, "a number from 0"),
        ({"prices": {"gpt-4.1": {"inputs": 1, "output": 2}}}, "no setting"),
    ],
)
def test_a_mistake_in_the_configuration_is_one_clear_error(settings: Any, error: str) -> None:
    with pytest.raises(ConfigError, match=error.replace("(", r"\(")):
        run_agent(agent_of(speak_by_one), [("a", 1)], config=settings)
    assert not MADE
