"""The counters of a pool: whatever happens to its workers, none falls; totals are what happened.

A pool without processes: dispatcher, registry and observer are real, and the test speaks for the
workers. They are born, work, report, die, are replaced by those of another generation, and shards
move between them, in any order.
"""

from __future__ import annotations

import json
import tempfile
from array import array
from collections import Counter
from dataclasses import dataclass, field
from math import fsum
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from support.launcher.listening import NoProcesses
from tamias.agent.hooks import Hooks
from tamias.launcher.connection.messages import unpack
from tamias.launcher.dispatch.backoff import Backoff
from tamias.launcher.dispatch.dispatcher import Dispatcher
from tamias.launcher.dispatch.instructions import (
    ReleaseShard,
    SendItems,
    StartWorker,
    StopWorker,
    TakeShard,
)
from tamias.launcher.dispatch.item import Item
from tamias.launcher.dispatch.slot import Phase
from tamias.launcher.hooks import LauncherHook
from tamias.launcher.metrics.process_usage import ProcessUsages
from tamias.launcher.metrics.series import series_of
from tamias.launcher.pool.observer import Observer
from tamias.launcher.workers.registry import WorkerRegistry
from tamias.launcher.workers.starter import Exited, Started
from tamias.store.state.layout import StateLayout
from tamias.worker import wire
from tamias.worker.metering.cells import Cells
from tamias.worker.metrics import WorkerMetrics

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject


SHARDS = 4
ACTIONS = ("first", "second")
KILLED = 9
Sample = tuple[str, tuple[tuple[str, str], ...]]


@dataclass
class FakeWorker:
    """A worker's process: what it has counted, and what of that is not reported yet."""

    slot: int
    incarnation: int
    generation: int
    pid: int
    metrics: WorkerMetrics
    items: list[Item] = field(default_factory=list)
    runs: int = 0
    is_ready: bool = False
    unreported: Counter[tuple[str, ...]] = field(default_factory=Counter)


