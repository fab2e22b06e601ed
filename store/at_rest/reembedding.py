"""Makes the vectors of a memory set anew, by another model.

First all vectors are made, in batches, and kept in a file (`kept_vectors`): that may take hours and
cost money, and a command that is killed goes on where it was. Then one commit gives all items their
new vectors, and the set its new model. So a search never sees vectors of two models. A shared set
has a part in each shard: each is one commit of its shard.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from ...agent.errors import MemorySetError
from .. import clock
from ..crashpoints import reach
from ..sets.applying import LAST_NUMBER, apply_sets
from ..sets.changes import SetChange
from ..sets.index.vectors import pack_vector
from ..sets.reading import StoredSet
from ..sets.records import text_of
from ..shard.shard import Shard
from .kept_vectors import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import lmdb

    from ..sets.changes import SetName
    from ..sets.records import StoredItem
    from ..shard.snapshot import Databases, Snapshot
    from ..state.directory import StateDirectory
    from .kept_vectors import KeptVectors

__all__ = ["NewModel", "reembed"]

_PAGE: Final = 1024
"""Items that are read at once."""


class NewModel(NamedTuple):
    """What makes the new vectors.

    Attributes:
        embedding: the name of the agent's embedding model.
        model: what the set records as its model.
        embed: makes the vectors of some texts, in one call.
        batch: the number of texts in a call.
        kept: vectors that it has made before, and where others are kept.
    """

    embedding: str
    model: str
    embed: Callable[[Sequence[str]], list[list[float]]]
    batch: int
    kept: KeptVectors


def reembed(
    state: StateDirectory,
    shards: Sequence[int],
    name: SetName,
    model: NewModel,
    progress: Callable[[int], None],
) -> int:
    """Give all items of a set vectors of another model; return how many items it has.

    Args:
        state: the state directory, locked by this process.
        shards: the shards that may have a part of the set.
        name: the set.
        model: what makes the vectors.
        progress: called with the number of further items that have vectors now.

    Raises:
        MemorySetError: the model makes something else than vectors of one length.
        LeaseHeldError: a worker of an earlier launcher has not ended yet.
        StoreError: a shard cannot be written.
    """
    total = 0
    for number in shards:
        shard = Shard.acquire(
            state.layout.shard(number),
            number,
            state.manifest.durability,
            store=state.manifest.identity,
            create=False,
        )
        try:
            _make(shard, name, model, progress)
            reach("reembed.before")
            total += shard.write(
                lambda transaction, databases: _switch(transaction, databases, name, model)
            )
        finally:
            shard.close()
    return total


def _make(shard: Shard, name: SetName, model: NewModel, progress: Callable[[int], None]) -> None:
    """Make the vectors that are not kept yet."""
    now, kept = clock.now(), model.kept
    for page in _pages(shard, name):
        texts: dict[bytes, str] = {}
        for item in page:
            text = text_of(item.value)
            if text.strip() and not item.is_expired(now):
                texts[digest_of(text)] = text
        missing = [digest for digest in texts if digest not in kept]
        for start in range(0, len(missing), model.batch):
            digests = missing[start : start + model.batch]
            vectors = model.embed([_whole(texts[digest]) for digest in digests])
            packed = [_packed(name.name, model, vector) for vector in vectors]
            kept.add(list(zip(digests, packed, strict=True)))
        progress(len(page))


def _pages(shard: Shard, name: SetName) -> Iterator[list[StoredItem]]:
    after = 0
    while True:

        def read(snapshot: Snapshot, after: int = after) -> list[tuple[int, StoredItem]]:
            return list(islice(snapshot.set(name).items(after), _PAGE))

        page = shard.read(read)
        if not page:
            return
        yield [item for _, item in page]
        after = page[-1][0]


def _packed(name: str, model: NewModel, vector: Sequence[float]) -> bytes:
    try:
        packed = pack_vector(vector)
    except ValueError as error:
        raise MemorySetError(
            f"What is to be a vector for the memory set {name!r} is none: {error}",
            hint=f"Look at what the embedding model {model.embedding!r} returns.",
        ) from None
    dimensions = len(packed) // 2
    if dimensions != model.kept.dimensions:
        raise MemorySetError(
            f"The embedding model {model.embedding!r} makes vectors of {model.kept.dimensions} and"
            f" of {dimensions} dimensions."
        )
    return packed


def _whole(text: str) -> str:
    """A text as services take it: with a mark in the place of half a surrogate pair."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _switch(
    transaction: lmdb.Transaction[bytes], databases: Databases, name: SetName, model: NewModel
) -> int:
    """Write all items of a part anew, with their new vectors; return how many they are."""
    stored = StoredSet(transaction, databases.sets, name)
    settings = stored.settings()
    if settings is None:
        return 0
    now = clock.now()
    new = replace(
        settings,
        embedding=model.embedding,
        model=model.model,
        dimensions=model.kept.dimensions,
        uncompared=-1,
    )
    first = SetChange()
    first.settings = new
    apply_sets(transaction, databases, [(name, first)])
    last = int.from_bytes(transaction.get(LAST_NUMBER, b"", databases.meta), "big")
    after = count = 0
    while after < last:
        # What is written gets numbers behind the last one.
        items = StoredSet(transaction, databases.sets, name).items(after)
        page = list(islice(items, _PAGE))
        after = page[-1][0] if page else last
        change = SetChange()
        for number, item in page:
            if number > last:
                break
            if item.is_expired(now):
                change.delete(item.id)
                continue
            vector = model.kept.find(digest_of(text_of(item.value))) or b""
            change.put(item._replace(vector=vector if any(vector) else b""))
            count += 1
        apply_sets(transaction, databases, [(name, change)])
    reach("reembed.inside")
    return count
