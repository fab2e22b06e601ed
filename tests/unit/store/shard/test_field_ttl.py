"""How long fields of a shard live, and what a change of the option does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.moved_clock import MovedClock
from tamias.store import clock
from tamias.store.encoding.stamps import split, stamped
from tamias.store.encoding.values import check_form, dumps, loads
from tamias.store.shard.batch import Batch
from tamias.store.shard.field_ttl import BEGIN, FieldTtl
from tamias.store.shard.shard import Shard

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
