"""What goes from a full memory set: near-duplicates, then the oldest items; kept ones never."""

from __future__ import annotations

from typing import Any

import pytest

from support.memory.steps import agent_of, results
from tamias import (
    Agent,
    AgentFailedError,
    Event,
    InputEvent,
    MemorySet,
    OutputEvent,
    RunnerContext,
    action,
    run_agent,
)


class Notes(Agent):
    """Each input is a list of settings, and of methods of the set "notes" with their arguments."""

    @action(InputEvent)
    @staticmethod
    def work(event: InputEvent, ctx: RunnerContext) -> None:
        """Carry out one list of commands."""
        settings, *commands = event.input
        memory = ctx.long_term_memory
        notes = memory.get_memory_set("notes", **settings)
        for command, *arguments in commands:
            named = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
            if command == "elsewhere":
                result: Any = memory.get_memory_set("others").add(*arguments, **named)
            else:
                result = getattr(notes, command)
                if callable(result):
                    result = result(*arguments, **named)
            if isinstance(result, list):
                result = [getattr(item, "value", item) for item in result]
            ctx.send_event(OutputEvent(output=result))


def run(*runs: list[Any], config: dict[str, Any] | None = None) -> list[Any]:
    """The outputs of runs of one key."""
    found = run_agent(Notes(), [{"key": "a", "value": each} for each in runs], config=config)
    return [value for output in found.outputs for value in output.values()]


def test_the_oldest_items_go_when_there_are_too_many() -> None:
    small = {"capacity": 3}
    outputs = run(
        [small, ["add", ["one", "two", "three"]], ["size"]],
        [small, ["add", "four"], ["get"], ["add", ["five", "six"]], ["get"]],
        [small, ["get"], ["size"]],
    )
    assert outputs[3] == ["two", "three", "four"]
    assert outputs[5:] == [["four", "five", "six"], ["four", "five", "six"], 3]


def test_of_more_items_than_a_set_may_have_the_last_ones_stay() -> None:
    outputs = run([{"capacity": 2}, ["add", ["a1", "b2", "c3", "d4"], list("abcd")], ["get"]])
    assert outputs == [list("abcd"), ["c3", "d4"]]


def test_items_that_are_to_be_kept_never_go() -> None:
    small = {"capacity": 2}
    outputs = run(
        [small, ["add", "first", {"keep": True}]],
        [small, ["add", "second"]],
        [small, ["add", "third"], ["get"]],
        [small, ["add", "fourth"], ["get"]],
    )
    assert [outputs[3], outputs[5]] == [["first", "third"], ["first", "fourth"]]


def test_a_set_full_of_kept_items_takes_no_other_and_loses_nothing() -> None:
    small = {"capacity": 2}
    found = run_agent(
        Notes(),
        [
            ("a", [small, ["add", ["1", "2"], {"keep": True}]]),
            ("a", [small, ["add", "3", {"keep": True}]]),
            ("a", [small, ["add", "4"], ["get"]]),
            ("a", [small, ["get"]]),
        ],
        on_error="dead-letter",
        config={"max-attempts": 1},
    )
    errors = [failure.error for failure in found.failures]
    assert len(errors) == 2
    assert all("The memory set 'notes' is full, and all of" in error for error in errors)
    assert found.outputs[-1]["a"] == ["1", "2"]


def test_an_item_that_is_replaced_makes_room_for_itself() -> None:
    small = {"capacity": 2}
    outputs = run(
        [small, ["add", ["one", "two"], ["1", "2"], {"keep": True}]],
        [small, ["add", "another two", "2", {"keep": True}], ["get"], ["size"]],
    )
    assert outputs[2:] == [["one", "another two"], 2]


def test_items_that_were_read_last_stay_where_that_counts() -> None:
    used = {"capacity": 3, "eviction": "least-recently-used"}
    outputs = run(
        [used, ["add", ["red ball", "blue kite", "old hat"], ["1", "2", "3"]]],
        [used, ["get", "1"]],
        [used, ["add", "new shoe", "4"]],
        [used, ["search", "hat"]],
        [used, ["add", "grey sock", "5"], ["get"]],
    )
    assert outputs[-1] == ["new shoe", "old hat", "grey sock"]


def test_a_set_is_bounded_by_tokens_and_by_bytes() -> None:
    long = "x" * 400
    tokens = {"max_tokens": 250}
    assert run([tokens, ["add", [long + str(n) for n in range(5)]], ["size"]])[-1] == 2
    size = {"max_bytes": 2000}
    assert 2 <= run([size, ["add", [long + str(n) for n in range(9)]], ["size"]])[-1] <= 4


