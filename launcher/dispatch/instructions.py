"""The dispatcher's instructions to the pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

    from .item import Item


@dataclass(frozen=True, slots=True)
class StartWorker:
    """Start this incarnation of the slot's worker, with these shards; report it with `started`."""

    slot: int
    incarnation: int
    shards: list[int]
    generation: int


@dataclass(frozen=True, slots=True)
class SendItems:
    """Send these items, in this order, to this incarnation in one message."""

    slot: int
    incarnation: int
    items: list[Item]


@dataclass(frozen=True, slots=True)
class ReleaseShard:
    """Have this incarnation release a shard, of which it has nothing in flight; then `released`."""

    slot: int
    incarnation: int
    shard: int


@dataclass(frozen=True, slots=True)
class TakeShard:
    """Have this incarnation take a free shard, and announce its outbox; then `taken`."""

    slot: int
    incarnation: int
    shard: int


@dataclass(frozen=True, slots=True)
class StopWorker:
    """End this incarnation: its slot is retired. It has no shard any more, and nothing to do."""

    slot: int
    incarnation: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """End the pool with an error: this slot's worker cannot be kept alive. Comes once, as last."""

    slot: int
    reason: str


Instruction: TypeAlias = "StartWorker | SendItems | ReleaseShard | TakeShard | StopWorker | GiveUp"
