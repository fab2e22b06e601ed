"""Changes of memory sets, as they are collected until a commit writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .records import SetSettings, StoredItem

__all__ = ["SetChange", "SetName"]


class SetName(NamedTuple):
    """A set in a shard."""

    owner: bytes
    """See `records`."""
    name: str


class SetChange:
    """The changes of one set.

    Attributes:
        cleared: whether all items that the set had before are removed.
        dropped: whether the set itself is removed, before `settings` are written.
        settings: its new settings, None for none.
        items: by id, what is added or replaced, in this order; None for what is deleted.
    """

    __slots__ = ("cleared", "dropped", "items", "settings")

    def __init__(self) -> None:
        self.cleared = False
        self.dropped = False
        self.settings: SetSettings | None = None
        self.items: dict[str, StoredItem | None] = {}

    def put(self, item: StoredItem) -> None:
        """Add an item, or replace the one with its id."""
        self.items.pop(item.id, None)
        self.items[item.id] = item

    def delete(self, item_id: str) -> None:
        """Remove an item."""
        self.items.pop(item_id, None)
        self.items[item_id] = None

    def clear(self, *, drop: bool = False) -> None:
        """Remove all items, and with `drop` the set."""
        self.items.clear()
        self.cleared = True
        if drop:
            self.dropped = True
            self.settings = None

    def add(self, later: SetChange) -> None:
        """Add later changes."""
        if later.cleared:
            self.clear(drop=later.dropped)
        if later.settings is not None:
            self.settings = later.settings
        for item_id, item in later.items.items():
            if item is None:
                self.delete(item_id)
            else:
                self.put(item)

    def forget(self) -> None:
        """Drop what is committed, and so can be read from the store."""
        self.__init__()  # type: ignore[misc]

    def __bool__(self) -> bool:
        return bool(self.items or self.cleared or self.settings is not None)
