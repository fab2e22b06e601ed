"""How many questions of runs that have ended a shard keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.waiting.changes import MOST_QUESTIONS
from tamias.store.waiting.records import QuestionRecord

if TYPE_CHECKING:
    from pathlib import Path

OPEN = QuestionRecord(1, b"sa", "approval", b"?", 1.0)


def put(shard: Shard, questions: dict[str, QuestionRecord]) -> None:
    batch = Batch()
    for token, record in questions.items():
        batch.changes_of_waiting().put_question(token, record.encode())
    shard.commit(batch)


def kept(shard: Shard) -> int:
    return shard.read_waiting(lambda view: sum(1 for _ in view.questions()))


def test_ended_questions_are_dropped_also_behind_old_ones_that_wait(tmp_path: Path) -> None:
    shard = Shard.acquire(tmp_path, 0)
    put(shard, {f"q{n:06}": OPEN for n in range(20)})
    put(shard, {f"q{n:06}": OPEN.without_values() for n in range(20, 2 * MOST_QUESTIONS)})
    assert kept(shard) == MOST_QUESTIONS
    assert shard.read_waiting(lambda view: view.counts()).questions == 20
    put(shard, {f"q{n:06}": OPEN.without_values() for n in range(20)})
    assert shard.read_waiting(lambda view: view.counts()).questions == 0
    put(shard, {f"r{n:06}": OPEN.without_values() for n in range(20)})
    assert kept(shard) <= MOST_QUESTIONS
    shard.close()


def test_open_questions_are_never_dropped(tmp_path: Path) -> None:
    shard = Shard.acquire(tmp_path, 0)
    put(shard, {f"q{n:06}": OPEN for n in range(MOST_QUESTIONS + 50)})
    assert kept(shard) == MOST_QUESTIONS + 50
    shard.close()
