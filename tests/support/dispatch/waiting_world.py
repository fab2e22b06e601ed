"""The model of the dispatcher's surroundings, with runs that are in the shards: owned runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.dispatch.world import NEVER, Slot, World
from tamias.launcher.dispatch.item import Item
from tamias.store.records.offsets import RunKind, derived_number, is_owned, owned_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass
class Run:
    """One run in a shard: `plain`, or `poison`, which kills its worker.

    It suspends itself `times` times before it ends.
    """

    number: int
    key: int
    kind: str
    times: int = 0


class WaitingWorld(World):
    """Workers announce the runs of their shards in order, and get them as items."""

    def __init__(self, *arguments: Any, runs: Sequence[Run] = (), **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.runs = {run.number: run for run in runs}
        self.due: list[list[int]] = [[] for _ in range(self.shards)]
        """By shard, the runs that are due, in order, as the store knows."""
        for run in runs:
            self.due[self.shard(b"%d" % run.key)].append(run.number)
        self.committed: list[set[int]] = [set() for _ in range(self.shards)]
        """By shard, the runs in the outbox."""
        self.rejected_runs: set[int] = set()

    # -- announcements -------------------------------------------------------------------------

    def announce(self, number: int, count: int, *, twice: bool = False) -> None:
        """A worker announces the next runs that are due; `twice`, with some of those before."""
        slot = self.slots[number]
        new: list[int] = []
        old: list[int] = []
        for shard in sorted(slot.shards):
            order = slot.announced.setdefault(shard, [])
            for each in self.due[shard]:
                if each in slot.awaited:
                    old.append(each)
                elif len(new) < count:
                    new.append(each)
                    order.append(each)
        slot.awaited.update(new)
        self.dispatcher.due(number, slot.incarnation, map(self.item, [*(old * twice), *new]))

    def item(self, number: int) -> Item:
        key = b"%d" % self.runs[number].key
        return Item(number, key, b"", self.shard(key))

    def receive_item(self, slot: Slot, item: Item) -> None:
        if not is_owned(item.offset):
            super().receive_item(slot, item)
            return
        number = item.offset
        shard = self.shard(item.key)
        assert shard in slot.shards, "sent to a worker that has not its shard"
        assert number in slot.awaited, "sent though it was not announced to this worker"
        assert number not in slot.flight, "sent twice to one worker"
        order = slot.announced[shard]
        assert number in order, "sent twice, or overtaken by one that was announced later"
        del order[: order.index(number) + 1]
        if item.rejection is not None:
            assert self.runs[number].kind == "poison", "a harmless run was rejected"
            assert item.rejection.attempts >= self.rules.max_attempts
        self.hand_over(slot, item)

    # -- work ----------------------------------------------------------------------------------

    def shard_of_run(self, number: int) -> int | None:
        return self.shard(b"%d" % self.runs[number].key)

    def kind_of(self, offset: int) -> str:
        return self.runs[offset].kind if is_owned(offset) else super().kind_of(offset)

    def commit(self, slot: Slot, item: Item) -> None:
        if not is_owned(item.offset):
            super().commit(slot, item)
            return
        run = self.runs[item.offset]
        shard = self.shard(item.key)
        self.committed[shard].add(run.number)
        self.due[shard].remove(run.number)
        if item.rejection is not None:
            self.rejected_runs.add(run.number)
        elif run.times:
            run.times -= 1
            self.due[shard].append(run.number)

    def forget(self, number: int) -> None:
        """The launcher knows that a run has been committed."""
        self.levels.pop(number, None)
        self.committed[self.shard(b"%d" % self.runs[number].key)].discard(number)

    def finish(self, offsets: Iterable[int]) -> None:
        inputs = []
        for offset in offsets:
            if not is_owned(offset):
                inputs.append(offset)
                continue
            self.forget(offset)
            for slot in self.slots:
                slot.awaited.discard(offset)
        super().finish(inputs)

    def found(self, shards: Sequence[int]) -> list[int]:
        return [number for shard in shards for number in sorted(self.committed[shard])]

    def recover(self, found: set[int], done: Sequence[int]) -> None:
        for number in found:
            if is_owned(number):
                self.forget(number)
        super().recover({offset for offset in found if not is_owned(offset)}, done)

    # -- invariants ----------------------------------------------------------------------------

    def check(self) -> None:
        super().check()
        known = self.dispatcher.owned.known.keys()
        awaited = [number for slot in self.slots for number in slot.awaited]
        assert len(set(awaited)) == len(awaited), "two workers announce one run"
        assert known <= set(awaited), "a run is kept that no living worker has announced"
        flying = {n for slot in self.slots for n in slot.flight if is_owned(n)}
        assert flying <= known

    def settle_step(self, number: int) -> None:
        self.announce(number, NEVER)

    def settled(self) -> bool:
        return super().settled() and not any(self.due)

    def settle(self, *, hints: bool) -> None:
        super().settle(hints=hints)
        assert not self.dispatcher.owned.known
        assert self.dispatcher.owned.remembered == 0, "the suspicion of an ended run is kept"
        poison = {number for number, run in self.runs.items() if run.kind == "poison"}
        assert self.rejected_runs == poison

    @property
    def poisonous(self) -> int:
        return super().poisonous + sum(1 for run in self.runs.values() if run.kind == "poison")


def a_run(n: int, key: int, kind: str, times: int) -> Run:
    """The n-th run: of an input that has waited, or of a timer."""
    number = owned_number(n) if n % 2 else derived_number(RunKind.TIMER, n)
    return Run(number, key, kind, times)
