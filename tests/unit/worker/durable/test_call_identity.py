"""Which record a durable call gets, where functions differ in their code, or objects change."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

import pytest

from support.loops import on_loop
from support.worker.bench import bench
from support.worker.durable import agent
from tamias import OutputEvent
from tamias.worker.durable import fingerprint as fingerprints
from tamias.worker.durable.call_log import CallLog, CallRecord
from tamias.worker.durable.fingerprint import CallIdentity, identify_call

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tamias import RunnerContext


class Life:
    """What the functions below do: the first of two calls waits in the first life."""

    number = 1
    calls: list[Any]


async def slowly(value: Any) -> Any:
    """Return a value that is not recorded in the first life."""
    if Life.number == 1:
        await asyncio.sleep(3600)
    return at_once(value)


async def five_slowly(value: Any) -> Any:
    return await slowly(value) if value == 5 else at_once(value)


def at_once(value: Any) -> Any:
    Life.calls.append(value)
    return value


class Client:
    """A client that counts its uses, as one with a cache, a cookie or a token does."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.uses = 0
        self.seen: list[Any] = []

    def get(self, url: Any) -> str:
        self.uses += 1
        self.seen.append(url)
        at_once(url)
        return f"{url} is {self.name}{self.uses}"

    async def get_slowly(self, url: Any) -> str:
        await slowly(url)
        return self.get(url)


CLIENT = Client()


@pytest.fixture(autouse=True)
def first_life() -> None:
    Life.number, Life.calls = 1, []
    CLIENT.__init__()  # type: ignore[misc]


async def in_two_lives(
    directory: Path, function: Callable[[Any, RunnerContext], Any], records: int
) -> Any:
    """The output of an input whose first life ends with so many calls on record."""
    with bench(agent(function), directory) as life:
        life.send(("k", None))
        await life.until_recorded(records)
    Life.number = 2
    CLIENT.__init__()  # type: ignore[misc]
    with bench(agent(function), directory) as life:
        ((output,),) = await life.run(("k", None))
        assert life.journal() == 0
        return output


# -- code -----------------------------------------------------------------------------------------


async def lambdas(event: Any, ctx: RunnerContext) -> None:
    x, y = 3, 2
    found = await asyncio.gather(
        ctx.durable_execute_async(lambda: five_slowly(x + y)),
        ctx.durable_execute_async(lambda: five_slowly(x - y)),
    )
    ctx.send_event(OutputEvent(output=found))


async def keywords(event: Any, ctx: RunnerContext) -> None:
    call: Any = ctx.durable_execute_async
    found = await asyncio.gather(
        call(lambda *, a=1, b=7: five_slowly(b - a), a=2),
        call(lambda *, a=1, b=7: five_slowly(a - b), a=2),
    )
    ctx.send_event(OutputEvent(output=found))


async def local_functions(event: Any, ctx: RunnerContext) -> None:
    functions: list[Any] = []
    x, y = 3, 2
    for operation in "+-":
        if operation == "+":

            async def compute() -> Any:
                return await five_slowly(x + y)
        else:

            async def compute() -> Any:
                return await five_slowly(x - y)

        functions.append(compute)
    found = await asyncio.gather(*map(ctx.durable_execute_async, functions))
    ctx.send_event(OutputEvent(output=found))


@pytest.mark.parametrize(
    ("act", "expected"), [(lambdas, [5, 1]), (keywords, [5, -5]), (local_functions, [5, 1])]
)
@on_loop
async def test_functions_that_differ_in_code_alone_do_not_swap_their_results(
    tmp_path: Path, act: Any, expected: list[int]
) -> None:
    assert await in_two_lives(tmp_path, act, records=1) == expected
    assert sorted(Life.calls) == sorted(expected)  # each was called once


@on_loop
async def test_functions_of_one_decorator_do_not_swap_their_results(tmp_path: Path) -> None:
    def scaled(factor: int) -> Callable[..., Any]:
        @functools.wraps(at_once)
        async def function(value: int) -> Any:
            result = value * factor
            return await slowly(result) if factor == 5 else at_once(result)

        return function

    async def act(event: Any, ctx: RunnerContext) -> None:
        calls = [ctx.durable_execute_async(scaled(factor), 1) for factor in (5, -1)]
        ctx.send_event(OutputEvent(output=await asyncio.gather(*calls)))

    assert await in_two_lives(tmp_path, act, records=1) == [5, -1]


@on_loop
async def test_in_another_version_of_python_lambdas_are_known_by_their_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(event: Any, ctx: RunnerContext) -> None:
        x, y = 3, 2
        own = ctx.durable_execute(lambda: at_once(x * y))
        found = await asyncio.gather(
            ctx.durable_execute_async(lambda: five_slowly(x + y)),
            ctx.durable_execute_async(lambda: five_slowly(x - y)),
        )
        ctx.send_event(OutputEvent(output=[own, *found]))

    with bench(agent(act), tmp_path) as life:
        life.send(("k", None))
        await life.until_recorded(2)
    Life.number = 2
    monkeypatch.setattr(fingerprints, "PYTHON", b"\0\1")
    with bench(agent(act), tmp_path) as life:
        assert await life.run(("k", None)) == [[[6, 5, 1]]]
    assert sorted(Life.calls) == [1, 5, 6]


