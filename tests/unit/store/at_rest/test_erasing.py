"""What a shard has of one key is removed, in all tables, and nothing of another key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from support.processes import run
from support.store.memory_sets import item, made
from tamias.agent.errors import UsageError
from tamias.cli import checks
from tamias.cli.app import application
from tamias.store.at_rest.erasing import Scope, find_erasure
from tamias.store.at_rest.forgetting import erase_key, rewrite_marked
from tamias.store.encoding.keys import encode_key, key_prefix
from tamias.store.encoding.values import dumps, loads
from tamias.store.records.dead_letters import DeadLetter
from tamias.store.records.due_keys import ITEM, expiring_key
from tamias.store.records.journal import ACTION, CALL, journal_key
from tamias.store.records.offsets import RunKind, derived_number, owned_number, retry_number
from tamias.store.records.outbox import decode_outputs, encode_outputs
from tamias.store.records.usage import Use, key_name, total_name
from tamias.store.sets.changes import SetChange, SetName
from tamias.store.sets.index.vectors import pack_vector
from tamias.store.sets.parts import StoredPart
from tamias.store.sets.records import SetSettings, shared_owner
from tamias.store.sets.searching import Query, search
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.state.deep import read_shard
from tamias.store.state.directory import StateDirectory
from tamias.store.state.reader import StoreReader
from tamias.store.waiting.records import OwnedRun, QuestionRecord

if TYPE_CHECKING:
    from pathlib import Path

    from tamias.store.at_rest.erasing import Erasure

ADA, BOB = "ada-marker", "bob-marker"
LONG = "ada-marker " * 60
"""A key whose prefix is a hash."""


class Whose:
    """An attribution: outputs have their key in them, runs have keys in a table."""

    def __init__(self, runs: dict[int, str] | None = None) -> None:
        self._runs = runs or {}

    def key_of_run(self, number: int) -> bytes | None:
        """The key in the table."""
        return encode_key(self._runs[number]) if number in self._runs else None

    def is_output_of(self, key: bytes, number: int, output: memoryview) -> bool | None:
        """Whether it is of the key; unknown if it begins with a question mark."""
        del number
        if bytes(output[:1]) == b"?":
            return None
        (owner,) = loads(output)
        return encode_key(owner) == key


def everything_of(key: str, number: int, batch: Batch) -> None:
    """Add something of each kind to a batch."""
    encoded = encode_key(key)
    prefix = key_prefix(encoded)
    batch.name_key(prefix, encoded) if len(encoded) > 200 else None
    batch.put_field(prefix, "name", dumps(key))
    batch.put_field(prefix, "x" * 600, dumps(f"{key} cut"))
    batch.expiring[expiring_key(1 << 60, ITEM, prefix + b"\x01n")] = b""
    for owner, name in ((prefix, "notes"), (shared_owner(encoded), "all")):
        change = SetChange()
        change.settings = SetSettings(shared=name == "all")
        change.put(item(f"1 {key}", f"{key} says", owner=encoded if name == "all" else b""))
        batch.sets.append((SetName(owner, name), change))
    batch.dead.append(DeadLetter(number, encoded, key.encode(), "json", "exception", error=key))
    changes = batch.changes_of_waiting()
    suspended = owned_number(number + 1)
    changes.put(suspended, _run(RunKind.INPUT, encoded, begun=True), queued=True)
    behind = owned_number(number + 2)
    changes.put(behind, _run(RunKind.INPUT, encoded, begun=False), queued=True)
    timer = derived_number(RunKind.TIMER, encoded)
    run = OwnedRun(RunKind.TIMER, encoded, key.encode(), due=1e12, id=f"timer {number}")
    changes.put(timer, run.encode(), timer_id=run.id)
    question = QuestionRecord(suspended, encoded, "q", dumps(key), 1.0)
    changes.put_question(f"q{number:046}0", question.encode())
    end = derived_number(RunKind.END, encoded)
    changes.put_end(prefix, end.to_bytes(8, "big") + encoded)
    for run_number in (number + 1, end, retry_number(number, 1)):
        batch.journal.append((journal_key(run_number, 0, CALL, 0), key.encode()))
    batch.usage.append((key_name("budget", encoded), Use(3, 4), encoded))
    batch.usage.append((total_name("budget"), Use(3, 4), encoded))


def _run(kind: RunKind, key: bytes, *, begun: bool) -> bytes:
    return OwnedRun(kind, key, key, begun=begun).encode()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with one shard, which has everything of three keys."""
    path = tmp_path / "state"
    StateDirectory.open(path, "shop:Shop", 1, "process", {}).close()
    batch = Batch()
    for number, key in ((100, BOB), (200, ADA), (300, LONG)):
        everything_of(key, number, batch)
    outputs = [dumps({BOB: 1}), dumps({ADA: 2}), dumps({ADA: 3}), b"?4"]
    batch.outbox = encode_outputs([100, 200, 201], [1, 2, 1], outputs, 7)
    commit(path, batch)
    return path


