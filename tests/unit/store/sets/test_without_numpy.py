"""Sets of texts need no numpy, and a process that has none does no harm to vectors."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from support.sets.script import NAMES, batch_of, script, state_after, state_of
from tamias.agent.errors import MissingExtraError
from tamias.store.sets import word_search, writing
from tamias.store.sets.checking import problems_in
from tamias.store.sets.folding import Sizes
from tamias.store.sets.parts import StoredPart
from tamias.store.sets.searching import Query, search
from tamias.store.shard.shard import Shard
from tamias.store.shard.snapshot import Databases

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMITS = script(3, 60)


@pytest.fixture
def shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shard]:
    monkeypatch.setattr(writing.SetWriter, "sizes", Sizes(tail=4, chunk=16))
    shard = Shard.acquire(tmp_path, 0, "none")
    yield shard
    shard.close()


def found(shard: Shard, query: Query) -> list[tuple[str, float]]:
    def read(snapshot: Any) -> list[tuple[str, float]]:
        parts = [StoredPart(snapshot.set(name)) for name in NAMES]
        return [(each.item.value, each.score) for each in search(parts, query)]

    return shard.read(read)


def test_words_are_found_alike_with_numpy_and_without(
    shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    for changes in COMMITS:
        shard.commit(batch_of(changes))
    monkeypatch.setattr(word_search, "_SMALL", 0)
    queries = [
        Query(text, b"", limit, filters)
        for text in ("tea", "milk sugar", "none", "tea tea coffee bread")
        for limit in (1, 7, 100)
        for filters in ({}, {"commit": 40})
    ]
    with_numpy = [found(shard, query) for query in queries]
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert [found(shard, query) for query in queries] == with_numpy
    assert any(with_numpy)


def test_a_process_without_numpy_keeps_vectors_as_they_are(
    shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    for changes in COMMITS[:30]:
        shard.commit(batch_of(changes))
    query = Query("", np.array([1, 0, 0], np.float16).tobytes(), 5)
    assert len(found(shard, query)) == 5
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "numpy", None)
        for changes in COMMITS[30:]:
            shard.commit(batch_of(changes))
        assert len(found(shard, Query("tea", b"", 5))) == 5
        with pytest.raises(MissingExtraError, match=r"numpy") as caught:
            found(shard, query)
        assert "tamias[memory]" in str(caught.value.hint)
    assert shard.read(state_of) == state_after(COMMITS)
    assert len(found(shard, query)) == 5
    shard.commit(batch_of(COMMITS[0]))  # the tail is folded now
    assert shard.read(state_of) == state_after([*COMMITS, COMMITS[0]])
    handle = shard._environment.require()
    with handle.begin() as transaction:
        databases = Databases.open(handle, None, create=False)
        assert list(problems_in(transaction, databases)) == []