def test_another_lambda_at_the_same_place_is_a_divergence() -> None:
    def recorded(function: Callable[..., Any]) -> CallRecord:
        return CallLog("act").issue("<lambda>", identify_call(function, (), {})).succeeded(1)

    x, y = 1, 2
    log = CallLog("act", [recorded(lambda: x + y)])
    other = identify_call(lambda: x - y, (), {})
    assert log.claim(other) is None
    assert "called <lambda> with other code" in str(log.divergence("<lambda>", other))


def test_the_code_of_a_function_with_a_name_may_be_edited() -> None:
    def function() -> int:
        return 1

    before = function

    def function() -> int:  # type: ignore[no-redef]
        return 2

    record = CallLog("act").issue("function", identify_call(before, (), {})).succeeded(1)
    assert CallLog("act", [record]).claim(identify_call(function, (), {})) == record


# -- objects that change --------------------------------------------------------------------------


@on_loop
async def test_a_client_that_counts_its_uses_replays(tmp_path: Path) -> None:
    async def act(event: Any, ctx: RunnerContext) -> None:
        found = [
            ctx.durable_execute(CLIENT.get, "same"),
            ctx.durable_execute(CLIENT.get, "same"),
            await ctx.durable_execute_async(CLIENT.get, "other"),
            await ctx.durable_execute_async(functools.partial(CLIENT.get, "same")),
            ctx.durable_execute(lambda: CLIENT.get("in a lambda")),
            await ctx.durable_execute_async(CLIENT.get_slowly, "last"),
        ]
        ctx.send_event(OutputEvent(output=found))

    expected = ["same is 1", "same is 2", "other is 3", "same is 4", "in a lambda is 5"]
    output = await in_two_lives(tmp_path, act, records=5)
    assert output == [*expected, "last is 1"]


@on_loop
async def test_so_it_does_in_tasks_however_they_are_timed(tmp_path: Path) -> None:
    local = [Client("a"), Client("b")]

    async def act(event: Any, ctx: RunnerContext) -> None:
        for client in local:
            client.__init__(client.name)  # type: ignore[misc]

        async def branch(client: Client, turns: int) -> list[str]:
            for _ in range(turns * Life.number):
                await asyncio.sleep(0)
            return [await ctx.durable_execute_async(client.get, "url") for _ in range(3)]

        found = await asyncio.gather(branch(local[0], 2 * (2 - Life.number)), branch(local[1], 1))
        await ctx.durable_execute_async(slowly, "end")
        ctx.send_event(OutputEvent(output=found))

    expected = [[f"url is {name}{use}" for use in (1, 2, 3)] for name in "ab"]
    assert await in_two_lives(tmp_path, act, records=6) == expected


@on_loop
async def test_a_client_that_others_have_used_meanwhile_replays(tmp_path: Path) -> None:
    async def act(event: Any, ctx: RunnerContext) -> None:
        if Life.number == 2:
            CLIENT.uses = 1  # by the run of another key
        found = [await ctx.durable_execute_async(CLIENT.get, "url") for _ in range(3)]
        await ctx.durable_execute_async(slowly, "end")
        ctx.send_event(OutputEvent(output=found))

    expected = ["url is 1", "url is 2", "url is 3"]
    assert await in_two_lives(tmp_path, act, records=3) == expected


@on_loop
async def test_arguments_that_a_call_changes_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(messages: list[str]) -> str:
        messages.append("answer")
        return messages[-1]

    async def act(event: Any, ctx: RunnerContext) -> None:
        messages = ["question"]
        for _ in range(2):
            ctx.durable_execute(answer, messages)
        await ctx.durable_execute_async(slowly, "end")

    with bench(agent(act), tmp_path) as life:
        life.send(("k", None))
        await life.until_recorded(2)
    assert "answer were changed in place while it ran" in caplog.text
    Life.number = 2
    with bench(agent(act), tmp_path, max_attempts=1) as life:
        await life.run(("k", None))
        (letter,) = life.letters()
    assert letter.cause == "divergence"
    assert "The arguments of durable call 0, " in letter.error
    assert "answer, were changed in place while it ran" in letter.error
    assert "have it return what is new" in letter.error


def test_arguments_that_stay_as_they_are_cause_no_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    identity = identify_call(CLIENT.get, ([1, {"a": {2}}],), {})
    CLIENT.uses += 1
    assert not fingerprints.has_changed(identity, CLIENT.get, ([1, {"a": {2}}],), {})
    assert fingerprints.has_changed(identity, CLIENT.get, ([1, {"a": {3}}],), {})
    assert not caplog.text


# -- records of older versions --------------------------------------------------------------------


def test_records_without_code_and_places_are_matched_by_their_fingerprints() -> None:
    x = 1
    functions: list[Callable[..., Any]] = [CLIENT.get, lambda: x, at_once]
    calls = [identify_call(function, ("a",), {}) for function in functions]
    for own in (True, False):
        records = [
            CallRecord(number, "name", call.fingerprint, own, succeeded=True, outcome=b"")
            for number, call in enumerate(calls)
        ]
        log = CallLog("act", records)
        assert [log.claim(call, own=own) for call in calls] == records
        log.end()


def test_a_record_has_the_form_of_older_versions_where_nothing_is_carried() -> None:
    record = CallLog("act").issue("f", identify_call(at_once, (1,), {})).succeeded(2)
    assert record[6:11] == (0, b"", b"", None, False)
    assert CallRecord.decode(0, record.encode()) == record
    full = CallRecord(1, "f", b"f", False, True, b"x", 3, b"code", b"stable", (1, 2), True)
    assert CallRecord.decode(1, full.encode()) == full
    assert CallIdentity(b"f") == (b"f", b"", b"")
