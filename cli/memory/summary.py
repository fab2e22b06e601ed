"""What other commands say of memory sets: `inspect`, `doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...store import clock
from ...store.encoding.keys import shard_of
from ...store.memory.opened_set import SetPlace, all_sets, opened_set, set_names
from ..text import count, size
from .listing import Capacities, model_of, set_row

if TYPE_CHECKING:
    from ...store.state.reader import StoreReader

_SHOWN = ("items", "capacity", "bytes", "tokens", "vectors", "embedding", "model", "dimensions")


def sets_of_key(reader: StoreReader, key: Any) -> dict[str, Any]:
    """The memory sets of a key, by name, each with its sizes and its model if it has one.

    Raises:
        InputError: the value cannot be a key.
    """
    encoded = reader.encoded(key)
    with reader.shard(shard_of(encoded, reader.view.manifest.shards)) as snapshot:
        names = [] if snapshot is None else set_names(snapshot, encoded)
    capacities = Capacities(reader.view.manifest.job)
    found = {}
    for name in names:
        place = SetPlace(name, encoded)
        with opened_set(reader, place) as opened:
            row = set_row(place, opened, capacities)
            found[name] = {field: row[field] for field in _SHOWN if row[field]}
    return found


def described_set(row: dict[str, Any]) -> str:
    """A set of `sets_of_key` in one line."""
    items, capacity = row.get("items", 0), row.get("capacity", 0)
    of = f" of {capacity:,}" if capacity else ""
    model = model_of({"dimensions": 0, "embedding": "", **row})
    return f"{items:,}{of} items, {size(row.get('bytes', 0))}{f', {model}' if model else ''}"


def sets_in_all(reader: StoreReader) -> dict[str, Any]:
    """How many sets and items there are, their size, and the names of the shared sets."""
    sums: dict[str, Any] = {"sets": 0, "items": 0, "bytes": 0, "shared": []}
    now = clock.now()
    with all_sets(reader) as sets:
        for found in (sets.shared(), sets.of_keys()):
            for place, opened in found:
                totals = opened.totals(now)
                sums["sets"] += 1
                sums["items"] += totals.items
                sums["bytes"] += totals.size
                if place.key is None:
                    sums["shared"].append(place.name)
    return sums


def described_sets(sums: dict[str, Any]) -> str:
    """The same in one line."""
    shared = f" (shared: {', '.join(sums['shared'])})" if sums["shared"] else ""
    return (
        f"{count(sums['sets'], 'memory set')}, {count(sums['items'], 'item')},"
        f" {size(sums['bytes'])}{shared}"
    )
