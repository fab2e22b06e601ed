"""The peer to measure against: the least code that still moves keyed events through processes.

One ROUTER, N forked DEALERs, batches in one pickle, an LMDB environment per worker, one commit per
batch with the new counters and the batch's outputs. It has no API, supervision, recovery or flow
control beyond a fixed number of batches under way, so the distance to it is what those cost.

`minimal_agents.py` has another worker for it, which runs the benchmarks' agent.

    python minimal_pool.py [--events N] [--keys N] [--workers N] [--batch N] [--round-trips N]

Prints one JSON object: events per second, and the median and 99th percentile of single-event round
trips in microseconds.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import lmdb
import zmq

UNDER_WAY = 4
"""Batches a worker may have."""


def joined(address: str, home: Path, number: int) -> tuple[Any, Any, Any, Any]:
    """A worker's connection to the parent, its environment, and two tables in there."""
    socket = zmq.Context().socket(zmq.DEALER)
    socket.setsockopt(zmq.ROUTING_ID, number.to_bytes(2, "big"))
    socket.connect(address)
    environment = lmdb.open(
        str(home / str(number)), map_size=1 << 32, max_dbs=2, sync=False, metasync=False
    )
    counters, outbox = environment.open_db(b"counters"), environment.open_db(b"outbox")
    socket.send(b"")
    return socket, environment, counters, outbox


def work(address: str, home: Path, number: int) -> None:
    """A worker's whole life."""
    socket, environment, counters, outbox = joined(address, home, number)
    sequence = 0
    while request := socket.recv():
        fresh: dict[bytes, int] = {}
        outputs = []
        for offset, key, value in pickle.loads(request):
            count = fresh.get(key)
            if count is None:
                with environment.begin(db=counters) as transaction:
                    stored = transaction.get(key)
                count = pickle.loads(stored) if stored else 0
            fresh[key] = count + 1
            outputs.append((offset, key, {"key": key, "count": count + 1, "value": value}))
        answer = pickle.dumps(outputs, 5)
        with environment.begin(write=True) as transaction:
            for key, count in fresh.items():
                transaction.put(key, pickle.dumps(count, 5), db=counters)
            transaction.put(sequence.to_bytes(8, "big"), answer, db=outbox)
        sequence += 1
        socket.send(answer)
    os._exit(0)


Work = Callable[[str, Path, int], None]


class MinimalPool:
    """The parent's side."""

    def __init__(self, workers: int, batch: int, work: Work = work) -> None:
        """Fork the workers and wait until all have spoken."""
        self._home = Path(tempfile.mkdtemp(prefix="minimal-pool-"))
        address = f"ipc://{self._home}/socket"
        self._pids = []
        for number in range(workers):
            pid = os.fork()
            if pid == 0:
                work(address, self._home, number)
            self._pids.append(pid)
        self._socket = zmq.Context().socket(zmq.ROUTER)
        self._socket.set_hwm(0)
        self._socket.bind(address)
        for _ in self._pids:
            self._socket.recv_multipart()
        self._batch = batch
        self._under_way = [0] * workers
        self._buffers: list[list[tuple[int, bytes, str]]] = [[] for _ in range(workers)]
        self.done = 0

    def submit(self, offset: int, key: bytes, value: str) -> None:
        """Hand in one event; full batches leave at once."""
        number = crc32(key) % len(self._pids)
        buffer = self._buffers[number]
        buffer.append((offset, key, value))
        if len(buffer) >= self._batch:
            self.flush(number)

    def flush(self, number: int) -> None:
        """Send what waits for a worker, when it has room."""
        while self._under_way[number] >= UNDER_WAY:
            self.receive()
        identity = number.to_bytes(2, "big")
        self._socket.send_multipart([identity, pickle.dumps(self._buffers[number], 5)])
        self._buffers[number] = []
        self._under_way[number] += 1

    def flush_all(self) -> None:
        """Send everything that waits."""
        for number, buffer in enumerate(self._buffers):
            if buffer:
                self.flush(number)

    def receive(self) -> None:
        """Take one answer."""
        identity, answer = self._socket.recv_multipart()
        self._under_way[int.from_bytes(identity, "big")] -= 1
        self.done += len(pickle.loads(answer))

    def close(self) -> None:
        """End the workers and remove their files."""
        for number in range(len(self._pids)):
            self._socket.send_multipart([number.to_bytes(2, "big"), b""])
        for pid in self._pids:
            os.waitpid(pid, 0)
        shutil.rmtree(self._home)


def throughput(events: int, keys: int, workers: int, batch: int, work: Work = work) -> float:
    """Events per second from the first submission to the last answer."""
    pool = MinimalPool(workers, batch, work)
    names = [f"key-{number}".encode() for number in range(keys)]
    began = time.perf_counter()
    for offset in range(events):
        pool.submit(offset, names[offset % keys], f"hello world {offset}")
    pool.flush_all()
    while pool.done < events:
        pool.receive()
    seconds = time.perf_counter() - began
    pool.close()
    return events / seconds


def round_trips(count: int, keys: int, workers: int, work: Work = work) -> list[float]:
    """Microseconds from the submission of a single event to its answer, sorted."""
    pool = MinimalPool(workers, 1, work)
    names = [f"key-{number}".encode() for number in range(keys)]
    trips = []
    for offset in range(count):
        began = time.perf_counter()
        pool.submit(offset, names[offset % keys], "hello")
        pool.receive()
        trips.append((time.perf_counter() - began) * 1e6)
    pool.close()
    return sorted(trips)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--round-trips", type=int, default=2000)
    arguments = parser.parse_args()
    result: dict[str, float] = {}
    if arguments.events:
        result["events_per_s"] = throughput(
            arguments.events, arguments.keys, arguments.workers, arguments.batch
        )
    if arguments.round_trips:
        trips = round_trips(arguments.round_trips, arguments.keys, arguments.workers)
        result["round_trip_us_p50"] = statistics.median(trips)
        result["round_trip_us_p99"] = trips[int(len(trips) * 0.99)]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
