"""Commits of memory sets in an order that a seed decides, and what they leave."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from support.sets.model import WORDS, ModelSet
from tamias.store.encoding.keys import encode_key, key_prefix
from tamias.store.sets.changes import SetChange, SetName
from tamias.store.sets.records import SetSettings, StoredItem, shared_owner
from tamias.store.shard.batch import Batch

if TYPE_CHECKING:
    from tamias.store.shard.snapshot import Snapshot

NAMES = [
    SetName(key_prefix(encode_key("a")), "s"),
    SetName(key_prefix(encode_key("b" * 300)), "t"),
    SetName(shared_owner(b"sa"), "s"),
]
Changes = dict[SetName, SetChange]


def script(seed: int, commits: int) -> list[Changes]:
    """The changes of so many commits: adds mostly, some replacements, deletions, sets that go."""
    random = Random(seed)
    return [_changes(random, number) for number in range(commits)]


def _changes(random: Random, number: int) -> Changes:
    changes: Changes = {}
    for name in random.sample(NAMES, random.randint(1, 2)):
        change = changes[name] = SetChange()
        if random.random() < 0.08:
            change.clear(drop=random.random() < 0.5)
        change.settings = SetSettings(dimensions=3)
        for _ in range(random.randint(0, 12)):
            change.delete(f"i{random.randint(0, 60)}")
        for _ in range(random.randint(0, 9)):
            change.put(_item(random, number))
    return changes


def _item(random: Random, number: int) -> StoredItem:
    values = [random.uniform(-1, 1) for _ in range(3)]
    return StoredItem(
        f"i{random.randint(0, 60)}",
        " ".join(random.choices(WORDS, k=random.randint(0, 5))),
        {"commit": number},
        created=float(number),
        created_until=float(number),
        accessed=float(number),
        vector=np.array(values, np.float16).tobytes() if random.random() < 0.8 else b"",
    )


def batch_of(changes: Changes) -> Batch:
    """The batch of one commit."""
    batch = Batch()
    batch.sets += changes.items()
    return batch


def state_after(commits: list[Changes]) -> dict[SetName, Any]:
    """What the sets are after commits."""
    model = {name: ModelSet() for name in NAMES}
    for changes in commits:
        for name, change in changes.items():
            model[name].apply(change)
    return {
        name: (known.settings, list(known.items.values()))
        for name, known in model.items()
        if known.settings is not None
    }


def state_of(snapshot: Snapshot) -> dict[SetName, Any]:
    """What the sets of a shard are."""
    return {
        name: (
            snapshot.set(name).settings(),
            [item for _, item in snapshot.set(name).items(with_vectors=True)],
        )
        for name in snapshot.sets()
    }
