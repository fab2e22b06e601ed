"""A service in small: real request log and machines of both sides; pool and network are toys.

Every part can die on its own: connections lose frames or break, clients crash and repeat
themselves, the server is started anew with nothing but its request log. What the pool did is
remembered here as its shards would: an outcome is there for good, but may have to be delivered
again.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter, deque
from typing import TYPE_CHECKING

from tamias.service.client.session import (
    Answered,
    ClientSession,
    Closed,
    QueryAnswered,
    Reconnect,
)
from tamias.service.protocol.frames import FORGOTTEN, FORGOTTEN_OUTCOME, outcome_of_outputs
from tamias.service.server.request_log import RequestLog
from tamias.service.server.sessions import Limits, Sessions
from tamias.store.encoding.keys import encode_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Wire:
    """A connection: what is under way in both directions."""

    def __init__(self, number: int) -> None:
        self.peer = (0, b"wire-%d" % number)
        self.up: deque[bytes] = deque()
        self.down: deque[bytes] = deque()


class Program:
    """A client's program: hands in 1, 2, 3, ... under its id; started again, the same from 1."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.handed_in = 0
        """The highest that any of its lives has handed in."""
        self.outcomes: dict[int, bytes] = {}
        """What any of its lives was told."""
        self.acknowledged = 0
        self.replaced = False
        self.start()

    def start(self) -> None:
        """A new life."""
        self.next = 1
        self.told: set[int] = set()
        self.asked = 0
        self.replied: list[int] = []
        """The queries of this life that have got a reply."""
        self.session = ClientSession(
            self.name, next(self.world.numbers), self.world.nonce, anonymous=False
        )
        self.connect()
        self.session.start(self.world.now)
        self.pump()

    def connect(self) -> None:
        """A new connection; the frames of the old one may still arrive."""
        self.wire = self.world.new_wire()

    def submit(self, count: int) -> None:
        """Hand in what comes next, as far as there is room."""
        for _ in range(min(count, self.session.free)):
            key = encode_key(f"{self.name}-{self.next % 3}")
            value = json.dumps([self.name, self.next]).encode()
            self.session.submit(self.next, key, value, self.world.now)
            self.handed_in = max(self.handed_in, self.next)
            self.next += 1
        self.pump()

    def ask(self) -> None:
        """Send a query, which is no submission."""
        self.asked += 1
        self.session.query(self.asked, b'{"number":%d}' % self.asked, self.world.now)
        self.pump()

    def acknowledge(self) -> None:
        """Let the server forget all that this life knows, as far as nothing is missing."""
        while self.acknowledged + 1 in self.told:
            self.acknowledged += 1
        self.session.acknowledge(self.acknowledged)
        self.pump()

    def pump(self) -> None:
        """Send what there is to send."""
        self.wire.up += self.session.outgoing()

    def tick(self) -> None:
        """Time has passed."""
        self._happened(self.session.tick(self.world.now))

    def hear(self) -> None:
        """A frame arrives."""
        if self.wire.down:
            self._happened(self.session.receive(self.wire.down.popleft(), self.world.now))

    def _happened(self, events: Sequence[object]) -> None:
        for event in events:
            if isinstance(event, Answered):
                self._answered(event.sequence, event.outcome)
            elif isinstance(event, QueryAnswered):
                assert json.loads(event.body) == {"number": event.number}
                self.replied.append(event.number)
            elif isinstance(event, Reconnect):
                self.connect()
            elif isinstance(event, Closed):
                self.replaced = True
        self.pump()

    def _answered(self, sequence: int, outcome: bytes) -> None:
        self.told.add(sequence)
        if outcome[0] == FORGOTTEN:
            assert sequence <= self.acknowledged
            return
        assert outcome == outcome_of_outputs([b'"%b:%d"' % (self.name.encode(), sequence)])
        self.outcomes[sequence] = outcome

    @property
    def idle(self) -> bool:
        """Whether there is nothing it waits for."""
        everything = len(self.replied) == self.asked and not self.session.pending
        return self.session.open and everything and not self.session.acknowledging


