"""Compactions of a job that dies anywhere: nothing is lost, doubled or summarised twice."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from support.launcher.copies import copied_at_points
from support.models.diary import AwaitingDiary, Diary, diary_of, entry, join, letters, parts
from support.models.scripted import answer_by, asked, with_model
from tamias import (
    Agent,
    BaseEmbeddingModelConnection,
    BaseEmbeddingModelSetup,
    ChatMessage,
    InputEvent,
    ResourceDescriptor,
    RunnerContext,
    action,
    embedding_model_connection,
    embedding_model_setup,
    open_memory,
    run_agent,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CONFIG = {"shards": 1, "durability": "process"}


class Letters(BaseEmbeddingModelConnection):
    """How often some letters occur in a text."""

    def embed(self, text: str | Sequence[str], **kwargs: Any) -> Any:
        """The vectors of texts."""
        texts = [text] if isinstance(text, str) else list(text)
        vectors = [[1.0 + each.count(letter) for letter in "abcdefgh"] for each in texts]
        return vectors[0] if isinstance(text, str) else vectors


class LettersSetup(BaseEmbeddingModelSetup):
    """The model of `Letters`."""

    connection: str = "letters"
    model: str = "abc"

    @property
    def model_kwargs(self) -> dict[str, Any]:
        """None."""
        return {}


class Learning(Agent):
    """Extracts what is worth keeping from the texts of an input, and keeps it with vectors."""

    @embedding_model_connection
    @staticmethod
    def letters() -> ResourceDescriptor:
        """Where vectors come from."""
        return ResourceDescriptor(clazz=Letters)

    @embedding_model_setup
    @staticmethod
    def vectors() -> ResourceDescriptor:
        """The embedding model."""
        return ResourceDescriptor(clazz=LettersSetup)

    @action(InputEvent)
    @staticmethod
    async def learn(event: InputEvent, ctx: RunnerContext) -> None:
        """Add texts."""
        diary = diary_of(ctx, {"set": {"embedding": "vectors", "duplicates_above": 0}})
        for text in event.input["texts"]:
            await diary.aadd(text, infer=True)


def answer(messages: Sequence[ChatMessage]) -> str:
    """Keep all that is new, and summarise as `join` does."""
    _, found, new = messages[1].content.partition("New items:\n- ")
    if not found:
        return join(messages)
    return json.dumps({"decisions": [{"action": "add", "text": new, "target": None}]})


def carry_on(form: type[Agent], texts: list[str], state: Path) -> list[list[str]]:
    """Run the job to its end; gives what the model was asked in this life."""
    asked.clear()
    inputs = [entry(*texts[n : n + 2]) for n in range(0, len(texts), 2)]
    run_agent(with_model(form()), inputs, state=state, config=CONFIG)
    check(texts, state)
    return list(asked)


def check(texts: list[str], state: Path) -> None:
    """Make sure that each text is in the memory once."""
    with open_memory(state) as memory:
        items = [item.value for item in memory.get_memory_set("a", "diary").get(limit=None)]
    assert parts(items) == Counter(texts)


@pytest.mark.parametrize(("form", "count"), [(Diary, 12), (AwaitingDiary, 12), (Learning, 6)])
def test_a_death_anywhere_loses_and_doubles_nothing(
    form: type[Agent], count: int, tmp_path: Path
) -> None:
    texts = letters(count)
    answer_by(answer)
    state = tmp_path / "state"
    with copied_at_points(state, tmp_path / "copies", lambda: len(asked)) as copies:
        whole = carry_on(form, texts, state)
    assert len(whole) >= 2
    assert {copy.point for copy in copies} >= {"commit.before", "commit.after"}
    recorded = 0
    for copy in copies:
        again = carry_on(form, texts, copy.state)
        # The last question may have had no answer on record when all died; no other may come again.
        if copy.noted and whole[copy.noted - 1] not in again:
            recorded = copy.noted
        assert not [question for question in whole[:recorded] if question in again], copy
        assert recorded >= copy.noted - 1
    assert recorded == len(whole)
