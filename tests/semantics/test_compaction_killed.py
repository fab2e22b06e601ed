"""Compactions of a job that dies anywhere: nothing is lost, doubled or summarised twice."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from support.launcher.copies import copied_at_points
from support.models.diary import AwaitingDiary, Diary, entry, join, letters, parts
from support.models.scripted import answer_by, asked, with_model
from tamias import Agent, open_memory, run_agent

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = {"shards": 1, "durability": "process"}
TEXTS = letters(14)
INPUTS = [entry(*TEXTS[n : n + 2]) for n in range(0, len(TEXTS), 2)]


def carry_on(form: type[Agent], state: Path) -> list[list[str]]:
    """Run the job to its end; gives what the model was asked in this life."""
    asked.clear()
    run_agent(with_model(form()), INPUTS, state=state, config=CONFIG)
    return list(asked)


def check(state: Path) -> None:
    """Make sure that each text is in the memory once."""
    with open_memory(state) as memory:
        items = [item.value for item in memory.get_memory_set("a", "diary").get(limit=None)]
    assert parts(items) == Counter(TEXTS)


@pytest.mark.parametrize("form", [Diary, AwaitingDiary])
def test_a_death_anywhere_loses_and_doubles_nothing(form: type[Agent], tmp_path: Path) -> None:
    answer_by(join)
    state = tmp_path / "state"
    with copied_at_points(state, tmp_path / "copies", lambda: len(asked)) as copies:
        whole = carry_on(form, state)
    check(state)
    assert len(whole) >= 3
    assert {copy.point for copy in copies} >= {"commit.before", "commit.after"}
    recorded = 0
    for copy in copies:
        again = carry_on(form, copy.state)
        check(copy.state)
        # The last question may have had no answer on record when all died; no other may come again.
        if copy.noted and whole[copy.noted - 1] not in again:
            recorded = copy.noted
        assert not [question for question in whole[:recorded] if question in again], copy
        assert recorded >= copy.noted - 1
    assert recorded == len(whole)
