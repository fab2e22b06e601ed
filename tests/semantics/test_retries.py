"""Failed runs are tried again: how often, after which waits, and what is on record of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tamias import (
    Agent,
    AgentDefinitionError,
    AgentFailedError,
    AgentRun,
    ConfigError,
    Event,
    InputEvent,
    OutputEvent,
    RetryPolicy,
    RunnerContext,
    action,
    run_agent,
)
from tamias.store import clock

CALLS: list[Any] = []
POLICY = RetryPolicy(attempts=4, wait=60, give_up_on=KeyError)


class Failing(Agent):
    """Raises what its input names, that often."""

    @action(InputEvent)
    @staticmethod
    def act(event: Event, ctx: Any) -> None:
        CALLS.append(ctx.key)
        error, times = event.input
        if CALLS.count(ctx.key) <= times:
            raise error
        ctx.send_event(OutputEvent(output=ctx.key))


class Patient(Agent):
    """The same, with a policy of its own."""

    @action(InputEvent, retry=POLICY)
    @staticmethod
    def act(event: Event, ctx: Any) -> None:
        Failing.act(event, ctx)


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    CALLS.clear()


def test_what_looks_temporary_is_tried_until_it_passes() -> None:
    run = run_agent(Failing, [("a", (ConnectionError("down"), 20))], on_error="dead-letter")
    assert run.failures == []
    assert run.outputs_of("a") == ["a"]
    assert len(CALLS) == 21


@pytest.mark.parametrize(
    ("error", "tries"),
    [(ConnectionError("down"), 25), (RuntimeError("odd"), 3), (KeyError("name"), 3)],
)
def test_attempts_are_used_up(error: Exception, tries: int) -> None:
    run = run_agent(Failing, [("a", (error, 99))], on_error="dead-letter")
    assert len(run.failures) == 1
    assert len(CALLS) == tries


class Down(Agent):
    """Cannot connect until a moment."""

    @action(InputEvent)
    @staticmethod
    def act(event: Event, ctx: Any) -> None:
        CALLS.append(ctx.key)
        if clock.now() < event.input:
            raise ConnectionError("down")
        ctx.send_event(OutputEvent(output=ctx.key))


def test_an_hour_without_a_provider_loses_no_input_and_takes_few_attempts() -> None:
    keys = [f"k{number}" for number in range(50)]
    until = clock.now() + 3600
    run = run_agent(Down, [(key, until) for key in keys], on_error="dead-letter")
    assert run.failures == []
    assert sorted(run.outputs, key=str) == sorted(({key: key} for key in keys), key=str)
    # About 1, 2, ..., 256 seconds, and 300 from then on: 19 or 20 waits, by the jitter.
    assert all(18 <= CALLS.count(key) <= 22 for key in keys)


def test_an_action_with_a_policy_is_tried_as_that_says_under_every_on_error() -> None:
    run = run_agent(Patient, [("a", (RuntimeError("odd"), 3))])
    assert run.outputs_of("a") == ["a"]
    with pytest.raises(AgentFailedError):
        run_agent(Patient, [("b", (RuntimeError("odd"), 4))])
    assert CALLS.count("b") == 4
    run = run_agent(Patient, [("c", (KeyError("name"), 4))], on_error="dead-letter")
    assert CALLS.count("c") == 1


def test_a_policy_of_an_action_is_checked() -> None:
    for bad in (RetryPolicy(timeout=3), {"attempts": 0}, {"tries": 3}, 7):
        with pytest.raises(AgentDefinitionError):
            action(InputEvent, retry=bad)  # type: ignore[arg-type]
        with pytest.raises(AgentDefinitionError):
            Agent().add_action("act", [InputEvent], Failing.act, retry=bad)  # type: ignore[arg-type]


def test_policies_without_an_end_or_sense_are_refused_before_anything_runs() -> None:
    for bad, problem in (
        ({"attempts": None}, "a policy has to end"),
        ({"attempts": float("inf")}, "a policy has to end"),
        ({"wait": -1}, "'wait' of a retry policy is -1"),
        ({"wait": timedelta(days=-1)}, "'wait' of a retry policy"),
        ({"longest": "-5s"}, "'longest' of a retry policy is '-5s'"),
        ({"retry_on": "ConectionError"}, "perhaps 'ConnectionError' is meant"),
        ({"retry_on": ["json.NoError"]}, "the module 'json' has no exception 'NoError'"),
        ({"give_up_on": int}, "<class 'int'> is no class of exceptions"),
    ):
        with pytest.raises(AgentDefinitionError, match=problem) as raised:
            Agent().add_action("act", [InputEvent], Failing.act, retry=bad)
        assert raised.value.hint or "wanted:" in raised.value.message
    for option, value in (
        *(("retry-attempts", bad) for bad in (0, "inf", -1, "for ever")),
        *(("call-attempts", bad) for bad in (0, "inf", 1.5)),
        *(("retry-wait", bad) for bad in (-1, "-1s", "soon", "inf")),
        ("retry-longest", "-5min"),
        ("retry-factor", 0.5),
        ("retry-jitter", 2),
    ):
        with pytest.raises(ConfigError, match=option):
            run_agent(Failing, [("a", (OSError(), 0))], config={option: value})
    assert CALLS == []


def call(key: str, error: Exception, times: int) -> int:
    CALLS.append(key)
    if CALLS.count(key) <= times:
        raise error
    return CALLS.count(key)


class Calling(Agent):
    """Calls durably, with a policy."""

    @action(InputEvent)
    @staticmethod
    async def act(event: Event, ctx: Any) -> None:
        error, times = event.input
        made = await ctx.durable_execute_async(call, ctx.key, error, times, retry=POLICY)
        ctx.send_event(OutputEvent(output=made))


class PlainCalling(Agent):
    """The same in a plain action."""

    @action(InputEvent)
    @staticmethod
    def act(event: Event, ctx: Any) -> None:
        made = ctx.durable_execute(call, ctx.key, *event.input, retry=POLICY)
        ctx.send_event(OutputEvent(output=made))


@pytest.mark.parametrize("agent", [Calling, PlainCalling])
def test_a_durable_call_is_tried_as_its_policy_says(agent: type[Agent]) -> None:
    run = run_agent(
        agent, [("a", (ValueError("bad"), 3)), ("b", (KeyError("name"), 9))], on_error="ignore"
    )
    assert run.outputs_of("a") == [4]
    assert (CALLS.count("a"), CALLS.count("b")) == (4, 1)
    run = run_agent(agent, [("c", (ConnectionError("down"), 99))], on_error="dead-letter")
    assert CALLS.count("c") == 4
    assert run.failures[0].error.startswith("ConnectionError: down (")
    assert "call was tried 4 times" in run.failures[0].error


class Unsaid(Agent):
    """Calls durably; only the second call has a policy of its own."""

    @action(InputEvent)
    @staticmethod
    async def act(event: Event, ctx: Any) -> None:
        made = await ctx.durable_execute_async(call, ctx.key, *event.input)
        once = RetryPolicy(attempts=1)
        made += ctx.durable_execute(call, ctx.key + "2", *event.input, retry=once)
        ctx.send_event(OutputEvent(output=made))


def test_the_job_has_a_policy_for_calls_that_have_none() -> None:
    def run(key: str, error: Exception, times: int, attempts: int) -> AgentRun:
        config = {"call-attempts": attempts, "retry-wait": "1h"}
        return run_agent(Unsaid, [(key, (error, times))], on_error="dead-letter", config=config)

    assert run("a", ValueError("bad"), 0, 4).outputs_of("a") == [2]
    (failure,) = run("b", ConnectionError("down"), 3, 4).failures
    assert (CALLS.count("b"), CALLS.count("b2")) == (4, 1)
    assert "call was tried once" in failure.error
    (failure,) = run("c", ValueError("bad"), 99, 4).failures
    assert CALLS.count("c") == 4
    assert "call was tried 4 times" in failure.error
    (failure,) = run("d", ValueError("bad"), 99, 1).failures
    assert CALLS.count("d") == 3
    assert "was tried" not in failure.error


class Slow(Agent):
    """Calls something that takes too long, and a function that has a parameter `retry` itself."""

    @action(InputEvent)
    @staticmethod
    async def act(event: Event, ctx: Any) -> None:
        async def hang() -> None:
            CALLS.append("hang")
            await asyncio.sleep(60)

        def own(retry: int) -> int:
            return retry

        try:
            await ctx.durable_execute_async(hang, retry={"attempts": 2, "wait": 0, "timeout": 0.01})
        except TimeoutError:
            ctx.send_event(OutputEvent(output=ctx.durable_execute(own, retry=7)))


def test_an_attempt_has_a_time_limit_and_a_function_its_own_parameters() -> None:
    run = run_agent(Slow, [("a", 1)])
    assert run.outputs_of("a") == [7]
    assert CALLS == ["hang", "hang"]


def test_why_runs_are_tried_again_is_said_once() -> None:
    failures = [ConnectionRefusedError(f"no {n} at shop.example") for n in range(3)]

    def unsteady(event: Event, ctx: RunnerContext) -> None:
        if failures:
            raise failures.pop(0)

    run = run_agent(
        Agent().add_action("unsteady", [InputEvent], unsteady), [("k", 1)], on_error="dead-letter"
    )
    assert run.notices == {
        "runs are tried again after ConnectionRefusedError: no 0 at shop.example": 3
    }
