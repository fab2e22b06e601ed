"""What a chat model finds worth keeping of given items is added, updates items, or is ignored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.models.scripted import answer_by, answer_with, asked, with_model
from tamias import (
    Agent,
    BadRequest,
    ChatMessage,
    CompactionConfig,
    InputEvent,
    MemorySetError,
    OutputEvent,
    RunnerContext,
    action,
    run_agent,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Profile(Agent):
    """Adds what an input says to the set "profile", and gives out the ids, and all items then."""

    @action(InputEvent)
    @staticmethod
    def learn(event: InputEvent, ctx: RunnerContext) -> None:
        """Add."""
        facts = set_of(ctx, event.input)
        ids = [facts.add(*add["of"], **add["more"]) for add in event.input["adds"]]
        ctx.send_event(OutputEvent(output=(ids, facts.get())))


class AwaitingProfile(Agent):
    """The same, awaited."""

    @action(InputEvent)
    @staticmethod
    async def learn(event: InputEvent, ctx: RunnerContext) -> None:
        """Add."""
        facts = set_of(ctx, event.input)
        ids = [await facts.aadd(*add["of"], **add["more"]) for add in event.input["adds"]]
        ctx.send_event(OutputEvent(output=(ids, await facts.aget())))


FORMS = pytest.mark.parametrize("form", [Profile, AwaitingProfile])


def set_of(ctx: RunnerContext, given: dict[str, Any]) -> Any:
    return ctx.long_term_memory.get_memory_set("profile", **given.get("set", {}))


def add(*of: Any, **more: Any) -> dict[str, Any]:
    return {"of": of, "more": more}


def infer(text: Any, **more: Any) -> dict[str, Any]:
    return add(text, infer="model", **more)


def decide(*decisions: tuple[str, str, Any]) -> str:
    return json.dumps(
        {"decisions": [{"action": a, "text": text, "target": at} for a, text, at in decisions]}
    )


def run(form: type[Agent], *adds: dict[str, Any], **given: Any) -> tuple[list[Any], Any]:
    """What the adds return, and the items at the end."""
    inputs = [("a", {"adds": adds, **given})]
    [(ids, items)] = run_agent(with_model(form()), inputs).outputs_of("a")
    return ids, items


def values(items: Sequence[Any]) -> dict[str, Any]:
    return {item.id: item.value for item in items}


@FORMS
def test_facts_are_added_updated_and_ignored(form: type[Agent]) -> None:
    answer_with(
        decide(
            ("add", "Ada has a dog.", None),
            ("update", "Ada drinks coffee.", 0),
            ("ignore", "", None),
        )
    )
    [[old], ids], items = run(form, add("Ada drinks tea."), infer("I have a dog. Coffee, please!"))
    assert ids[0] == old
    assert values(items) == {old: "Ada drinks coffee.", ids[1]: "Ada has a dog."}
    assert "[0] Ada drinks tea." in asked[0][-1]
    assert "- I have a dog. Coffee, please!" in asked[0][-1]


@FORMS
def test_nothing_worth_keeping_adds_nothing(form: type[Agent]) -> None:
    answer_with(decide(("ignore", "", None)), decide())
    [first, second], items = run(form, infer("Hello!"), infer("Bye!"))
    assert (first, second, items) == ([], [], [])


def test_an_update_of_an_item_that_there_is_not_adds_one() -> None:
    answer_with(decide(("update", "one", 7), ("update", "two", "x"), ("update", "three", None)))
    [ids], items = run(Profile, infer("1 2 3"))
    assert list(values(items).values()) == ["one", "two", "three"]
    assert list(values(items)) == ids


def test_of_two_updates_of_one_item_the_last_one_counts_and_equal_facts_are_one() -> None:
    answer_with(
        decide(("update", "b", 0), ("add", "x", None), ("add", "x", None), ("update", "c", 0))
    )
    [[old], ids], items = run(Profile, add("a 1"), infer("about 1"))
    assert values(items) == {old: "c", ids[1]: "x"}


def test_an_item_that_is_updated_keeps_its_metadata_and_new_ones_get_what_was_given() -> None:
    answer_with(decide(("update", "tea and cake", 0), ("add", "dog", None)))
    _, items = run(
        Profile,
        add("tea", metadatas={"n": 1}, keep=True),
        infer("tea?", metadatas={"n": 2}),
    )
    found = {item.value: (item.metadata, item.keep) for item in items}
    assert found == {"tea and cake": ({"n": 1}, True), "dog": ({"n": 2}, False)}


def test_of_metadata_for_each_item_new_ones_get_what_all_have() -> None:
    answer_with(decide(("add", "dog", None)))
    about = [{"n": 1, "who": "ada"}, {"n": 2, "who": "ada"}]
    _, [item] = run(Profile, infer(["a", "b"], metadatas=about))
    assert item.metadata == {"who": "ada"}


@FORMS
def test_in_a_shared_set_only_items_of_the_key_are_updated(
    form: type[Agent], tmp_path: Path
) -> None:
    shared = {"set": {"shared": True}}
    inputs = [("b", {"adds": [add("Bob drinks tea.", "bob")], **shared})]
    answer_with(decide(("update", "Ada drinks coffee.", 0), ("update", "Cocoa.", 1)))
    run_agent(with_model(form()), inputs, state=tmp_path / "s")
    adds = [add("Ada drinks tea.", "ada"), infer("Ada drinks coffee and cocoa.")]
    inputs.append(("a", {"adds": adds, **shared}))
    [(ids, items)] = run_agent(with_model(form()), inputs, state=tmp_path / "s").outputs_of("a")
    assert "Bob" not in asked[0][-1]
    found = values(items)
    assert found["ada"] == "Ada drinks coffee."
    assert found["bob"] == "Bob drinks tea."
    assert found[ids[1][1]] == "Cocoa."


def test_messages_are_extracted_as_messages() -> None:
    answer_with(decide(("add", "dog", None)))
    said = ChatMessage(content="I have a dog")
    _, [item] = run(Profile, infer([said]), set={"item_type": ChatMessage})
    assert item.value == ChatMessage(content="dog")
    assert "- user: I have a dog" in asked[0][-1]


def test_true_is_the_model_of_the_compaction() -> None:
    answer_with(decide(("add", "dog", None)))
    config = {"compaction_config": CompactionConfig(model="model")}
    _, [item] = run(Profile, add("I have a dog", infer=True), set=config)
    assert item.value == "dog"


@FORMS
@pytest.mark.parametrize("said", ["Sorry.", '{"decisions": 1}', BadRequest("no")])
def test_items_are_added_as_they_are_when_nothing_can_be_used(form: type[Agent], said: Any) -> None:
    answer_by(lambda _: said)
    inputs = [("a", {"adds": [infer(["one", "two"], keep=True)]})]
    result = run_agent(with_model(form()), inputs)
    [([ids], items)] = result.outputs_of("a")
    assert [(item.value, item.keep) for item in items] == [("one", True), ("two", True)]
    assert [item.id for item in items] == ids
    assert [text for text in result.notices if "as they are" in text]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (add("x", infer=True), "names a chat model"),
        (add("x", ids="1", infer="model"), "with ids"),
        (add(3, infer="model"), "is a int"),
    ],
)
def test_what_cannot_be_extracted_says_so(wrong: dict[str, Any], says: str) -> None:
    result = run_agent(
        with_model(Profile()),
        [("a", {"adds": [wrong]})],
        on_error="dead-letter",
        config={"max-attempts": 1},
    )
    [failure] = result.failures
    assert MemorySetError.__name__ in failure.error
    assert says in failure.error