def commit(state: Path, batch: Batch) -> None:
    """Commit in the only shard."""
    shard = Shard.acquire(state / "shards" / "00", 0)
    shard.commit(batch)
    shard.close()


def erase(state: Path, key: str, scope: Scope | None = None, **more: Any) -> Erasure:
    """Erase a key."""
    whose = more.pop("whose", Whose())
    with StateDirectory.open(state, "shop:Shop", 1, "process", {}) as directory:
        return erase_key(directory, encode_key(key), scope or Scope(), whose, **more)


def rewrite(state: Path) -> int:
    """Write marked files anew; how many they were."""
    with StateDirectory.open(state, "shop:Shop", 1, "process", {}) as directory:
        return len(rewrite_marked(directory))


def texts_in(state: Path) -> bytes:
    """The bytes of the shard's file."""
    return (state / "shards" / "00" / "data.mdb").read_bytes()


def counts(state: Path) -> dict[str, int]:
    """How many entries each table of the shard has."""
    with StoreReader(state) as reader, reader.shard(0) as snapshot:
        assert snapshot is not None
        return snapshot.counts()


@pytest.mark.parametrize("key", [ADA, LONG])
def test_all_of_a_key_is_gone_and_all_of_another_is_there(state: Path, key: str) -> None:
    found = erase(state, key)
    assert dict(found.counts) == {
        "fields": 2,
        "sets": 1,
        "items": 1,
        "shared_items": 1,
        "dead_letters": 1,
        "waiting_runs": 1,
        "waiting_inputs": 1,
        "timers": 1,
        "questions": 1,
        "journal_records": 3,
        "usage": 1,
        **({"outputs": 2} if key == ADA else {}),
    }
    assert rewrite(state) == 1
    data = texts_in(state)
    other = LONG if key == ADA else ADA
    assert data.count(BOB.encode()) > 10
    assert data.count(other.encode()) > 10
    if key == LONG:
        assert LONG.encode() not in data
    else:
        alone = data.replace(LONG.encode(), b"")
        assert alone.count(ADA.encode()) == alone.count(b"ada-marker ")  # of the long key's parts
    again = erase(state, key)
    assert not again
    assert dict(again.counts) == {}
    assert rewrite(state) == 0


