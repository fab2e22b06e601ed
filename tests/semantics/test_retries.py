"""Failed runs are tried again: how often, after which waits, and what is on record of it."""

from __future__ import annotations

from typing import Any

import pytest

from tamias import (
    Agent,
    AgentDefinitionError,
    AgentFailedError,
    Event,
    InputEvent,
    OutputEvent,
    RetryPolicy,
    action,
    run_agent,
)

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
