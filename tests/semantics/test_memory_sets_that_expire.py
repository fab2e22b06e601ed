"""Items of memory sets that expire, as actions and other programs see them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from support.moved_clock import MovedClock
from tamias import (
    Agent,
    AgentsExecutionEnvironment,
    ConfigError,
    Event,
    InputEvent,
    MemorySetReader,
    OutputEvent,
    RunnerContext,
    action,
    open_memory,
    run_agent,
)
from tamias.store.state.deep import read_shard
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    from pathlib import Path

OPTION = "long-term-memory.ttl"
_clock: list[MovedClock] = []


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    """The clock of the agents here, which inputs move."""
    _clock[:] = [MovedClock(monkeypatch)]
    return _clock[0]


class Notes(Agent):
    """Carries out what its inputs say with memory sets; a number moves the clock."""

    @action(InputEvent)
    @staticmethod
    def work(event: Event, ctx: RunnerContext) -> None:
        """Carry out one list of commands: a method, its arguments, the settings of the set."""
        results = []
        for command in event.input:
            if isinstance(command, (int, float)):
                _clock[0].advance(command)
                continue
            name, arguments, *settings = command
            notes: Any = ctx.long_term_memory.get_memory_set("notes", **(settings or [{}])[0])
            ttl = {"ttl": arguments.pop()} if name == "add" and len(arguments) > 2 else {}
            result = getattr(notes, name)
            if callable(result):
                result = result(*arguments, **ttl)
            if name in ("get", "search"):
                result = [item.value for item in result]
            if name not in ("add", "delete"):
                results.append(result)
        ctx.send_event(OutputEvent(output=results))


def run(*inputs: list[Any], **config: Any) -> list[Any]:
    """What the inputs of one key give."""
    named = {OPTION: config["ttl"]} if config else {}
    ran = run_agent(Notes(), [{"key": "k", "value": value} for value in inputs], config=named)
    assert not ran.failures
    return [value for output in ran.outputs for value in output.values()]


SEEN: list[Any] = [["get", []], ["get", [["1", "2", "3"]]], ["search", ["tea"]], ["size", []]]


@pytest.mark.parametrize("shared", [False, True], ids=["of a key", "shared"])
def test_items_are_gone_for_all_reads_when_their_time_is_over(*, shared: bool) -> None:
    of_set = {"shared": shared}
    seen = [[*command, of_set] for command in SEEN]
    outputs = run(
        [
            ["add", [["green tea", "black tea"], ["1", "2"], 10], of_set],
            ["add", ["white tea", "3"], of_set],
        ],
        [9, *seen],
        [1, *seen],
    )
    assert outputs[1][1] == ["green tea", "black tea", "white tea"]
    assert outputs[1][3] == 3
    assert sorted(outputs[1][2]) == ["black tea", "green tea", "white tea"]
    assert outputs[2] == [["white tea"], ["white tea"], ["white tea"], 1]


@pytest.mark.parametrize("where", ["option", "set", "both"])
def test_the_option_and_the_set_say_how_long_items_live(where: str) -> None:
    config = {"ttl": "1h" if where == "both" else "10s"} if where != "set" else {}
    settings = {"ttl": 10} if where != "option" else {}
    assert run(
        [["add", [["a tea", "b tea"], ["1", "2"]], settings]],
        [9, ["size", [], settings], 2, ["get", [], settings]],
        [["get", [], settings], ["add", ["c tea", "3", 0], settings]],
        [100, ["get", [], settings]],
        **config,
    ) == [[], [2, ["a tea", "b tea"]], [[]], [["c tea"]]]


def test_an_id_of_what_has_expired_is_free_and_begins_anew() -> None:
    outputs = run(
        [["add", ["old tea", "1", 10]]],
        [11, ["size", []], ["add", ["new tea", "1"]], ["size", []], *SEEN],
        [100, *SEEN],
    )
    assert outputs[1] == [0, 1, ["new tea"], ["new tea"], ["new tea"], 1]
    assert outputs[2] == outputs[1][2:]


def test_what_has_expired_takes_no_place() -> None:
    full = {"capacity": 4}
    outputs = run(
        [["add", ["stays", "0"], full]],
        [["add", [["a", "b", "c"], ["1", "2", "3"], 10], full]],
        [11, ["add", [["d", "e", "f"], ["4", "5", "6"]], full], ["get", [], full]],
        [["add", ["g", "7"], full], ["get", [], full], ["size", [], full]],
    )
    assert outputs[2:] == [[["stays", "d", "e", "f"]], [["d", "e", "f", "g"], 4]]


def test_a_run_sees_one_moment() -> None:
    outputs = run(
        [["add", ["a tea", "1", 10]]],
        [9, ["size", []], 100, *SEEN],
        SEEN,
    )
    assert outputs[1:] == [[1, ["a tea"], ["a tea"], ["a tea"], 1], [[], [], [], 0]]


def test_what_a_run_adds_lives_from_its_commit_on() -> None:
    outputs = run(
        [["add", ["a tea", "1"]], 20, ["add", ["b tea", "2", 10]], 100, ["get", []]],
        [9, *SEEN],
        [1.1, *SEEN],
    )
    assert outputs == [
        [["a tea", "b tea"]],
        [["a tea", "b tea"], ["a tea", "b tea"], ["a tea", "b tea"], 2],
        [["a tea"], ["a tea"], ["a tea"], 1],
    ]


class Job:
    """A job over the lives of a state directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inputs: list[Any] = []

    def run(self, *inputs: tuple[Any, list[Any]]) -> None:
        """Process more inputs of keys."""
        env: Any = AgentsExecutionEnvironment.get_execution_environment(
            **{"workers": 1, "shards": 2, "state-dir": str(self.path)}
        )
        self.inputs += [{"key": key, "value": value} for key, value in inputs]
        env.from_list(self.inputs).apply(Notes).to_list()
        env.execute()

    def seen(self) -> MemorySetReader:
        """The set of the key "k", as another program reads it."""
        with open_memory(self.path) as memory:
            return memory.get_memory_set("k", "notes")

    def stored(self) -> Counter[str]:
        """How many records are in each table."""
        found: Counter[str] = Counter()
        with StoreReader(self.path) as reader:
            for number in range(2):
                with reader.shard(number) as snapshot:
                    assert snapshot is not None
                    found.update(snapshot.counts())
                read_shard(reader.view.layout.shard(number), number, 2, None)
        return found


