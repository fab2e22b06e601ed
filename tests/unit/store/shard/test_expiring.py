"""What is due is removed by later commits, a little by each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tamias.store.encoding.keys import encode_key, key_prefix
from tamias.store.encoding.paths import address
from tamias.store.encoding.stamps import stamped
from tamias.store.encoding.values import dumps
from tamias.store.records.due_keys import FIELD, expiring_key
from tamias.store.shard.batch import Batch
from tamias.store.shard.expiring import Removal
from tamias.store.shard.field_ttl import FieldTtl
from tamias.store.shard.shard import Shard

if TYPE_CHECKING:
    from pathlib import Path

_KEY = key_prefix(encode_key("k"))


def _put(batch: Batch, path: str, time: int, due: int) -> None:
    batch.put_field(_KEY, path, stamped(dumps(path), time))
    batch.expire_field(_KEY, path, due)


def _remove(shard: Shard, until: int, limit: int = 256) -> list[str]:
    """Remove what is due; the paths that are left."""
    batch = Batch()
    batch.removal = Removal(until, shard.read(lambda s: s.expiry.due(until, limit)))
    shard.commit(batch)
    return [path for path, _ in shard.scan(_KEY)]


def _shard(path: Path, ttl: int) -> Shard:
    shard = Shard.acquire(path, 0)
    shard.expire_fields(FieldTtl(ttl))
    shard.commit(Batch())
    return shard


def test_what_is_due_goes_and_the_rest_stays(tmp_path: Path) -> None:
    shard = _shard(tmp_path, 10)
    batch = Batch()
    for path, time in (("a", 1), ("b", 5), ("c" * 600, 2)):
        _put(batch, path, time, time + 10)
    shard.commit(batch)
    assert shard.first_due == 11
    assert _remove(shard, 10) == ["a", "b", "c" * 600]
    assert _remove(shard, 12) == ["b"]
    assert shard.read(lambda s: s.counts())["names"] == 0
    assert (shard.first_due, shard.horizon) == (15, 12)
    shard.close()
    shard = Shard.acquire(tmp_path, 0)
    assert (shard.first_due, shard.horizon, shard.field_ttl is not None) == (15, 12, True)
    shard.close()


def test_a_field_that_was_used_again_is_listed_for_the_moment_of_its_record(
    tmp_path: Path,
) -> None:
    shard = _shard(tmp_path, 10)
    batch = Batch()
    _put(batch, "a", 100, 11)
    shard.commit(batch)
    assert _remove(shard, 50) == ["a"]
    assert shard.first_due == 110
    assert _remove(shard, 110) == []
    assert shard.first_due is None
    shard.close()


def test_a_commit_follows_so_many_entries_and_no_more(tmp_path: Path) -> None:
    shard = _shard(tmp_path, 10)
    batch = Batch()
    for number in range(10):
        _put(batch, f"f{number}", 1, 11)
    shard.commit(batch)
    assert [len(_remove(shard, 11, 4)) for _ in range(4)] == [6, 2, 0, 0]
    shard.close()


def test_entries_stay_without_effect_where_nothing_expires(tmp_path: Path) -> None:
    shard = Shard.acquire(tmp_path, 0)
    batch = Batch()
    _put(batch, "a", 1, 11)
    shard.commit(batch)
    assert _remove(shard, 1 << 50) == ["a"]
    assert shard.first_due is None
    shard.close()


def test_an_entry_has_room_for_every_address() -> None:
    assert len(expiring_key(1, FIELD, address(_KEY, "x" * 9999))) <= 511
