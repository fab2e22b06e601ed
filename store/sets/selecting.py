"""The items of a stored set that fit filters, found by its index; and which sets are shared."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any

from .parts import DAMAGE, StoredPart, filter_terms, find_damage, fits
from .records import SHARED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .changes import SetName
    from .reading import StoredSet
    from .records import StoredItem

__all__ = ["items_that_fit", "shared_sets"]


def shared_sets(names: Iterable[SetName]) -> Iterator[SetName]:
    """The sets of a shard that are shared, of all; where keys have groups, those of each group."""
    return takewhile(lambda name: name.owner[0] == SHARED, names)  # they come first


def items_that_fit(
    stored: StoredSet, filters: Mapping[str, Any] | None
) -> Iterator[tuple[int, StoredItem]]:
    """Yield numbers and items, in the order in which they were added.

    Items that have expired and are not yet removed are included.
    """
    terms = filter_terms(filters)
    if not terms:
        yield from (pair for pair in stored.items() if fits(pair[1], filters))
        return
    part = StoredPart(stored)
    try:
        for segment in part.segments(terms):
            allowed = segment.allowed
            for place, number in enumerate(segment.numbers):
                if allowed is None or allowed[place]:
                    item = stored.found_item(number)
                    if item is not None and fits(item, filters):
                        yield number, item
    except DAMAGE:
        find_damage([part])
        raise
