"""What calls have used in all, and what those under way may use.

Use is counted in the shards, in the commits of the calls, and workers report each shard's sums.
What a call under way may use is reserved here until its worker reports its end, or, if the worker
dies, until the shard of its key is announced anew: then the sums have it, or it was never recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...store.records.usage import NO_USE

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

    from ...agent.limits.settings import Limits
    from ...store.records.usage import Use

__all__ = ["Budgets"]


class _Reservation(NamedTuple):
    """What one call under way may use."""

    shard: int
    names: tuple[str, ...]
    tokens: int
    money: int


class Budgets:
    """The use of a pool's calls; pure."""

    def __init__(self, shards: int) -> None:
        self._shards = shards
        self._announced: set[int] = set()
        self._used: dict[int, dict[str, tuple[int, int]]] = {}
        self._sums: dict[str, list[int]] = {}
        self._reserved: dict[str, list[int]] = {}
        self._reservations: dict[Hashable, _Reservation] = {}
        self._expected: dict[str, Use] = {}
        """What a call may use, by limit."""

    @property
    def is_complete(self) -> bool:
        """Whether the sums of all shards are known."""
        return len(self._announced) == self._shards

    def announce(self, shard: int, used: Mapping[str, Iterable[int]]) -> None:
        """A worker has acquired a shard: these are its sums, and nothing of it is under way."""
        self._announced.add(shard)
        self.report(shard, used)
        for call in [call for call, held in self._reservations.items() if held.shard == shard]:
            self.release(call)

    def report(self, shard: int, used: Mapping[str, Iterable[int]]) -> None:
        """Set the sums of a shard."""
        self._add(self._used.get(shard, {}), -1)
        sums = {}
        for name, numbers in used.items():
            tokens, money = numbers
            sums[name] = (tokens, money)
        self._used[shard] = sums
        self._add(sums, 1)

    def _add(self, sums: Mapping[str, tuple[int, int]], sign: int) -> None:
        for name, (tokens, money) in sums.items():
            total = self._sums.setdefault(name, [0, 0])
            total[0] += sign * tokens
            total[1] += sign * money

    def reserve(
        self, call: Hashable, shard: int, names: tuple[str, ...], tokens: int, money: int
    ) -> None:
        """Reserve what a call may use; `names` begins with its own limit.

        That is what was estimated, or what others have used, if that is more; at least something.
        """
        expected = self._expected.get(names[0], NO_USE)
        held = _Reservation(
            shard, names, max(1, tokens, expected.tokens), max(1, money, expected.money)
        )
        self._reservations[call] = held
        for name in names:
            total = self._reserved.setdefault(name, [0, 0])
            total[0] += held.tokens
            total[1] += held.money

    def observe(self, name: str, used: Use) -> None:
        """A call under a limit has used so much."""
        self._expected[name] = self._expected.get(name, NO_USE).expect(used)

    def release(self, call: Hashable) -> None:
        """End the reservation of a call; the sums have what it has used."""
        held = self._reservations.pop(call, None)
        if held is None:
            return
        for name in held.names:
            total = self._reserved[name]
            total[0] -= held.tokens
            total[1] -= held.money

    def used(self, name: str) -> tuple[int, int]:
        """What calls under a limit have used: tokens, and money in billionths."""
        tokens, money = self._sums.get(name, (0, 0))
        return tokens, money

    def reserved(self, name: str) -> tuple[int, int]:
        """What calls under way may use."""
        tokens, money = self._reserved.get(name, (0, 0))
        return tokens, money

    def is_used_up(self, name: str, limits: Limits) -> bool:
        """Whether a budget is used up."""
        return limits.limit(name).is_used_up(*self.used(name))

    def may_be_used_up(self, name: str, limits: Limits) -> bool:
        """Whether a budget is used up if calls under way use what they may."""
        used, reserved = self.used(name), self.reserved(name)
        return limits.limit(name).is_used_up(used[0] + reserved[0], used[1] + reserved[1])
