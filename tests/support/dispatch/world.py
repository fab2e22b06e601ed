"""A model of everything around the dispatcher: a source, workers that live and die, and a referee.

The referee keeps its own books, from what it saw only, and checks every instruction against the
dispatcher's promises. It shares no code with the dispatcher.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tamias.launcher.dispatch.backoff import Backoff
from tamias.launcher.dispatch.dispatcher import Dispatcher
from tamias.launcher.dispatch.instructions import (
    GiveUp,
    Instruction,
    ReleaseShard,
    SendItems,
    StartWorker,
    StopWorker,
    TakeShard,
)
from tamias.launcher.dispatch.item import Death, Item, Rejection
from tamias.store.encoding.keys import shard_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NEVER = 1_000_000


@dataclass
class Input:
    """One planned input: kind is plain, poison (kills its worker), malformed (comes rejected)
    or earlier (committed in a former life of the whole pool, its record still in the outbox)."""

    offset: int
    key: int
    size: int
    kind: str


@dataclass
class Rules:
    slots: int
    window: int
    window_bytes: int
    batch: int
    queue: int
    queue_bytes: int
    max_attempts: int
    shards: int = 0  # 0: one for each slot to begin with


@dataclass
class Slot:
    """A slot's worker and store, as they really are: the dispatcher sees only the messages."""

    phase: str = "down"
    incarnation: int = 0
    assigned: list[int] = field(default_factory=list)  # shards it was started with
    shards: set[int] = field(default_factory=set)  # shards whose leases it holds
    orders: list[ReleaseShard | TakeShard] = field(default_factory=list)  # not yet carried out
    retiring: bool = False
    unreported: list[int] = field(default_factory=list)  # committed by the worker that is alive
    pending: list[Item] = field(default_factory=list)  # received, not executed, in order
    flight: dict[int, Item] = field(default_factory=dict)  # sent to it, completion not known
    awaited: set[int] = field(default_factory=set)  # owned runs it has announced, not ended
    announced: dict[int, list[int]] = field(default_factory=dict)  # those not yet sent, by shard

    def lose(self) -> None:
        """Its worker dies."""
        self.phase = "down"
        self.shards = set()
        self.flight, self.pending, self.unreported, self.orders = {}, [], [], []
        self.awaited, self.announced = set(), {}

    def heads(self) -> list[Item]:
        """The first pending item of each key: what the worker may execute next."""
        seen: set[bytes] = set()
        heads = []
        for item in self.pending:
            if item.key not in seen:
                seen.add(item.key)
                heads.append(item)
        return heads


