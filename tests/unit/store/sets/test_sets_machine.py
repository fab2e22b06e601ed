"""Memory sets in a shard against plain dicts and searches that compare everything."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from support.profiles import examples
from support.sets.model import WORDS, ModelSet, cosines_of, findable, word_scores
from tamias.store import clock
from tamias.store.encoding.keys import encode_key, key_prefix
from tamias.store.sets import writing
from tamias.store.sets.changes import SetChange, SetName
from tamias.store.sets.checking import problems_in
from tamias.store.sets.folding import Sizes
from tamias.store.sets.parts import ItemsPart, StoredPart, fits
from tamias.store.sets.records import SetSettings, StoredItem, shared_owner
from tamias.store.sets.searching import Query, search
from tamias.store.sets.selecting import items_that_fit
from tamias.store.shard.batch import Batch
from tamias.store.shard.expiring import Removal
from tamias.store.shard.shard import Shard
from tamias.store.shard.snapshot import Databases, Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEY = key_prefix(encode_key("a"))
OTHER = key_prefix(encode_key("ab" * 200))
NAMES = [
    SetName(KEY, "s"),
    SetName(KEY, "st"),
    SetName(OTHER, "s"),
    SetName(shared_owner(b"sx"), "s"),
]
IDS = [f"i{number}" for number in range(40)] + ["\ud800"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
VECTORS = st.one_of(
    st.just(b""),
    st.lists(st.integers(-3, 3), min_size=3, max_size=4).map(
        lambda values: np.array(values or [1], np.float16).tobytes()
    ),
)
METADATA = st.fixed_dictionaries(
    {}, optional={"a": st.sampled_from([1, True, "x", None]), "b": st.sampled_from([1, [1]])}
)
ITEMS = st.lists(
    st.tuples(st.sampled_from(IDS), TEXTS, VECTORS, METADATA, st.sampled_from([0, 0, 0, 5, 50])),
    min_size=1,
    max_size=12,
    unique_by=lambda item: item[0],
)
NAME = st.sampled_from(NAMES)


class MemorySets(RuleBasedStateMachine):
    """Changes are collected, and committed together; searches see both.

    What searches read is kept from one to the next, so there is one after each step, and of an
    older commit, too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waited = 0
        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm")
        self.shard = self.acquire()
        self.model: defaultdict[SetName, ModelSet] = defaultdict(ModelSet)
        self.changes: dict[SetName, SetChange] = {}
        self.older: tuple[Snapshot, dict[SetName, ModelSet]] | None = None

    def acquire(self) -> Shard:
        return Shard.acquire(Path(self.folder.name), 0, "none")

    def teardown(self) -> None:
        self.leave_older()
        self.shard.close()
        self.folder.cleanup()
        clock.advance(-self.waited)  # other tests of this process have the clock, too

    def change(self, name: SetName) -> SetChange:
        change = self.changes.setdefault(name, SetChange())
        if self.model[name].seen_with(change).settings is None:
            change.settings = SetSettings(dimensions=3)
        return change

    @rule(name=NAME, items=ITEMS)
    def add(self, name: SetName, items: Sequence[tuple[Any, ...]]) -> None:
        change = self.change(name)
        now = clock.now()
        for item_id, text, vector, metadata, ttl in items:
            expires = now + ttl if ttl else 0.0
            change.put(
                StoredItem(item_id, text, metadata, now, now, now, expires, tokens=3, vector=vector)
            )

    @rule(name=NAME, ids=st.lists(st.sampled_from(IDS), max_size=20))
    def delete(self, name: SetName, ids: list[str]) -> None:
        for item_id in ids:
            self.change(name).delete(item_id)

    @rule(name=NAME, drop=st.booleans())
    def clear(self, name: SetName, *, drop: bool) -> None:
        self.change(name).clear(drop=drop)

    @rule()
    def commit(self) -> None:
        self.shard.commit(self.batch())
        self.committed()

    @precondition(lambda self: self.changes)
    @rule(point=st.sampled_from(["sets.inside", "sets.rewrite", "sets.fold", "sets.merge"]))
    def commit_that_fails(self, point: str) -> None:
        def fail(name: str) -> None:
            if name == point:
                raise RuntimeError(point)

        with mock.patch.object(writing, "reach", fail):
            try:
                self.shard.commit(self.batch())
            except RuntimeError:
                return
        self.committed()

    def batch(self) -> Batch:
        batch = Batch()
        batch.sets += self.changes.items()
        batch.trim = 0
        now = clock.milliseconds()
        batch.removal = Removal(now, self.shard.read(lambda shard: shard.expiry.due(now)))
        return batch

    def committed(self) -> None:
        for known in self.model.values():
            known.expire(clock.milliseconds() / 1000)  # then the changes: they were due before
        for name, change in self.changes.items():
            self.model[name].apply(change)
        self.changes = {}

    @rule(seconds=st.sampled_from([1, 10, 100]))
    def wait(self, seconds: int) -> None:
        clock.advance(seconds)
        self.waited += seconds

    @rule()
    def open_again(self) -> None:
        self.leave_older()
        self.shard.close()
        self.shard = self.acquire()

    @rule()
    def stay_behind(self) -> None:
        """Go on to search what there is now as well."""
        self.leave_older()
        handle = self.shard._environment.require()
        snapshot = Snapshot(handle, Databases.open(handle, None, create=False))
        known = set(snapshot.sets())
        model = {name: found.seen_with(None) for name, found in self.model.items()}
        assert known == {name for name, found in model.items() if found.settings is not None}
        self.older = snapshot, model

    def leave_older(self) -> None:
        if self.older is not None:
            self.older[0].close()
            self.older = None

    @rule(
        name=NAME,
        text=TEXTS,
        vector=st.lists(st.integers(-3, 3), min_size=3, max_size=3),
        limit=st.sampled_from([1, 3, 20, 100]),
        filters=METADATA,
        half_life=st.sampled_from([0.0, 10.0]),
        pending=st.booleans(),
    )
    def find(
        self,
        name: SetName,
        *,
        text: str,
        vector: list[int],
        limit: int,
        filters: dict[str, Any],
        half_life: float,
        pending: bool,
    ) -> None:
        now = clock.now()
        changes = self.changes.get(name) if pending else None
        seen = self.model[name].seen_with(changes)
        packed = np.array(vector, np.float16).tobytes()
        words = self.found(name, changes, Query(text, b"", limit, filters, 0.0, now))
        near = self.found(name, changes, Query("", packed, limit, filters, 0.0, now))
        expected = findable(seen, word_scores(seen, text), filters, now)
        self.compare([item_id for item_id, _ in words], expected, limit)
        expected = findable(seen, cosines_of(seen, packed), filters, now)
        self.compare([item_id for item_id, _ in near], expected, limit)
        chosen = self.shard.read(lambda shard: list(items_that_fit(shard.set(name), filters)))
        stored = self.model[name].items.values()
        assert [item for _, item in chosen] == [
            item._replace(vector=b"") for item in stored if fits(item, filters)
        ]
        self.compare_both(name, changes, Query(text, packed, limit, filters, half_life, now))

    def found(
        self, name: SetName, changes: SetChange | None, query: Query
    ) -> list[tuple[str, float]]:
        added = [item for item in changes.items.values() if item] if changes else []
        hidden = changes.items if changes else ()

        def read(snapshot: Any) -> list[tuple[str, float]]:
            parts: list[Any] = [ItemsPart(added)]
            if changes is None or not changes.cleared:
                parts.insert(0, StoredPart(snapshot.set(name), hidden))
            return [(found.item.id, found.score) for found in search(parts, query)]

        return self.shard.read(read)

    def compare(self, ids: list[str], expected: dict[str, float], limit: int) -> None:
        assert len(set(ids)) == len(ids)
        best = sorted(expected.values(), reverse=True)[:limit]
        assert [expected[item_id] for item_id in ids] == pytest.approx(best, abs=2e-3)

    def compare_both(self, name: SetName, changes: SetChange | None, query: Query) -> None:
        """What is found by both is made of what is found by each."""
        if not query.text and not query.half_life:
            return  # then it is what is found by one, with the scores of that
        now, filters = query.now, query.filters
        near = self.found(name, changes, Query("", query.vector, 100, filters, 0.0, now))
        words = self.found(name, changes, Query(query.text, b"", 100, filters, 0.0, now))
        seen = self.model[name].seen_with(changes)
        scores: defaultdict[str, float] = defaultdict(float)
        for order in (near, words):
            for rank, (item_id, _) in enumerate(order, 1):
                scores[item_id] += 1 / (60 + rank)
        if query.half_life:
            for item_id in scores:
                age = query.now - seen.items[item_id].created_until
                scores[item_id] *= 0.5 ** (age / query.half_life)
        best = sorted(scores, key=lambda item_id: (-scores[item_id], item_id))
        found = self.found(name, changes, query)
        assert [score for _, score in found] == pytest.approx(
            [scores[item_id] for item_id in best[: query.limit]]
        )

    @invariant()
    def all_is_found_that_there_is(self) -> None:
        self.shard.read(lambda snapshot: self.all_found(snapshot, self.model))
        if self.older is not None:
            self.all_found(*self.older)

    def all_found(self, snapshot: Any, model: Mapping[SetName, ModelSet]) -> None:
        now, text, vector = clock.now(), " ".join(WORDS), np.array([1, 2, 3], np.float16).tobytes()
        for name, known in model.items():
            near = set(findable(known, cosines_of(known, vector), {}, now))
            words = set(findable(known, word_scores(known, text), {}, now))
            for query, wanted in (
                (Query("", vector, 100, now=now), near),
                (Query(text, b"", 100, now=now), words),
                (Query(text, vector, 100, half_life=9.0, now=now), near | words),
            ):
                items = [each.item for each in search([StoredPart(snapshot.set(name))], query)]
                assert {item.id for item in items} == wanted
                assert len(items) == len(wanted)
                assert all(known.items[item.id]._replace(vector=b"") == item for item in items)

    @invariant()
    def the_store_is_as_the_model(self) -> None:
        self.shard.read(self.same)

    def same(self, snapshot: Any) -> None:
        known = {name for name, found in self.model.items() if found.settings is not None}
        assert set(snapshot.sets()) == known
        for name, found in self.model.items():
            stored = snapshot.set(name)
            assert stored.settings() == found.settings
            items = list(stored.items(with_vectors=True))
            assert [item for _, item in items] == list(found.items.values())
            assert [number for number, _ in items] == sorted(number for number, _ in items)
            assert stored.totals().items == len(items)
            now = clock.now()
            live = [item for _, item in items if not item.is_expired(now)]
            totals = stored.live_totals(now)
            assert (totals.items, totals.tokens) == (len(live), sum(i.tokens for i in live))
            for number, item in items:
                assert stored.number_of(item.id) == number
                assert stored.vector(number) == item.vector
            assert stored.number_of("none") is None

    @invariant()
    def the_doctor_finds_nothing(self) -> None:
        handle = self.shard._environment.require()
        databases = Databases.open(handle, None, create=False)
        with handle.begin() as transaction:
            assert list(problems_in(transaction, databases)) == []


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing.SetWriter, "sizes", Sizes(tail=4, chunk=16))
    monkeypatch.setattr(writing, "REMOVED_AT_ONCE", 7)


TestMemorySets = MemorySets.TestCase
TestMemorySets.settings = settings(max_examples=examples(60), stateful_step_count=25, deadline=None)
