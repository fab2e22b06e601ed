"""Full memory sets: a model's summaries take the place of the oldest items, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from support.models.diary import (
    CAPACITY,
    AwaitingDiary,
    Diary,
    diary_of,
    entry,
    items_shown,
    join,
    letters,
    parts,
    topics,
)
from support.models.scripted import answer_by, asked, with_model
from tamias import (
    Agent,
    AgentsExecutionEnvironment,
    BadRequest,
    ChatMessage,
    ContextTooLong,
    DatetimeRange,
    InputEvent,
    MessageRole,
    OutputEvent,
    Prompt,
    RateLimited,
    RunnerContext,
    TokenUsage,
    action,
    run_agent,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class Lives:
    """Lives of a job: each has the inputs of those before it, and some more."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._inputs: list[tuple[Any, Any]] = []

        self.notices: dict[str, int] = {}
        """Of the last life."""

    def __call__(self, form: type[Agent], *inputs: tuple[Any, Any], **options: Any) -> list[Any]:
        """Run an agent over more inputs; gives their outputs."""
        self._inputs += inputs
        result = run_agent(with_model(form()), self._inputs, state=self._state, **options)
        self.notices = result.notices
        outputs = [output for pair in result.outputs for output in pair.values()]
        return outputs[len(outputs) - len(inputs) :]


@pytest.fixture(name="run")
def lives(tmp_path: Path) -> Lives:
    return Lives(tmp_path / "state")


FORMS = pytest.mark.parametrize("form", [Diary, AwaitingDiary])


@FORMS
def test_a_full_set_is_summarised_in_a_run_of_its_own(form: type[Agent], run: Lives) -> None:
    answer_by(join)
    before = run(form, entry("a", "b"), entry("c", "d"))
    assert before[-1] == ["a", "b", "c", "d"]
    after = run(form, entry("e"))
    assert after == [["a+b+c+d", "e"]]
    assert len(asked) == 1


@FORMS
def test_a_set_never_has_more_than_its_capacity_and_what_one_run_adds(
    form: type[Agent], run: Lives
) -> None:
    answer_by(join)
    texts = letters(24)
    outputs = run(form, *(entry(*texts[n : n + 2]) for n in range(0, 24, 2)))
    assert max(map(len, outputs)) <= CAPACITY + 2
    assert parts(outputs[-1]) == Counter(texts)
    assert len(asked) < 12


@FORMS
def test_one_run_may_add_more_than_the_set_takes(form: type[Agent], run: Lives) -> None:
    answer_by(join)
    texts = letters(20)
    run(form, entry(*texts))
    assert len(asked) == 1
    assert run(form, entry("z")) == [["+".join(texts), "z"]]


def test_adds_of_several_tasks_compact_once(run: Lives) -> None:
    answer_by(join)
    [_, last] = run(AwaitingDiary, entry(*letters(5)), entry("x", "y"))
    assert parts(last) == Counter([*letters(5), "x", "y"])
    assert len(asked) == 1


def test_keys_and_sets_are_compacted_apart(run: Lives) -> None:
    answer_by(join)
    names = ["one", "two"]
    inputs = [
        (key, {"texts": [f"{key}{name}{n}" for n in range(4)], "name": name})
        for key in "ab"
        for name in names
    ]
    run(AwaitingDiary, *inputs)
    assert len(asked) == 4
    again = [(key, {**given, "texts": []}) for key, given in inputs]
    assert run(AwaitingDiary, *again) == [["+".join(given["texts"])] for _, given in inputs]


# -- what a summary is ------------------------------------------------------------------------


class Looking(Agent):
    """Gives out all about the items of the set."""

    @action(InputEvent)
    @staticmethod
    def look(event: InputEvent, ctx: RunnerContext) -> None:
        """Look at the set; add first what the input says."""
        diary = diary_of(ctx, event.input)
        for text, more in event.input["texts"]:
            diary.add(text, **more)
        ctx.send_event(OutputEvent(output=diary.get(limit=None)))


def test_a_summary_is_as_old_as_its_sources_and_says_that_it_is_one(run: Lives) -> None:
    answer_by(join)
    about = [{"who": "ada", "n": 1}, {"who": "ada", "n": 2}, {"who": "ada"}]
    texts = [(letter, {"metadatas": each}) for letter, each in zip("abc", about, strict=True)]
    given = {"texts": [*texts, ("k", {"keep": True})]}
    [[*sources, kept]] = run(Looking, ("a", given))
    [[there, summary]] = run(Looking, ("a", {"texts": []}))
    assert (there, kept.keep) == (kept, True)
    assert (summary.value, summary.compacted, summary.keep) == ("a+b+c", True, False)
    assert summary.metadata == {"who": "ada"}
    moments: list[datetime] = [item.created_time for item in sources]
    assert summary.created_time == DatetimeRange(start=moments[0], end=moments[-1])
    assert summary.id not in {item.id for item in sources}


