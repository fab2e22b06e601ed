"""State directories with memory sets, made without a pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tamias.store.encoding.keys import GROUP, encode_key, key_prefix, shard_of
from tamias.store.sets.changes import SetChange, SetName
from tamias.store.sets.index.vectors import pack_vector
from tamias.store.sets.records import SetSettings, StoredItem, shared_owner
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.state.directory import StateDirectory
from tamias.store.state.layout import StateLayout

if TYPE_CHECKING:
    from pathlib import Path

SHARDS = 3


def made(state: Path, job: dict[str, Any] | None = None) -> Path:
    """Make a state directory without anything in it."""
    StateDirectory.open(state, "shop:Shop", SHARDS, "process", job or {}).close()
    return state


def item(item_id: str, text: Any, **more: Any) -> StoredItem:
    """An item as a run adds it."""
    vector = more.pop("vector", None)
    packed = pack_vector(vector) if vector else b""
    metadata = more.pop("metadata", {})
    created = more.pop("created", 1e9)
    return StoredItem(item_id, text, metadata, created, created, created, vector=packed, **more)


def add(state: Path, key: Any, name: str, *items: StoredItem, **settings: Any) -> None:
    """Commit items of a key's set, or of a shared one, as a worker does.

    With `group`, the key is of that key group, as those of Flink's tasks are.
    """
    encoded = encode_key(key)
    if (group := settings.pop("group", None)) is not None:
        encoded = GROUP + group.to_bytes(2, "big") + encoded
    owner = shared_owner(encoded) if settings.get("shared") else key_prefix(encoded)
    change = SetChange()
    change.settings = SetSettings(**settings)
    for each in items:
        change.put(each)
    batch = Batch()
    batch.name_key(key_prefix(encoded), encoded)
    batch.sets.append((SetName(owner, name), change))
    commit(state, encoded, batch)


def commit(state: Path, encoded: bytes, batch: Batch) -> None:
    """Commit a batch in the shard of a key."""
    number = shard_of(encoded, SHARDS)
    shard = Shard.acquire(StateLayout(state).shard(number), number)
    shard.commit(batch)
    shard.close()
