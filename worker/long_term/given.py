"""What programs give to a memory set, checked before anything is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...agent.errors import MemorySetError
from ..runs.identities import item_origin
from .items import as_list, checked_id, derived_id, plain_metadata, plain_value

if TYPE_CHECKING:
    from ..runs.run import Run

_FILTERS: Final = 'Give {"name": value, ...}: all of them must be equal.'


class GivenItem(NamedTuple):
    """An item that is to be added, without its vector."""

    id: str
    value: Any
    metadata: dict[str, Any]


def given_items(  # noqa: PLR0917 (what `add` is given, and for what)
    run: Run, set_name: str, item_type: str, items: Any, ids: Any, metadatas: Any
) -> list[GivenItem]:
    """The items that a run is to add, with ids.

    Raises:
        MemorySetError: something of them cannot be kept.
    """
    values = as_list(items)
    if metadatas is None and _are_metadata(ids):
        ids, metadatas = None, ids
    names = [None] * len(values) if ids is None else as_list(ids)
    about = as_list(metadatas) if metadatas is not None else [None]
    if len(about) == 1:
        about *= len(values)
    for what, found in (("ids", names), ("metadatas", about)):
        if len(found) != len(values):
            raise MemorySetError(
                f"{len(values)} items for the memory set {set_name!r} came with {len(found)} "
                f"{what}."
            )
    given = []
    known: set[str] = set()
    for place, (value, item_id, metadata) in enumerate(zip(values, names, about, strict=True)):
        where = f"item {place} for the memory set {set_name!r}"
        plain = plain_value(value, item_type, where)
        about_it = plain_metadata(metadata, where)
        found_id = derived_id(item_origin(run)) if item_id is None else checked_id(item_id)
        if found_id in known:
            raise MemorySetError(
                f"Two items for the memory set {set_name!r} have the id {found_id[:50]!r}: add "
                "one, or give them ids of their own."
            )
        known.add(found_id)
        given.append(GivenItem(found_id, plain, about_it))
    return given


def _are_metadata(ids: Any) -> bool:
    """Whether what stands in the place of ids are metadata."""
    found = as_list(ids) if ids is not None else []
    return bool(found) and all(isinstance(each, Mapping) for each in found)


def check_limit(limit: Any) -> int:
    """Return how many items are wanted. Raises MemorySetError for no number above 0."""
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise MemorySetError(f"The limit {limit!r} is no number of items: give 1 or more.")
    return limit


def check_filters(filters: Any) -> dict[str, Any] | None:
    """Return filters as JSON has them. Raises MemorySetError for what metadata cannot be."""
    if filters is None:
        return None
    if not isinstance(filters, Mapping):
        raise MemorySetError(f"Filters are no {type(filters).__name__}.", hint=_FILTERS)
    for name, value in filters.items():
        operators = (
            [each for each in value if _is_operator(each)] if isinstance(value, dict) else []
        )
        if _is_operator(name) or operators:
            raise MemorySetError(
                f"The filter {name!r} asks for more than that a value is the same.", hint=_FILTERS
            )
    return plain_metadata(filters, "a filter")


def _is_operator(name: Any) -> bool:
    return isinstance(name, str) and name.startswith("$")
