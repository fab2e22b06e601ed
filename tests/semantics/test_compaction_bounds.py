"""Compactions and the bounds of sets: small ones, by tokens, shared, with items that stay."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from support.models.diary import Diary, diary_of, entry, join, letters, parts
from support.models.scripted import answer_by, asked, with_model
from tamias import (
    Agent,
    BadRequest,
    CompactionConfig,
    InputEvent,
    OutputEvent,
    Prompt,
    RateLimited,
    ResourceType,
    RunnerContext,
    SubAgent,
    action,
    call_tools,
    run_agent,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tamias.launcher.testing.in_process import AgentRun


def run(*inputs: tuple[Any, Any], agent: Agent | None = None, **options: Any) -> AgentRun:
    return run_agent(with_model(agent or Diary()), inputs, **options)


@pytest.mark.parametrize("said", ["Sorry.", BadRequest("no")])
def test_what_no_model_makes_room_for_is_evicted_in_place(said: Any) -> None:
    answer_by(lambda _: said)
    result = run(*(entry(text) for text in letters(10)))
    outputs = result.outputs_of("a")
    assert max(map(len, outputs)) <= 5
    assert outputs[-1] == ["g", "h", "i", "j"]
    assert [text for text in result.notices if "was not made smaller" in text]


def test_in_place_what_fails_for_the_moment_fails_the_run_and_nothing_is_evicted() -> None:
    answer_by(lambda _: RateLimited("busy", retry_after=300))
    result = run(entry(*"abcd"), entry("e"), entry(), on_error="dead-letter")
    [failure] = result.failures
    assert "RateLimited" in failure.error
    assert result.outputs_of("a")[-1] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("capacity", [1, 2, 3])
def test_small_sets(capacity: int) -> None:
    answer_by(join)
    texts = letters(9)
    given = {"set": {"capacity": capacity}, "compaction": {"limit": 3}}
    result = run(*(entry(text, **given) for text in texts))
    outputs = result.outputs_of("a")
    assert max(map(len, outputs)) <= capacity + 1
    if capacity > 1:
        assert parts(outputs[-1]) == Counter(texts)
    assert len(asked) <= len(texts)


def test_a_set_is_full_by_tokens() -> None:
    answer_by(lambda messages: '{"a": {"summarization": "short", "messages": [0]}}')
    given = {"set": {"capacity": 100, "max_tokens": 200}}
    texts = [f"{letter * 200}" for letter in letters(8)]  # about 50 tokens each
    outputs = run(*(entry(text, **given) for text in texts)).outputs_of("a")
    assert max(map(len, outputs)) <= 5
    assert outputs[-1][0] == "short"
    assert asked


class Keeping(Agent):
    """Adds texts that stay."""

    @action(InputEvent)
    @staticmethod
    def write(event: InputEvent, ctx: RunnerContext) -> None:
        """Add texts; those in capitals stay."""
        diary = diary_of(ctx, {})
        for text in event.input:
            diary.add(text, keep=text.isupper())
        ctx.send_event(OutputEvent(output=[item.value for item in diary.get()]))


def test_items_that_stay_are_no_part_of_a_summary() -> None:
    answer_by(join)
    result = run(("a", "A"), ("a", "b"), ("a", "C"), ("a", "d"), ("a", "e"), agent=Keeping())
    assert parts(result.outputs_of("a")[-1]) == Counter("AbCde")
    assert {"A", "C"} <= set(result.outputs_of("a")[-1])
    assert not [text for _, text in asked if ") A" in text or ") C" in text]


class Sharing(Agent):
    """Adds texts to a set that all keys share."""

    @action(InputEvent)
    @staticmethod
    async def write(event: InputEvent, ctx: RunnerContext) -> None:
        """Add."""
        notes = diary_of(ctx, {"name": "notes", "set": {"shared": True, "capacity": 6}})
        for text in event.input:
            await notes.aadd(text)
        found = await notes.aget(limit=None)
        ctx.send_event(OutputEvent(output=[item.value for item in found]))


def test_of_a_shared_set_each_key_summarises_what_it_has_added(tmp_path: Path) -> None:
    answer_by(join)
    options: dict[str, Any] = {"agent": Sharing(), "config": {"shards": 1}, "state": tmp_path / "s"}
    inputs = [(key, [f"{key}{n}{m}" for m in range(3)]) for n in range(3) for key in "xy"]
    run(*inputs, **options)
    assert asked
    last = run(*inputs, ("x", []), **{**options, "agent": Sharing()}).outputs_of("x")[-1]
    kept = parts(last)  # one key cannot summarise what fills the set, if that is another's
    assert set(kept.values()) == {1}
    assert set(kept) <= {text for _, texts in inputs for text in texts}
    for item in last:
        assert len({part[0] for part in item.split("+")}) == 1


def test_a_prompt_by_its_name() -> None:
    answer_by(join)
    agent = with_model(Diary())
    agent.add_resource("short", ResourceType.PROMPT, Prompt.from_text("Be short: {limit}"))
    run_agent(agent, [entry(*"abcd", compaction={"prompt": "short"})])
    assert asked[0][0] == "system: Be short: 1"


def test_a_model_that_the_agent_has_not_is_an_error_at_once() -> None:
    result = run(entry("a", compaction={"model": "other"}), on_error="dead-letter")
    [failure] = result.failures
    assert "'other'" in failure.error


class Later(Agent):
    """Adds to a set that names a model only where the input says so."""

    @action(InputEvent)
    @staticmethod
    def write(event: InputEvent, ctx: RunnerContext) -> None:
        """Add."""
        config = CompactionConfig(model="model") if event.input["model"] else None
        memory = ctx.long_term_memory
        diary = memory.get_memory_set("diary", capacity=4, compaction_config=config)
        diary.add(event.input["texts"])
        ctx.send_event(OutputEvent(output=[item.value for item in diary.get()]))


def test_a_model_that_the_agent_has_no_more_evicts_with_a_notice(tmp_path: Path) -> None:
    answer_by(join)
    first = ("a", {"texts": list("abc"), "model": True})
    run_agent(with_model(Later()), [first], state=tmp_path / "s")
    inputs = [first, *(("a", {"texts": [text], "model": False}) for text in "def")]
    result = run_agent(Later(), inputs, state=tmp_path / "s")
    assert result.outputs_of("a")[-1] == ["c", "d", "e", "f"]
    assert [text for text in result.notices if "was not made smaller" in text]


async def note(event: InputEvent, ctx: RunnerContext) -> None:
    """Add one text to the diary of a sub-agent, and give out what it has."""
    diary = diary_of(ctx, {})
    await diary.aadd(str(event.input))
    found = [item.value for item in await diary.aget()]
    ctx.send_event(OutputEvent(output=",".join(found)))


async def delegate(event: InputEvent, ctx: RunnerContext) -> None:
    """Have the sub-agent add a text."""
    function = {"name": "writer", "arguments": {"input": event.input}}
    called = await call_tools(ctx, [{"id": "1", "function": function}])
    ctx.send_event(OutputEvent(output=called.results[0].content.split(",")))


def test_the_sets_of_a_sub_agent_are_compacted_in_place() -> None:
    answer_by(join)
    writer = SubAgent(agent=Agent().add_action("note", [InputEvent], note), name="writer")
    agent = Agent().add_action("delegate", [InputEvent], delegate)
    agent.add_resource("writer", ResourceType.TOOL, writer)
    outputs = run(*(("a", letter) for letter in letters(10)), agent=agent).outputs_of("a")
    assert max(map(len, outputs)) <= 5
    assert parts(outputs[-1]) == Counter(letters(10))
