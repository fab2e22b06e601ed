"""What calls have used: counted in their shard, in the commit that records the call.

A shard has two kinds of counts: for each limit the sum over all its keys, which the launcher adds
up over shards; and for each limit with a budget per key, the sum of each key. The worker that has
the shard decides about the latter alone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ...store.records.usage import NO_USE, Use, key_name, total_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..runs.group_commit import ShardWriter

__all__ = ["KeyUsage", "Usage"]


class KeyUsage:
    """What calls of one key have used under one limit, while some are under way."""

    __slots__ = ("calls", "changed", "reserved", "used")

    def __init__(self, used: Use) -> None:
        self.used = used
        self.reserved = NO_USE
        """What those under way may use."""
        self.calls = 0
        self.changed: asyncio.Event = asyncio.Event()
        """Set when one of them ends."""

    @property
    def expected(self) -> Use:
        """What will have been used when those under way have ended."""
        return self.used + self.reserved


class Usage:
    """The counts of a worker's shards."""

    def __init__(self) -> None:
        self._totals: dict[int, dict[str, Use]] = {}
        self._keys: dict[tuple[int, str, bytes], KeyUsage] = {}
        self._expected: dict[str, Use] = {}

    def expected(self, name: str) -> Use:
        """What a call under a limit may use, by what others have."""
        return self._expected.get(name, NO_USE)

    def open_shard(self, writer: ShardWriter) -> None:
        """Read the counts of a shard that was acquired."""
        self._totals[writer.number] = writer.shard.usage_totals()

    def forget(self, number: int) -> None:
        """Drop the counts of a shard that is released."""
        self._totals.pop(number, None)

    def totals(self, number: int) -> dict[str, list[int]]:
        """What calls of a shard have used, by limit: tokens, and money in billionths."""
        return {name: list(use) for name, use in self._totals.get(number, {}).items()}

    def key_usage(self, writer: ShardWriter, name: str, key: bytes) -> KeyUsage:
        """What calls of a key have used; call `drop_idle` after the call."""
        place = writer.number, name, key
        known = self._keys.get(place)
        if known is None:
            used = writer.shard.usage_of(key_name(name, key))
            known = self._keys[place] = KeyUsage(used)
        return known

    def drop_idle(self, writer: ShardWriter, name: str, key: bytes) -> None:
        """Forget what is known of a key without calls; the store has it."""
        place = writer.number, name, key
        known = self._keys.get(place)
        if known is not None and not known.calls:
            del self._keys[place]

    def add(
        self, writer: ShardWriter, names: Iterable[str], key: bytes, keyed: set[str], use: Use
    ) -> None:
        """Count what a call has used, with the next commit of its shard.

        `keyed` are the limits of `names` that count each key, too.
        """
        for name in names:
            self._expected[name] = self.expected(name).expect(use)
        totals = self._totals.setdefault(writer.number, {})
        for name in names:
            totals[name] = totals.get(name, NO_USE) + use
            writer.batch.usage.append((total_name(name), use, key))
            if name in keyed:
                writer.batch.usage.append((key_name(name, key), use, key))
                known = self._keys.get((writer.number, name, key))
                if known is not None:
                    known.used += use
