"""Agents that add texts to a memory set of four, which a scripted model summarises.

The model joins what it is shown with "+", so what is lost, doubled or summarised twice can be seen
in the items.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from tamias import (
    Agent,
    ChatMessage,
    CompactionConfig,
    InputEvent,
    OutputEvent,
    RunnerContext,
    action,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN = re.compile(r"^\[(\d+)\] \([\d-]+\) (.*)$", re.MULTILINE)
CAPACITY = 4


def items_shown(messages: Sequence[ChatMessage]) -> list[str]:
    return [text for _, text in SHOWN.findall(messages[1].content)]


def join(messages: Sequence[ChatMessage]) -> str:
    """One summary that names all that it stands for."""
    return topics([range(len(items_shown(messages)))], messages)


def topics(groups: Sequence[Sequence[int]], messages: Sequence[ChatMessage]) -> str:
    """A summary for each group of positions."""
    shown = items_shown(messages)
    named = {
        f"topic{n}": {
            "summarization": "+".join(shown[place] for place in group),
            "messages": list(group),
        }
        for n, group in enumerate(groups)
    }
    return json.dumps(named)


class Diary(Agent):
    """Adds the texts of an input to a set, one by one, and gives out what the set has then."""

    @action(InputEvent)
    @staticmethod
    def write(event: InputEvent, ctx: RunnerContext) -> None:
        """Add texts."""
        diary = diary_of(ctx, event.input)
        for text in event.input["texts"]:
            diary.add(text)
        ctx.send_event(OutputEvent(output=[item.value for item in diary.get(limit=None)]))


class AwaitingDiary(Agent):
    """The same, awaited, and all at once."""

    @action(InputEvent)
    @staticmethod
    async def write(event: InputEvent, ctx: RunnerContext) -> None:
        """Add texts."""
        diary = diary_of(ctx, event.input)
        await asyncio.gather(*(diary.aadd(text) for text in event.input["texts"]))
        found = await diary.aget(limit=None)
        ctx.send_event(OutputEvent(output=[item.value for item in found]))


def diary_of(ctx: RunnerContext, given: dict[str, Any]) -> Any:
    config = CompactionConfig(**{"model": "model", **given.get("compaction", {})})
    return ctx.long_term_memory.get_memory_set(
        given.get("name", "diary"),
        compaction_config=config,
        **{"capacity": CAPACITY, **given.get("set", {})},
    )


def entry(*texts: str, **given: Any) -> tuple[str, dict[str, Any]]:
    """An input of key "a"."""
    return "a", {"texts": texts, **given}


def parts(items: Sequence[Any]) -> Counter[str]:
    """The texts that went into items, also by way of summaries."""
    return Counter(part for item in items for part in str(item).split("+"))


def letters(count: int) -> list[str]:
    return [chr(ord("a") + n) for n in range(count)]