def test_summaries_are_summarised_with_what_came_after_them(run: Lives) -> None:
    answer_by(join)
    for texts in ("abcd", "efg", "hij"):
        run(Looking, ("a", {"texts": [(text, {}) for text in texts]}))
    [[item]] = run(Looking, ("a", {"texts": []}))
    assert item.value == "a+b+c+d+e+f+g+h+i+j"
    assert len(asked) == 3


def test_several_topics_and_what_the_model_leaves_out_stays(run: Lives) -> None:
    answer_by(lambda messages: topics([[0, 3], [1, 2]], messages))
    given = {"compaction": {"limit": 3}, "set": {"capacity": 6}}
    run(Diary, entry(*"abcdef", **given))
    assert run(Diary, entry("g", **given)) == [["e", "f", "a+d", "b+c", "g"]]


def test_messages_are_summarised_as_a_message(run: Lives) -> None:
    answer_by(join)
    given = {"set": {"item_type": ChatMessage}}
    said: list[Any] = [
        (ChatMessage(role=role, content=text), {})
        for role, text in zip([MessageRole.USER, MessageRole.ASSISTANT] * 2, "abcd", strict=True)
    ]
    run(Looking, ("a", {"texts": said, **given}))
    [[item]] = run(Looking, ("a", {"texts": [], **given}))
    assert item.value == ChatMessage(
        role=MessageRole.USER, content="user: a+assistant: b+user: c+assistant: d"
    )


def test_the_model_gets_as_much_in_one_call_as_is_laid_down(run: Lives) -> None:
    answer_by(join)
    given = {"compaction": {"tokens_per_call": 100}, "set": {"capacity": 10}}
    texts = [f"{letter}{'-' * 99}" for letter in letters(10)]
    run(Diary, entry(*texts, **given))
    assert len(asked) == 1
    [items] = run(Diary, entry(**given))
    assert parts(items) == Counter(texts)
    assert items[:2] == [texts[2], texts[3]]
    assert items[-1] == "+".join(texts[:2])


def test_a_prompt_of_ones_own_is_kept_with_the_set(run: Lives) -> None:
    answer_by(join)
    given = {"compaction": {"prompt": Prompt.from_text("{count} items, {limit} topic")}}
    run(Diary, entry(*"abcd", **given))
    assert asked[0][0] == "system: 4 items, 1 topic"


# -- what fails -------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["Sorry.", '{"topic1": 1}', BadRequest("no"), ContextTooLong("x")])
def test_a_set_is_left_as_it_is_when_nothing_can_be_used(said: Any, run: Lives) -> None:
    answer_by(lambda _: said)
    run(Diary, entry(*"abcd"))
    assert [text for text in run.notices if "was not made smaller" in text]
    assert 1 <= len(asked) <= 2
    answer_by(join)
    [items] = run(Diary, entry("e"))
    assert items == ["a+b+c+d", "e"]


def test_an_answer_that_cannot_be_used_is_asked_for_once_more(run: Lives) -> None:
    answer_by(lambda messages: join(messages) if len(messages) > 2 else "Sorry.")
    run(Diary, entry(*"abcd"))
    assert run.notices == {}
    assert "That cannot be used: it is no JSON." in asked[1][-1]
    assert run(Diary, entry("e")) == [["a+b+c+d", "e"]]


def test_a_model_that_takes_less_is_given_less(run: Lives) -> None:
    def short(messages: Sequence[ChatMessage]) -> Any:
        return ContextTooLong("too long") if len(items_shown(messages)) > 4 else join(messages)

    answer_by(short)
    run(Diary, entry(*letters(8), set={"capacity": 8}))
    [items] = run(Diary, entry(set={"capacity": 8}))
    assert parts(items) == Counter(letters(8))
    assert "a+b+c+d" in items


def busy(times: int, then: Callable[[Sequence[ChatMessage]], Any]) -> Callable[..., Any]:
    """Refuse so many calls for the moment."""
    left = [RateLimited("busy", retry_after=20)] * times
    return lambda messages: left.pop() if left else then(messages)


def test_what_fails_for_the_moment_is_tried_again(run: Lives) -> None:
    answer_by(busy(3, join))
    outputs = run(Diary, entry(*"abcd"), entry("e"))
    assert run.notices == {}
    assert parts(outputs[-1]) == Counter("abcde")
    assert len(asked) == 4


