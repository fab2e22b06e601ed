"""How long fields of a shard live, and what a change of the option does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.moved_clock import MovedClock
from tamias.agent.errors import StoreCorruptError
from tamias.store import clock
from tamias.store.encoding.keys import encode_key, key_prefix
from tamias.store.encoding.stamps import split, stamped
from tamias.store.encoding.values import check_form, dumps, loads
from tamias.store.shard.batch import Batch
from tamias.store.shard.field_ttl import BEGIN, FieldTtl
from tamias.store.shard.live_fields import LiveFields
from tamias.store.shard.shard import Shard
from tamias.store.state.deep import read_shard
from tamias.worker.runs.group_commit import ShardWriter
from tamias.worker.runs.removals import Removals

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("value", [1, "text", b"\xb6", [1, {"a": "b" * 99}], None])
def test_a_record_with_a_time_is_read_with_and_without_it(value: object) -> None:
    record = stamped(dumps(value), 1_800_000_000_000)
    check_form(record)
    assert split(record) == (1_800_000_000_000, dumps(value))
    assert loads(record) == value
    assert split(stamped(record, 5)) == (5, dumps(value))
    assert split(dumps(value)) == (0, dumps(value))


def test_objects_have_times_too() -> None:
    record = stamped(b"", 7)
    check_form(record)
    assert split(record) == (7, b"")


@pytest.mark.parametrize("record", [b"\xb6\0\0", stamped(b"\x80\x05nonsense", 1)])
def test_damaged_records_are_found(record: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        check_form(record)


def test_fields_without_a_time_live_from_the_moment_the_option_is_turned_on(
    tmp_path: Path,
) -> None:
    shard = Shard.acquire(tmp_path, 0)
    assert shard.field_ttl is None
    shard.expire_fields(FieldTtl(0))
    assert shard.read(lambda s: s.expiry.field_ttl()) is None
    now = clock.milliseconds()
    shard.expire_fields(FieldTtl(1000))
    assert shard.field_ttl is not None
    assert now + 1000 <= shard.field_ttl.due(0) <= clock.milliseconds() + 1000
    assert shard.field_ttl.due(5) == 1005  # of a checkpoint that was restored
    assert shard.swept == BEGIN
    shard.close()


def test_after_a_pause_of_the_option_fields_live_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = Shard.acquire(tmp_path, 0)
    shard.expire_fields(FieldTtl(1000))
    shard.expire_fields(FieldTtl(0))
    assert shard.field_ttl is None
    MovedClock(monkeypatch).advance(3600)
    now = clock.milliseconds()
    shard.expire_fields(FieldTtl(1000))
    assert shard.field_ttl is not None
    assert shard.field_ttl.due(5) >= now + 1000
    shard.close()


def test_a_longer_life_counts_at_once_and_a_shorter_one_is_swept_for(tmp_path: Path) -> None:
    shard = Shard.acquire(tmp_path, 0)
    shard.expire_fields(FieldTtl(1000))
    done = Batch()
    done.swept = b""
    shard.commit(done)
    assert shard.swept is None
    shard.expire_fields(FieldTtl(5000, reading_counts=False))
    assert shard.swept is None
    assert shard.field_ttl is not None
    assert shard.field_ttl.due(1 << 40) == (1 << 40) + 5000
    assert not shard.field_ttl.reading_counts
    shard.expire_fields(FieldTtl(100))
    assert shard.swept == BEGIN
    assert shard.field_ttl.due(1 << 40) == (1 << 40) + 100
    shard.close()


def test_fields_travel_with_their_times_and_are_listed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As memory does in checkpoints: as it is stored, into a shard that knows nothing of it."""
    moved = MovedClock(monkeypatch)
    prefix = key_prefix(encode_key("k"))
    now = clock.milliseconds()
    first = Shard.acquire(tmp_path / "first", 0)
    first.expire_fields(FieldTtl(60_000))
    batch = Batch()
    records = {"old": stamped(dumps(1), now - 50_000), "new": stamped(dumps(2), now), "o": b""}
    batch.put_fields(prefix, {**records})
    first.commit(batch)
    entries = first.read(lambda snapshot: list(snapshot.key_entries(prefix)))
    first.close()

    second = Shard.acquire(tmp_path / "second", 0)
    batch = Batch()
    batch.memory.update({entry.key: entry.value for entry in entries})
    second.commit(batch)
    second.close()
    moved.advance(20)
    second = Shard.acquire(tmp_path / "second", 0)
    second.expire_fields(FieldTtl(60_000))

    def seen() -> list[str]:
        return second.read(lambda snapshot: [p for p, _ in LiveFields(snapshot).scan(prefix)])

    assert seen() == ["new", "o"]
    writer = ShardWriter(second)
    writer.removals = Removals(lambda _: None, lambda: None, lambda _: False)
    for _ in range(4):  # two to list them, two to remove them
        second.commit(writer.seal()[0])
    assert [path for path, _ in second.scan(prefix)] == ["new", "o"]
    moved.advance(41)
    assert seen() == ["o"]  # that had no time, and lives since it was restored
    moved.advance(20)
    assert seen() == []
    second.close()


def test_the_doctor_finds_a_damaged_time(tmp_path: Path) -> None:
    prefix = key_prefix(encode_key("k"))
    shard = Shard.acquire(tmp_path, 0)
    batch = Batch()
    batch.put_field(prefix, "whole", stamped(dumps("x"), 1))
    batch.put_field(prefix, "object", stamped(b"", 1))
    shard.commit(batch)
    assert read_shard(tmp_path, 0, 1, None) == "5 records read"
    batch = Batch()
    batch.put_field(prefix, "cut", stamped(b"", 1)[:5])
    shard.commit(batch)
    with pytest.raises(StoreCorruptError, match="the time of a field is cut short"):
        read_shard(tmp_path, 0, 1, None)
    shard.close()
