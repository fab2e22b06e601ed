"""What the engine of a worker costs per input, in one process, without sockets and launcher.

The engine with real shards and group commit is fed messages of 256 inputs, as a worker gets them;
several rounds are measured and the cheapest counts: the noise of a shared machine only adds. So
this is the figure to compare two versions by; what sockets and the launcher cost is not in it.
"""

from __future__ import annotations

import asyncio
import importlib
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import agents
from tamias import Agent, AgentPlan, Configuration
from tamias.agent.resources.registry import ResourceRegistry
from tamias.store.encoding.keys import encode_key
from tamias.store.encoding.values import dumps
from tamias.store.shard.shard import Durability, Shard
from tamias.worker import wire
from tamias.worker.beacon import Beacon
from tamias.worker.engine.engine import Engine
from tamias.worker.metrics import WorkerMetrics
from tamias.worker.policy import Policy
from tamias.worker.process.zygote import freeze_heap
from tamias.worker.runs.group_commit import GroupCommit, ShardWriter
from tamias.worker.waiting.announcer import Announcer
from tamias.worker.waiting.questions import Questions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tamias.worker.tracing.tracer import Tracer

try:
    codec = importlib.import_module("tamias.store.encoding.codec")
except ModuleNotFoundError:  # `--against` a checkout from before it was a module of its own
    codec = importlib.import_module("tamias.store.encoding.json_text")

SHARDS = 8
BATCH = 256
CODEC = "pickle"


class Feed:
    """The messages of one measurement: which keys, which values."""

    def __init__(self, keys: int, value: Any, skew: int) -> None:
        """`skew` percent of the inputs are of one key."""
        self._keys = keys
        self._payload = dumps(value)
        self._skew = skew
        self._random = random.Random(1)  # noqa: S311 (the same draws each time)
        self._offset = 0

    def each_key_once(self) -> Iterator[bytes]:
        """Inputs that bring all keys into being."""
        return self._messages(self._keys, lambda offset: offset % self._keys)

    def drawn(self, events: int) -> list[bytes]:
        """Inputs of keys drawn at random."""
        return list(self._messages(events, self._draw))

    def _draw(self, offset: int) -> int:
        del offset
        if self._skew and self._random.randrange(100) < self._skew:
            return 0
        return self._random.randrange(self._keys)

    def _messages(self, events: int, number: Callable[[int], int]) -> Iterator[bytes]:
        end = self._offset + events
        while self._offset < end:
            offsets = list(range(self._offset, min(end, self._offset + BATCH)))
            keys = [encode_key(f"key-{number(offset)}") for offset in offsets]
            yield wire.pack_inputs(offsets, keys, [self._payload] * len(offsets), None)
            self._offset = offsets[-1] + 1


class Bench:
    """An engine with its shards in a folder."""

    def __init__(
        self,
        agent: type[Agent],
        folder: Path,
        durability: Durability,
        tracer: Callable[[AgentPlan], Tracer | None] = lambda _: None,
    ) -> None:
        """`tracer` makes the event log."""
        loop = asyncio.get_running_loop()
        plan = AgentPlan.compile(agent, Configuration())
        shards = [Shard.acquire(folder / str(n), n, durability) for n in range(SHARDS)]
        self._failures: list[Any] = []
        self._published: dict[int, int] = {}
        self._writers = {shard.number: ShardWriter(shard, 0) for shard in shards}
        self._group = GroupCommit(
            self._send, loop, threaded=durability == "machine", failed=self._failures.append
        )
        # A loop that does not rest would keep the threads that commit from running.
        self._pause = 0.001 if durability == "machine" else 0
        questions = Questions(self._writers, self._group, self._send)
        self.beacon = Beacon()
        self.engine = Engine(
            plan,
            self._writers,
            SHARDS,
            self._group,
            policy=Policy.of(plan.config, on_error="fail", codec=CODEC),
            decode=codec.make_decoder(CODEC),
            encode=codec.make_encoder(CODEC),
            resources=ResourceRegistry(plan.providers, plan.config),
            metrics=WorkerMetrics(plan.actions),
            beacon=self.beacon,
            tracer=tracer(plan),
            questions=questions,
            halt=self._failures.append,
        )
        announcer = Announcer(loop, self._send, lambda: self.engine.idle)
        announcer.has_interrupted = self.engine.has_interrupted
        self._group.on_waiting = announcer.changed
        for shard in shards:
            announcer.add(shard)

    def _send(self, message: bytes) -> None:
        if message[:1] == wire.DONE:
            for shard, sequence, _ in wire.unpack_done(message):
                self._published[shard] = sequence

    async def work(self, messages: Iterator[bytes] | list[bytes]) -> None:
        """Execute all of these, and have them committed; outputs are acknowledged."""
        for message in messages:
            self.engine.receive(wire.unpack_inputs(message))
            while self.engine.work():  # noqa: ASYNC110 (as the worker's loop does)
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            for shard, sequence in self._published.items():
                self._writers[shard].batch.trim = sequence
            self._published.clear()
        while not (self.engine.idle and self._group.idle):  # noqa: ASYNC110 (as above)
            await asyncio.sleep(self._pause)
        if self._failures:
            raise RuntimeError(f"the engine has failed: {self._failures[0]}")


def cost(
    agent: str,
    *,
    events: int = 40_000,
    keys: int = 1000,
    rounds: int = 5,
    durability: Durability = "process",
    value: Any = 7,
    size: int = 0,
    skew: int = 0,
) -> dict[str, float]:
    """CPU and wall microseconds per input, of the cheapest rounds, and inputs per second.

    `size` makes each input a text of so many characters instead of `value`.
    """

    async def measure(folder: Path) -> dict[str, float]:
        bench = Bench(getattr(agents, agent), folder, durability)
        feed = Feed(keys, "x" * size if size else value, skew)
        await bench.work(feed.each_key_once())
        cpu, wall = [], []
        for _ in range(rounds):
            messages = feed.drawn(events)
            began, began_wall = time.process_time(), time.perf_counter()
            await bench.work(messages)
            cpu.append((time.process_time() - began) / events * 1e6)
            wall.append((time.perf_counter() - began_wall) / events * 1e6)
        best, best_wall = min(cpu), min(wall)
        return {
            "cpu_us": best,
            "wall_us": best_wall,
            "per_core": 1e6 / best,
            "rate": 1e6 / best_wall,
        }

    freeze_heap()  # as in a worker: there the collector runs seldom
    with tempfile.TemporaryDirectory(prefix="tamias-bench-") as folder:
        return asyncio.run(measure(Path(folder)))
