"""Near-duplicates in a full memory set: found without a model, and merged into one item.

Two items are near-duplicates if their texts are equal but for case, spaces and form, or if their
vectors are similar enough. Comparing all with all takes too long, so that is done bit by bit:
`SetSettings.uncompared` counts the newest items that were not compared yet, and each pass compares
a part of them with the others. A pass is due when one sixty-fourth of the set is new. So what an
addition costs does not grow with the set, and what is merged follows from the set alone, not from
when a process was started.
"""

from __future__ import annotations

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
_PART: Final = 64
_LEAST_SLICE: Final = 256
"""Items that a pass compares, at least, if there are so many."""
_WINDOW: Final = 16_384
"""They are compared with so many of the newest items, at most."""
_ROWS: Final = 1024
_ROUNDING: Final = 1e-6
"""By so much the cosine of equal vectors may be below 1."""


class Merged(NamedTuple):
    """Items that become one."""

    item: StoredItem
    """What they become; its id is that of one of them."""
    removed: list[str]
    """The ids of the others."""


class Pass(NamedTuple):
    """What came of a comparison."""

    merged: list[Merged]
    uncompared: int
    """How many of the newest items are not compared yet."""


def is_pass_due(uncompared: int, items: int) -> bool:
    """Whether there is enough to be compared in a set of so many items."""
    return uncompared == ALL or uncompared >= max(1, min(items, _WINDOW) // _PART)


def counted(uncompared: int, added: int) -> int:
    """The count of uncompared items when some are added."""
    return ALL if uncompared == ALL else uncompared + added


def compare(items: Sequence[StoredItem], uncompared: int, above: float) -> Pass:
    """Compare uncompared items with the others.

    Args:
        items: all items of the set, the oldest first, with vectors.
        uncompared: how many of the newest were not compared yet.
        above: the similarity from which on two are one.
    """
    count = len(items)
    begin = 0 if uncompared == ALL else max(0, count - uncompared)
    end = min(count, begin + max(_LEAST_SLICE, 2 * (min(count, _WINDOW) // _PART)))
    first = max(0, min(begin, count - _WINDOW))
    merging = _Merging(items)
    for one, other in _pairs(items, first, begin, end, above):
        merging.merge(one, other)
    merged = merging.results()
    removed = sum(len(result.removed) for result in merged)
    return Pass(merged, max(0, count - end - removed))


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


def normalised(value: Any) -> str:
    """The text of an item without what makes no difference."""
    text = text_of(value)
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _pairs(
    items: Sequence[StoredItem], first: int, begin: int, end: int, above: float
) -> Iterator[tuple[int, int]]:
    """The places of items that are the same, where the second one is in the slice."""
    texts: dict[str, int] = {}
    for place in range(first, len(items)):
        text = normalised(items[place].value)
        if not text:
            continue
        known = texts.setdefault(text, place)
        if known != place and (begin <= place < end or begin <= known < end):
            yield known, place
    yield from _similar(items, first, begin, end, above)


def _similar(
    items: Sequence[StoredItem], first: int, begin: int, end: int, above: float
) -> Iterator[tuple[int, int]]:
    length = max((len(items[place].vector) for place in range(begin, end)), default=0)
    if not length:
        return
    places = [place for place in range(first, len(items)) if len(items[place].vector) == length]
    own = [place for place in range(begin, end) if len(items[place].vector) == length]
    vectors = {place: items[place].vector for place in {*places, *own}}
    yield from _similar_places(vectors, own, places, above)


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
