"""The items of a stored set that fit filters, found by its index instead of one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .parts import StoredPart, filter_terms, fits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .reading import StoredSet
    from .records import StoredItem

__all__ = ["items_that_fit"]


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
    for segment in StoredPart(stored).segments(terms):
        allowed = segment.allowed
        for place, number in enumerate(segment.numbers):
            if allowed is None or allowed[place]:
                item = stored.item(number)
                if item is not None and fits(item, filters):
                    yield number, item
