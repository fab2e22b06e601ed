"""Fields of short-term memory that expire, as actions see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.moved_clock import MovedClock
from tamias import (
    Agent,
    AgentsExecutionEnvironment,
    ConfigError,
    Event,
    InputEvent,
    MemoryRef,
    MemoryType,
    OutputEvent,
    RunnerContext,
    action,
    run_agent,
)
from tamias.agent.config.agent_options import AgentExecutionOptions
from tamias.store.state.memories import all_memories
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    from pathlib import Path

TTL = "short-term-memory.state-ttl."
_clock: list[MovedClock] = []


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    """The clock of the agents here, which inputs move."""
    _clock[:] = [MovedClock(monkeypatch)]
    return _clock[0]


class Keeper(Agent):
    """Carries out what its inputs say with its memory."""

    @action(InputEvent)
    @staticmethod
    def work(event: Event, ctx: RunnerContext) -> None:
        """Carry out one list of commands; a number moves the clock."""
        results = []
        for command in event.input:
            if isinstance(command, (int, float)):
                _clock[0].advance(command)
                continue
            name, *arguments = command
            memory: Any = ctx.short_term_memory
            if name == "ref":
                results.append(MemoryRef.create(MemoryType.SHORT_TERM, *arguments).resolve(ctx))
                continue
            result = getattr(memory, name)(*arguments)
            results.append(None if name in ("set", "new_object") else result)
        ctx.send_event(OutputEvent(output=[r for r in results if r is not None]))


def settings(seconds: float, **more: str) -> dict[str, Any]:
    named = {TTL + name.replace("_", "-"): value for name, value in more.items()}
    return {TTL + "ms": int(seconds * 1000), **named}


def run(*inputs: list[Any], ttl: float = 10, **more: str) -> list[Any]:
    """What the inputs of one key give."""
    config = settings(ttl, **more)
    ran = run_agent(Keeper(), [{"key": "k", "value": value} for value in inputs], config=config)
    assert not ran.failures
    return [value for output in ran.outputs for value in output.values()]


def test_a_field_is_gone_when_its_time_is_over() -> None:
    assert run(
        [["set", "a", 1]],
        [6, ["set", "b", [2]], ["get", "a"]],
        [5, ["get", "a", "none"], ["get", "b"], ["get_field_names"], ["is_exist", "a"]],
        update_type="ON_CREATE_AND_WRITE",
    ) == [[], [1], ["none", [2], ["b"], False]]


def test_what_is_read_lives_on() -> None:
    read = [6, ["get", "a", "none"]]
    assert run([["set", "a", 1]], read, read, [5, *read], read) == [
        [],
        [1],
        [1],
        ["none"],
        ["none"],
    ]


@pytest.mark.parametrize(
    "read",
    [["get", "a"], ["is_exist", "a"], ["get_fields"], ["ref", "a"]],
    ids=["get", "is_exist", "get_fields", "ref"],
)
def test_every_way_to_read_a_field_counts(read: list[str]) -> None:
    outputs = run([["set", "a", 1]], [6, read], [6, ["get", "a", "none"]])
    assert outputs[-1] == [1]


def test_the_names_of_fields_are_no_reads_of_them() -> None:
    outputs = run([["set", "a", 1]], [6, ["get_field_names"]], [6, ["get", "a", "none"]])
    assert outputs == [[], [["a"]], ["none"]]


def test_a_run_sees_one_moment_whatever_the_clock_says_meanwhile() -> None:
    assert run(
        [["set", "a", 1]],
        [9, ["get", "a"], 20, ["get", "a", "none"], ["set", "c", 3], 20, ["get", "c"]],
        [["get", "c"], ["get", "a", "none"]],
    ) == [[], [1, 1, 3], [3, "none"]]


def test_objects_live_as_long_as_fields_below_them() -> None:
    assert run(
        [["new_object", "o"], ["set", "o.x", 1], ["set", "p.q.r", 2]],
        [6, ["set", "o.y", 3]],
        [6, ["get_field_names"], ["get_fields"], ["is_exist", "p"], ["is_exist", "o"]],
        [20, ["get_field_names"], ["is_exist", "o"]],
    ) == [[], [], [["o"], {"o": "NestedObject"}, False, True], [[], False]]


def test_an_object_without_fields_expires_by_itself() -> None:
    assert run(
        [["new_object", "o"], ["set", "o.x", 1]],
        [6, ["is_exist", "o"]],
        [6, ["is_exist", "o"], ["is_exist", "o.x"]],
    ) == [[], [True], [True, False]]


def test_the_place_of_what_has_expired_is_free() -> None:
    assert run(
        [["set", "a", 1], ["set", "b.c", 2]],
        [11, ["set", "a.x", 3], ["set", "b", 4]],
        [5, ["get", "a.x"], ["get", "b"], ["get_fields"]],
    )[-1] == [3, 4, {"a": "NestedObject", "b": 4}]


def test_keys_with_more_fields_than_are_read_at_once_expire_too(tmp_path: Path) -> None:
    job = Job(tmp_path / "state")
    job.run([["set", f"f{number}", number] for number in range(200)])
    job.run([6, *(["set", f"f{number}", -number] for number in range(0, 200, 2))])
    assert job.run(
        [6, ["get", "f1", "none"], ["get", "f2"], ["is_exist", "f3"], ["set", "f5.x", 1]]
    ) == [["none", -2, False]]
    left = sorted([*(f"f{number}" for number in range(0, 200, 2)), "f5"])
    assert job.run([["get_field_names"]]) == [[left]]
    memory = job.seen()[0]
    assert memory is not None
    assert sorted(memory) == left
    assert memory["f5"].keys() == {"x"}


def test_expired_fields_are_shown_until_a_commit_has_removed_them(tmp_path: Path) -> None:
    job = Job(tmp_path / "state")
    shown: dict[str, Any] = {"visibility": "RETURN_EXPIRED_IF_NOT_CLEANED_UP"}
    job.run([["set", "a", 1]], **shown)
    assert job.run([11, ["get", "a", "none"]], **shown) == [[1]]
    assert job.run([["get", "a", "none"]], **shown) == [["none"]]
    assert job.seen()[0] is None


class Job:
    """A job over the lives of a state directory, with other settings each time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inputs: list[Any] = []

    def run(self, *inputs: list[Any], ttl: float = 10, **more: str) -> list[Any]:
        """The outputs of more inputs of one key."""
        env: Any = AgentsExecutionEnvironment.get_execution_environment(
            **{"workers": 1, "state-dir": str(self.path), **settings(ttl, **more)}
        )
        self.inputs += [{"key": "k", "value": value} for value in inputs]
        outputs: list[Any] = env.from_list(self.inputs).apply(Keeper).to_list()
        env.execute()
        return [value for output in outputs for value in output.values()][-len(inputs) :]

    def seen(self) -> tuple[Any, list[Any], list[Any], int]:
        """What readers see: the key's memory, the keys, all memories; and what is stored."""
        with StoreReader(self.path) as reader:
            with all_memories(reader, lambda data: data) as memories:
                exported = list(memories)
            stored = reader.counts()["memory"]
            return reader.memory("k"), list(reader.keys()), exported, stored