class World:
    def __init__(self, rules: Rules, plan: Sequence[Input]) -> None:
        self.rules = rules
        self.plan = list(plan)
        self.kinds = {each.offset: each.kind for each in plan}
        self.now = 100.0
        self.shards = rules.shards or rules.slots
        self.dispatcher = Dispatcher(
            rules.slots,
            shards=self.shards,
            window=rules.window,
            window_bytes=rules.window_bytes,
            batch=rules.batch,
            queue=rules.queue,
            queue_bytes=rules.queue_bytes,
            max_attempts=rules.max_attempts,
            backoff=Backoff(starts=NEVER, deaths=NEVER),
        )
        self.slots = [Slot() for _ in range(rules.slots)]
        self.outboxes: list[set[int]] = [set() for _ in range(self.shards)]
        """By shard, what is committed, as the store knows."""
        for each in plan:
            if each.kind == "earlier":
                self.outboxes[self.shard(b"%d" % each.key)].add(each.offset)
        self.moved = False
        """Whether a shard has ever been on its way."""
        self.submitted: dict[int, Item] = {}
        self.finished: set[int] = set()
        self.announced: set[int] = set()
        self.dead_letters: set[int] = set()
        self.levels: dict[int, int] = {}
        self.lonely_accidents: set[int] = set()
        self.events = 0

    def shard(self, key: bytes) -> int:
        return shard_of(key, self.shards)

    # -- the source ----------------------------------------------------------------------------

    def submit(self, count: int) -> None:
        wanted = self.dispatcher.wanted()
        assert wanted >= 0
        count = min(count, wanted, len(self.plan))
        items = []
        for each in self.plan[:count]:
            rejection = Rejection("bad-input", "not JSON") if each.kind == "malformed" else None
            payload = b"x" * each.size
            key = b"%d" % each.key
            shard = self.dispatcher.placement.shard_of[key]
            items.append(Item(each.offset, key, payload, shard, rejection=rejection))
        del self.plan[:count]
        before = [self.dispatcher.waiting(slot) for slot in range(len(self.slots))]
        self.submitted.update((item.offset, item) for item in items)
        done = self.dispatcher.submit(items)
        assert set(done) == {i.offset for i in items} & self.announced, "known work is not taken"
        self.finish(done)
        for slot, waited in enumerate(before):
            waits = self.dispatcher.waiting(slot)
            assert waits <= self.rules.queue or waits == waited, "wanted() overfills a queue"

    def finish(self, offsets: Iterable[int]) -> None:
        for offset in offsets:
            assert offset in self.submitted, "completed before it was submitted"
            assert offset not in self.finished, "completed twice"
            self.finished.add(offset)

    # -- instructions --------------------------------------------------------------------------

    def tick(self) -> None:
        for instruction in self.dispatcher.tick(self.now):
            self.obey(instruction)
        for number, slot in enumerate(self.slots):
            if slot.phase == "down" and self.dispatcher.phase(number).value == "retired":
                slot.phase = "gone"

    def obey(self, instruction: Instruction) -> None:
        assert not isinstance(instruction, GiveUp)
        slot = self.slots[instruction.slot]
        if isinstance(instruction, StartWorker):
            assert slot.phase == "down", "a second worker for a living one"
            assert instruction.incarnation == slot.incarnation + 1
            slot.phase, slot.incarnation = "asked", instruction.incarnation
            slot.assigned = instruction.shards
            return
        assert slot.phase == "ready", "told something to a worker that is not ready"
        assert instruction.incarnation == slot.incarnation
        if isinstance(instruction, SendItems):
            self.receive(slot, instruction)
        elif isinstance(instruction, StopWorker):
            assert slot.retiring, "it is not retiring"
            work = (slot.shards, slot.flight, slot.orders)
            assert not any(work), "stopped with work to do"
            slot.phase = "stopping"
        else:
            if isinstance(instruction, ReleaseShard):
                assert instruction.shard in slot.shards, "told to release what it has not"
                busy = {self.shard(item.key) for item in slot.flight.values()}
                assert instruction.shard not in busy, "told to release a shard in use"
            slot.orders.append(instruction)

    def receive(self, slot: Slot, send: SendItems) -> None:
        assert 0 < len(send.items) <= self.rules.batch
        for item in send.items:
            self.receive_item(slot, item)

    def receive_item(self, slot: Slot, item: Item) -> None:
        offset = item.offset
        assert self.shard(item.key) in slot.shards, "sent to a worker that has not its shard"
        assert offset not in self.finished, "sent after completion"
        assert offset not in self.announced, "sent though announced as committed"
        assert offset not in slot.flight, "sent twice to one worker"
        for earlier in self.submitted.values():
            if earlier.key == item.key and earlier.offset < offset:
                known = earlier.offset in self.finished or earlier.offset in slot.flight
                assert known, f"{item} overtook {earlier}"
        if item.rejection is not None and self.kinds[offset] != "malformed":
            assert self.kinds[offset] == "poison", "a harmless input was rejected"
            assert item.rejection.attempts >= self.rules.max_attempts
        self.hand_over(slot, item)

    def hand_over(self, slot: Slot, item: Item) -> None:
        slot.flight[item.offset] = item
        slot.pending.append(item)
        self.check_credit(slot)

    def check_credit(self, slot: Slot) -> None:
        size = sum(len(item.payload) for item in slot.flight.values())
        assert size <= self.rules.window_bytes or len(slot.flight) == 1, "too many bytes in flight"
        for item in slot.flight.values():
            assert len(slot.flight) <= self.company(item), f"{item} is in too large a company"

    def company(self, item: Item) -> int:
        level = self.levels.get(item.offset, 0)
        if level == 0 or item.rejection is not None:
            return self.rules.window
        return max(1, self.rules.window >> (4 * level - 2))

    # -- lives ---------------------------------------------------------------------------------

    def started(self, number: int) -> None:
        slot = self.slots[number]
        self.dispatcher.started(number, slot.incarnation)
        slot.phase = "starting"

    def start_failed(self, number: int) -> None:
        slot = self.slots[number]
        self.dispatcher.start_failed(number, slot.incarnation, self.now, "no luck")
        slot.phase = "down"

    def ready(self, number: int, *, keep: bool) -> None:
        """The worker announces its outbox; without `keep` what is finished was trimmed before."""
        slot = self.slots[number]
        found = self.acquire(slot, slot.assigned, keep=keep)
        done = self.dispatcher.ready(number, slot.incarnation, sorted(found))
        self.recover(found, done)
        slot.phase = "ready"

    def acquire(self, slot: Slot, shards: Sequence[int], *, keep: bool) -> set[int]:
        """Take leases, and return what is in the outboxes."""
        for shard in shards:
            assert not any(shard in other.shards for other in self.slots), "two have one shard"
            if not keep:
                self.outboxes[shard] -= self.finished
        slot.shards.update(shards)
        inputs = {offset for shard in shards for offset in self.outboxes[shard]}
        return inputs.union(self.found(shards))

    def found(self, shards: Sequence[int]) -> list[int]:
        """The runs of other kinds that are in the outboxes of these shards."""
        del shards
        return []

    def recover(self, found: set[int], done: Sequence[int]) -> None:
        waiting = {offset for offset in found if offset in self.submitted} - self.finished
        self.announced |= found
        assert set(done) == waiting
        self.finish(done)

    # -- moves ---------------------------------------------------------------------------------

    def carry_out(self, number: int, *, keep: bool = True) -> None:
        """A worker does what it was told about a shard, and says so."""
        slot = self.slots[number]
        order = slot.orders.pop(0)
        if isinstance(order, ReleaseShard):
            slot.shards.remove(order.shard)
            slot.announced.pop(order.shard, None)
            slot.awaited -= {n for n in slot.awaited if self.shard_of_run(n) == order.shard}
            self.dispatcher.released(number, slot.incarnation, order.shard)
            return
        found = self.acquire(slot, [order.shard], keep=keep)
        done = self.dispatcher.taken(number, slot.incarnation, order.shard, self.now, sorted(found))
        self.recover(found, done)

    def staying(self) -> list[int]:
        return [n for n, slot in enumerate(self.slots) if not slot.retiring]

    def add(self) -> int:
        number = self.dispatcher.add_slot()
        assert number <= len(self.slots)
        if number == len(self.slots):
            self.slots.append(Slot())
        else:
            assert self.slots[number].phase == "gone", "the number of a living slot"
            self.slots[number] = Slot(incarnation=self.slots[number].incarnation)
        return number

    def move(self, shard: int, number: int, *, at_once: bool = False) -> None:
        self.moved = True
        self.dispatcher.move(shard, number, at_once=at_once)

    def retire(self, number: int, heirs: Sequence[int]) -> None:
        """Retire a slot, and give its shards to the heirs in turn."""
        self.slots[number].retiring = True
        for shard, owner in enumerate(self.dispatcher.moves.destinations()):
            if owner == number:
                self.move(shard, heirs[shard % len(heirs)])
        self.dispatcher.retire(number)

    def leave(self, number: int) -> None:
        """A worker that was told to stop ends."""
        slot = self.slots[number]
        slot.phase = "gone"
        self.dispatcher.died(number, slot.incarnation, self.now, Death(exit_code=0))
        assert self.dispatcher.phase(number).value == "retired"

    # -- work ----------------------------------------------------------------------------------

    def shard_of_run(self, number: int) -> int | None:
        """The shard of an owned run; None in a world without them."""
        del number
        return None

    def kind_of(self, offset: int) -> str:
        return self.kinds[offset]

    def execute(self, number: int, item: Item, suspect: int | None = None) -> None:
        """Run one item: commit it, or die of it."""
        slot = self.slots[number]
        if self.kind_of(item.offset) == "poison" and item.rejection is None:
            self.die(number, suspect)
            return
        self.commit(slot, item)
        slot.pending.remove(item)
        slot.unreported.append(item.offset)

    def commit(self, slot: Slot, item: Item) -> None:
        """A worker commits a run."""
        del slot
        if item.rejection is not None:
            self.dead_letters.add(item.offset)
        outbox = self.outboxes[self.shard(item.key)]
        assert item.offset not in outbox, "executed twice"
        outbox.add(item.offset)

    def report(self, number: int, offsets: Sequence[int]) -> None:
        slot = self.slots[number]
        new = {offset for offset in offsets if offset in slot.flight}
        done = self.dispatcher.completed(number, slot.incarnation, offsets)
        assert len(done) == len(new)
        assert set(done) == new
        self.finish(done)
        for offset in done:
            del slot.flight[offset]
        slot.unreported = [offset for offset in slot.unreported if offset not in new]

    def die(self, number: int, suspect: int | None = None, *, unrelated: bool = False) -> None:
        slot = self.slots[number]
        flight = {} if unrelated else slot.flight
        solo = next(n for n in range(1, 99) if self.rules.window >> (4 * n - 2) <= 1)
        named = [suspect] if suspect in flight else list(flight)
        for offset in named:
            assert offset is not None
            if flight[offset].rejection is None:
                level = self.levels.get(offset, 0) + 1
                self.levels[offset] = max(solo, level) if len(named) == 1 else level
        death = Death(signal=11, suspect=suspect, unrelated=unrelated)
        slot.lose()
        self.dispatcher.died(number, slot.incarnation, self.now, death)

    def may_have_an_accident(self, number: int) -> bool:
        """Whether an accident here leaves harmless inputs alone: none is alone in two of them."""
        flight = self.slots[number].flight
        if len(flight) != 1:
            return True
        (offset,) = flight
        if self.kind_of(offset) == "poison" or flight[offset].rejection is not None:
            return True
        return self.rules.max_attempts >= 3 and offset not in self.lonely_accidents

    def accident(self, number: int, suspect: int | None) -> None:
        flight = self.slots[number].flight
        if len(flight) == 1:
            self.lonely_accidents.update(flight)
        self.die(number, suspect)

    def gossip(self, number: int, incarnation: int, offsets: Sequence[int]) -> None:
        """Events of a worker that is no longer, or not yet, the slot's: they change nothing."""
        before = self.seen()
        assert list(self.dispatcher.completed(number, incarnation, offsets)) == []
        assert self.dispatcher.ready(number, incarnation, offsets) == []
        self.dispatcher.started(number, incarnation)
        self.dispatcher.died(number, incarnation, self.now, Death())
        self.dispatcher.start_failed(number, incarnation, self.now, "late")
        for shard in range(self.shards):
            self.dispatcher.released(number, incarnation, shard)
            assert self.dispatcher.taken(number, incarnation, shard, self.now, offsets) == []
        assert self.seen() == before

    def seen(self) -> object:
        dispatcher = self.dispatcher
        every = range(len(self.slots))
        return (
            repr(dispatcher.counters),
            repr(dispatcher.moves.under_way),
            list(dispatcher.placement.owners),
            dispatcher.next_deadline(self.now),
            [(dispatcher.in_flight(n), dispatcher.waiting(n), dispatcher.phase(n)) for n in every],
        )

    # -- invariants ----------------------------------------------------------------------------

    def check(self) -> None:
        self.events += 1
        dispatcher = self.dispatcher
        counted = dispatcher.counters
        assert counted.submitted == len(self.submitted)
        assert counted.completed == len(self.finished)
        known = dispatcher.owned.known
        assert dispatcher.idle == (len(self.finished) == len(self.submitted) and not known)
        assert dispatcher.quiet == (not any(slot.flight for slot in self.slots))
        held = -len(known)
        flying = {offset for slot in self.slots for offset in slot.flight}
        unsent = self.submitted.keys() - self.finished - flying
        size = sum(len(self.submitted[offset].payload) for offset in unsent)
        assert dispatcher.wanted_bytes() == max(0, self.rules.queue_bytes - size)
        for number, slot in enumerate(self.slots):
            assert dispatcher.in_flight(number) == len(slot.flight)
            if not self.moved:
                queued = dispatcher.waiting(number) - dispatcher.slot_state(number).owned
                assert queued <= self.rules.queue + self.rules.window
            held += len(slot.flight) + dispatcher.waiting(number)
        parked = dispatcher.moves.parked
        held += sum(len(queue.queue) for queue in parked)
        places = len(self.slots) + len(parked)
        assert held <= 2 * places * (self.rules.queue + self.rules.window), "hoarded"
        assert held == len(self.submitted) - len(self.finished), "an item has no owner"
        for slot in self.slots:
            assert slot.phase in ("ready", "stopping") or not slot.shards
        if any(slot.phase == "down" for slot in self.slots):
            assert dispatcher.next_deadline(self.now) is not None

    def settle(self, *, hints: bool) -> None:
        """Let everything run to its end, poison killing as it likes."""
        for _ in range(60 * (len(self.plan) + len(self.submitted) + 10)):
            if not self.plan and self.dispatcher.idle and self.settled():
                break
            self.submit(NEVER)
            self.now = max(self.now, self.dispatcher.next_deadline(self.now) or 0.0)
            self.tick()
            for number, slot in enumerate(self.slots):
                if slot.phase in ("asked", "starting"):
                    self.ready(number, keep=False)
                    continue
                if slot.phase == "stopping":
                    self.leave(number)
                    continue
                while slot.phase == "ready" and slot.orders:
                    self.carry_out(number)
                if slot.phase == "ready":
                    self.settle_step(number)
                while slot.phase == "ready" and slot.pending:
                    item = slot.pending[0]
                    self.execute(number, item, item.offset if hints else None)
                self.report(number, list(slot.unreported))
            self.check()
        assert self.dispatcher.idle, "inputs never got done"
        assert self.settled(), "a move or a retirement never ended"
        assert not self.plan, "the source was never asked for more"
        assert self.finished == set(self.kinds)
        poisonous = {o for o, kind in self.kinds.items() if kind in ("poison", "malformed")}
        assert self.dead_letters == poisonous
        assert self.dispatcher.counters.rejected == self.poisonous

    def settle_step(self, number: int) -> None:
        """What a ready worker does besides, while everything runs to its end."""

    @property
    def poisonous(self) -> int:
        """How many inputs and runs kill their workers."""
        return sum(1 for kind in self.kinds.values() if kind == "poison")

    def settled(self) -> bool:
        """Whether every shard is with a slot that stays, and all others are gone."""
        phases = [slot.phase for slot in self.slots]
        owners = self.dispatcher.placement.owners
        return (
            not self.dispatcher.moves.under_way
            and all((phases[n] == "gone") == slot.retiring for n, slot in enumerate(self.slots))
            and all(
                owner is not None
                and owner in self.staying()
                and (shard in self.slots[owner].shards or phases[owner] != "ready")
                for shard, owner in enumerate(owners)
            )
        )
