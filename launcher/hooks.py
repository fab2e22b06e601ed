"""Hooks of the launcher: small classes that are called when something happens to a pool.

A hook derives from `LauncherHook` and overrides what it is interested in; how hooks are found, and
what becomes of their errors, is in `agent/hooks.py`. All methods are called by the thread that the
pool runs in, between other things: they should be quick, and may not block. Everything here is
called at most a few times a second, never once per input.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..agent.hooks import Hooks, load_hooks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HOOK_GROUP: Final = "tamias.launcher_hooks"
"""The group of entry points in which installed packages offer hooks."""

_POOL_LOG: Final = logging.getLogger("tamias.pool")
_RELOAD_LOG: Final = logging.getLogger("tamias.reload")


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """One worker process."""

    slot: int
    incarnation: int
    """The slot's first worker has 1, each successor one more."""
    generation: int
    """The code and configuration that it runs."""
    pid: int


@dataclass(frozen=True, slots=True)
class WorkerExit:
    """How a worker ended."""

    text: str
    """In words, as in the pool's log."""
    signal: int | None
    exit_code: int | None
    killed_for: str
    """Why the pool has killed it, as "timeout" or "memory"; empty if it has not."""
    suspect: int | None
    """Offset of the input that it was executing, as far as is known."""
    expected: bool
    """Whether it had been told to end, or the whole pool is about to."""


class LauncherHook:
    """What happens to a pool. All methods do nothing: override what is of interest."""

    def pool_started(self, state: Path, workers: int) -> None:
        """The pool begins to work, with so many workers to be started."""

    def pool_stopping(self) -> None:
        """The workers are told to end."""

    def pool_ended(self, outcome: str) -> None:
        """The pool has ended: "finished", "interrupted" (resumably) or "failed"."""

    def worker_born(self, worker: WorkerInfo) -> None:
        """A worker's process exists."""

    def worker_ready(self, worker: WorkerInfo) -> None:
        """A worker has its shards and is about to get inputs."""

    def worker_gone(self, worker: WorkerInfo, exit_: WorkerExit) -> None:
        """A worker has ended, or does not count any more because it cannot be killed.

        Not called for workers that are killed with the pool.
        """

    def shard_moved(self, shard: int, source: int, target: int, pause: float) -> None:
        """A shard has moved from one slot to another; its inputs waited for `pause` seconds."""

    def checkpoint_saved(self, events: int, outputs: int, seconds: float) -> None:
        """A checkpoint is saved; both counts are over all lives of the job."""

    def reload_stage(self, generation: int, stage: str, reason: str) -> None:
        """A reload to this generation has come to a stage.

        `reason` is why it is rolled back; empty as long as it is not. The last stage is "over".
        """

    def dead_letters(self, causes: Mapping[str, int]) -> None:
        """Inputs have failed for good, so many by cause.

        They are set aside as dead letters, or passed over with `on-error=ignore`. The cause is that
        of the dead letter where the launcher has decided ("crash", "timeout", "memory",
        "bad-input"), and "failed" where the worker has.
        """

    def noticed(self, text: str) -> None:
        """A worker has noticed a probable mistake of the agent, the first time in this pool."""

    def degraded(self, why: str) -> None:
        """Workers fail too often and restarts wait; `why` is empty when that is over."""

    def status_sampled(self, status: Mapping[str, Any]) -> None:
        """The status was brought up to date: the object that is written to `status.json`."""


class LoggingHook(LauncherHook):
    """Writes what operators have to know to the log."""

    def worker_gone(self, worker: WorkerInfo, exit_: WorkerExit) -> None:
        """As `LauncherHook.worker_gone`."""
        if not exit_.expected:
            _POOL_LOG.warning("worker %d (pid %d) %s", worker.slot, worker.pid, exit_.text)

    def noticed(self, text: str) -> None:
        """As `LauncherHook.noticed`."""
        _POOL_LOG.warning("%s", text)

    def degraded(self, why: str) -> None:
        """As `LauncherHook.degraded`."""
        if why:
            _POOL_LOG.warning("the pool is degraded: %s; restarts wait", why)
        else:
            _POOL_LOG.warning("the pool is not degraded any more")

    def reload_stage(self, generation: int, stage: str, reason: str) -> None:
        """As `LauncherHook.reload_stage`."""
        if stage == "over" and reason:
            _RELOAD_LOG.warning("generation %d was rolled back: %s", generation, reason)
        _RELOAD_LOG.info("generation %d: %s", generation, stage)


def logging_only() -> Hooks[LauncherHook]:
    """The hooks of a pool without configured or installed ones."""
    return Hooks(LauncherHook, [LoggingHook()])


def load_launcher_hooks(names: str) -> Hooks[LauncherHook]:
    """The hooks of a pool: the log, those of installed packages, those that are named.

    Raises:
        ConfigError: one of `names` cannot be made.
    """
    return load_hooks(LauncherHook, HOOK_GROUP, names, first=[LoggingHook()])
