"""What the benchmarks measure of pools, one function each; `probe.py` makes one line of each."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import psutil
from woken_source import WokenSource

from agents import Counter
from tamias import AgentsExecutionEnvironment
from tamias.launcher.connection.listening import listen
from tamias.launcher.delivery.checkpointed import CheckpointedDelivery
from tamias.launcher.jobs.agent_spec import AgentSpec
from tamias.launcher.jobs.file_job import JobSpec, run_file_job
from tamias.launcher.jobs.job import Job
from tamias.launcher.sinks.collect import CollectSink
from tamias.launcher.sources.factory import python_source
from tamias.launcher.workers.starter import Exited
from tamias.launcher.workers.zygote import ZygoteStarter
from tamias.store.encoding.keys import encode_key, key_prefix, shard_of
from tamias.store.encoding.values import dumps
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.worker import wire
from tamias.worker.process.boot import Assignment, pack_agent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tamias.launcher.connection.transport import WorkerTransport
    from tamias.launcher.delivery.source import Record, Source
    from tamias.store.records.outbox import Outputs

HERE = Path(__file__).parent
TARGET = f"{HERE / 'agents.py'}:Counter"


def inputs(events: int, keys: int) -> Iterator[dict[str, Any]]:
    """The same inputs as the minimal pool's."""
    for offset in range(events):
        yield {"key": f"key-{offset % keys}", "value": f"hello world {offset}"}


@dataclass(frozen=True)
class Spent:
    """What a job took: wall seconds, and CPU seconds of the launcher and of all other processes."""

    seconds: float
    launcher: float
    workers: float


def _spent(job: Callable[[], None]) -> Spent:
    before, others, began = time.process_time(), _cpu_of_children(), time.perf_counter()
    job()
    seconds = time.perf_counter() - began
    return Spent(seconds, time.process_time() - before, _cpu_of_children() - others)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def list_to_list(events: int, *, keys: int, workers: int) -> Spent:
    """What `execute()` takes: list in, list out, start of the pool included."""
    environment = AgentsExecutionEnvironment.get_execution_environment()
    environment.get_config().set_int("workers", workers)
    outputs = environment.from_list(list(inputs(events, keys))).apply(Counter()).to_list()
    spent = _spent(environment.execute)
    if len(outputs) != events:
        raise RuntimeError(f"{len(outputs)} outputs for {events} inputs")
    return spent


def file_to_file(events: int, *, keys: int, workers: int) -> Spent:
    """What a job from JSON lines to JSON lines takes, start of the pool included."""
    with tempfile.TemporaryDirectory(prefix="tamias-bench-") as folder:
        source = Path(folder) / "in.jsonl"
        with source.open("w") as lines:
            for record in inputs(events, keys):
                lines.write(json.dumps(record) + "\n")
        spec = _file_job(Path(folder), source, TARGET, workers)
        return _run_files(spec, events)


def flights(events: int, *, workers: int) -> Spent:
    """The same of the first rows of the flights example: two or three actions a run, durable calls.

    The rows are fetched once, by the example's own `prepare.py`.
    """
    example = HERE.parent.parent / "examples" / "flights"
    subprocess.run([sys.executable, example / "prepare.py"], check=True, stdout=subprocess.DEVNULL)
    os.environ["FLIGHTS_DATA"] = str(example / "data")
    with tempfile.TemporaryDirectory(prefix="tamias-bench-") as folder:
        source = Path(folder) / "in.csv"
        with (example / "data" / "flights.csv").open() as rows, source.open("w") as some:
            some.writelines(itertools.islice(rows, events + 1))  # the header comes first
        target = f"{example / 'agent.py'}:FlightsAgent"
        spec = _file_job(Path(folder), source, target, workers, key="tailnum")
        return _run_files(spec, events)


def _file_job(
    folder: Path, source: Path, target: str, workers: int, *, key: str | None = None
) -> JobSpec:
    return JobSpec(
        target=target,
        input=str(source),
        output=str(folder / "out.jsonl"),
        key=key,
        config={"workers": workers},
    )


