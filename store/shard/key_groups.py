"""Reads one key group of a shard, without reading the others.

A field's address begins with the length of its key and then the key itself, which begins with its
group (`keys`). So the fields of a group are one contiguous range for each length of key that
occurs, and each range is found by one seek: reading a group costs its own entries and a few seeks,
however large the shard is. Keys that are too long for an address are hashed, and `names` has them
in full; these few are assigned to groups once per snapshot.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..encoding.keys import GROUP, group_of, prefix_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import lmdb

__all__ = [
    "IN_MEMORY",
    "IN_NAMES",
    "IN_SETS",
    "KeyGroupEntry",
    "group_entries",
    "hashed_prefixes",
    "key_entries",
]

IN_MEMORY: Final = 0
IN_NAMES: Final = 1
IN_SETS: Final = 2
"""Only on the way: entries of memory sets are not as they are stored (`store.sets.transfer`)."""

_HASHED: Final = b"\xff"


class KeyGroupEntry(NamedTuple):
    """One entry of a shard, as it is stored.

    Attributes:
        which: the database, `IN_MEMORY` or `IN_NAMES`; or `IN_SETS`.
        key, value: the stored bytes.
    """

    which: int
    key: bytes
    value: bytes


def group_entries(
    transaction: lmdb.Transaction[bytes],
    memory: Any,
    names: Any,
    group: int,
    hashed: Mapping[int, Sequence[bytes]],
) -> Iterator[KeyGroupEntry]:
    """All entries of the keys of a group.

    Args:
        transaction: a read transaction.
        memory: the shard's database of that name.
        names: the shard's database of that name.
        group: the group's number.
        hashed: the result of `hashed_prefixes` in this transaction.
    """
    mark = GROUP + group.to_bytes(2, "big")
    for which, database in ((IN_MEMORY, memory), (IN_NAMES, names)):
        with transaction.cursor(database) as cursor:
            yield from _plain(cursor, which, mark)
            for prefix in hashed.get(group, ()):
                yield from _range(cursor, which, prefix)


def key_entries(
    transaction: lmdb.Transaction[bytes], memory: Any, names: Any, prefix: bytes
) -> Iterator[KeyGroupEntry]:
    """All entries of one key, by its prefix (`keys.key_prefix`)."""
    for which, database in ((IN_MEMORY, memory), (IN_NAMES, names)):
        with transaction.cursor(database) as cursor:
            yield from _range(cursor, which, prefix)


def hashed_prefixes(
    transaction: lmdb.Transaction[bytes], memory: Any, names: Any, sets: Any
) -> dict[int, list[bytes]]:
    """The prefixes of hashed keys that have memory or memory sets, by group."""
    prefixes: set[bytes] = set()
    for database in filter(None, (memory, sets)):
        with transaction.cursor(database) as cursor:
            present = cursor.set_range(_HASHED)
            while present:
                prefix = prefix_of(cursor.key())
                prefixes.add(prefix)
                present = cursor.set_range(prefix + b"\xff")
    found: defaultdict[int, list[bytes]] = defaultdict(list)
    for prefix in sorted(prefixes):
        key = transaction.get(prefix, None, names)
        if key is not None and key[:1] == GROUP:
            found[group_of(key)].append(prefix)
    return dict(found)


def _plain(cursor: lmdb.Cursor[bytes], which: int, mark: bytes) -> Iterator[KeyGroupEntry]:
    length = len(mark)
    while length < _HASHED[0]:
        prefix = bytes((length,)) + mark
        if not cursor.set_range(prefix):
            return
        yield from _from_here(cursor, which, prefix)
        # The cursor is at the next key, so no key has a length in between.
        length = max(length + 1, (cursor.key() or _HASHED)[0])


def _range(cursor: lmdb.Cursor[bytes], which: int, prefix: bytes) -> Iterator[KeyGroupEntry]:
    if cursor.set_range(prefix):
        yield from _from_here(cursor, which, prefix)


def _from_here(cursor: lmdb.Cursor[bytes], which: int, prefix: bytes) -> Iterator[KeyGroupEntry]:
    for key, value in cursor.iternext():
        if not key.startswith(prefix):
            break
        yield KeyGroupEntry(which, key, value)
