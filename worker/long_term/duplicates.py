"""Near-duplicates in a full memory set: found without a model, and merged into one item.

Two items are near-duplicates if their texts are equal but for case, spaces and form, or if their
vectors are similar enough. Of messages, the roles are the same, too; of other JSON, all of it is.

To compare each new item with all others would cost more and more as a set grows. So new items are
compared together, when they are one sixteenth of the set, and with as many others as `WINDOW`.
`SetSettings.uncompared` counts them: what is merged follows from the set alone, not from when a
process was started. In a set of up to `_SMALL` items each new one is compared at once.
"""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...store.sets.index.vectors import numpy
from ...store.sets.records import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from ...store.sets.records import StoredItem

ALL: Final = -1
"""The count of uncompared items before the first pass."""
WINDOW: Final = 16_384
"""New items are compared with so many of the newest items, at most."""
_SMALL: Final = 128
_PART: Final = 16
_MOST_NEW: Final = 2_048
"""So many are compared at once, at most: the newest."""
_ROWS: Final = 1024
_ROUNDING: Final = 1e-6
"""By so much the cosine of equal vectors may be below 1."""


class Merged(NamedTuple):
    """Items that become one."""

    item: StoredItem
    """What they become; its id is that of one of them."""
    removed: list[str]
    """The ids of the others."""


def is_pass_due(uncompared: int, items: int) -> bool:
    """Whether there is enough to be compared in a set of so many items."""
    return uncompared == ALL or uncompared >= _enough(items)


def _enough(items: int) -> int:
    return 1 if items <= _SMALL else min(items, WINDOW) // _PART


def counted(uncompared: int, added: int) -> int:
    """The count of uncompared items when some are added."""
    return ALL if uncompared == ALL else uncompared + added


def compare(items: Sequence[StoredItem], uncompared: int, above: float) -> list[Merged]:
    """Compare new items with the others, and return what is to be merged.

    Args:
        items: the newest of the set, the oldest first, with vectors.
        uncompared: how many of the newest were not compared yet.
        above: the similarity from which on two are one.
    """
    new = min(len(items), _MOST_NEW if uncompared == ALL else min(uncompared, _MOST_NEW))
    merging = _Merging(items)
    for one, other in _pairs(items, len(items) - new, above):
        merging.merge(one, other)
    return merging.results()


class _Merging:
    """Items that were found to be the same, two by two."""

    def __init__(self, items: Sequence[StoredItem]) -> None:
        self._items = items
        self._become: dict[int, int] = {}
        """For items that were removed, the one that stays."""
        self._groups: dict[int, list[int]] = {}

    def merge(self, one: int, other: int) -> None:
        """Make one of two, unless both are to be kept."""
        first, second = sorted((self._stays(one), self._stays(other)))
        if first == second:
            return
        staying, going = second, first  # the newer one: its id was returned last
        if self._items[going].keep:
            staying, going = going, staying
            if self._items[going].keep:
                return
        self._become[going] = staying
        group = self._groups.setdefault(staying, [])
        group += [going, *self._groups.pop(going, [])]

    def _stays(self, place: int) -> int:
        while place in self._become:
            place = self._become[place]
        return place

    def results(self) -> list[Merged]:
        """What the items become."""
        return [
            Merged(self._sum(place, group), [self._items[other].id for other in sorted(group)])
            for place, group in sorted(self._groups.items())
        ]

    def _sum(self, place: int, group: list[int]) -> StoredItem:
        staying = self._items[place]
        others = [self._items[other] for other in sorted(group)]
        metadata: dict[str, Any] = {}
        for item in (*others, staying):
            metadata.update(item.metadata)
        expires = [item.expires for item in (*others, staying)]
        return staying._replace(
            metadata=metadata,
            created=min(item.created for item in (*others, staying)),
            created_until=max(item.created_until for item in (*others, staying)),
            accessed=max(item.accessed for item in (*others, staying)),
            expires=max(expires) if all(expires) else 0.0,
            compacted=staying.compacted or any(item.compacted for item in others),
        )


def _normalised(value: Any) -> str:
    """The text of an item without what makes no difference; of other JSON, all of it."""
    if not isinstance(value, str) and not _is_message(value):
        return _kind(value)
    return " ".join(unicodedata.normalize("NFKC", text_of(value)).casefold().split())


def _kind(value: Any) -> str:
    """What two items must have in common besides their texts."""
    if isinstance(value, str):
        return ""
    if _is_message(value):
        value = {name: each for name, each in value.items() if name != "content"}
    return json.dumps(value, sort_keys=True)


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and "role" in value and isinstance(value.get("content"), str)


def _pairs(items: Sequence[StoredItem], new: int, above: float) -> Iterator[tuple[int, int]]:
    """The places of items that are the same, one of which is at the place `new` or behind it."""
    kinds = [_kind(item.value) for item in items]
    known: dict[tuple[str, str], int] = {}
    for place, item in enumerate(items):
        text = _normalised(item.value)
        first = known.setdefault((kinds[place], text), place) if text else place
        if first != place and place >= new:
            yield first, place
    length = max((len(item.vector) for item in items[new:]), default=0)
    if length:
        places = [place for place, item in enumerate(items) if len(item.vector) == length]
        vectors = {place: items[place].vector for place in places}
        own = [place for place in places if place >= new]
        for one, other in _similar_places(vectors, own, places, above):
            if kinds[one] == kinds[other]:
                yield one, other


def _similar_places(
    vectors: Mapping[int, bytes], own: Sequence[int], places: Sequence[int], above: float
) -> Iterator[tuple[int, int]]:
    """Pairs of places whose vectors are similar, in the order of the places.

    Args:
        vectors: by place; float16, of one length, and of length 1.
        own: the places to compare with others, ascending.
        places: the others, ascending.
        above: the cosine from which on two are similar.
    """
    least = above - _ROUNDING
    for begin in range(0, len(own), _ROWS):
        some = own[begin : begin + _ROWS]
        rows = _matrix(vectors, some)
        for start in range(0, len(places), _ROWS):
            others = places[start : start + _ROWS]
            cosines = rows @ _matrix(vectors, others).T
            for row, column in numpy().argwhere(cosines >= least).tolist():
                if some[row] != others[column]:
                    yield some[row], others[column]


def _matrix(vectors: Mapping[int, bytes], places: Sequence[int]) -> NDArray[Any]:
    np = numpy()
    data = b"".join([vectors[place] for place in places])
    halves = np.frombuffer(data, np.dtype("<f2")).reshape(len(places), -1)
    matrix = halves.astype(np.float32)
    unit: NDArray[Any] = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    return unit
