"""The keys of a shard, and how keys are stored that Flink has put into key groups."""

from __future__ import annotations

from heapq import merge
from itertools import groupby
from typing import TYPE_CHECKING

from ..encoding.keys import GROUP
from ..sets.records import SHARED, shared_owner
from ..sets.selecting import shared_sets
from ..shard.live_fields import LiveFields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..shard.snapshot import Snapshot

__all__ = ["has_groups", "has_no_groups", "key_of_group", "keys_in"]


def keys_in(snapshot: Snapshot) -> Iterator[bytes]:
    """Yield the keys of a shard that have short-term memory or memory sets, encoded."""
    owners = (name.owner for name in snapshot.sets() if name.owner[0] != SHARED)
    for prefix, _ in groupby(merge(LiveFields(snapshot).prefixes(), owners)):
        key = snapshot.key_of(prefix)
        if key is not None:
            yield key


def has_groups(snapshot: Snapshot) -> bool:
    """Whether what a shard has is in key groups, as in the directory of a Flink task."""
    shared = next(shared_sets(snapshot.sets()), None)
    if shared is not None and shared.owner != shared_owner(b""):
        return True
    first = next(keys_in(snapshot), None)
    return first is not None and first[:1] == GROUP


def has_no_groups(snapshot: Snapshot) -> bool:
    """Whether a shard has keys, and these have no groups: all of a store have them, or none."""
    first = next(keys_in(snapshot), None)
    return first is not None and first[:1] != GROUP


def key_of_group(snapshot: Snapshot, key: bytes) -> bytes | None:
    """The encoded key as a shard has it, with the group that it is in; None if it has none."""
    for stored in keys_in(snapshot):
        if stored[:1] == GROUP and stored[3:] == key:
            return stored
    return None
