"""What calls have used: added up in commits, read, and taken to another store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tamias.store.crashpoints import reach
from tamias.store.records.usage import NO_USE, Use, key_name, total_name
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.shard.transfer import EntryKind, add_entry, entries_of
from tamias.store.state.reader import ShardReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = b"sada"


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[Shard]:
    shard = Shard.acquire(tmp_path / "shard", 0)
    yield shard
    shard.close()


def add(shard: Shard, name: str, *uses: Use, key: bytes = KEY) -> None:
    batch = Batch()
    for use in uses:
        batch.usage.append((total_name(name), use, key))
        batch.usage.append((key_name(name, key), use, key))
    assert batch
    assert batch.size() > 0
    shard.commit(batch)


def test_use_is_added_up_by_limit_and_by_key(shard: Shard) -> None:
    assert shard.usage_totals() == {}
    assert shard.usage_of(key_name("api", KEY)) == NO_USE
    add(shard, "api", Use(10, 5), Use(1, 0))
    add(shard, "api", Use(100, 50), key=b"sbob")
    add(shard, "job", Use(7, 0))
    assert shard.usage_totals() == {"api": Use(111, 55), "job": Use(7, 0)}
    assert shard.usage_of(key_name("api", KEY)) == Use(11, 5)
    assert shard.usage_of(key_name("api", b"sbob")) == Use(100, 50)
    assert shard.usage_of(key_name("job", b"sbob")) == NO_USE


def test_it_is_read_by_others_and_by_the_next_writer(shard: Shard) -> None:
    add(shard, "api", Use(10, 5))
    with ShardReader(shard.directory) as reader, reader.snapshot() as snapshot:
        assert snapshot is not None
        assert snapshot.usage_totals() == {"api": Use(10, 5)}
    shard.close()
    again = Shard.acquire(shard.directory, 0)
    assert again.usage_totals() == {"api": Use(10, 5)}
    again.close()


def test_a_commit_that_fails_adds_nothing(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        reach(name)
        if name == "usage.after":
            raise ValueError("now")

    with monkeypatch.context() as patch:
        patch.setattr("tamias.store.shard.applying.reach", fail)
        with pytest.raises(ValueError, match="now"):
            add(shard, "api", Use(10, 5))
    assert shard.usage_totals() == {}


def test_sums_travel_to_another_store_with_their_keys(shard: Shard, tmp_path: Path) -> None:
    add(shard, "api", Use(10, 5))
    add(shard, "api", Use(100, 50), key=b"sbob")
    entries = list(entries_of(shard.reader.view()))
    assert {entry.kind for entry in entries} == {EntryKind.USAGE}
    assert {entry.run_key for entry in entries} == {KEY, b"sbob"}
    other = Shard.acquire(tmp_path / "other", 1)
    add(other, "api", Use(1, 1), key=b"scid")
    batch = Batch()
    for entry in entries:
        add_entry(batch, entry)
    other.commit(batch)
    assert other.usage_totals() == {"api": Use(111, 56)}
    assert other.usage_of(key_name("api", KEY)) == Use(10, 5)
    other.close()


def test_names_of_any_length_are_found_again(shard: Shard) -> None:
    name = "connection" * 100
    add(shard, name, Use(3, 0), key=b"s" * 10_000)
    assert shard.usage_of(key_name(name, b"s" * 10_000)) == Use(3, 0)
    assert list(shard.usage_totals().values()) == [Use(3, 0)]
