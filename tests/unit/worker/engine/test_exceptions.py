"""An exception of any class is the failure of its input, and of no other."""

from __future__ import annotations

import asyncio
import builtins
from typing import TYPE_CHECKING, Any

import pytest

from support.loops import on_loop
from support.worker.bench import bench
from support.worker.durable import agent
from support.worker.exceptions import MADE, give, raise_later, raise_one
from tamias import OutputEvent
from tamias.agent.failures.error_json import error_to_json
from tamias.agent.failures.error_text import LONGEST_LINE, LONGEST_TEXT, full_text, one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tamias import RunnerContext


async def itself(name: str, ctx: RunnerContext) -> None:
    raise_one(name)


async def plain_call(name: str, ctx: RunnerContext) -> None:
    ctx.durable_execute(raise_one, name)


async def call_in_thread(name: str, ctx: RunnerContext) -> None:
    await ctx.durable_execute_async(raise_one, name)


async def awaited_call(name: str, ctx: RunnerContext) -> None:
    await ctx.durable_execute_async(raise_later, name)


async def gathered_call(name: str, ctx: RunnerContext) -> None:
    await asyncio.gather(
        ctx.durable_execute_async(raise_one, name), ctx.durable_execute_async(give, "text")
    )


async def task(name: str, ctx: RunnerContext) -> None:
    await asyncio.create_task(raise_later(name))


async def thread(name: str, ctx: RunnerContext) -> None:
    if "stop" in name:
        raise_one(name)  # Python's own `to_thread` never returns then
    await asyncio.to_thread(raise_one, name)


WAYS = [itself, plain_call, call_in_thread, awaited_call, gathered_call, task, thread]


async def outcomes(
    directory: Path, do: Callable[[str, RunnerContext], Any], **options: Any
) -> dict[str, Any]:
    """By name of the exception, the dead letter of its input; each has a neighbour of its key."""

    async def act(event: Any, ctx: RunnerContext) -> None:
        if event.input is not None:
            await do(event.input, ctx)
        ctx.send_event(OutputEvent(output="done"))

    inputs = [(name, value) for name in MADE for value in (name, None)]
    with bench(agent(act), directory, **options) as life:
        outputs = await asyncio.wait_for(life.run(*inputs), 60)
        letters = {list(MADE)[letter.offset // 2]: letter for letter in life.letters()}
        assert all(letter.offset % 2 == 0 for letter in life.letters())
        assert outputs[1::2] == [["done"]] * len(MADE)
        done = {name for name, output in zip(MADE, outputs[::2], strict=True) if output}
        assert done.isdisjoint(letters)
        assert done.union(letters) == MADE.keys()
        return letters


@pytest.mark.parametrize("do", WAYS)
@on_loop
async def test_what_an_action_lets_out_is_the_failure_of_its_input(
    tmp_path: Path, do: Callable[[str, RunnerContext], Any]
) -> None:
    letters = await outcomes(tmp_path, do, max_attempts=2)
    assert letters.keys() == MADE.keys()
    for name, letter in letters.items():
        kind = type(MADE[name]()).__name__
        named = letter.error + letter.traceback
        assert kind in named or "RuntimeError" in named, name
        assert letter.attempts == 2
        assert len(letter.error) <= LONGEST_LINE + 100
        letter.error.encode()
        assert "exceptions.py" in letter.traceback or name in ("traceback", "long"), name


@pytest.mark.parametrize(
    "options", [{}, {"sync_in_threads": True}], ids=["on the loop", "in a thread"]
)
@pytest.mark.parametrize("durable", [False, True])
@on_loop
async def test_so_it_is_in_a_plain_action(
    tmp_path: Path, options: dict[str, Any], *, durable: bool
) -> None:
    def act(event: Any, ctx: RunnerContext) -> None:
        if event.input is not None and durable:
            ctx.durable_execute(raise_one, event.input)
        elif event.input is not None:
            raise_one(event.input)
        ctx.send_event(OutputEvent(output="done"))

    inputs = [(name, value) for name in MADE for value in (name, None)]
    with bench(agent(act), tmp_path, max_attempts=1, **options) as life:
        outputs = await asyncio.wait_for(life.run(*inputs), 60)
        assert outputs == [[], ["done"]] * len(MADE)
        assert len(life.letters()) == len(MADE)


@pytest.mark.parametrize("do", WAYS)
@on_loop
async def test_it_halts_the_job_where_failures_do(
    tmp_path: Path, do: Callable[[str, RunnerContext], Any]
) -> None:
    async def act(event: Any, ctx: RunnerContext) -> None:
        await do(event.input, ctx)

    for name in MADE:
        with bench(agent(act), tmp_path / name, on_error="fail") as life:
            life.send(("k", name))
            await asyncio.wait_for(life.until(0), 60)
            assert not life.failed
            assert life.halted[0]["error"]


async def stored(name: str, ctx: RunnerContext) -> None:
    ctx.short_term_memory.set("value", [give(name)])


async def sensed(name: str, ctx: RunnerContext) -> None:
    ctx.sensory_memory.set("value", give(name))


async def sent(name: str, ctx: RunnerContext) -> None:
    ctx.send_event(OutputEvent(output={"value": give(name)}))


async def returned(name: str, ctx: RunnerContext) -> None:
    ctx.durable_execute(give, name)


async def returned_later(name: str, ctx: RunnerContext) -> None:
    await ctx.durable_execute_async(give, name)


@pytest.mark.parametrize("do", [stored, sensed, sent, returned, returned_later])
@on_loop
async def test_one_that_cannot_be_read_back_is_refused_where_it_is_kept(
    tmp_path: Path, do: Callable[[str, RunnerContext], Any]
) -> None:
    letters = await outcomes(tmp_path, do, max_attempts=1)
    unreadable = {"constructor", "quitting", "state", "no pickle", "group"}
    if not hasattr(builtins, "BaseExceptionGroup"):  # Python 3.10: a group is made of another class
        unreadable.remove("group")
    assert letters.keys() - {"class"} == unreadable
    for name in unreadable - {"no pickle"}:
        assert letters[name].cause == "unserializable"
        assert "can be pickled, but not be read back" in letters[name].error
    assert "SystemExit: 6" in letters["no pickle"].error
    assert "class" not in letters or "KeyError: 'class'" in letters["class"].error


@pytest.mark.parametrize("name", MADE)
def test_every_exception_has_a_text(name: str) -> None:
    error = MADE[name]()
    assert type(error).__name__ in one_line(error)
    assert len(one_line(error)) <= LONGEST_LINE + 100
    assert type(error).__name__ in full_text(error)
    assert len(full_text(error)) <= LONGEST_TEXT + 100
    body = error_to_json(error)
    assert body["type"] == type(error).__name__
    assert type(error).__name__ in body["traceback"]