class Pool(RuleBasedStateMachine):
    """A pool, and what has happened in it as far as the launcher can know."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name)
        (path / "run").mkdir()
        self.now = 1000.0
        self.offset = 0
        self.generation = 0
        self.dispatcher = Dispatcher(
            2, shards=SHARDS, backoff=Backoff(starts=10_000, deaths=10_000), max_attempts=10_000
        )
        self.registry = WorkerRegistry(path)
        self.kernel: dict[int, dict[str, int]] = {}
        self.seen: dict[int, int] = {}
        self.registry.metering.usages = ProcessUsages(self.kernel.get, lambda _: None)
        parts = cast("Any", self)
        hooks: Hooks[LauncherHook] = Hooks(LauncherHook)
        self.observer = Observer(self.dispatcher, parts, parts, parts, None, hooks=hooks)
        self.workers: dict[int, FakeWorker] = {}
        self.born: list[FakeWorker] = []
        self.happened: Counter[tuple[str, ...]] = Counter()
        self.before: dict[Sample, float] = {}
        self.sums: Counter[str] = Counter()
        self.carry_out()

    # What the observer needs of a pool's other parts.
    events = outputs = 0

    @staticmethod
    def fraction() -> None:
        """It is not known how much was read."""

    def teardown(self) -> None:
        """Close what is open."""
        self.registry.close()
        self.folder.cleanup()

    # -- the pool -------------------------------------------------------------------------------

    def carry_out(self) -> None:
        """Do what the dispatcher says, until it has nothing more to say."""
        while True:
            self.now += 10.0
            instructions = self.dispatcher.tick(self.now)
            for instruction in instructions:
                self._carry_out(instruction)
            if not instructions:
                break

    def _carry_out(self, instruction: Any) -> None:
        place = instruction.slot, getattr(instruction, "incarnation", 0)
        if isinstance(instruction, StartWorker):
            if self.registry.current(instruction.slot) is not None:
                self.happened["restart",] += 1
            self.registry.start(instruction, NoProcesses())
            self.dispatcher.started(*place)
            cells = Cells(StateLayout(self.registry.state).counts(instruction.slot))
            metrics = WorkerMetrics(ACTIONS, cells=cells)
            worker = FakeWorker(*place, instruction.generation, 100 + len(self.born), metrics)
            self.workers[worker.slot] = worker
            self.born.append(worker)
            self.kernel[worker.pid] = {"start_ticks": worker.pid, "user_ticks": 0, "threads": 1}
            handle = self.registry.current(worker.slot)
            assert handle is not None
            self.registry.record_start(Started(handle.assignment, worker.pid))
        elif isinstance(instruction, SendItems):
            self.workers[instruction.slot].items += instruction.items
        elif isinstance(instruction, ReleaseShard):
            self.dispatcher.released(*place, instruction.shard)
        elif isinstance(instruction, TakeShard):
            self.dispatcher.taken(*place, instruction.shard, self.now)
        elif isinstance(instruction, StopWorker):
            self.report(self.workers[instruction.slot])
            self.end(self.workers[instruction.slot], 0)
            assert self.dispatcher.phase(instruction.slot) is Phase.RETIRED
            self.registry.remove(instruction.slot)

    def report(self, worker: FakeWorker) -> None:
        """The launcher gets a heartbeat."""
        metrics = worker.metrics
        body = {
            "active": 0,
            "totals": metrics.totals(),
            "failures": {},
            "notices": {},
            "metrics": metrics.snapshot(),
            "measures": metrics.measures.snapshot(worker.runs),
            "gauges": {"lag": 0.5},
            "last": False,
        }
        handle = self.registry.current(worker.slot)
        assert handle is not None
        self.registry.record_heartbeat(handle, unpack(wire.pack(wire.METRICS, body)))
        self.happened += worker.unreported
        worker.unreported.clear()

    def end(self, worker: FakeWorker, status: int) -> None:
        """A worker's process ends; what it has not reported is found."""
        self.happened += worker.unreported
        handle = self.registry.current(worker.slot)
        assert handle is not None
        del self.workers[worker.slot]
        death = self.registry.record_exit(Exited(handle.assignment, worker.pid, status))
        assert death is not None
        if worker.is_ready and status:
            self.happened["death", str(worker.generation)] += 1
        self.dispatcher.died(worker.slot, worker.incarnation, self.now, death)

    def some(self, data: DataObject, *, ready: bool) -> FakeWorker | None:
        """Any worker that is ready, or is not."""
        found = [worker for worker in self.workers.values() if worker.is_ready is ready]
        return data.draw(st.sampled_from(found)) if found else None

    # -- what happens ---------------------------------------------------------------------------

    @rule(count=st.integers(1, 20), shard=st.integers(0, SHARDS - 1))
    def inputs_are_read(self, count: int, shard: int) -> None:
        """The source has some."""
        count = min(count, self.dispatcher.wanted())
        offsets = range(self.offset, self.offset + count)
        self.observer.ages.read(self.offset, self.now)
        self.dispatcher.submit([Item(n, b"k", b"v", (shard + n) % SHARDS) for n in offsets])
        self.offset += count
        self.carry_out()

    @rule(data=st.data())
    def a_worker_becomes_ready(self, data: DataObject) -> None:
        """It has its shards."""
        worker = self.some(data, ready=False)
        if worker is not None:
            worker.is_ready = True
            handle = self.registry.current(worker.slot)
            assert handle is not None
            handle.ready = True
            self.dispatcher.ready(worker.slot, worker.incarnation)
            self.carry_out()

    @rule(
        data=st.data(),
        action=st.sampled_from(ACTIONS),
        most=st.integers(1, 10),
        duration=st.integers(1, 10**10),
        fails=st.booleans(),
    )
    def inputs_are_done(
        self, data: DataObject, action: str, most: int, duration: int, *, fails: bool
    ) -> None:
        """A worker executes some, and commits."""
        worker = self.some(data, ready=True)
        if worker is None or not worker.items:
            return
        done, worker.items = worker.items[:most], worker.items[most:]
        measures, slot = worker.metrics.measures, str(worker.slot)
        is_killed = False
        if fails:
            for _ in done:
                measures.fail_action(action)
                measures.set_aside("exception")
            worker.unreported["failed", action] += len(done)
            self.dispatcher.counters.of(worker.generation).failed += len(done)
            self.happened["failed by", str(worker.generation)] += len(done)
        else:
            words = measures.plain_times(action).words
            words[: len(done)] = memoryview(array("q", [duration] * len(done)))
            if data.draw(st.booleans()):
                measures.take_plain_times(action, len(done))
            else:
                is_killed = True
            worker.unreported["executed", action] += len(done)
            worker.unreported["user", slot] += duration * len(done)
        if is_killed:
            self.end(worker, KILLED)
            self.carry_out()
            return
        measures.count_commit(len(done), 100, duration / 1e9)
        measures.count_call("calls_made", action)
        group = worker.metrics.agent.get_sub_group("mine")
        group.get_counter("orders").inc(len(done))
        group.get_meter("parcels").mark(len(done))
        group.get_histogram("sizes").update(duration)
        worker.unreported["orders",] += len(done)
        worker.unreported["sizes",] += duration
        worker.runs += len(done)
        worker.unreported["runs", slot] += len(done)
        worker.unreported["commits",] += 1
        worker.unreported["calls", action] += 1
        self.happened["done by", str(worker.generation)] += len(done)
        offsets = [item.offset for item in done]
        self.dispatcher.completed(worker.slot, worker.incarnation, offsets)
        self.carry_out()

    @rule(data=st.data(), ticks=st.integers(1, 1000))
    def a_process_uses_time(self, data: DataObject, ticks: int) -> None:
        """The kernel counts it."""
        worker = self.some(data, ready=data.draw(st.booleans()))
        if worker is not None:
            self.kernel[worker.pid]["user_ticks"] += ticks

    @rule(data=st.data())
    def a_worker_reports(self, data: DataObject) -> None:
        """Once a second, say."""
        worker = self.some(data, ready=True)
        if worker is not None:
            self.report(worker)

    @rule(data=st.data())
    def a_worker_dies(self, data: DataObject) -> None:
        """Its inputs come again."""
        worker = self.some(data, ready=data.draw(st.booleans()))
        if worker is not None:
            self.end(worker, KILLED)
            self.carry_out()

    @rule(data=st.data(), shard=st.integers(0, SHARDS - 1))
    def a_shard_moves(self, data: DataObject, shard: int) -> None:
        """To any slot."""
        self.dispatcher.move(shard, data.draw(st.sampled_from(self.dispatcher.slots())))
        self.carry_out()

    @rule(is_reload=st.booleans())
    def all_workers_are_replaced(self, *, is_reload: bool) -> None:
        """By those of another generation, or of the same."""
        if len(self.dispatcher.slots()) != 2 or self.dispatcher.moves.under_way:
            return
        self.generation += is_reload
        old = self.dispatcher.slots()
        new = [self.dispatcher.add_slot(self.generation) for _ in old]
        for shard in range(SHARDS):
            self.dispatcher.move(shard, new[shard % 2])
        for slot in old:
            self.dispatcher.retire(slot)
        self.carry_out()

    # -- what is shown --------------------------------------------------------------------------

    @invariant()
    def no_counter_falls_and_totals_are_what_has_happened(self) -> None:
        """As whoever reads the status sees it."""
        self.now += 10.0
        status = self.observer.update("running", self.generation, self.registry, self.now)
        for worker in self.workers.values():
            self.seen[worker.pid] = self.kernel[worker.pid]["user_ticks"]
        counts, sums = counters(series_of(json.loads(json.dumps(status.to_json()))))
        for sample, value in self.before.items():
            generation = dict(sample[1]).get("generation")
            if generation is None or sample in counts:  # those of long ago are added up
                assert counts[sample] >= value, sample
        for name, value in self.sums.items():
            assert sums[name] >= value, name
        self.before, self.sums = counts, sums
        self._compare(counts, sums)

    def _compare(self, counts: dict[Sample, float], sums: Counter[str]) -> None:
        happened = self.happened

        def shown(name: str, **labels: str) -> float:
            return counts.get((name, tuple(sorted(labels.items()))), 0)

        for action in ACTIONS:
            executed = happened["executed", action]
            assert shown("tamias_action_executions_total", action=action) == executed
            assert shown("tamias_action_seconds count", action=action) == executed
            failed = happened["failed", action]
            assert shown("tamias_action_failures_total", action=action) == failed
            calls = happened["calls", action]
            assert shown("tamias_durable_calls_made_total", action=action) == calls
        assert shown("tamias_commit_seconds count") == happened["commits",]
        orders = happened["orders",]
        assert shown("tamias_agent_number", metric="mine.orders") == orders
        assert shown("tamias_agent_meter_total", metric="mine.parcels") == orders
        assert shown("tamias_agent_histogram sum", metric="mine.sizes") == happened["sizes",]
        assert shown("tamias_agent_histogram count", metric="mine.sizes") == happened["commits",]
        for slot in {str(worker.slot) for worker in self.born}:
            assert shown("tamias_worker_runs_total", worker=slot) == happened["runs", slot]
            user = shown("tamias_worker_user_code_seconds_total", worker=slot)
            assert user == happened["user", slot] / 1e9
            ticks = [
                self.seen[w.pid] for w in self.born if str(w.slot) == slot if w.pid in self.seen
            ]
            used = shown("tamias_worker_cpu_seconds_total", worker=slot, mode="user")
            assert used == sum(ticks) / 100
        assert sums["tamias_worker_restarts_total"] == happened["restart",]
        for name, what in (("inputs", "done by"), ("failed", "failed by"), ("deaths", "death")):
            total = sum(count for key, count in happened.items() if key[0] == what)
            assert sums[f"tamias_generation_{name}_total"] == total


def counters(series: list[dict[str, Any]]) -> tuple[dict[Sample, float], Counter[str]]:
    """All that must not fall: counters, and the counts and sums of histograms; and sums by name.

    Those of the agent are only incremented here.
    """
    found: dict[Sample, float] = {}
    parts: dict[str, list[float]] = {}
    for family in series:
        for labels, value in family["samples"]:
            place = tuple(sorted(labels.items()))
            if family["type"] == "counter" or family["name"] == "tamias_agent_number":
                found[family["name"], place] = value
                parts.setdefault(family["name"], []).append(value)
            elif family["type"] == "histogram":
                found[f"{family['name']} count", place] = value["count"]
                found[f"{family['name']} sum", place] = value["sum"]
                for bound, count in value["buckets"].items():
                    found[f"{family['name']} {bound}", place] = count
    return found, Counter({name: fsum(values) for name, values in parts.items()})


TestPool = Pool.TestCase
TestPool.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