def test_all_sets_of_a_key_are_bounded_by_bytes_together() -> None:
    config = {"long-term-memory.key-max-bytes": "3KB"}
    long = "x" * 400
    outputs = run(
        [{}, ["elsewhere", [long + str(n) for n in range(4)]]],
        [{}, ["add", [long + str(n) for n in range(6)]], ["size"]],
        config=config,
    )
    assert 1 <= outputs[-1] <= 2


def test_an_item_that_is_larger_than_all_bounds_is_refused() -> None:
    with pytest.raises(AgentFailedError, match=r"has 20,... bytes, and 10,... are allowed"):
        run([{}, ["add", "x" * 20_000]], config={"long-term-memory.max-item-size": "10KB"})


def test_an_item_that_is_larger_than_its_set_is_refused() -> None:
    with pytest.raises(AgentFailedError, match="are more than the memory set 'notes' may have"):
        run([{"max_tokens": 10}, ["add", "x" * 400]])


def test_equal_texts_become_one_in_a_full_set() -> None:
    small = {"capacity": 3}
    outputs = run(
        [small, ["add", ["Likes TEA", "has a dog"], ["1", "2"], [{"a": 1}, {}], {}], ["size"]],
        [small, ["add", "likes  tea", "3", {"metadatas": {"b": 2}}], ["size"], ["get"]],
        [small, ["add", "is tall", "4"], ["get"]],
    )
    assert outputs[1] == 2
    assert outputs[3:5] == [2, ["has a dog", "likes  tea"]]
    assert outputs[6] == ["has a dog", "likes  tea", "is tall"]


def test_duplicates_stay_where_that_is_laid_down() -> None:
    every = {"capacity": 2, "duplicates_above": 0}
    assert run([every, ["add", ["same", "same"]], ["size"]])[-1] == 2


def by_vectors(**settings: Any) -> Any:
    """A step that adds texts to a set with vectors, and shows all that it has then."""

    def add(*texts: str, **arguments: Any) -> Any:
        def step(memory: Any) -> list[Any]:
            notes: MemorySet = memory.get_memory_set("notes", embedding="vectors", **settings)
            notes.add(list(texts), list(texts), **arguments)
            return notes.get()

        return ("a", step)

    return add


def test_items_that_mean_nearly_the_same_become_one_in_a_full_set() -> None:
    add = by_vectors(capacity=3)
    assert results(add("north", "north and east"), add("almost north"), add("up"), add("east")) == [
        ["north", "north and east"],
        ["north and east", "almost north"],
        ["north and east", "almost north", "up"],
        ["almost north", "up", "east"],
    ]


def test_how_similar_they_have_to_be_is_laid_down() -> None:
    add = by_vectors(capacity=2, duplicates_above=0.7)
    assert results(add("north", "up"), add("north and east")) == [
        ["north", "up"],
        ["up", "north and east"],
    ]
    add = by_vectors(capacity=3, duplicates_above=1.0)
    assert results(add("north", "almost north", "up")) == [["north", "almost north", "up"]]


def test_what_becomes_one_has_the_metadata_of_all_and_the_kept_item_stays() -> None:
    def step(memory: Any) -> Any:
        notes: MemorySet = memory.get_memory_set("notes", embedding="vectors", capacity=3)
        notes.add("north", "1", {"from": "first", "seen": 1}, keep=True)
        notes.add(["almost north", "up"], ["2", "3"], {"from": "second", "again": True})
        return [(item.id, item.value, item.metadata, item.keep) for item in notes.get()]

    assert results(("a", step)) == [
        [
            ("3", "up", {"from": "second", "again": True}, False),
            ("1", "north", {"from": "first", "seen": 1, "again": True}, True),
        ]
    ]


def test_what_goes_is_counted() -> None:
    def act(event: Event, ctx: RunnerContext) -> None:
        notes = ctx.long_term_memory.get_memory_set("notes", capacity=2)
        notes.add(event.input)
        group = ctx.action_metric_group.get_sub_group("memory", "notes")
        ctx.send_event(
            OutputEvent(
                output=[
                    group.get_counter(name).get_count() for name in ("mergedItems", "evictedItems")
                ]
            )
        )

    found = run_agent(agent_of(act), [("a", each) for each in ("one", "One", "two", "three")])
    assert [each["a"] for each in found.outputs] == [[0, 0], [1, 0], [1, 0], [1, 1]]
