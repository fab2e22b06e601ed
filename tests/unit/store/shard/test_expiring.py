"""What is due is removed by later commits, a little by each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lmdb
import pytest

from tamias.store import clock
from tamias.store.shard.expiring import FIELD, ITEM, expiring_key, remove_expired
from tamias.store.shard.snapshot import Databases

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_Transaction = Any


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[tuple[_Transaction, Databases]]:
    with lmdb.open(str(tmp_path), max_dbs=16) as handle, handle.begin(write=True) as transaction:
        yield transaction, Databases.open(handle, transaction, create=True)


def test_what_is_due_goes_and_the_rest_stays(tables: tuple[_Transaction, Databases]) -> None:
    transaction, databases = tables
    now = int(clock.now() * 1000)
    for due, kind, address in ((now - 2, ITEM, b"a"), (now - 1, FIELD, b"b"), (now + 9999, 1, b"")):
        transaction.put(expiring_key(due, kind, address), b"", db=databases.expiring)
    removed: list[tuple[int, int, bytes]] = []
    removers = {
        kind: lambda _transaction, _databases, due, address, kind=kind: removed.append(
            (due, kind, address)
        )
        for kind in (FIELD, ITEM)
    }
    assert remove_expired(transaction, databases, removers) == 2
    assert removed == [(now - 2, ITEM, b"a"), (now - 1, FIELD, b"b")]
    assert transaction.stat(databases.expiring)["entries"] == 1
    assert remove_expired(transaction, databases, removers) == 0


def test_a_commit_removes_so_many_and_no_more(tables: tuple[_Transaction, Databases]) -> None:
    transaction, databases = tables
    for number in range(10):
        transaction.put(expiring_key(number, FIELD, b"x"), b"", db=databases.expiring)
    assert [remove_expired(transaction, databases, {}, 4) for _ in range(4)] == [4, 4, 2, 0]
