"""Hooks of a launcher for tests: one that records what it sees, one that raises everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from tamias.launcher.hooks import LauncherHook

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tamias.launcher.hooks import WorkerExit, WorkerInfo


class Recorder(LauncherHook):
    """Records every call, as a tuple that begins with the method's name."""

    seen: ClassVar[list[tuple[Any, ...]]] = []

    def pool_started(self, state: Path, workers: int) -> None:
        self.seen.append(("pool_started", workers))

    def pool_stopping(self) -> None:
        self.seen.append(("pool_stopping",))

    def pool_ended(self, outcome: str) -> None:
        self.seen.append(("pool_ended", outcome))

    def worker_born(self, worker: WorkerInfo) -> None:
        self.seen.append(("worker_born", worker))

    def worker_ready(self, worker: WorkerInfo) -> None:
        self.seen.append(("worker_ready", worker))

    def worker_gone(self, worker: WorkerInfo, exit_: WorkerExit) -> None:
        self.seen.append(("worker_gone", worker, exit_))

    def shard_moved(self, shard: int, source: int, target: int, pause: float) -> None:
        self.seen.append(("shard_moved", shard, source, target, pause))

    def checkpoint_saved(self, events: int, outputs: int, seconds: float) -> None:
        self.seen.append(("checkpoint_saved", events, outputs, seconds))

    def reload_stage(self, generation: int, stage: str, reason: str) -> None:
        self.seen.append(("reload_stage", generation, stage, reason))

    def dead_letters(self, causes: Mapping[str, int]) -> None:
        self.seen.append(("dead_letters", dict(causes)))

    def degraded(self, why: str) -> None:
        self.seen.append(("degraded", why))

    def status_sampled(self, status: Mapping[str, Any]) -> None:
        self.seen.append(("status_sampled", status["phase"]))


def _raise(self: object, *arguments: object) -> None:
    raise RuntimeError("no")


METHODS = [name for name in vars(LauncherHook) if not name.startswith("_")]
Evil = type("Evil", (LauncherHook,), dict.fromkeys(METHODS, _raise))
