"""Memory sets: their sizes, and their items a page at a time."""

from __future__ import annotations

from contextlib import ExitStack
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from ....agent.errors import MemorySetError
from ....store import clock
from ....store.memory.opened_set import OpenedSet, SetPlace, all_sets, opened_set
from ....store.memory.set_reader import description
from ....store.sets.searching import Query
from ..endpoints.replies import NotThereError
from ..endpoints.tokens import ListPlace, key_in, key_text, place_in, token_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....store.sets.records import StoredItem
    from ....store.state.reader import StoreReader
    from ..endpoints.replies import Asked
    from ..jobs import ShownJob

__all__ = ["items_of_key", "set_row", "shared_items", "shared_sets"]

_MOST: Final = 500
_MOST_SETS: Final = 500
_MOST_LOOKED_AT: Final = 20_000


def set_row(place: SetPlace, opened: OpenedSet) -> dict[str, Any]:
    """A set in a list."""
    row = description(place, opened)
    return {**row, "size": row["items"]}


def shared_sets(job: ShownJob, _: Asked) -> dict[str, Any]:
    """The sets that all keys share."""
    with job.reader() as reader, all_sets(reader) as found:
        return {"sets": [set_row(*each) for each in islice(found.shared(), _MOST_SETS)]}


def items_of_key(job: ShownJob, asked: Asked) -> dict[str, Any]:
    """Items of a set of a key."""
    return _items(job, asked, SetPlace(str(asked.path["name"]), key_in(asked.path["token"])))


def shared_items(job: ShownJob, asked: Asked) -> dict[str, Any]:
    """Items of a set that all keys share."""
    return _items(job, asked, SetPlace(str(asked.path["name"]), None))


def _items(job: ShownJob, asked: Asked, place: SetPlace) -> dict[str, Any]:
    """So many items behind a place; or, with `query`, those that fit best, by words."""
    limit = asked.limit(_MOST)
    query, after = asked.text("query"), place_in(asked.text("after"))
    following: str | None = None
    with job.reader() as reader:
        row = _row_of(reader, place)
        try:
            if query is not None:
                found = _search(reader, place, query, limit)
            else:
                found, following = _page(reader, place, after, limit)
        except MemorySetError as error:
            raise NotThereError(error.message, hint=error.hint) from error
    trees = job.trees()
    items = [
        {
            "id": item.id,
            "value": trees.plain(item.value),
            "metadata": trees.plain(item.metadata),
            "created": item.created,
            "accessed": item.accessed,
            "expires": item.expires or None,
            "keep": item.keep,
            "compacted": item.compacted,
            "tokens": item.tokens,
            "score": score,
            "added_by": key_text(item.owner),
            "added_by_token": token_of(item.owner) if item.owner else None,
        }
        for item, score in found
    ]
    return {"set": row, "items": items, "next": following}


def _row_of(reader: StoreReader, place: SetPlace) -> dict[str, Any]:
    with opened_set(reader, place) as opened:
        if not opened.is_there:
            raise NotThereError(f"There is no memory set {place.name!r} now.")
        return set_row(place, opened)


def _search(
    reader: StoreReader, place: SetPlace, query: str, limit: int
) -> list[tuple[StoredItem, float | None]]:
    with opened_set(reader, place) as opened:
        half_life = opened.settings().half_life
        wanted = Query(query, b"", limit, None, half_life, clock.now())
        return [(each.item, each.score) for each in opened.find(wanted)]


def _page(
    reader: StoreReader, place: SetPlace, after: ListPlace, limit: int
) -> tuple[list[tuple[StoredItem, float | None]], str | None]:
    now = clock.now()
    rows: list[tuple[StoredItem, float | None]] = []
    last = after
    with ExitStack() as stack:
        for seen, (at, item) in enumerate(_stored(reader, place, after, stack)):
            if len(rows) >= limit or seen >= _MOST_LOOKED_AT:
                return rows, last.token()
            if not item.is_expired(now):
                rows.append((item, None))
            last = at
    return rows, None


def _stored(
    reader: StoreReader, place: SetPlace, after: ListPlace, stack: ExitStack
) -> Iterator[tuple[ListPlace, StoredItem]]:
    """Yield the items behind a place, each with its own."""
    behind = int.from_bytes(after.address, "big")
    for shard in place.shards(reader.view.manifest.shards):
        if place.key is None and shard < after.shard:
            continue
        snapshot = stack.enter_context(reader.shard(shard))
        start = behind if place.key is not None or shard == after.shard else 0
        if snapshot is not None:
            parts = (part.items(start) for part in place.parts(snapshot))
            for number, item in merge(*parts, key=itemgetter(0)):  # they share one counter
                yield ListPlace(shard, number.to_bytes(8, "big")), item