def _run_files(spec: JobSpec, events: int) -> Spent:
    reports = []
    state = Path(spec.output).with_name("state")
    spent = _spent(lambda: reports.append(run_file_job(spec, state)))
    if reports[0].outputs < events:
        raise RuntimeError(f"{reports[0].outputs} outputs for {events} inputs")
    return spent


class _OneAtATime(WokenSource):
    """Gives an input when the output of the one before has arrived."""

    def __init__(self, count: int, keys: int) -> None:
        super().__init__()
        self._left = count
        self._keys = [encode_key(f"key-{number}") for number in range(keys)]
        self.trips: list[float] = []
        self._sent = 0.0
        self.wake()

    def read(self, limit: int) -> list[Record]:
        del limit
        if not self.wakes():
            return []
        if not self._left:
            self.exhausted = True
            return []
        self._left -= 1
        self._offset += 1
        self._sent = time.perf_counter()
        return [(self._keys[self._offset % len(self._keys)], dumps("hello"), None)]

    def arrived(self) -> None:
        """The output is here."""
        self.trips.append((time.perf_counter() - self._sent) * 1e6)
        self.wake()


class _Echo(CollectSink):
    """Tells the source of each output."""

    def __init__(self, source: _OneAtATime) -> None:
        super().__init__()
        self._source = source

    def write(self, outputs: Outputs, fresh: Sequence[int]) -> Sequence[int]:
        delivered = super().write(outputs, fresh)
        self._source.arrived()
        return delivered


def _run(source: Source, sink: CollectSink, folder: str, **options: Any) -> None:
    job = _job(options)
    with job.open_state(Path(folder) / "state", {}) as state:
        job.run(state, source, CheckpointedDelivery(sink, state.progress))


def _job(options: dict[str, Any]) -> Job:
    agent = pack_agent(Counter(), {})
    return Job(
        AgentSpec("bench", pickled=agent, config=options, on_error="fail", sys_path=sys.path)
    )


