"""A pool in this process that works while its shards are moved about."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from tamias.launcher.delivery.checkpointed import CheckpointedDelivery
from tamias.launcher.jobs.agent_spec import AgentSpec
from tamias.launcher.jobs.job import Job
from tamias.launcher.pool.pool import Pool
from tamias.launcher.pool.settings import PoolSettings
from tamias.launcher.sinks.jsonlines import JsonLinesSink
from tamias.launcher.sources.factory import python_source
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tamias.launcher.control.commands import Command

AGENT = """
import asyncio
from tamias import Agent, Event, InputEvent, OutputEvent, action

class Second(Event):
    number: int

class Mover(Agent):
    @action(InputEvent)
    @staticmethod
    async def first(event, ctx):
        n = (ctx.short_term_memory.get("n") or 0) + 1
        ctx.short_term_memory.set("n", n)
        if event.input % 10 == 0:
            await asyncio.sleep(0.002)
        if event.input % 7 == 0:
            ctx.send_event(Second(number=n))
        else:
            ctx.send_event(OutputEvent(output=[event.input, n]))

    @action(Second)
    @staticmethod
    def second(event, ctx):
        ctx.send_event(OutputEvent(output=[event.number, "second"]))
"""
KEYS = 40
PATIENCE = 60.0
SHARDS = 8


class Moving:
    """The pool; see `moving`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fed = 0
        self.stop = threading.Event()
        self.drained = False
        """Whether not all that was fed has been read."""
        self.pool: Pool | None = None
        self.error: BaseException | None = None
        self.running = threading.Event()

    def feed(self) -> Iterator[dict[str, Any]]:
        """Inputs without an end, until there is one."""
        while not self.stop.is_set():
            yield {"key": f"k{self.fed % KEYS}", "value": self.fed}
            self.fed += 1
            if self.fed % 20 == 0:
                time.sleep(0.001)  # the rest of the machine has work to do, too

    def run(self, workers: int) -> None:
        """The pool's thread."""
        (self.folder / "agent.py").write_text(AGENT)
        spec = AgentSpec(
            "mover",
            target=f"{self.folder / 'agent.py'}:Mover",
            config={"shards": SHARDS},
            on_error="fail",
        )
        job = Job(spec)
        try:
            with (
                python_source(self.feed()) as source,
                job.open_state(self.folder / "state", {}) as state,
            ):
                sink = JsonLinesSink(str(self.folder / "out"), ordered=False, sync=False)
                delivery = CheckpointedDelivery(sink, state.progress)
                delivery.open()
                settings = PoolSettings(slots=workers, window=256, batch=32, handle_signals=False)
                boot = job.boot(state, source.codec, sink.codec)
                self.pool = Pool(boot, source, delivery, state, settings)
                self.running.set()
                try:
                    self.pool.run()
                finally:
                    delivery.close()
        except BaseException as error:  # noqa: BLE001 (raised in the test's own thread)
            self.error = error
            self.running.set()

    def ask(self, command: Command) -> dict[str, Any]:
        """Tell the pool something, and wait for its answer."""
        assert self.pool is not None
        return self.pool.post(command).result(PATIENCE)

    def kill(self, number: int) -> None:
        """SIGKILL one of the workers, counted round."""
        assert self.pool is not None
        pids = [worker.pid for worker in self.pool.status.workers if worker.pid]
        if pids:
            with suppress(ProcessLookupError):
                os.kill(pids[number % len(pids)], signal.SIGKILL)

    def judge(self) -> None:
        """Compare outputs and memory with what an undisturbed run makes of the same inputs."""
        found: dict[str, list[Any]] = {}
        for line in (self.folder / "out").read_text().splitlines():
            record = json.loads(line)
            found.setdefault(record["key"], []).append(record["output"])
        expected: dict[str, list[Any]] = {}
        assert self.pool is not None
        done = self.pool.status.events
        assert done == self.fed or self.drained
        for number in range(done):
            outputs = expected.setdefault(f"k{number % KEYS}", [])
            n = len(outputs) + 1
            outputs.append([n, "second"] if number % 7 == 0 else [number, n])
        assert found == expected
        with StoreReader(self.folder / "state") as reader:
            for key, outputs in expected.items():
                assert reader.memory(key) == {"n": len(outputs)}
            assert reader.journal() == {}


@contextmanager
def moving(folder: Path, workers: int = 2) -> Iterator[Moving]:
    """A pool under load while in the block; at its end all is finished and judged."""
    job = Moving(folder)
    thread = threading.Thread(target=job.run, args=[workers])
    thread.start()
    try:
        assert job.running.wait(PATIENCE)
        yield job
    finally:
        job.stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()
    if job.error is not None:
        raise job.error
    job.judge()
