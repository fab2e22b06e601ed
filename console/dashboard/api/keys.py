"""The list of keys, a page at a time, also of a hundred thousand and more."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from ....agent.errors import InputError
from ....store.encoding.keys import GROUP, encode_key, key_prefix, shard_of
from ....store.shard.paging import behind, owners_from, size_of
from ...values.json_text import given_keys
from ..endpoints.tokens import ListPlace, key_row, key_text, place_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....store.shard.snapshot import Snapshot
    from ....store.state.reader import StoreReader
    from ..endpoints.replies import Asked
    from ..jobs import ShownJob

__all__ = ["key_list"]

_MOST: Final = 500
_MOST_LOOKED_AT: Final = 5_000
"""Keys that one answer looks at, to find those that begin with a text."""
_COUNTED: Final = 100
"""Fields of a key that are counted."""
_HASHED: Final = b"\xff"
"""What owners begin with whose keys are too long to be stored in place."""
_IN_GROUP: Final = 3
"""Bytes in front of a key that has a group."""
_MOST_GROUPS: Final = 1 << 16
_MOST_SETS: Final = 100

Found = tuple[ListPlace, "dict[str, Any] | None"]
"""A place, and the row of the key there; None if that is not wanted."""


def key_list(job: ShownJob, asked: Asked) -> dict[str, Any]:
    """Keys with memory, with how much they have; those that begin with `prefix`, if it is given."""
    limit = asked.limit(_MOST)
    prefix, place = asked.text("prefix"), place_in(asked.text("after"))
    rows: list[dict[str, Any]] = []
    following: str | None = None
    with job.reader() as reader:
        if prefix is not None and place == ListPlace():
            rows += _other_keys(reader, prefix)
        for seen, (at, row) in enumerate(_all_from(reader, place, prefix)):
            if len(rows) >= limit or seen >= _MOST_LOOKED_AT:
                following = at.token()
                break
            if row is not None:
                rows.append(row)
    return {"keys": rows, "next": following}


def _all_from(reader: StoreReader, place: ListPlace, prefix: str | None) -> Iterator[Found]:
    start = place.address
    for number in range(place.shard, reader.view.manifest.shards):
        with reader.shard(number) as snapshot:
            if snapshot is not None:
                found = (
                    owners_from(snapshot, start)
                    if prefix is None
                    else _owners_of_texts(snapshot, start, prefix)
                )
                for owner in found:
                    yield ListPlace(number, owner), _row(snapshot, owner, prefix)
        start = b""


def _owners_of_texts(snapshot: Snapshot, start: bytes, prefix: str) -> Iterator[bytes]:
    """Yield the owners whose keys are texts that begin so; then those that are stored by hash.

    Keys are sorted by their length first, and those of Flink by their group. So there are many
    ranges to be looked at, and what is between them is passed over.
    """
    wanted = encode_key(prefix)
    place = start
    while (owner := next(owners_from(snapshot, place), None)) is not None:
        if owner[:1] == _HASHED:
            yield from owners_from(snapshot, owner)
            return
        following = _where_next(owner, wanted)
        if following is None:
            yield owner
            following = behind(owner)
        place = max(following, behind(owner))


def _where_next(owner: bytes, wanted: bytes) -> bytes | None:
    """The first address behind an owner that may begin as wanted; None if the owner does."""
    length, key = owner[0], owner[1:]
    if length < len(wanted):
        return bytes((len(wanted),))
    group = key[:_IN_GROUP] if key[:1] == GROUP else b""
    inner = key[len(group) :]
    if inner.startswith(wanted):
        return None
    if length < len(wanted) + _IN_GROUP:  # so there are none with a group
        behind_group = wanted
    elif not group and key < GROUP:
        behind_group = GROUP
    elif group and inner < wanted:
        behind_group = group + wanted
    else:
        number = int.from_bytes(group[1:], "big") + 1 if group else _MOST_GROUPS
        behind_group = GROUP + number.to_bytes(2, "big") if number < _MOST_GROUPS else wanted
    return owner[:1] + behind_group if behind_group > key else bytes((length + 1,))


def _row(snapshot: Snapshot, owner: bytes, prefix: str | None) -> dict[str, Any] | None:
    key = snapshot.key_of(owner)
    if key is None:  # the store is damaged, as `doctor` says
        return None
    if prefix is not None and owner[:1] == _HASHED and not (key_text(key) or "").startswith(prefix):
        return None
    fields, size, complete = size_of(snapshot, owner, _COUNTED)
    sets = sum(1 for _ in islice(snapshot.sets(owner), _MOST_SETS))
    return {**key_row(key), "fields": fields, "bytes": size, "complete": complete, "sets": sets}


def _other_keys(reader: StoreReader, text: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of keys that are no texts, and are written so in JSON."""
    for candidate in given_keys(text):
        if isinstance(candidate, str):
            continue
        try:
            key = encode_key(candidate)
        except InputError:  # NaN, for example, is no key
            continue
        owner = key_prefix(key)
        with reader.shard(shard_of(key, reader.view.manifest.shards)) as snapshot:
            if snapshot is not None and next(owners_from(snapshot, owner), None) == owner:
                row = _row(snapshot, owner, None)
                if row is not None:
                    yield row