def round_trips(count: int, keys: int, workers: int, **options: Any) -> list[float]:
    """Microseconds from reading a single input to having its committed output, sorted."""
    source = _OneAtATime(count, keys)
    with tempfile.TemporaryDirectory(prefix="tamias-bench-") as folder:
        _run(source, _Echo(source), folder, workers=workers, **options)
    return sorted(source.trips[count // 10 :])


def recovery(kills: int) -> list[float]:
    """Milliseconds from SIGKILL of the only worker to the next committed output, sorted."""
    gaps: list[float] = []
    arrivals: list[float] = []

    class Watched(CollectSink):
        def write(self, outputs: Outputs, fresh: Sequence[int]) -> Sequence[int]:
            arrivals.append(time.perf_counter())
            return super().write(outputs, fresh)

    stop = threading.Event()

    def forever() -> Iterator[dict[str, Any]]:
        offset = 0
        while not stop.is_set():
            yield {"key": f"key-{offset % 100}", "value": offset}
            offset += 1

    def attack() -> None:
        me = psutil.Process()
        while len(arrivals) < 5:
            time.sleep(0.05)
        for _ in range(kills):
            time.sleep(0.3)
            worker = next(
                process
                for process in me.children(recursive=True)
                if process.cmdline()[:1] and process.cmdline()[0].startswith("tamias worker")
            )
            os.kill(worker.pid, signal.SIGKILL)
            began = time.perf_counter()
            while not arrivals or arrivals[-1] < began + 0.002:
                time.sleep(0.0005)
            first = next(arrival for arrival in arrivals if arrival > began + 0.002)
            gaps.append((first - began) * 1e3)
            arrivals.clear()
        stop.set()

    attacker = threading.Thread(target=attack)
    attacker.start()
    with tempfile.TemporaryDirectory(prefix="tamias-bench-") as folder:
        _run(python_source(forever()), Watched(), folder, workers=1)
    attacker.join()
    return sorted(gaps)


def fresh_interpreter(times: int) -> list[float]:
    """Milliseconds until a fresh interpreter has imported what a worker needs and the agent."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\nimport tamias.worker.process.worker, agents"
    )
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code, str(HERE)], check=True)
        taken.append((time.perf_counter() - began) * 1e3)
    return sorted(taken)


def zygote_start(times: int) -> tuple[list[float], list[float]]:
    """What a worker from the zygote costs.

    Returns milliseconds from asking for one until it is ready for inputs (leases held, stores
    open), and its own memory (USS) in MiB then; both sorted.
    """
    taken: list[float] = []
    own: list[float] = []
    with tempfile.TemporaryDirectory(prefix="tamias-bench-") as folder, ExitStack() as stack:
        job = _job({})
        with job.open_state(Path(folder) / "state", {}) as state:
            (state.path / "run").mkdir()
            boot = job.boot(state, python_source([]).codec, CollectSink().codec)
            transport = listen(boot.address, stack, [os.getuid()])
            starter = ZygoteStarter(boot, subprocess.DEVNULL)
            shards = list(range(0, boot.shards, 2))
            for incarnation in range(times + 1):
                began = time.perf_counter()
                starter.start(Assignment(0, incarnation, token_hex(16), shards))
                identity, message = _ready(transport)
                if incarnation:  # the first one has to wait for the zygote itself
                    taken.append((time.perf_counter() - began) * 1e3)
                    own.append(psutil.Process(wire.unpack(message)["pid"]).memory_full_info().uss)
                transport.send(identity, wire.STOP)
                while not any(isinstance(event, Exited) for event in starter.poll()):
                    time.sleep(0.001)
            starter.close()
    return sorted(taken), sorted(size / 2**20 for size in own)


def _ready(transport: WorkerTransport) -> tuple[bytes, bytes]:
    """The identity of the next worker that is ready, and its message."""
    while True:
        transport.wait(1.0, [])
        for identity, message in transport.receive():
            if isinstance(message, bytes) and message[:1] == wire.READY:
                return identity, message


def launcher_peak(events: int) -> float:
    """Peak MiB of a launcher that streams `events` inputs from a generator to a file."""
    code = (
        "import sys, resource, tempfile\n"
        "from pathlib import Path\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "import measures\n"
        "measures.file_to_file(int(sys.argv[2]), keys=1000, workers=2)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(HERE), str(events)])
    peak = 0.0
    while process.poll() is None:
        with contextlib.suppress(psutil.Error):
            peak = max(peak, psutil.Process(process.pid).memory_info().rss / 2**20)
        time.sleep(0.02)
    return peak


def open_large_store(fields: int) -> float:
    """Seconds to open a store of so many memory fields and read one of them."""
    with tempfile.TemporaryDirectory(prefix="tamias-bench-") as folder:
        job = _job({})
        state = job.open_state(Path(folder) / "state", {})
        shards = state.manifest.shards
        batches: dict[int, Batch] = {}
        writers = {
            number: Shard.acquire(state.layout.shard(number), number) for number in range(shards)
        }
        value = dumps(1)
        per_key = 1000
        for number in range(fields // per_key):
            key = encode_key(f"key-{number}")
            shard = shard_of(key, shards)
            batch = batches.setdefault(shard, Batch())
            prefix = key_prefix(key)
            for field in range(per_key):
                batch.put_field(prefix, f"field-{field:04d}", value)
            if len(batch.memory) >= 200_000:
                writers[shard].commit(batches.pop(shard))
        for shard, batch in batches.items():
            writers[shard].commit(batch)
        for writer in writers.values():
            writer.close()
        state.close()
        began = time.perf_counter()
        again = job.open_state(Path(folder) / "state", {})
        opened = [Shard.acquire(again.layout.shard(number), number) for number in range(shards)]
        key = encode_key("key-1")
        if opened[shard_of(key, shards)].field(key_prefix(key), "field-0001") != value:
            raise RuntimeError("the store has lost a field")
        seconds = time.perf_counter() - began
        for writer in opened:
            writer.close()
        again.close()
        return seconds