def test_a_model_that_is_down_for_long_does_not_hold_up_the_key(run: Lives) -> None:
    answer_by(busy(5, join))
    run(Diary, entry(*"abcd"))
    assert len(asked) == 5
    assert run(Diary, entry("e")) == [["a+b+c+d", "e"]]


# -- what changes while a model is asked ------------------------------------------------------


class Changing(Agent):
    """Adds to a full set, and meanwhile deletes and changes items of it in other tasks."""

    @action(InputEvent)
    @staticmethod
    async def write(event: InputEvent, ctx: RunnerContext) -> None:
        """Add texts by their own ids, and change those that have them."""
        diary = diary_of(ctx, {})
        tasks = [diary.aadd(text, text) for text in event.input["add"]]
        tasks += [diary.aupdate(item_id, item_id.upper()) for item_id in event.input["change"]]
        tasks += [diary.adelete(item_id) for item_id in event.input["delete"]]
        await asyncio.gather(*tasks)
        ctx.send_event(OutputEvent(output=[item.value for item in await diary.aget()]))


def test_what_other_tasks_change_meanwhile_is_not_lost(run: Lives) -> None:
    changes: dict[str, list[str]] = {"change": [], "delete": []}
    answer_by(lambda _: "Sorry.")
    run(Changing, ("a", {"add": list("abcd"), **changes}))
    answer_by(join)
    [items] = run(Changing, ("a", {"add": ["e"], "change": ["b"], "delete": ["c"]}))
    assert "B" in items
    assert "c" not in items
    assert parts(items) >= Counter("ade")


class Expiring(Agent):
    """Adds texts that live for an hour each to a set whose model is busy for longer."""

    @action(InputEvent)
    @staticmethod
    async def write(event: InputEvent, ctx: RunnerContext) -> None:
        """Add texts, each by itself."""
        diary = diary_of(ctx, {"set": {"ttl": 3600}})
        for text in event.input:
            await diary.aadd(text)
        ctx.send_event(OutputEvent(output=[item.value for item in await diary.aget()]))


def late(times: int) -> Callable[..., Any]:
    """Refuse so many calls, for two hours altogether."""
    left = [RateLimited("busy", retry_after=300)] * times
    return lambda messages: left.pop() if left else join(messages)


def test_items_that_expire_while_a_model_is_busy_are_gone_for_the_next_run(run: Lives) -> None:
    answer_by(lambda _: "Sorry.")
    run(Expiring, ("a", "abcd"))
    answer_by(late(14))
    # The run that waits sees memory as of one moment, whatever expires meanwhile.
    assert run(Expiring, ("a", "e"), ("a", "f")) == [["a+b+c+d", "e"], ["e", "f"]]


def test_a_set_that_is_deleted_before_its_compaction_is_left_alone(run: Lives) -> None:
    answer_by(join)
    outputs = run(Dropping, ("a", "abcd"))
    assert outputs == [[]]
    assert asked == []


class Dropping(Agent):
    """Fills a set and drops it in the same run."""

    @action(InputEvent)
    @staticmethod
    def write(event: InputEvent, ctx: RunnerContext) -> None:
        """Fill, drop."""
        diary = diary_of(ctx, {})
        diary.add(list(event.input))
        ctx.long_term_memory.delete_memory_set("diary")
        ctx.send_event(OutputEvent(output=ctx.long_term_memory.memory_set_names()))


def test_a_job_that_ends_before_a_compaction_does_it_when_it_is_resumed(run: Lives) -> None:
    answer_by(busy(1, join))
    run(Diary, entry(*"abcd"), longest_wait=0)
    assert len(asked) == 1
    assert run(Diary, entry("e")) == [["a+b+c+d", "e"]]
    assert len(asked) == 2


def test_calls_tokens_and_items_are_counted_for_each_set() -> None:
    answer_by(
        lambda messages: ChatMessage(
            role=MessageRole.ASSISTANT,
            content=join(messages),
            usage=TokenUsage(prompt_tokens=70, completion_tokens=7),
        )
    )
    env: Any = AgentsExecutionEnvironment.get_execution_environment()
    outputs = env.from_list([{"key": "a", "value": entry(*"abcd")[1]}]).apply(with_model(Diary()))
    outputs.to_list()
    env.execute()
    counted = "action.memory_compaction_action.memory.diary."
    metrics = {
        name.removeprefix(counted): value
        for name, value in env.report.metrics.items()
        if name.startswith(counted)
    }
    assert metrics == {
        "compactions": 1,
        "compactedItems": 4,
        "model.scripted.calls": 1,
        "model.scripted.promptTokens": 70,
        "model.scripted.completionTokens": 7,
    }
