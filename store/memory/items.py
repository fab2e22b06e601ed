"""Items of memory sets as programs get them."""

from __future__ import annotations

import struct
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from ...agent.long_term.memory_set import DatetimeRange, MemorySetItem
from ...agent.resources.chat_message import ChatMessage
from ..sets.kept.tails import KeptItem
from ..sets.records import is_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..sets.records import StoredItem

__all__ = ["to_item", "to_items", "vector_of"]


_FIELDS: Final = set(MemorySetItem.model_fields)
"""All items have this one: it has all names, so that nothing can be added to it."""
_new: Final = MemorySetItem.__new__


def _setter(name: str) -> Callable[[MemorySetItem, Any], None]:
    """What sets a slot of pydantic's models, past their own `__setattr__`."""
    setter: Callable[[MemorySetItem, Any], None] = vars(BaseModel)[name].__set__
    return setter


_set_fields: Final = _setter("__dict__")
_set_names: Final = _setter("__pydantic_fields_set__")
_set_extra: Final = _setter("__pydantic_extra__")
_set_private: Final = _setter("__pydantic_private__")


def to_items(
    set_name: str, found: Iterable[tuple[StoredItem, float | None, Any]]
) -> list[MemorySetItem]:
    """What a search has found, as programs get it."""
    items = []
    for stored, score, _ in found:
        shown = stored.shown if isinstance(stored, KeptItem) else None
        fields = _fields_to_show(stored) if shown is None else shown.copy()
        fields["memory_set_name"] = set_name
        fields["additional_metadata"] = stored.metadata.copy()
        fields["score"] = score
        # As by `model_construct`, in a tenth of the time.
        item = _new(MemorySetItem)
        _set_fields(item, fields)
        _set_names(item, _FIELDS)
        _set_extra(item, None)
        _set_private(item, None)
        items.append(item)
    return items


def to_item(set_name: str, stored: StoredItem, score: float | None = None) -> MemorySetItem:
    """An item as programs get it."""
    return to_items(set_name, ((stored, score, None),))[0]


def _fields_to_show(stored: StoredItem) -> dict[str, Any]:
    fields = _fields(stored)
    if isinstance(stored, KeptItem) and not stored.compacted:
        stored.shown = fields.copy()
    return fields


def _fields(stored: StoredItem) -> dict[str, Any]:
    first = _moment(stored.created)
    last = first if stored.created_until == stored.created else _moment(stored.created_until)
    value = stored.value
    if is_message(value):
        value = ChatMessage.model_validate(value)
    return {
        "memory_set_name": "",
        "id": stored.id,
        "value": value,
        "compacted": stored.compacted,
        "created_time": DatetimeRange(start=first, end=last) if stored.compacted else first,
        "last_accessed_time": first
        if stored.accessed == stored.created
        else _moment(stored.accessed),
        "additional_metadata": stored.metadata,
        "keep": stored.keep,
        "expires_time": _moment(stored.expires) if stored.expires else None,
        "updated_at": last,
        "score": None,
    }


def vector_of(stored: StoredItem) -> list[float] | None:
    """The vector of an item, also without numpy; None if it has none."""
    if not stored.vector:
        return None
    return list(struct.unpack(f"<{len(stored.vector) // 2}e", stored.vector))


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
