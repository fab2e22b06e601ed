"""What `tamias doctor --deep` finds wrong in the tables of what waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tamias.agent.errors import StoreCorruptError
from tamias.store.encoding.keys import encode_key, key_prefix
from tamias.store.identity import StoreIdentity
from tamias.store.records.offsets import RunKind, derived_number, owned_number
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.state.deep import read_shard
from tamias.store.waiting.records import OwnedRun, QuestionRecord, due_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = encode_key("a")
FIRST, SECOND = owned_number(1), owned_number(2)
TIMER = derived_number(RunKind.TIMER, b"t")
END = derived_number(RunKind.END, b"e")
STORE = StoreIdentity("ab" * 16, 1)


@pytest.fixture
def shard(tmp_path: Path) -> Any:
    shard = Shard.acquire(tmp_path, 0, store=STORE)
    batch = Batch()
    changes = batch.changes_of_waiting()
    first = OwnedRun(RunKind.INPUT, KEY, begun=True, due=5.0)
    changes.put(FIRST, first.encode(), queued=True)
    changes.put(SECOND, OwnedRun(RunKind.INPUT, KEY).encode(), queued=True)
    changes.put(TIMER, OwnedRun(RunKind.TIMER, KEY, due=9.0).encode(), timer_id="t")
    changes.put_question("q", QuestionRecord(FIRST, KEY, "n", b"", 1.0).encode())
    changes.put_end(key_prefix(KEY), END.to_bytes(8, "big") + KEY)
    shard.commit(batch)
    yield shard
    shard.close()


def number(value: int) -> bytes:
    return value.to_bytes(8, "big")


DAMAGES: dict[str, Callable[[Any, Any], object]] = {
    "is not announced when it is due": lambda t, d: t.delete(due_key(5_000_000, FIRST), db=d.due),
    "is not in the queue of its key": lambda t, d: t.drop(d.queue, delete=False),
    "is due, and not there": lambda t, d: t.put(due_key(7, owned_number(9)), b"", db=d.due),
    "is in a queue, and not there": lambda t, d: t.put(
        key_prefix(KEY) + number(99), number(owned_number(9)), db=d.queue
    ),
    "a place of a queue that is not its own": lambda t, d: t.put(
        key_prefix(KEY) + number(99), number(SECOND), db=d.queue
    ),
    "which is not one of its kind": lambda t, d: t.put(
        number(TIMER), OwnedRun(RunKind.END, KEY).encode(), db=d.owned
    ),
    "is of another key": lambda t, d: t.put(key_prefix(KEY), number(END) + b"sb", db=d.ends),
    "its counters say": lambda t, d: t.put(b"waiting_questions", number(7), db=d.meta),
    "a record of what waits cannot be read": lambda t, d: t.put(b"q", b"?", db=d.questions),
}


def test_nothing_is_wrong(shard: Shard) -> None:
    assert "records read" in read_shard(shard.directory, 0, 1, STORE)


@pytest.mark.parametrize("problem", DAMAGES)
def test_damage_is_found(shard: Shard, problem: str) -> None:
    with shard._environment.require().begin(write=True) as transaction:
        DAMAGES[problem](transaction, shard._databases)
    with pytest.raises(StoreCorruptError, match=problem):
        read_shard(shard.directory, 0, 1, STORE)
