"""A worker without its process: a real engine on real shards, fed by hand."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tamias import AgentPlan, Configuration
from tamias.agent.hooks import Hooks
from tamias.agent.resources.registry import ResourceRegistry
from tamias.store.encoding.codec import make_decoder, make_encoder
from tamias.store.encoding.keys import encode_key, shard_of
from tamias.store.encoding.values import dumps, loads
from tamias.store.records.offsets import RunKind, identity_of, kind_of
from tamias.store.records.outbox import decode_outputs
from tamias.store.shard.shard import Shard
from tamias.worker import wire
from tamias.worker.beacon import Beacon
from tamias.worker.engine.engine import Engine
from tamias.worker.hooks import WorkerHook
from tamias.worker.metrics import WorkerMetrics
from tamias.worker.policy import Policy
from tamias.worker.runs.group_commit import GroupCommit, ShardWriter
from tamias.worker.waiting.announcer import Announcer
from tamias.worker.waiting.questions import Questions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tamias import Agent
    from tamias.store.shard.batch import Batch
    from tamias.store.shard.shard import Durability


class CrashError(Exception):
    """What a commit raises at the crash that a test has asked for."""


class _MortalShard:
    """A shard whose commits fail from some moment on, as if the process were dead."""

    def __init__(self, shard: Shard, world: Bench) -> None:
        self._shard = shard
        self._world = world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shard, name)

    def commit(self, batch: Batch) -> int | None:
        world = self._world
        if world.commits >= world.commits_left:
            raise CrashError
        sequence = self._shard.commit(batch)
        world.commits += 1
        if world.commits == world.commits_left and world.dies_after:
            raise CrashError
        return sequence


class Bench:
    """One life of a worker. Use `bench` to make one.

    It can be made to crash when it has committed `commits_left` times: at its attempt to commit
    once more, or with `dies_after` before it learns that the last one has succeeded.
    """

    def __init__(
        self,
        agent: Agent | type[Agent],
        directory: Path,
        *,
        shards: int = 1,
        durability: Durability = "process",
        on_error: str = "dead-letter",
        commits_left: int = 1 << 30,
        dies_after: bool = False,
        generation: int = 0,
        hooks: Iterable[WorkerHook] = (),
        **options: Any,
    ) -> None:
        self.commits = 0
        self.generation = generation
        self.commits_left = commits_left
        self.dies_after = dies_after
        self.done: dict[int, list[Any]] = {}
        """Outputs of finished inputs by offset, in the order in which they were published."""
        self.suspended: list[int] = []
        """Runs that were suspended, by the numbers that their journals have."""
        self.notices: list[Any] = []
        """Questions, as outputs."""
        self.order: list[Any] = []
        """All other outputs, in the order in which they were published."""
        self.due: list[int] = []
        """Owned runs that were announced."""
        self.replies: list[dict[str, Any]] = []
        """Reports of the worker."""
        self.rounds = 0
        self.recovered: set[int] = set()
        self.generations: dict[int, int] = {}
        """Which generation's record they were in."""
        self.failed: list[BaseException] = []
        self.halted: list[dict[str, Any]] = []
        self.beacon = Beacon()
        config = Configuration()
        for name, value in {"retry_wait": 0, **options}.items():
            config.set_str(name.replace("_", "-"), str(value))
        self.plan = AgentPlan.compile(agent, config)
        self.shards = [
            Shard.acquire(directory / str(number), number, durability) for number in range(shards)
        ]
        for shard in self.shards:
            for _, record in shard.outbox():
                self._take(record)
        self.recovered |= set(self.done)
        self.group = GroupCommit(
            self._send,
            asyncio.get_running_loop(),
            threaded=durability == "machine",
            failed=self._fail,
        )
        self.resources = ResourceRegistry(self.plan.providers, self.plan.config)
        self.metrics = WorkerMetrics(self.plan.actions)
        self.hooks = Hooks(WorkerHook, hooks)
        if self.hooks:
            self.group.on_commit = self._committed
        writers: dict[int, ShardWriter] = {
            shard.number: self._writer(shard) for shard in self.shards
        }
        self.announcer = Announcer(asyncio.get_running_loop(), self._send, lambda: self.engine.idle)
        self.group.on_waiting = self.announcer.changed
        self.questions = Questions(writers, self.group, self._send)
        self.engine = Engine(
            self.plan,
            writers,
            shards,
            self.group,
            policy=Policy.of(self.plan.config, on_error=on_error, codec="pickle"),
            decode=make_decoder("pickle"),
            encode=make_encoder("pickle"),
            resources=self.resources,
            metrics=self.metrics,
            beacon=self.beacon,
            questions=self.questions,
            halt=self._halt,
            hooks=self.hooks or None,
        )
        self.announcer.has_interrupted = self.engine.has_interrupted
        self._changed = asyncio.Event()
        for shard in self.shards:
            self.announcer.add(shard)

    def _writer(self, shard: Shard) -> ShardWriter:
        mortal: Any = _MortalShard(shard, self)
        return ShardWriter(mortal, self.generation)

    def _committed(self, runs: int, shards: int, written: int, seconds: float) -> None:
        self.hooks.call(WorkerHook.committed, runs, shards, written, seconds)

    def _send(self, message: bytes) -> None:
        if message[:1] == wire.DUE:
            self.due += wire.unpack_due(message)[0]
            inputs = wire.INPUTS + message[1:]
            asyncio.get_running_loop().call_soon(self._deliver, inputs)
        elif message[:1] == wire.DONE:
            for _, _, record in wire.unpack_done(message):
                self._take(record)
        else:
            self.replies.append(wire.unpack(message))
        self._changed.set()

    def _deliver(self, message: bytes) -> None:
        self.engine.receive(wire.unpack_inputs(message))
        self._work()

    def end_input(self) -> None:
        """Have the worker announce ends of the input, and report when nothing is to be done."""
        self.rounds += 1
        self.announcer.begin_round(self.rounds, ends=True)

    async def at_rest(self) -> dict[str, Any]:
        """End the input, and return what the worker reports when nothing is to be done."""
        self.end_input()
        while not any(reply.get("round") == self.rounds for reply in self.replies):
            self._changed.clear()
            await self._changed.wait()
        found: dict[str, Any] = self.replies[-1]["shards"]
        return found

    def _take(self, record: bytes | memoryview) -> None:
        outputs = decode_outputs(record)
        for number, encoded in outputs.each():
            values = [next(iter(loads(value).values())) for value in encoded]
            if number in outputs.suspended:
                assert not values
                self.recovered.add(number)
                self.suspended.append(identity_of(number))
            elif kind_of(number) == RunKind.NOTICE:
                self.notices += values
            else:
                offset = identity_of(number)
                assert offset not in self.done
                self.generations[offset] = outputs.generation
                self.done[offset] = values
                self.order += values

    def _fail(self, error: BaseException) -> None:
        self.failed.append(error)
        self._changed.set()

    def _halt(self, report: dict[str, Any]) -> None:
        self.halted.append(report)
        self._changed.set()

    def send(self, *inputs: tuple[Any, Any], first: int = 0, rejections: Any = None) -> None:
        """Hand the engine a batch of (key, value) inputs, from offset `first`, and let it work."""
        self.hand_in(*inputs, first=first, rejections=rejections)
        self._work()

    def hand_in(self, *inputs: tuple[Any, Any], first: int = 0, rejections: Any = None) -> None:
        """The same, without having it work."""
        entries = [
            (offset, encode_key(key), dumps(value))
            for offset, (key, value) in enumerate(inputs, first)
            if offset not in self.recovered
        ]
        offsets, keys, payloads = zip(*entries, strict=True)
        message = wire.pack_inputs(offsets, keys, payloads, rejections)
        self.engine.receive(wire.unpack_inputs(message))

    def _work(self) -> None:
        """Have the engine work until it has done all, or has died."""
        while not self.failed and self.engine.work():
            pass

    async def until_recorded(self, records: int = 1) -> None:
        """Wait for so many records in the journal."""
        while self.journal() < records:  # noqa: ASYNC110 (there is no event to wait for)
            await asyncio.sleep(0.001)

    async def until(self, *offsets: int) -> None:
        """Wait until these inputs are published, or the worker has failed or halted."""
        while not (self.failed or self.halted or self.done.keys() >= set(offsets)):
            self._changed.clear()
            await self._changed.wait()

    async def run(self, *inputs: tuple[Any, Any], first: int = 0) -> list[list[Any]]:
        """Send inputs, wait for their ends and return their outputs in input order."""
        offsets = range(first, first + len(inputs))
        if set(offsets) - self.recovered:
            self.send(*inputs, first=first)
        await self.until(*offsets)
        assert not self.failed, self.failed
        assert not self.halted, self.halted
        return [self.done[offset] for offset in offsets]

    def memory(self, key: Any) -> dict[str, Any]:
        """The committed fields of a key; explicit objects show as None."""
        from tamias.store.encoding.keys import key_prefix

        data = encode_key(key)
        shard = self.shards[shard_of(data, len(self.shards))]
        fields, _ = shard.fields(key_prefix(data))
        return {path: loads(value) if value else None for path, value in fields.items()}

    def journal(self) -> int:
        """How many journal records there are."""
        return sum(len(entries) for shard in self.shards for entries in shard.journal().values())

    def letters(self) -> list[Any]:
        """The dead letters."""
        return [letter for shard in self.shards for letter in shard.dead_letters()]

    def close(self) -> None:
        """End this life; what is not committed is lost."""
        self.announcer.stop()
        self.engine.close()
        self.group.close()
        self.resources.close()
        for shard in self.shards:
            shard.close()


@contextmanager
def bench(agent: Agent | type[Agent], directory: Path, **options: Any) -> Iterator[Bench]:
    """One life of a worker, inside a running loop. See `Bench` for the options."""
    life = Bench(agent, directory, **options)
    try:
        yield life
    finally:
        life.close()
