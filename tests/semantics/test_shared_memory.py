"""Shared sets: each key adds to the part in its own shard, and all read all parts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from support.memory.steps import agent_of, results
from tamias import (
    AgentFailedError,
    Event,
    MemorySet,
    OutputEvent,
    RunnerContext,
    run_agent,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tamias import LongTermMemory

KEYS = "abcdefgh"
POOL = {"workers": 2, "shards": 4}


def step(key: str, use: Callable[[MemorySet], Any], **settings: Any) -> Any:
    """A run of a key that uses the shared set."""

    def run(memory: LongTermMemory) -> Any:
        return use(memory.get_memory_set("facts", shared=True, **settings))

    return key, run


def added(key: str, *texts: str, **arguments: Any) -> Any:
    """A run of a key that adds texts, whose ids they are, too."""
    return step(key, lambda facts: facts.add(list(texts), list(texts), **arguments))


def test_what_a_key_adds_all_keys_find() -> None:
    outputs = results(
        *(added(key, f"the fact of {key}") for key in KEYS),
        step("a", lambda facts: facts.size),
        step("z", lambda facts: sorted(item.value for item in facts.get())),
        step("z", lambda facts: facts.search("fact of c", 1)),
        step("b", lambda facts: facts.get(["the fact of h", "no", "the fact of b"])),
        config=POOL,
    )
    assert outputs[len(KEYS) :] == [
        len(KEYS),
        [f"the fact of {key}" for key in KEYS],
        ["the fact of c"],
        ["the fact of h", "the fact of b"],
    ]


def test_a_run_finds_what_it_has_added_itself_and_not_what_it_has_deleted() -> None:
    def use(facts: MemorySet) -> list[Any]:
        facts.add(["one thing", "two things"], ["1", "2"])
        facts.delete("1")
        return [facts.size, [item.id for item in facts.get()], len(facts.search("thing things"))]

    assert results(added("a", "a thing"), step("b", use), config=POOL)[1] == [
        2,
        ["2", "a thing"],
        2,
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: facts.delete("of a"),
        lambda facts: facts.update("of a", "of b"),
        lambda facts: facts.add("of b", "of a"),
    ],
)
def test_only_the_key_that_has_added_an_item_may_change_it(
    change: Callable[[MemorySet], Any],
) -> None:
    for key in KEYS[1:4]:  # in another shard, and in the same one
        with pytest.raises(AgentFailedError, match="'of a' of the shared memory set 'facts' was"):
            results(added("a", "of a"), step(key, change), config=POOL)
    assert results(
        added("a", "of a"), step("a", change), step("b", lambda facts: facts.size), config=POOL
    )[2] in (0, 1)


def test_deleting_all_is_deleting_what_the_key_has_added() -> None:
    outputs = results(
        *(added(key, f"{key}1", f"{key}2") for key in "abc"),
        step("b", lambda facts: facts.delete()),
        step("c", lambda facts: sorted(item.value for item in facts.get())),
        ("c", lambda memory: memory.delete_memory_set("facts", shared=True)),
        ("z", lambda memory: memory.delete_memory_set("others", shared=True)),
        step("b", lambda facts: sorted(item.value for item in facts.get())),
        ("z", lambda memory: memory.memory_set_names(shared=True)),
        config=POOL,
    )
    assert outputs[4:] == [["a1", "a2", "c1", "c2"], True, False, ["a1", "a2"], ["facts"]]


def test_what_is_laid_down_by_one_key_counts_for_all() -> None:
    outputs = results(
        step("a", lambda facts: facts.add("north", "1"), embedding="vectors"),
        *(step(key, lambda facts: facts.add("up", facts.name), item_type=str) for key in "b"),
        step("h", lambda facts: facts.search("almost north", 1, mode="vector")),
        config=POOL,
    )
    assert outputs[-1] == ["north"]
    with pytest.raises(AgentFailedError, match="items of the type 'text', and was asked for"):
        results(
            added("a", "x"),
            step("d", lambda facts: facts.add({"b": 1}), item_type=object),
            config=POOL,
        )


def test_a_part_in_a_shard_is_bounded() -> None:
    outputs = results(
        *(added(key, *(f"{key}{n}" for n in range(4))) for key in "abab"),
        step("z", lambda facts: facts.size),
        config={"shards": 1, "long-term-memory.shared-max-items": 5},
    )
    assert outputs[-1] == 5


def test_shared_sets_do_not_evict_by_use() -> None:
    with pytest.raises(AgentFailedError, match="cannot know which items were read last"):
        results(step("a", lambda facts: facts.size, eviction="least-recently-used"))


def test_what_was_read_is_on_record() -> None:
    failed: list[Any] = []

    async def act(event: Event, ctx: RunnerContext) -> None:
        """Of key a: write. Of key b: read before that and after that, and fail once."""
        facts = ctx.long_term_memory.get_memory_set("facts", shared=True)
        if event.input == "add":
            await ctx.sleep(5)
            await facts.aadd("another tale")
            return
        found = [await facts.asize(), len(await facts.asearch("tale")), len(await facts.aget())]
        await ctx.sleep(10)
        again = [facts.size, len(facts.search("tale")), len(facts.get())]
        if not failed:
            failed.append(found)
            raise ValueError("once")
        ctx.send_event(OutputEvent(output=[failed[0], found, again]))

    outputs = run_agent(
        agent_of(act), [("b", "read"), ("a", "add")], on_error="dead-letter", config=POOL
    ).outputs
    assert outputs[-1]["b"] == [[0, 0, 0], [0, 0, 0], [1, 1, 1]]


def test_tasks_read_at_the_same_time_and_again_in_the_next_attempt() -> None:
    tried: list[Any] = []

    async def act(event: Event, ctx: RunnerContext) -> None:
        facts = ctx.long_term_memory.get_memory_set("facts", shared=True)
        if event.input == "add":
            await facts.aadd([f"fact {n}" for n in range(6)], [f"{n}" for n in range(6)])
            return
        await ctx.sleep(5)

        async def use(n: int) -> Any:
            found = await facts.asearch(f"fact {n}", 1)
            await facts.aadd(f"more than {n}", f"b{n}")
            own = await facts.aget([f"b{n}"])
            return found[0].id, own[0].value

        found = await asyncio.gather(*(use(n) for n in range(6)))
        tried.append(found)
        if len(tried) == 1:
            raise ValueError("once")
        ctx.send_event(OutputEvent(output=await facts.asize()))

    found = run_agent(
        agent_of(act), [("a", "add"), ("b", "use")], on_error="dead-letter", config=POOL
    )
    assert found.outputs == [{"b": 12}]
    assert tried == [[(f"{n}", f"more than {n}") for n in range(6)]] * 2


def test_a_set_that_was_deleted_may_have_other_items() -> None:
    def change(memory: LongTermMemory) -> Any:
        memory.get_memory_set("own").add("text", "1")
        memory.delete_memory_set("own")
        other = memory.get_memory_set("own", item_type=object)
        other.add({"a": 1}, "2")
        return [item.value for item in other.get()]

    def look(memory: LongTermMemory) -> Any:
        found = memory.get_memory_set("own")
        return [found.item_type is object, found.size, memory.memory_set_names()]

    outputs = results(("a", change), ("a", look), ("a", change), ("a", look))
    assert outputs == [[{"a": 1}], [True, 1, ["own"]]] * 2
