"""Submissions that are recorded, and whose clients do not know that yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..protocol.frames import MAX_COUNT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Unconfirmed:
    """Their sequences, by client."""

    def __init__(self) -> None:
        self._by_client: dict[int, dict[int, None]] = {}

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._by_client)

    def add(self, client: int, sequence: int) -> None:
        """Add a submission of a client, which is recorded."""
        self._by_client.setdefault(client, {})[sequence] = None

    def remove(self, client: int, sequences: Iterable[int]) -> None:
        """Remove submissions that are answered: that says that they were recorded."""
        left = self._by_client.get(client)
        if left is not None:
            for sequence in sequences:
                left.pop(sequence, None)
            if not left:
                del self._by_client[client]

    def remove_all(self) -> Iterator[tuple[int, list[int]]]:
        """Remove all; give clients and sequences, as many at a time as a frame may have."""
        by_client, self._by_client = self._by_client, {}
        for client, left in by_client.items():
            sequences = list(left)
            for start in range(0, len(sequences), MAX_COUNT):
                yield client, sequences[start : start + MAX_COUNT]
