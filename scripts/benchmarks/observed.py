"""What a pool costs with all that looks at it by default, and without: CPU time and memory.

On: metrics, the profile that is always taken, and the event log, as they are by default. Off: no
profile, no log, and metrics replaced by functions that do nothing (`unmeasured.py`). In between:
metrics with one of the others, or alone (`quiet`).
"""

from __future__ import annotations

import importlib
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil
from measures import HERE, TARGET
from woken_source import WokenSource

from tamias.launcher.delivery.checkpointed import CheckpointedDelivery
from tamias.launcher.jobs.agent_spec import AgentSpec
from tamias.launcher.jobs.job import Job
from tamias.launcher.sinks.collect import CollectSink
from tamias.launcher.workers import procfs
from tamias.store.encoding.keys import encode_key
from tamias.store.encoding.values import dumps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tamias.launcher.delivery.source import Record
    from tamias.store.records.outbox import Outputs

OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "on": {},
    "profile": {"event-log.level": "OFF"},
    "log": {"profile-rate": 0},
    "quiet": {"profile-rate": 0, "event-log.level": "OFF"},
}
"""Options of the job, by what is on besides metrics."""
WARM: Final = 20_000
KEYS: Final = 1000
PATIENCE: Final = 300.0


class _Paced(WokenSource):
    """A source of inputs up to a limit, which is raised until the source is ended."""

    def __init__(self) -> None:
        super().__init__()
        self._keys = [encode_key(f"key-{number}") for number in range(KEYS)]
        self._value = dumps("hello world")
        self._allowed = 0

    def allow(self, inputs: int) -> None:
        """Give so many in all."""
        self._allowed = inputs
        self.wake()

    def end(self) -> None:
        """Give no more."""
        self.exhausted = True
        self.wake()

    def read(self, limit: int) -> list[Record]:
        """As `Source.read`."""
        first = self._offset
        self._offset = min(self._allowed, first + limit)
        keys, value = self._keys, self._value
        return [(keys[n % KEYS], value, None) for n in range(first, self._offset)]


class _Counted(CollectSink):
    """Tells when there have been so many."""

    def __init__(self) -> None:
        super().__init__()
        self._seen = self._wanted = 0
        self._reached = threading.Event()

    def write(self, outputs: Outputs, fresh: Sequence[int]) -> Sequence[int]:
        """As `Sink.write`."""
        delivered = super().write(outputs, fresh)
        self._seen += len(fresh)
        if self._seen >= self._wanted:
            self._reached.set()
        return delivered

    def wait(self, outputs: int) -> None:
        """Wait until there have been so many."""
        self._wanted = outputs
        if self._seen < outputs:
            self._reached.clear()
            if self._seen < outputs and not self._reached.wait(PATIENCE):
                raise RuntimeError(f"{self._seen} outputs of {outputs}")


def observed(*, how: str, events: int, workers: int) -> dict[str, float]:
    """CPU seconds per 100,000 inputs once the pool runs, of all processes, and memory of a worker.

    `how` is off, or one of `OPTIONS`.
    """
    target = TARGET
    if how == "off":
        importlib.import_module("unmeasured")
        target = f"{HERE / 'unmeasured.py'}:Counter"
    options: dict[str, Any] = {"workers": workers, **OPTIONS.get(how, OPTIONS["quiet"])}
    job = Job(AgentSpec("observed", target=target, config=options, on_error="fail"))
    source, sink = _Paced(), _Counted()
    found: dict[str, float] = {}
    errors: list[BaseException] = []

    def measure() -> None:
        try:
            source.allow(WARM)
            sink.wait(WARM)
            before = _spent()
            source.allow(WARM + events)
            sink.wait(WARM + events)
            after = _spent()
            own = [procfs.memory(worker.pid) / 2**20 for worker in _children("tamias worker")]
            for name, seconds in after.items():
                found[name] = (seconds - before[name]) / events * 1e5
            found["MiB"] = statistics.median(own)
        except BaseException as error:  # noqa: BLE001 (raised where the job has ended)
            errors.append(error)
        finally:
            source.end()

    with (
        tempfile.TemporaryDirectory(prefix="tamias-bench-") as folder,
        job.open_state(Path(folder) / "state", {}) as state,
    ):
        thread = threading.Thread(target=measure)
        thread.start()
        job.run(state, source, CheckpointedDelivery(sink, state.progress))
        thread.join()
    if errors:
        raise errors[0]
    return found


def _children(name: str) -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if child.cmdline()[:1][0].startswith(name)]


def _spent() -> dict[str, float]:
    """CPU seconds of the launcher, of the workers, and of both."""
    launcher = time.process_time()
    workers = sum(_cpu_of(worker.pid) for worker in _children("tamias worker"))
    return {"launcher": launcher, "workers": workers, "cpu": launcher + workers}


def _cpu_of(pid: int) -> float:
    """CPU seconds of a process with all its threads: the kernel has a clock of it."""
    return time.clock_gettime((~pid << 3) | 2)
