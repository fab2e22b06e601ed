"""Workers that run no agent: all of them are in one process, and answer each input at once.

They speak with the launcher as real workers do, over a socket each, but keep nothing. So a launcher
can be measured with more workers than the machine has cores for.

    python simulated_workers.py ADDRESS SHARDS CODEC SIZE THINK

SIZE is that of an output, in bytes; THINK are the microseconds that a worker takes for an input.
Each line of the standard input is an assignment, as JSON; each line of the standard output the slot
of a worker that has ended.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections import deque
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from tamias.launcher.workers.starter import Event, Exited, Started, Starter
from tamias.store.encoding.codec import make_encoder
from tamias.store.encoding.keys import shard_of
from tamias.store.records.outbox import encode_outputs
from tamias.worker import wire
from tamias.worker.connection.connecting import make_connection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tamias.worker.process.boot import Assignment, Boot

MESSAGES_PER_COMMIT: Final = 8
"""Messages with inputs whose outputs a worker commits, and sends, together."""
FIRST_PID: Final = 1 << 23
"""Above any process id of Linux."""


class SimulatedStarter(Starter):
    """Starts simulated workers; `boot` is as for any starter."""

    def __init__(self, boot: Boot, size: int, think: float) -> None:
        super().__init__()
        self._process = subprocess.Popen(
            [
                *(sys.executable, __file__, boot.address, str(boot.shards)),
                *(boot.output_codec, str(size), str(think)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self._events: list[Event] = []
        self._living: dict[int, Assignment] = {}

    def start(self, assignment: Assignment) -> None:
        """As `Starter.start`."""
        self._living[assignment.slot] = assignment
        self._events.append(Started(assignment, FIRST_PID + assignment.slot))
        if self._process.stdin is not None:
            self._process.stdin.write(json.dumps(asdict(assignment)).encode() + b"\n")
            self._process.stdin.flush()

    def descriptors(self) -> Sequence[int]:
        """As `Starter.descriptors`."""
        return [] if self._process.stdout is None else [self._process.stdout.fileno()]

    def poll(self) -> list[Event]:
        """As `Starter.poll`."""
        events, self._events = self._events, []
        out = self._process.stdout
        while self._living and out is not None and select.select([out], [], [], 0)[0]:
            slot = int(out.readline())
            events.append(Exited(self._living.pop(slot), FIRST_PID + slot, 0))
        return events

    def close(self) -> None:
        """As `Starter.close`."""
        self._process.kill()
        self._process.communicate()

    @property
    def pids(self) -> Sequence[int]:
        """There are none: the process forks nothing."""
        return []


class SimulatedWorker:
    """One worker."""

    def __init__(self, arguments: list[str], assignment: Any) -> None:
        address, shards, codec, size, think = arguments
        identity = bytes.fromhex(assignment["identity"])
        self.connection = make_connection(address, os.getppid(), identity)
        self.connection.open()
        self.slot: int = assignment["slot"]
        self._shards = int(shards)
        self._encode = make_encoder(codec)
        self._output = {"count": 1, **({"value": "x" * int(size)} if int(size) else {})}
        self._think = float(think) / 1e6
        self._sequences: dict[int, int] = {}
        self._events = 0
        self._waiting: deque[wire.InputBatch] = deque()
        self._free_at = 0.0
        ready = {"pid": 0, "actions": ["count"], "shards": assignment["shards"]}
        self.connection.send(wire.pack(wire.READY, {**ready, "waits": False, "streams": False}))
        self._heartbeat(last=False)

    def receive(self) -> bool:
        """Take what has arrived; return whether the worker goes on."""
        for message in self.connection.receive():
            if message[:1] == wire.INPUTS:
                self._waiting.append(wire.unpack_inputs(message))
            elif message[:1] == wire.STOP:
                self._heartbeat(last=True)
                return False
        return not self.connection.is_lost

    def work(self, now: float) -> float | None:
        """Commit what is done by now; return when there is more to do."""
        if not self._waiting:
            self._free_at = 0.0
            return None
        batches = [self._waiting[n] for n in range(min(len(self._waiting), MESSAGES_PER_COMMIT))]
        if not self._free_at:
            inputs = sum(len(batch.offsets) for batch in batches)
            self._free_at = now + self._think * inputs
        if now < self._free_at:
            return self._free_at
        for _ in batches:
            self._waiting.popleft()
        self._free_at = 0.0
        self._commit(batches)
        return now

    def _commit(self, batches: list[wire.InputBatch]) -> None:
        encode, output = self._encode, self._output
        by_shard: dict[int, tuple[list[int], list[bytes]]] = {}
        for batch in batches:
            for offset, key in zip(batch.offsets, batch.keys, strict=True):
                offsets, outputs = by_shard.setdefault(shard_of(key, self._shards), ([], []))
                offsets.append(offset)
                outputs.append(encode(key, output, offset))
        records = []
        for shard, (offsets, outputs) in by_shard.items():
            self._sequences[shard] = sequence = self._sequences.get(shard, 0) + 1
            self._events += len(offsets)
            record = encode_outputs(offsets, [1] * len(offsets), outputs)
            records.append((shard, sequence, record))
        self.connection.send(wire.pack_done(records))

    def _heartbeat(self, *, last: bool) -> None:
        self.connection.send(
            wire.pack(
                wire.METRICS,
                {
                    "active": 0,
                    "totals": {},
                    "failures": {},
                    "notices": {},
                    "metrics": {"numOfEventProcessed": self._events},
                    "last": last,
                },
            )
        )


def main() -> None:
    """Be workers until the launcher is gone."""
    poller = select.poll()
    assignments = open(0, "rb", buffering=0)  # noqa: SIM115 (as long as the process)
    poller.register(assignments, select.POLLIN)
    workers: dict[int, SimulatedWorker] = {}
    pause: float | None = None
    while True:
        found = dict(poller.poll(None if pause is None else int(pause * 1000)))
        if assignments.fileno() in found:
            line = assignments.readline()
            if not line:
                return
            worker = SimulatedWorker(sys.argv[1:], json.loads(line))
            workers[worker.connection.fileno()] = worker
            poller.register(worker.connection.fileno(), select.POLLIN)
        now = time.monotonic()
        due = []
        for descriptor, worker in list(workers.items()):
            if descriptor in found and not worker.receive():
                poller.unregister(descriptor)
                del workers[descriptor]
                worker.connection.close()
                print(worker.slot, flush=True)
                continue
            at = worker.work(now)
            if at is not None:
                due.append(at)
        pause = max(0.0, min(due) - time.monotonic()) if due else None


if __name__ == "__main__":
    main()
