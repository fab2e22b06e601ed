"""Memory sets in actions: what a run changes, it sees; what it commits, the next one sees."""

from __future__ import annotations

from typing import Any

from tamias import (
    Agent,
    InputEvent,
    OutputEvent,
    RunnerContext,
    action,
    run_agent,
)


class Notes(Agent):
    """Carries out what its inputs say with the memory set "notes"."""

    @action(InputEvent)
    @staticmethod
    def work(event: InputEvent, ctx: RunnerContext) -> None:
        """Carry out one list of commands."""
        notes = ctx.long_term_memory.get_memory_set("notes")
        for command, *arguments in event.input:
            result: Any = getattr(notes, command)
            if callable(result):
                result = result(*arguments)
            if isinstance(result, list):
                result = [getattr(item, "value", item) for item in result]
            ctx.send_event(OutputEvent(output=result))


def run(*inputs: tuple[str, list[list[Any]]]) -> list[Any]:
    """The outputs of `Notes` for keys with commands."""
    outputs = run_agent(Notes(), [{"key": key, "value": commands} for key, commands in inputs])
    return [value for output in outputs.outputs for value in output.values()]


def test_a_run_sees_what_it_has_added_and_deleted() -> None:
    assert run(
        ("a", [["add", ["one", "two"], ["1", "2"]], ["size"], ["delete", "1"], ["get"], ["size"]])
    ) == [["1", "2"], 2, None, ["two"], 1]


def test_the_next_run_of_the_key_sees_it_and_another_key_does_not() -> None:
    assert run(
        ("a", [["add", "tea", "x"]]),
        ("a", [["get"], ["add", "coffee", "x"], ["get"]]),
        ("b", [["get"], ["size"]]),
        ("a", [["get"], ["size"]]),
    ) == [["x"], ["tea"], ["x"], ["coffee"], [], 0, ["coffee"], 1]


def test_words_are_searched_over_what_is_stored_and_what_is_new() -> None:
    assert run(
        ("a", [["add", ["the cat sleeps", "a dog barks"]]]),
        ("a", [["add", "the cat and the dog"], ["search", "cat", 5], ["search", "fish"]]),
    )[-2:] == [["the cat sleeps", "the cat and the dog"], []]


def test_each_search_of_an_action_finds_what_there_is_then() -> None:
    search = ["search", "tea", 9]
    assert run(
        ("a", [["add", ["tea one", "tea two"], ["1", "2"]]]),
        ("a", [search, search, ["add", "tea three", "3"], search, ["delete", "1"], search, search]),
        ("b", [search]),
        ("a", [search, ["add", "tea four", "2"], search]),
        ("a", [search]),
    ) == [
        ["1", "2"],
        *[["tea one", "tea two"]] * 2,
        ["3"],
        ["tea one", "tea two", "tea three"],
        None,
        *[["tea two", "tea three"]] * 2,
        [],
        ["tea two", "tea three"],
        ["2"],
        *[["tea three", "tea four"]] * 2,
    ]


def test_ids_are_the_same_in_each_execution() -> None:
    assert run(("a", [["add", ["x", "y"]]])) == run(("a", [["add", ["x", "y"]]]))
