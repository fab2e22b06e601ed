"""The local environment: what goes in, what comes out, what is refused."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tamias import (
    Agent,
    AgentFailedError,
    AgentsExecutionEnvironment,
    Event,
    InputEvent,
    OutputEvent,
    Prompt,
    Resource,
    ResourceDescriptor,
    ResourceType,
    RunnerContext,
    UnserializableError,
    UsageError,
    action,
)

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self


def environment(**options: Any) -> Any:
    return AgentsExecutionEnvironment.get_execution_environment(**{"workers": 2, **options})


def execute(inputs: Any, agent: Any, **options: Any) -> list[dict[Any, Any]]:
    env = environment(**options)
    outputs: list[dict[Any, Any]] = env.from_list(inputs).apply(agent).to_list()
    env.execute()
    return outputs


def agent_of(function: Any, *listens: Any) -> Agent:
    agent = Agent()
    agent.add_action("act", list(listens or [InputEvent]), function)
    return agent


class Count(Agent):
    @action(InputEvent)
    @staticmethod
    def count(event: Event, ctx: RunnerContext) -> None:
        number = (ctx.short_term_memory.get("count") or 0) + 1
        ctx.short_term_memory.set("count", number)
        ctx.send_event(OutputEvent(output=(event.input, number)))


def test_outputs_come_in_the_order_of_their_inputs() -> None:
    inputs = [{"key": f"k{number % 7}", "value": number} for number in range(500)]
    assert execute(inputs, Count(), batch_size=16) == [
        {f"k{number % 7}": (number, number // 7 + 1)} for number in range(500)
    ]


def test_what_is_not_in_memory_is_the_default() -> None:
    def act(event: Event, ctx: RunnerContext) -> None:
        memory = ctx.short_term_memory
        before = [memory.get("n", 5), memory.get("none", 5), memory.get("a.b", default=[])]
        memory.set("n", memory.get("n", 5) + 1)
        memory.set("none", None)
        memory.set("a.b", [1])
        ctx.send_event(OutputEvent(output=[*before, ctx.sensory_memory.get("gone", "x")]))

    assert execute([{"key": 1, "value": 0}] * 2, agent_of(act), workers=1) == [
        {1: [5, 5, [], "x"]},
        {1: [6, None, [1], "x"]},
    ]


def test_a_job_may_have_a_name() -> None:
    env = environment(workers=1)
    out = env.from_list([{"key": 1, "value": 2}]).apply(Count()).to_list()
    env.execute("nightly totals")
    assert out == [{1: (2, 1)}]


def test_a_name_of_an_agent_is_checked_before_anything_starts() -> None:
    env = environment(workers=1)
    env.from_list([{"key": 1, "value": 2}]).apply("nosuch.module:Agent").to_list()
    with pytest.raises(UsageError, match=r"There is no module nosuch\.module"):
        env.execute()


def test_the_list_is_read_when_it_is_executed_and_spelled_in_either_way() -> None:
    inputs: list[dict[str, Any]] = []
    env = environment(workers=1)
    outputs = env.from_list(inputs).apply(Count).to_list()
    inputs += [{"key": 1, "value": "a"}, {"k": 1, "v": "b"}, {"k": (1, "x"), "value": None}]
    assert outputs == []
    env.execute()
    assert outputs == [{1: ("a", 1)}, {1: ("b", 2)}, {(1, "x"): (None, 1)}]


def test_inputs_without_a_key_have_one_each() -> None:
    outputs = execute([{"value": "a"}, {"v": "b"}], Count, workers=1)
    assert [list(output.values()) for output in outputs] == [[("a", 1)], [("b", 1)]]
    first, second = (key for output in outputs for key in output)
    assert first != second


def test_any_iterable_will_do() -> None:
    assert execute(({"key": 1, "value": n} for n in range(3)), Count, workers=1) == [
        {1: (n, n + 1)} for n in range(3)
    ]
    assert execute([], Count, workers=1) == []


def test_one_life_one_job() -> None:
    env = environment(workers=1)
    with pytest.raises(UsageError, match="from_list"):
        env.execute()
    builder = env.from_list([{"key": 1, "value": 1}])
    with pytest.raises(UsageError, match="nothing to execute"):
        env.execute()
    with pytest.raises(UsageError, match="from_list can be called once"):
        env.from_list([])
    builder.apply(Count)
    with pytest.raises(UsageError, match="apply can be called once"):
        builder.apply(Count)
    env.execute()
    with pytest.raises(UsageError, match="execute can be called once"):
        env.execute()
    for call in (builder.to_datastream, lambda: builder.to_table(None, None)):
        with pytest.raises(UsageError, match="Flink"):
            call()
    for flink in (env.from_datastream, env.from_table):
        with pytest.raises(UsageError, match="Flink"):
            flink(None)


# -- failures -----------------------------------------------------------------------------------


def test_the_callers_get_the_traceback_of_their_code() -> None:
    def blow_up(event: Any, ctx: RunnerContext) -> None:
        def deeper() -> None:
            raise LookupError(f"no {event.input} here")

        if event.input == 3:
            deeper()

    with pytest.raises(AgentFailedError) as caught:
        execute([{"key": "k", "value": n} for n in range(5)], agent_of(blow_up))
    error = caught.value
    assert "LookupError: no 3 here" in str(error)
    assert error.offset == 3
    assert "'k'" in str(error)
    assert "in deeper" in error.user_traceback
    assert "in blow_up" in error.user_traceback
    assert "worker/engine/engine.py" not in error.user_traceback


def test_what_fails_may_be_ignored_or_set_aside() -> None:
    def even(event: Any, ctx: RunnerContext) -> None:
        if event.input % 2:
            raise ValueError(event.input)
        ctx.send_event(OutputEvent(output=event.input))

    inputs = [{"key": n, "value": n} for n in range(6)]
    for on_error, letters in (("ignore", 0), ("dead-letter", 3)):
        env = environment(workers=1, on_error=on_error)
        outputs = env.from_list(inputs).apply(agent_of(even)).to_list()
        env.execute()
        assert outputs == [{n: n} for n in (0, 2, 4)]
        assert env.report.dead_letters == letters
        assert env.report.events == 6


def test_outputs_that_cannot_travel() -> None:
    def act(event: Any, ctx: RunnerContext) -> None:
        ctx.send_event(OutputEvent(output=threading.Lock()))

    with pytest.raises(AgentFailedError, match=r"UnserializableError.*lock"):
        execute([{"key": 1, "value": 1}], agent_of(act), workers=1)
    with pytest.raises((UnserializableError, UsageError), match="lock"):
        execute([{"key": 1, "value": threading.Lock()}], Count, workers=1)


# -- what agents are made of ----------------------------------------------------------------------


def test_closures_and_local_classes() -> None:
    step = 10

    class Local(Agent):
        @action(InputEvent)
        @staticmethod
        def act(event: Event, ctx: RunnerContext) -> None:
            ctx.send_event(OutputEvent(output=event.input + step))

    assert execute([{"key": 1, "value": 1}], Local(), workers=1) == [{1: 11}]


def test_configuration_from_a_file_and_from_here(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("agent:\n  greeting: hello\n  workers: 1\n  size: 3\n")

    def act(event: Any, ctx: RunnerContext) -> None:
        config = ctx.config
        ctx.send_event(OutputEvent(output=(config.get_str("greeting"), config.get_int("size"))))

    env = AgentsExecutionEnvironment.get_execution_environment()
    env.get_config(str(path)).set_int("size", 4)
    assert env.get_config().get_str("greeting") == "hello"
    outputs = env.from_list([{"key": 1, "value": 1}]).apply(agent_of(act)).to_list()
    env.execute()
    assert outputs == [{1: ("hello", 4)}]


class Shop(Resource):
    prices: dict[str, int]

    @classmethod
    def resource_type(cls) -> ResourceType:
        return ResourceType.TOOL

    def price(self, thing: str) -> int:
        return self.prices[thing]


def test_resources_of_the_environment_and_of_the_agent() -> None:
    async def act(event: Any, ctx: RunnerContext) -> None:
        shop: Any = ctx.get_resource("shop", ResourceType.TOOL)
        prompt: Any = ctx.get_resource("ask", ResourceType.PROMPT)
        price = await ctx.durable_execute_async(shop.price, event.input)
        ctx.send_event(OutputEvent(output=(prompt.format_string(thing=event.input), price)))

    agent = agent_of(act)
    agent.add_resource("ask", ResourceType.PROMPT, Prompt.from_text("a {thing}?"))
    env = environment(workers=1)
    env.add_resource("shop", ResourceType.TOOL, ResourceDescriptor(clazz=Shop, prices={"pear": 3}))
    outputs = env.from_list([{"key": 1, "value": "pear"}]).apply(agent).to_list()
    env.execute()
    assert outputs == [{1: ("a pear?", 3)}]


def test_arrays_as_values_memory_and_outputs() -> None:
    def act(event: Any, ctx: RunnerContext) -> None:
        total = ctx.short_term_memory.get("total")
        total = event.input if total is None else total + event.input
        total[0] += 1
        ctx.short_term_memory.set("total", total)
        ctx.send_event(OutputEvent(output=total))

    inputs = [{"key": "k", "value": np.full(50_000, n, dtype=float)} for n in range(4)]
    outputs = execute(inputs, agent_of(act), workers=1)
    expected = np.zeros(50_000)
    for n, output in enumerate(outputs):
        expected += n
        expected[0] += 1
        np.testing.assert_array_equal(output["k"], expected)
        output["k"][1] = 5  # the caller's own


# -- where and how often --------------------------------------------------------------------------


def test_a_state_directory_gives_all_outputs_of_all_lives(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    inputs = [{"key": n % 3, "value": n} for n in range(30)]
    expected = [{n % 3: (n, n // 3 + 1)} for n in range(30)]

    with pytest.raises(AgentFailedError):
        execute(inputs[:20], FailAt(20), state_dir=state)
    flag = tmp_path / "go"
    flag.touch()
    assert execute(inputs, FailAt(20, str(flag)), state_dir=state) == expected
    assert execute(inputs, FailAt(20), state_dir=state) == expected


class FailAt(Agent):
    """Counts, but fails at one value until a file is there."""

    def __init__(self, value: int, flag: str = "") -> None:
        super().__init__()

        def act(event: Any, ctx: RunnerContext) -> None:
            import os

            if event.input == value - 1 and not os.path.exists(flag):  # noqa: PTH110
                raise RuntimeError("not yet")
            Count.count(event, ctx)

        self.add_action("act", [InputEvent], act)


def test_execute_in_another_thread() -> None:
    found: list[Any] = []
    inputs = [{"key": n % 3, "value": n} for n in range(30)]
    thread = threading.Thread(target=lambda: found.append(execute(inputs, Count)))
    thread.start()
    thread.join()
    assert found == [[{n % 3: (n, n // 3 + 1)} for n in range(30)]]


def test_metrics_are_in_the_report() -> None:
    env = environment()
    env.from_list([{"key": n, "value": n} for n in range(10)]).apply(Count).to_list()
    env.execute()
    assert env.report.metrics["numOfEventProcessed"] == 10
    assert env.report.metrics["action.count.numOfActionsExecuted"] == 10


# -- a third-party client, many keys at once -------------------------------------------------------


class Echo:
    """A TCP server that answers each line, in capitals, once all of its clients have connected."""

    def __init__(self, clients: int) -> None:
        self.clients = clients
        self.most = 0
        self.ready = threading.Event()

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve()))
        self.thread.start()
        self.ready.wait()
        return self

    async def serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.stop = asyncio.Event()
        self.all_here = asyncio.Event()
        server = await asyncio.start_server(self.answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        async with server:
            await self.stop.wait()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.most += 1
        if self.most == self.clients:
            self.all_here.set()
        await self.all_here.wait()
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join()


async def ask(port: int, text: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(text.encode() + b"\n")
        return (await reader.readline()).decode().strip()
    finally:
        writer.close()
        await writer.wait_closed()


def test_a_hundred_keys_wait_for_a_server_side_by_side() -> None:
    keys = 100

    async def act(event: Any, ctx: RunnerContext) -> None:
        plain, durable = await asyncio.gather(
            ask(event.input, f"hello {ctx.key}"),
            ctx.durable_execute_async(ask, event.input, f"again {ctx.key}"),
        )
        ctx.send_event(OutputEvent(output=[plain, durable]))

    with Echo(2 * keys) as echo:  # nobody is answered before all are connected
        inputs = [{"key": n, "value": echo.port} for n in range(keys)]
        outputs = execute(inputs, agent_of(act))
    assert outputs == [{n: [f"HELLO {n}", f"AGAIN {n}"]} for n in range(keys)]


def test_another_list_than_the_one_a_state_directory_knows_is_refused(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    inputs = [{"key": n, "value": n} for n in range(5)]
    first = execute(inputs, Count, state_dir=state)
    assert execute(inputs, Count, state_dir=state) == first
    assert len(execute([*inputs, {"key": 9, "value": 9}], Count, state_dir=state)) == 6
    for changed in ([{"key": 0, "value": 1}, *inputs[1:]], inputs[::-1], inputs[:4]):
        with pytest.raises(UsageError, match=r"not those|not the same"):
            execute(changed, Count, state_dir=state)
        with pytest.raises(UsageError, match=r"not those|not the same"):
            execute(iter(changed), Count, state_dir=state)
