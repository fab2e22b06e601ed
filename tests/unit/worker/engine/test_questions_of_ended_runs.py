"""Questions of runs that do not come to them again: they are closed when their run ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.loops import on_loop
from support.moved_clock import MovedClock
from support.worker.bench import bench
from support.worker.waiting import HOUR, Reminder, agent_of, soon
from tamias import Answer, InputEvent, OutputEvent

if TYPE_CHECKING:
    from pathlib import Path

    from support.worker.bench import Bench


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    """A clock to be moved."""
    return MovedClock(monkeypatch)


async def ask(event: InputEvent, ctx: Any) -> None:
    answer = await ctx.wait_for("name", ask=event.input)
    ctx.send_event(Reminder(text=answer))


async def remind(event: Reminder, ctx: Any) -> None:
    await ctx.sleep(HOUR)
    ctx.send_event(OutputEvent(output=event.text))


def questions_left(life: Bench) -> tuple[int, bytes]:
    """How many questions count as waiting, and what is kept of those that there are."""
    return life.shards[0].read_waiting(
        lambda view: (
            view.counts().questions,
            b"".join(record.ask + (record.answer or b"") for _, record in view.questions()),
        )
    )


@on_loop
async def test_the_question_of_an_action_that_has_ended_is_closed_with_its_run(
    tmp_path: Path, moved: MovedClock
) -> None:
    agent = agent_of(ask, (Reminder, remind))
    with bench(agent, tmp_path) as life:
        life.send(("a", 1))
        await soon(lambda: life.notices)
        (question,) = life.notices
        life.send(("a", Answer(question.token, "ann")), first=1)
        await soon(lambda: life.shards[0].read_waiting(lambda view: view.next_due(0)))
        await life.at_rest()
        assert questions_left(life)[0] == 1
    with bench(agent, tmp_path) as life:  # here its action is not executed again
        moved.advance(HOUR + 1)
        life.announcer.look()
        await soon(lambda: life.order == ["ann"])
        await life.at_rest()
        assert questions_left(life) == (0, b"")


@on_loop
async def test_the_question_of_a_run_that_fails_before_it_is_closed(
    tmp_path: Path, moved: MovedClock
) -> None:
    async def fail(event: InputEvent, ctx: Any) -> None:
        raise ValueError("other code")

    async def wait(event: InputEvent, ctx: Any) -> None:
        await ctx.wait_for("name", timeout=HOUR)

    with bench(agent_of(wait), tmp_path) as life:
        life.send(("a", 1))
        await soon(lambda: life.suspended)
        (question,) = life.notices
    fail.__name__ = wait.__name__
    with bench(agent_of(fail), tmp_path, max_attempts=1) as life:
        moved.advance(HOUR + 1)
        life.announcer.look()
        await soon(life.letters)
        await life.at_rest()
        assert questions_left(life) == (0, b"")
        life.send(("a", Answer(question.token, "ann")), first=1)
        await soon(lambda: len(life.letters()) == 2)
        assert "has ended without an answer" in life.letters()[-1].error