def test_the_option_is_turned_on_off_and_on_again(tmp_path: Path, clock: MovedClock) -> None:
    job = Job(tmp_path / "state")
    job.run([["set", "old", 1]], ttl=0)
    clock.advance(1000)
    assert job.run([["get_field_names"], ["set", "new", 2]]) == [[["old"]]]
    clock.advance(9)  # "old" has lived since the option was turned on
    assert job.seen()[0] == {"old": 1, "new": 2}
    clock.advance(2)
    assert job.seen()[:3] == (None, [], [])
    assert job.run([["get_field_names"]], ttl=0) == [[["new", "old"]]]
    clock.advance(1000)
    assert job.seen()[0] == {"old": 1, "new": 2}
    assert job.run([["get", "old"]]) == [[1]]
    clock.advance(11)
    assert job.seen()[0] is None


def test_a_shorter_life_counts_for_what_is_there(tmp_path: Path, clock: MovedClock) -> None:
    job = Job(tmp_path / "state")
    job.run([["set", "a", 1]], ttl=1000)
    clock.advance(100)
    assert job.run([["get", "a", "none"]], ttl=2000) == [[1]]
    clock.advance(100)
    assert job.run([["get", "a", "none"]], ttl=50) == [["none"]]


def test_later_commits_remove_what_has_expired(tmp_path: Path, clock: MovedClock) -> None:
    job = Job(tmp_path / "state")
    job.inputs = [{"key": n, "value": [["set", "x", n], ["set", "y.z", n]]} for n in range(50)]
    job.run([])
    assert job.seen()[3] == 100
    clock.advance(11)
    assert job.seen()[:3] == (None, [], [])
    for _ in range(16):
        job.inputs += [{"key": n, "value": []} for n in range(50, 200)]
    job.run([])
    assert job.seen()[3] == 0


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("ms", "soon", "milliseconds"),
        ("ms", -1, "milliseconds"),
        ("ms", 1.5, "milliseconds"),
        ("ms", 1e30, "milliseconds"),
        ("update-type", "NEVER", "ON_CREATE_AND_WRITE"),
        ("visibility", "MAYBE", "NEVER_RETURN_EXPIRED"),
    ],
)
def test_other_values_are_refused(name: str, value: object, wanted: str) -> None:
    config = {TTL + name: value}
    with pytest.raises(ConfigError, match=rf"state-ttl\.{name}.*{wanted}"):
        run_agent(Keeper(), [{"key": "k", "value": []}], config=config)


def test_a_duration_may_have_a_unit() -> None:
    option = AgentExecutionOptions.SHORT_TERM_MEMORY_STATE_TTL_MS
    assert [option.convert(v) for v in (5, "5", "2s", "1h30m", "0")] == [5, 5, 2000, 5_400_000, 0]