class World:
    """The service with its clients."""

    def __init__(self, folder: Path, clients: int, limits: Limits) -> None:
        self._folder = folder
        self._limits = limits
        self.now = 0.0
        self.numbers = itertools.count(1)
        self._wires: list[Wire] = []
        self.effects: Counter[tuple[str, int]] = Counter()
        self._shards: dict[int, bytes] = {}
        """What the pool's shards have: outcomes by offset."""
        self._asleep: dict[int, bytes] = {}
        """What they have of runs that are suspended: outcomes that will come, by offset."""
        self._position = 0
        self._saved_low = 0
        self.request_log = RequestLog.open(folder, sync=False)
        self._begin()
        self.programs = [Program(self, f"c{number}") for number in range(clients)]

    def nonce(self) -> bytes:
        """Never the same."""
        return next(self.numbers).to_bytes(8, "big")

    def new_wire(self) -> Wire:
        """A new connection."""
        wire = Wire(next(self.numbers))
        self._wires = [old for old in self._wires if old.up][-20:]
        self._wires.append(wire)
        return wire

    # -- the server ---------------------------------------------------------------------------

    def _begin(self) -> None:
        self.sessions = Sessions(self.request_log, self._limits)
        self._unsaved: dict[int, bytes] = {}
        for offset, client, sequence, size in self.request_log.unanswered():
            if offset < self._saved_low:  # the checkpoint has it, so its run is suspended
                self.sessions.suspended.add(offset, client)
            else:
                self.sessions.restore(offset, client, sequence, size)
        self._position = max(self._saved_low, self.request_log.first)

    def restart(self) -> None:
        """The launcher is killed, and started again."""
        self.request_log.close()
        self.request_log = RequestLog.open(self._folder, sync=False)
        self._begin()
        waiting = {
            offset: self._shards[offset]
            for offset, *_ in self.request_log.unanswered()
            if offset in self._shards
        }
        self.sessions.suspend(self._asleep)  # the outboxes are announced
        self._deliver(waiting)

    def serve(self, frames: int, *, newest_first: bool = False) -> None:
        """One turn of the frontend, which takes so many frames in.

        ZeroMQ may well hand out what a new connection brings before the rest of an old one.
        """
        for wire in self._wires[::-1] if newest_first else list(self._wires):
            for _ in range(min(frames, len(wire.up))):
                self.sessions.receive(wire.peer, "", wire.up.popleft())
        self.sessions.confirm()  # what was recorded in the last turn
        while self.sessions.queries:
            self.sessions.answer_query(*self.sessions.queries.popleft())
        batch = self.sessions.next_batch()
        if batch:
            first = self.request_log.record(batch.entries, batch.floors, batch.leaving)
            self.sessions.recorded(batch, first)
        for client, chosen, session in self.sessions.replies():
            outcomes = []
            for sequence, given in chosen:
                call = self.request_log.find(client, [sequence])[0]
                outcome = given or (
                    FORGOTTEN_OUTCOME
                    if call is None
                    else call.outcome or self._unsaved[call.offset]
                )
                outcomes.append((sequence, outcome))
            self.sessions.reply(session, outcomes)
        peers = {wire.peer: wire for wire in self._wires}
        while self.sessions.out:
            peer, frame = self.sessions.out.popleft()
            if peer in peers:
                peers[peer].down.append(frame)
            else:
                self.sessions.unreachable(peer)

    # -- the pool -----------------------------------------------------------------------------

    def work(self, count: int, *, suspends: bool = False) -> None:
        """The pool reads inputs, runs them and delivers what comes of them, or suspends them."""
        outcomes = {}
        suspended = []
        for _, value, _ in self.request_log.read(self._position, count):
            offset = self._position
            self._position += 1
            if offset not in self._shards and offset not in self._asleep:
                name, sequence = json.loads(value)
                self.effects[name, sequence] += 1
                outcome = outcome_of_outputs([f'"{name}:{sequence}"'.encode()])
                (self._asleep if suspends else self._shards)[offset] = outcome
            if offset in self._asleep:
                suspended.append(offset)
            else:
                outcomes[offset] = self._shards[offset]
        self.sessions.suspend(suspended)
        self._deliver(outcomes)

    def wake(self, count: int) -> None:
        """Runs that were suspended end."""
        ended = {offset: self._asleep.pop(offset) for offset in list(self._asleep)[:count]}
        self._shards.update(ended)
        self._deliver(ended)

    def _deliver(self, outcomes: dict[int, bytes]) -> None:
        self._unsaved.update(outcomes)
        calls = {offset: self.request_log.call_of(offset) for offset in outcomes}
        self.sessions.answered(outcomes, calls)

    def checkpoint(self) -> None:
        """Outcomes are recorded, inputs that the last checkpoint has covered deleted."""
        self.request_log.answer(self._unsaved, self._saved_low)
        self._unsaved.clear()
        self._saved_low = self._position  # the toy pool is done with all that it has read

    # -- the network --------------------------------------------------------------------------

    def lose(self, number: int, *, up: bool) -> None:
        """A frame is lost."""
        wire = self.programs[number].wire
        queue = wire.up if up else wire.down
        if queue:
            queue.popleft()

    def cut(self, number: int) -> None:
        """A connection breaks, with all that is under way; ZeroMQ makes a new one by itself."""
        wire = self.programs[number].wire
        wire.up.clear()
        wire.down.clear()
        wire.peer = (0, b"wire-%d" % next(self.numbers))

    # -- the end ------------------------------------------------------------------------------

    def calm(self) -> None:
        """Nothing goes wrong any more: run until all is quiet."""
        for _ in range(400):
            if all(program.idle for program in self.programs):
                return
            self.now += 0.3
            for program in self.programs:
                program.tick()
                program.pump()
            self.serve(1000)
            self.work(1000)
            self.wake(1000)
            self.serve(0)
            self.checkpoint()
            for program in self.programs:
                while program.wire.down:
                    program.hear()
        raise AssertionError("it does not come to rest")

    def close(self) -> None:
        """Put it away."""
        self.request_log.close()
