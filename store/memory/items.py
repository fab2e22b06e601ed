"""Items of memory sets as programs get them."""

from __future__ import annotations

import struct
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ...agent.long_term.memory_set import DatetimeRange, MemorySetItem
from ...agent.resources.chat_message import ChatMessage
from ..sets.records import is_message

if TYPE_CHECKING:
    from ..sets.records import StoredItem

__all__ = ["to_item", "vector_of"]


def to_item(set_name: str, stored: StoredItem, score: float | None = None) -> MemorySetItem:
    """An item as programs get it."""
    created: Any = _moment(stored.created)
    if stored.compacted:
        created = DatetimeRange(start=created, end=_moment(stored.created_until))
    value = stored.value
    if is_message(value):
        value = ChatMessage.model_validate(value)
    return MemorySetItem.model_construct(
        memory_set_name=set_name,
        id=stored.id,
        value=value,
        compacted=stored.compacted,
        created_time=created,
        last_accessed_time=_moment(stored.accessed),
        additional_metadata=stored.metadata,
        keep=stored.keep,
        expires_time=_moment(stored.expires) if stored.expires else None,
        updated_at=_moment(stored.created_until),
        score=score,
    )


def vector_of(stored: StoredItem) -> list[float] | None:
    """The vector of an item, also without numpy; None if it has none."""
    if not stored.vector:
        return None
    return list(struct.unpack(f"<{len(stored.vector) // 2}e", stored.vector))


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
