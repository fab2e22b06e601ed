"""Full memory sets: a model's summaries take the place of the oldest items, and nothing is lost."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from support.models.scripted import answer_by, asked, with_model
from tamias import (
    Agent,
    ChatMessage,
    CompactionConfig,
    InputEvent,
    OutputEvent,
    RunnerContext,
    action,
    run_agent,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN = re.compile(r"\[(\d+)\] \([\d-]+\) (.*)")


def summary(messages: Sequence[ChatMessage]) -> str:
    """An answer that names all that it stands for: what is lost or doubled can be seen in it."""
    texts = [text for _, text in SHOWN.findall(messages[-1].content)]
    return json.dumps({"topic1": {"summarization": "+".join(texts), "messages": [0]}})


class Diary(Agent):
    """Keeps what it is given in a set of four, and gives out the set as it was before."""

    @action(InputEvent)
    @staticmethod
    def write(event: InputEvent, ctx: RunnerContext) -> None:
        """Add the texts of an input."""
        diary = ctx.long_term_memory.get_memory_set(
            "diary", capacity=4, compaction_config=CompactionConfig(model="model")
        )
        ctx.send_event(OutputEvent(output=[item.value for item in diary.get()]))
        if event.input:
            diary.add(event.input)


class AwaitingDiary(Agent):
    """The same, awaited."""

    @action(InputEvent)
    @staticmethod
    async def write(event: InputEvent, ctx: RunnerContext) -> None:
        """Add the texts of an input."""
        diary = ctx.long_term_memory.get_memory_set(
            "diary", capacity=4, compaction_config=CompactionConfig(model="model")
        )
        ctx.send_event(OutputEvent(output=[item.value for item in await diary.aget()]))
        if event.input:
            await diary.aadd(event.input)


def run(agent: Agent, *inputs: Any) -> list[Any]:
    """The outputs of the inputs, all of one key."""
    result = run_agent(with_model(agent), [("a", each) for each in inputs])
    assert not result.failures, result.failures
    return [output["a"] for output in result.outputs]


def test_a_full_set_is_summarised_in_a_run_of_its_own() -> None:
    answer_by(summary)
    outputs = run(Diary(), ["a", "b"], ["c", "d"], [])
    assert outputs[-1] in (["a", "b", "c", "d"], ["a+b+c+d"])
    assert len(asked) == 1
