"""Answers to questions in a state directory at rest, and what is listed of such a directory."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from tamias.agent.errors import AnswerError
from tamias.store import clock
from tamias.store.encoding.keys import encode_key, shard_of
from tamias.store.encoding.values import dumps
from tamias.store.records.offsets import RunKind, owned_number
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.state.answering import answer_at_rest
from tamias.store.state.directory import StateDirectory
from tamias.store.state.reader import StoreReader
from tamias.store.state.waiting import all_waiting, waiting_counts
from tamias.store.waiting.records import OwnedRun, QuestionRecord
from tamias.store.waiting.tokens import make_token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHARDS = 4


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDirectory]:
    with StateDirectory.open(tmp_path / "state", "agent:A", SHARDS, "none", {}) as state:
        yield state


def ask(state: StateDirectory, count: int, *, deadline: float | None = None) -> list[str]:
    """So many suspended runs, of a key each, with a question each, the oldest first."""
    batches = [Batch() for _ in range(SHARDS)]
    tokens = []
    for number in range(count):
        key = encode_key(f"k{number}")
        shard = shard_of(key, SHARDS)
        token = make_token(shard, number)
        owned = owned_number(number)
        changes = batches[shard].changes_of_waiting()
        changes.put(owned, OwnedRun(RunKind.INPUT, key, begun=True).encode(), queued=True)
        record = QuestionRecord(owned, key, "approve", dumps(number), number, deadline)
        changes.put_question(token, record.encode())
        tokens.append(token)
    for shard, batch in enumerate(batches):
        writer = Shard.acquire(state.layout.shard(shard), shard, "none")
        writer.commit(batch)
        writer.close()
    return tokens


def due_of(state: StateDirectory) -> list[int]:
    with StoreReader(state.path) as reader:
        found = []
        for shard in range(SHARDS):
            with reader.shard(shard) as snapshot:
                assert snapshot is not None
                found += [due.number for due in snapshot.waiting.due(1 << 62)]
        return found


def test_an_answer_at_rest_is_on_record_and_its_run_is_due(state: StateDirectory) -> None:
    tokens = ask(state, 8)
    assert due_of(state) == []
    assert answer_at_rest(state, tokens[3], b"true", by="eve", request="r1") == "approve"
    assert due_of(state) == [owned_number(3)]
    with StoreReader(state.path) as reader, all_waiting(reader) as waiting:
        assert [token for token, _ in waiting.questions()] == tokens[:3] + tokens[4:]
        assert [run.number for run in waiting.runs() if run.woken] == [owned_number(3)]
    # The same request may come again, for example when its sender does not know the outcome.
    assert answer_at_rest(state, tokens[3], b"true", by="eve", request="r1") == "approve"
    with pytest.raises(AnswerError, match="was answered already by eve at"):
        answer_at_rest(state, tokens[3], b"true", by="eve", request="r2")


def test_what_cannot_be_answered(state: StateDirectory) -> None:
    (token,) = ask(state, 1, deadline=clock.now() - 1)
    for wrong, problem in (
        (token, "too late"),
        (f"q{1000:011x}0000{0:032x}", "No question with this token"),
        (f"q{1000:011x}{SHARDS:04x}{0:032x}", "in another state directory"),
        ("q", "not the token of a question"),
        ("", "not the token of a question"),
    ):
        with pytest.raises(AnswerError, match=problem):
            answer_at_rest(state, wrong, b"1")
    assert due_of(state) == []


def test_questions_behind_a_token(state: StateDirectory) -> None:
    tokens = ask(state, 30)
    with StoreReader(state.path) as reader, all_waiting(reader) as waiting:
        assert [token for token, _ in waiting.questions(tokens[9])] == tokens[10:]
        assert list(waiting.questions(tokens[-1])) == []


def test_many_questions_are_listed_in_order_and_in_bounded_memory(state: StateDirectory) -> None:
    count = 20_000
    tokens = ask(state, count)
    with StoreReader(state.path) as reader:
        assert waiting_counts(reader).questions == count
        with all_waiting(reader) as waiting:
            tracemalloc.start()
            listed = 0
            for expected, (token, record) in zip(tokens, waiting.questions(), strict=True):
                assert (token, record.asked_at) == (expected, listed)
                listed += 1
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
    assert listed == count
    assert peak < 1 << 20


def test_nothing_waits_in_a_new_state(state: StateDirectory) -> None:
    with StoreReader(state.path) as reader, all_waiting(reader) as waiting:
        empty: list[Any] = [*waiting.questions(), *waiting.runs(), *waiting.timers()]
        assert empty == []
        assert not waiting.counts()
