"""What the event log says of runs is what they have done, also after a crash."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.profiles import examples
from tamias import (
    Agent,
    Event,
    InputEvent,
    OutputEvent,
    RunnerContext,
    action,
    run_agent,
)
from tamias.console.traces.reading import runs_in
from tamias.testing import AgentTest

if TYPE_CHECKING:
    from tamias.console.traces.steps import TracedRun, TracedStep

EVERY_RUN = {"event-log.sample": 1, "event-log.rate": 0}
EVERY_RUN_AFTERWARDS = {"event-log.sample": 0, "event-log.slow": 0, "event-log.rate": 0}
"""All runs are slow: those on the short path are written from what is known when they end."""

Tree = tuple[str, str, str, "tuple[Tree, ...]"]
"""Kind, name, status, children: what was sent last, sorted."""


class Next(Event):
    """Begins the second action."""

    program: list[str]


def work(number: int) -> int:
    return number


async def awaited(number: int) -> int:
    return number


def broken(number: int) -> int:
    raise ValueError(number)


def perform(program: list[str], ctx: RunnerContext) -> None:
    """Do the steps of a program that need no await."""
    for number, step in enumerate(program):
        if step == "call":
            ctx.durable_execute(work, number)
        elif step == "caught":
            with suppress(ValueError):
                ctx.durable_execute(broken, number)
        elif step == "block":
            with ctx.execution("parser", "block", {"number": number}):
                ctx.durable_execute(work, number)
        elif step == "empty block":
            with ctx.execution("parser", "block"):
                pass
        elif step == "output":
            ctx.send_event(OutputEvent(output=number))
        elif step == "fail":
            raise ValueError("as the program says")


class Plain(Agent):
    """Plain actions: the first one is on the short path."""

    @action(InputEvent)
    @staticmethod
    def first(event: InputEvent, ctx: RunnerContext) -> None:
        """Do the first part; send an event for the second one, if there is one."""
        perform(event.input[0], ctx)
        if event.input[1] is not None:
            ctx.send_event(Next(program=event.input[1]))

    @action(Next)
    @staticmethod
    def second(event: Next, ctx: RunnerContext) -> None:
        """Do the second part."""
        perform(event.program, ctx)


class Awaiting(Agent):
    """The same, with an awaited call in front of each part."""

    @action(InputEvent)
    @staticmethod
    async def first(event: InputEvent, ctx: RunnerContext) -> None:
        """Do the first part; send an event for the second one, if there is one."""
        await ctx.durable_execute_async(awaited, -1)
        perform(event.input[0], ctx)
        if event.input[1] is not None:
            ctx.send_event(Next(program=event.input[1]))

    @action(Next)
    @staticmethod
    async def second(event: Next, ctx: RunnerContext) -> None:
        """Do the second part."""
        await ctx.durable_execute_async(awaited, -1)
        perform(event.program, ctx)


class Expected(NamedTuple):
    """What a program does.

    Attributes:
        tree: as the log is to have it.
        calls: the durable calls of each part.
    """

    tree: Tree
    calls: tuple[int, int]


_CALLS = {"call": "success", "caught": "failed", "block": "success"}
_FUNCTIONS = {"call": "work", "caught": "broken", "block": "work"}


def part(
    name: str, program: Sequence[str], following: Tree | None, *, awaits: bool, replayed: int
) -> tuple[Tree, int]:
    """What an action does, where so many calls are on record, and how many calls it has."""
    made = 0

    def call(function: str, status: str) -> Tree:
        nonlocal made
        made += 1
        return "call", function, "reused" if made <= replayed else status, ()

    steps: list[Tree] = [call("awaited", "success")] if awaits else []
    sent: list[Tree] = []
    status = "success"
    for step in program:
        if step in _CALLS:
            one = call(_FUNCTIONS[step], _CALLS[step])
            steps.append(("parser", "block", one[2], (one,)) if step == "block" else one)
        elif step == "empty block":
            steps.append(("parser", "block", "success", ()))
        elif step == "output":
            sent.append(("event", "_output_event", "success", ()))
        else:
            status = "failed"
            break
    if status == "success" and following is not None:
        sent.append(following)
    return ("action", name, status, (*steps, *sorted(sent))), made


def expected(first: list[str], second: list[str] | None, *, awaits: bool, crash: int) -> Expected:
    """What is in the log of a program whose worker dies after so many calls; 0 for never."""
    (_, _, status, _), calls = part("first", first, None, awaits=awaits, replayed=0)
    following: Tree | None = None
    others = 0
    if status == "success" and second is not None:
        replayed = max(0, crash - calls)
        own, others = part("second", second, None, awaits=awaits, replayed=replayed)
        following = ("event", "Next", "success", (own,))
    action, _ = part("first", first, following, awaits=awaits, replayed=crash)
    if crash > calls:  # the first part is on record as a whole
        sent = tuple(child for child in action[3] if child[0] == "event")
        action = ("action", "first", "reused", sent)
    return Expected(("event", "_input_event", "success", (action,)), (calls, others))


def tree_of(step: TracedStep) -> Tree:
    """A step as it is compared."""
    children = [tree_of(child) for child in step.children]
    done = [child for child in children if child[0] != "event"]
    sent = sorted(child for child in children if child[0] == "event")
    return step.kind, step.name.rpartition(".")[2], step.status, (*done, *sent)


STEPS = st.lists(
    st.sampled_from(["call", "call", "caught", "block", "empty block", "output", "fail"]),
    max_size=5,
)


@pytest.mark.timeout(900)  # at night there are many examples
@settings(max_examples=examples(25))
@given(
    first=STEPS,
    second=st.none() | STEPS,
    awaits=st.booleans(),
    crash=st.integers(0, 6),
    config=st.sampled_from([EVERY_RUN, EVERY_RUN_AFTERWARDS]),
)
def test_a_trace_is_what_has_happened(
    first: list[str],
    second: list[str] | None,
    awaits: bool,  # noqa: FBT001 (given by Hypothesis)
    crash: int,
    config: dict[str, Any],
) -> None:
    calls = sum(expected(first, second, awaits=awaits, crash=0).calls)
    crash = min(crash, calls)
    agent = Awaiting if awaits else Plain
    settings = {"max-attempts": 1, **config}
    with AgentTest(agent, on_error="dead-letter", config=settings) as test:
        if crash:
            test.crash_after_calls(crash)
        test.send("k", [first, second])
        runs = list(runs_in(test.state))
    assert test.crashes == bool(crash)
    (run,) = runs  # what the worker that died had not written is lost
    wanted = expected(first, second, awaits=awaits, crash=crash).tree
    assert [tree_of(root) for root in run.roots] == [wanted]
    failed = "fail" in first or "fail" in (second or [])
    assert run.status == ("failed" if failed else "success")
    assert run.error == ("ValueError: as the program says" if failed else None)
    assert (run.offset, run.key, run.attempt) == (0, "k", 1)


# ------------------------------------------------------------------ what else there is


class Remind(Event):
    """The event of a timer."""


class Waiting(Agent):
    """Waits, asks, sets a timer, fails at first."""

    @action(InputEvent)
    @staticmethod
    async def begin(event: InputEvent, ctx: RunnerContext) -> None:
        """Do what the input says."""
        if event.input == "sleep":
            ctx.durable_execute(work, 1)
            await ctx.sleep(3600)
            ctx.durable_execute(work, 2)
        elif event.input == "ask":
            ctx.send_event(OutputEvent(output=await ctx.wait_for("approval")))
        elif event.input == "timer":
            ctx.schedule(after=60, event=Remind(), id="soon")
        elif event.input == "retry":
            number = ctx.durable_execute(count_attempts)
            if number < 3:
                raise ConnectionError(f"attempt {number}")

    @action(Remind)
    @staticmethod
    def remind(_: Event, ctx: RunnerContext) -> None:
        """Say so."""
        ctx.send_event(OutputEvent(output="reminded"))


attempts: list[int] = []


def count_attempts() -> int:
    attempts.append(1)
    if len(attempts) < 3:
        raise ConnectionError(f"call {len(attempts)}")
    return len(attempts)


def waiting_runs(value: str, *steps: Any) -> list[TracedRun]:
    """The runs of an input and what came after it, the oldest first."""
    attempts.clear()
    with AgentTest(Waiting, on_error="dead-letter", config=EVERY_RUN) as test:
        test.send("k", value)
        for step in steps:
            if isinstance(step, str):
                test.answer("approval", step)
            else:
                test.advance(step)
        return list(runs_in(test.state))[::-1]


def test_a_run_that_waits_long_is_in_parts_and_its_calls_are_reused() -> None:
    first, last = waiting_runs("sleep", 3600)
    assert (first.status, last.status) == ("suspended", "success")
    assert first.run_id == last.run_id
    begin = first.roots[0].children[0]
    assert [(step.kind, step.status) for step in begin.children] == [
        ("call", "success"),
        ("wait", "unfinished"),
    ]
    assert first.attributes["until"] == begin.children[1].attributes["until"]
    assert [(step.kind, step.name, step.status) for step in last.roots[0].children[0].children] == [
        ("call", f"{__name__}.work", "reused"),
        ("wait", "sleep", "success"),
        ("call", f"{__name__}.work", "success"),
    ]


def test_a_question_is_a_wait_with_its_name() -> None:
    first, *_, last = waiting_runs("ask", "yes")
    assert (first.status, first.attributes["until"]) == ("suspended", None)
    assert first.roots[0].children[0].children[0].name == "approval"
    wait, output = last.roots[0].children[0].children
    assert (wait.kind, wait.status) == ("wait", "success")
    assert output.attributes == {"output": "yes"}


def test_a_timer_has_a_run_of_its_own() -> None:
    setting, timer = waiting_runs("timer", 60)
    assert setting.description == ""
    assert timer.description == "timer 'soon', which goes back to input 0"
    assert [root.name for root in timer.roots] == ["Remind"]
    assert timer.roots[0].children[0].children[0].attributes == {"output": "reminded"}


def test_each_attempt_is_there_with_what_followed_it() -> None:
    runs = waiting_runs("retry", 600)
    assert [(run.attempt, run.status) for run in runs] == [
        (1, "failed"),
        (2, "failed"),
        (3, "success"),
    ]
    assert [run.attributes.get("followedBy") for run in runs] == ["retry", "retry", None]
    assert [run.error for run in runs] == [
        "ConnectionError: call 1",
        "ConnectionError: call 2",
        None,
    ]
    assert len({run.run_id for run in runs}) == 1


@pytest.mark.parametrize(
    ("config", "kept"),
    [
        ({}, {0: "sampled", 3: "failed"}),
        ({"event-log.sample": 0}, {3: "failed"}),
        ({"event-log.sample": 0, "event-log.keys": "1,b"}, {1: "named", 3: "failed"}),
        ({"event-log.sample": 0, "event-log.slow": 0, "max-attempts": 1}, dict.fromkeys(range(4))),
        ({"event-log.level": "OFF"}, {}),
    ],
)
@pytest.mark.parametrize("agent", [Plain, Awaiting])
def test_which_runs_are_in_the_log(
    agent: type[Agent], config: dict[str, Any], kept: dict[int, str | None], tmp_path: Any
) -> None:
    inputs = [("a", [[], None]), (1, [["call"], None]), ("c", [[], []]), ("d", [["fail"], None])]
    config = {"max-attempts": 1, **config}
    state = tmp_path / "state"
    run_agent(agent, inputs, config=config, state=state, on_error="dead-letter")
    found = {run.offset: run.cause for run in runs_in(state)}
    assert found.keys() == kept.keys()
    assert all(cause in (None, found[offset]) for offset, cause in kept.items())


def test_levels_of_types_and_contents_that_are_cut(tmp_path: Any) -> None:
    config = {
        **EVERY_RUN,
        "event-log.type.Next.level": "OFF",
        "event-log.type._output_event.level": "VERBOSE",
        "event-log.standard.max-string-length": 3,
        "event-log.standard.max-array-elements": 1,
    }
    state = tmp_path / "state"
    run_agent(Plain, [("k", [["output"], ["output"]])], config=config, state=state)
    (run,) = runs_in(state)
    assert run.roots[0].attributes["input"] == {
        "truncatedList": [
            [{"truncatedString": "out...", "omittedChars": 3}],
        ],
        "omittedElements": 1,
    }
    assert "Next" not in [step.name for step in run.steps()]
    assert [step.attributes for step in run.steps() if step.name == "_output_event"] == [
        {"output": 0},
        {"output": 0},
    ]


class Odd:
    """A value whose representation fails."""

    def __repr__(self) -> str:
        raise SystemExit("no")


class Sends(Agent):
    """Sends an event whose contents have no JSON form, and fails."""

    @action(InputEvent)
    @staticmethod
    def first(_: InputEvent, ctx: RunnerContext) -> None:
        """Send it, in memory only."""
        ctx.send_event(
            Event(type="odd", attributes={"odd": Odd(), "big": 1 << 70, "half": "\ud800"})
        )
        raise ValueError("\ud800")


def test_contents_without_a_json_form_harm_nothing(tmp_path: Any) -> None:
    state = tmp_path / "state"
    config = {**EVERY_RUN, "max-attempts": 1}
    run_agent(Sends, [("k", 1)], config=config, state=state, on_error="dead-letter")
    (run,) = runs_in(state)
    (odd,) = [step for step in run.steps() if step.name == "odd"]
    assert odd.attributes["odd"] == {"unreadable": "Odd: SystemExit"}
    assert odd.attributes["big"] == 1 << 70
    assert run.status == "failed"