def test_what_is_left_of_another_key_is_what_there_was(state: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    StateDirectory.open(alone, "shop:Shop", 1, "process", {}).close()
    batch = Batch()
    everything_of(BOB, 100, batch)
    commit(alone, batch)
    for key in (ADA, LONG):
        erase(state, key)
    left, expected = counts(state), counts(alone)
    assert left.pop("outbox") == 1
    assert left.pop("meta") == expected.pop("meta") + 1  # the mark
    expected.pop("outbox")
    assert left == expected
    with StoreReader(state) as reader, StoreReader(alone) as other:
        with reader.shard(0) as snapshot, other.shard(0) as wanted:
            assert snapshot is not None
            assert wanted is not None
            assert snapshot.waiting.counts() == wanted.waiting.counts()
            assert list(snapshot.sets()) == list(wanted.sets())
            for name in wanted.sets():
                assert snapshot.set(name).totals() == wanted.set(name).totals()
        assert reader.memory(BOB) == other.memory(BOB)


def test_outputs_go_out_of_their_record_and_their_runs_stay(state: Path) -> None:
    found = erase(state, ADA)
    assert found.unknown_outputs == 1
    with StoreReader(state) as reader:
        ((_, sequence, outputs),) = reader.outbox()
    assert (sequence, outputs.offsets, outputs.counts) == (1, [100, 200, 201], [1, 0, 1])
    assert bytes(outputs.blob) == dumps({BOB: 1}) + b"?4"
    assert outputs.generation == 7
    assert decode_outputs(encode_outputs(outputs.offsets, [0, 0, 0], [])).counts == [0, 0, 0]


def test_sums_over_all_keys_stay(state: Path) -> None:
    with StoreReader(state) as reader:
        before = reader.usage()
    erase(state, LONG)  # the last one that was counted
    with StoreReader(state) as reader:
        assert reader.usage() == before == {"budget": Use(9, 12)}


def test_only_a_set_or_only_what_was_added_to_shared_ones(state: Path) -> None:
    only = Scope(everything=False, shared=False, set_name="other")
    assert not erase(state, ADA, only)
    own = erase(state, ADA, Scope(everything=False, shared=False, set_name="notes"))
    assert dict(own.counts) == {"sets": 1, "items": 1}
    shared = erase(state, ADA, Scope(everything=False, own_sets=False))
    assert dict(shared.counts) == {"shared_items": 1}
    assert erase(state, ADA).counts["fields"] == 2


def test_nothing_stays_in_chunks_and_remains_of_large_sets(tmp_path: Path) -> None:
    path = tmp_path / "state"
    StateDirectory.open(path, "shop:Shop", 1, "process", {}).close()
    ada, bob = encode_key(ADA), encode_key(BOB)
    vectors = {ADA: [0.25, 0.5, 0.125, 1.0], BOB: [1.0, 0.5, 0.25, 0.125]}
    settings = SetSettings(model="m", dimensions=4)
    items = [
        item(f"{number} {key}", f"{key} {number}", owner=encode_key(key), vector=vectors[key])
        for number in range(700)
        for key in (ADA, BOB)
    ]
    batch = Batch()
    for owner, some in (
        (shared_owner(ada), items),
        (key_prefix(ada), [one for one in items if one.owner == ada]),
        (key_prefix(bob), [one for one in items if one.owner == bob]),
    ):
        change = SetChange()
        change.settings = settings
        for one in some:
            change.put(one)
        batch.sets.append((SetName(owner, "large"), change))
    commit(path, batch)
    removed = Batch()
    change = SetChange()
    change.clear(drop=True)  # more than one commit removes
    removed.sets.append((SetName(key_prefix(ada), "large"), change))
    commit(path, removed)
    found = erase(path, ADA)
    assert found.counts["shared_items"] == 700
    rewrite(path)
    data = texts_in(path)
    assert ADA.encode() not in data
    assert pack_vector(vectors[ADA]) not in data
    assert data.count(pack_vector(vectors[BOB])) >= 1400
    with StoreReader(path) as reader, reader.shard(0) as snapshot:
        assert snapshot is not None
        assert [name.name for name in snapshot.sets()] == ["large", "large"]
        assert [snapshot.set(name).totals().items for name in snapshot.sets()] == [700, 700]
        shared = snapshot.set(SetName(shared_owner(bob), "large"))
        best = search([StoredPart(shared)], Query(vector=pack_vector(vectors[BOB]), limit=2000))
        assert {one.item.owner for one in best} == {bob}
    assert "records read" in read_shard(path / "shards" / "00", 0, 1, None)


def test_unfinished_runs_of_an_unknown_key_are_not_removed_unasked(state: Path) -> None:
    batch = Batch()
    for number in (5, 6, 7):
        batch.journal.append((journal_key(number, 0, ACTION, 0), b"of somebody"))
    commit(state, batch)
    whose = Whose({5: ADA, 6: BOB})
    with pytest.raises(UsageError, match="A run is unfinished"):
        erase(state, ADA, whose=whose)
    assert counts(state)["memory"] == 6  # nothing was removed
    found = erase(state, ADA, whose=whose, drop_unfinished=True)
    assert found.unknown_runs == [7]
    with StoreReader(state) as reader, reader.shard(0) as snapshot:
        assert snapshot is not None
        assert 6 in snapshot.journal()
        assert not {5, 7} & set(snapshot.journal())
    assert not erase(state, ADA, whose=whose)


def test_finding_changes_nothing(state: Path) -> None:
    before = counts(state)
    with StoreReader(state) as reader, reader.shard(0) as snapshot:
        assert snapshot is not None
        found = snapshot.read(
            lambda transaction, databases: find_erasure(
                transaction, databases, encode_key(ADA), Scope(), Whose()
            )
        )
    assert found.counts["fields"] == 2
    assert counts(state) == before


FORGET = """
import sys
from tamias.cli.app import application
sys.argv = ["tamias", "memory", "forget", sys.argv[1], "--key", sys.argv[2]]
application()()
"""


@pytest.mark.process
@pytest.mark.parametrize("point", ["erase.inside:1", "rewrite.before:1"])
def test_killed_at_any_point_it_is_all_there_or_none(
    state: Path, tmp_path: Path, point: str
) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    before = counts(state)
    assert run(FORGET, state, BOB, TAMIAS_CRASH=f"{point}:{flag}").returncode == -9
    if point.startswith("erase"):
        assert counts(state) == before
    else:
        assert counts(state)["memory"] == before["memory"] - 2
        assert BOB.encode() in texts_in(state)
        assert "forgotten" in {finding.name for finding in checks.state(state)}
    words = ["memory", "forget", str(state), "--key", BOB]
    again = CliRunner().invoke(application("memory"), words, prog_name="tamias")
    assert again.exit_code == 0, again.stderr
    assert BOB.encode() not in texts_in(state)
    assert "forgotten" not in {finding.name for finding in checks.state(state)}


def test_a_state_without_anything(tmp_path: Path) -> None:
    path = made(tmp_path / "empty")
    with StateDirectory.open(path, "shop:Shop", 1, "process", {}) as directory:
        assert not erase_key(directory, encode_key("x"), Scope(), Whose())
        assert rewrite_marked(directory) == []
