"""Items of memory sets as programs get them."""

from __future__ import annotations

import struct
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from ...agent.long_term.memory_set import DatetimeRange, MemorySetItem
from ...agent.resources.chat_message import ChatMessage
from ..sets.records import is_message

if TYPE_CHECKING:
    from ..sets.records import StoredItem

__all__ = ["to_item", "vector_of"]


_FIELDS: Final = frozenset(MemorySetItem.model_fields)


def to_item(set_name: str, stored: StoredItem, score: float | None = None) -> MemorySetItem:
    """An item as programs get it."""
    first = _moment(stored.created)
    last = first if stored.created_until == stored.created else _moment(stored.created_until)
    value = stored.value
    if is_message(value):
        value = ChatMessage.model_validate(value)
    # As by `model_construct`, in a sixth of the time: a search makes several.
    item = MemorySetItem.__new__(MemorySetItem)
    assign = object.__setattr__
    fields = {
        "memory_set_name": set_name,
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
        "score": score,
    }
    assign(item, "__dict__", fields)
    assign(item, "__pydantic_fields_set__", set(_FIELDS))
    assign(item, "__pydantic_extra__", None)
    assign(item, "__pydantic_private__", None)
    return item


def vector_of(stored: StoredItem) -> list[float] | None:
    """The vector of an item, also without numpy; None if it has none."""
    if not stored.vector:
        return None
    return list(struct.unpack(f"<{len(stored.vector) // 2}e", stored.vector))


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
