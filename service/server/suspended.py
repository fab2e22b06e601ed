"""The submissions whose runs wait in the store, perhaps for days."""

from __future__ import annotations


class Suspended:
    """Submissions without an outcome that count in no limit: only their offsets are kept.

    A million of them need 64 MB.
    """

    def __init__(self) -> None:
        self._offsets: set[int] = set()
        self._by_client: dict[int, int] = {}

    def add(self, offset: int, client: int) -> None:
        """Add a submission of a client."""
        self._offsets.add(offset)
        self._by_client[client] = self._by_client.get(client, 0) + 1

    def remove(self, offset: int, client: int) -> None:
        """Remove one, which has an outcome."""
        self._offsets.discard(offset)
        left = self._by_client.get(client, 0) - 1
        if left > 0:
            self._by_client[client] = left
        else:
            self._by_client.pop(client, None)

    def of_client(self, client: int) -> int:
        """How many a client has."""
        return self._by_client.get(client, 0)

    def __contains__(self, offset: int) -> bool:
        return offset in self._offsets

    def __len__(self) -> int:
        return len(self._offsets)