def test_other_programs_do_not_see_what_has_expired(tmp_path: Path, clock: MovedClock) -> None:
    job = Job(tmp_path / "state")
    job.run(("k", [["add", [["green tea", "black tea"], ["1", "2"], 10]], ["add", ["tea", "3"]]]))
    for seen in (["green tea", "black tea", "tea"], ["tea"]):
        with open_memory(job.path) as memory:
            notes = memory.get_memory_set("k", "notes")
            assert notes.size == notes.describe()["items"] == len(seen)
            assert [item.value for item in notes.get()] == seen
            assert [item.value for item in notes.get(["1", "2", "3"])] == seen
            assert {item.value for item in notes.search("tea")} == set(seen)
            assert [item.value for item in notes] == seen
        clock.advance(11)


def test_later_commits_remove_items(tmp_path: Path, clock: MovedClock) -> None:
    job = Job(tmp_path / "state")
    texts = [f"tea {n}" for n in range(300)]
    ids = [str(n) for n in range(300)]
    job.run(*((key, [["add", [texts, ids, 10]]]) for key in range(4)))
    clock.advance(11)
    for _ in range(12):
        job.run(*((key, [["size", []]]) for key in range(4)))
    with open_memory(job.path) as memory:
        assert [memory.get_memory_set(key, "notes").size for key in range(4)] == [0] * 4
    left = job.stored()
    assert left["expiring"] == 0
    assert left["sets"] <= 4 * 2  # settings and sums


@pytest.mark.parametrize("value", ["soon", -1, "-5s"])
def test_other_values_of_the_option_are_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"long-term-memory\.ttl.*duration"):
        run_agent(Notes(), [{"key": "k", "value": []}], config={OPTION: value})


@pytest.mark.parametrize("value", ["soon", -1, [1]])
def test_other_lifetimes_of_items_are_refused(value: object) -> None:
    ran = run_agent(
        Notes(),
        [{"key": "k", "value": [["add", ["tea", "1", value]]]}],
        on_error="dead-letter",
    )
    assert "MemorySetError: the ttl" in ran.failures[0].error
