"""What the memory sets of a job have to be at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tamias.store.encoding.keys import encode_key, key_prefix, shard_of
from tamias.store.sets.changes import SetName
from tamias.store.sets.records import shared_owner
from tamias.store.state.deep import read_shard
from tamias.store.state.layout import StateLayout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.fire.model import Model
    from tamias.store.state.reader import StoreReader


def wrong_notes(model: Model, state: Path, reader: StoreReader) -> Iterator[str]:
    """Yield what is wrong in the memory sets, and in the tables of the shards."""
    shards = reader.view.manifest.shards
    for key, texts in model.notes.items():
        encoded = encode_key(key)
        found = _texts(reader, shard_of(encoded, shards), SetName(key_prefix(encoded), "notes"))
        if found != texts:
            yield f"notes of {key} should be {texts}, are {found}"
    for key, texts in model.few.items():
        encoded = encode_key(key)
        found = _texts(reader, shard_of(encoded, shards), SetName(key_prefix(encoded), "few"))
        if found != texts:
            yield f"few notes of {key} should be {texts}, are {found}"
    shared = SetName(shared_owner(encode_key("")), "all")
    all_found = [text for number in range(shards) for text in _texts(reader, number, shared)]
    if sorted(all_found) != sorted(model.noted):
        yield f"shared notes should be {sorted(model.noted)}, are {sorted(all_found)}"
    for number in range(shards):
        try:
            read_shard(StateLayout(state).shard(number), number, shards, None)
        except Exception as error:  # noqa: BLE001 (whatever is wrong)
            yield f"shard {number}: {error}"


def _texts(reader: StoreReader, number: int, name: SetName) -> list[str]:
    with reader.shard(number) as snapshot:
        if snapshot is None:
            return []
        return [item.value for _, item in snapshot.set(name).items()]
