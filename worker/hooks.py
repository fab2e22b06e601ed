"""Hooks of a worker: small classes that are called when something happens to a run.

A hook derives from `WorkerHook` and overrides the methods it is interested in. How hooks are found,
and how their errors are handled, is in `agent/hooks.py`. Their classes are imported before workers
are forked; each worker makes its own objects after the fork.

Methods are called by the thread on which the event happens: the event loop's, or that of a plain
function that runs on a thread. They must be quick and must not block. What was reported may happen
again after a crash, until it is committed.

An agent with one plain action per input runs on a shorter path while no hook listens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from ..store.encoding.keys import decode_key
from ..store.records.offsets import offset_of, retries_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from ..agent.event import Event

    HookClasses: TypeAlias = tuple[Sequence[type["WorkerHook"]], int]

HOOK_GROUP: Final = "tamias.worker_hooks"
"""The group of entry points in which installed packages offer hooks."""

Outcome = Literal["retry", "dead-letter", "ignore", "fail"]
"""What follows a failed attempt: another one, or what `on-error` says."""


class RunInfo:
    """One run, as hooks see it."""

    __slots__ = ("_key", "attempt", "number")

    def __init__(self, number: int, key: bytes, attempt: int) -> None:
        self.number = number
        """The input's offset and its retry (`store.records.offsets`)."""
        self._key = key
        self.attempt = attempt
        """1 for the first attempt of this worker, one more for each further one."""

    @property
    def offset(self) -> int:
        """The input's position in the source."""
        return offset_of(self.number)

    @property
    def retry(self) -> int:
        """How often the input was retried from the dead letters before."""
        return retries_of(self.number)

    @property
    def key(self) -> Any:
        """The input's key."""
        return decode_key(self._key)

    def __repr__(self) -> str:
        return f"<Run of input {self.offset}, key {self.key!r}, attempt {self.attempt}>"


class WorkerHook:
    """Base class of a worker's hooks. All methods do nothing: override those of interest."""

    def worker_started(self, slot: int, generation: int) -> None:
        """The worker owns its shards, and is about to get inputs."""

    def worker_stopping(self) -> None:
        """The worker has finished its runs, and is about to end."""

    def run_begun(self, run: RunInfo) -> None:
        """An attempt at a run begins, or a run that another worker has begun goes on."""

    def run_ended(self, run: RunInfo, outputs: int) -> None:
        """A run has succeeded with this number of outputs; it is about to be committed."""

    def run_suspended(self, run: RunInfo, until: float) -> None:
        """A run leaves the worker until a moment, in seconds since the epoch; infinity: an answer.

        It goes on with `run_begun`, perhaps in another worker.
        """

    def run_failed(self, run: RunInfo, error: BaseException, outcome: Outcome) -> None:
        """An attempt has failed; `outcome` is what follows."""

    def action_begun(self, run: RunInfo, action: str, event: Event) -> None:
        """An action is called, or its coroutine is started."""

    def action_ended(self, run: RunInfo, action: str, error: BaseException | None) -> None:
        """An action has returned, or raised `error`."""

    def call_made(
        self, run: RunInfo, name: str, fingerprint: bytes, seconds: float, error: Exception | None
    ) -> None:
        """A durable call was made, and its outcome is about to be recorded.

        The fingerprint stands for the function and its arguments: it is the same where the same
        call is made again or replayed, in any process.
        """

    def call_replayed(self, run: RunInfo, name: str, fingerprint: bytes) -> None:
        """A durable call was answered from its record."""

    def committed(self, runs: int, shards: int, written: int, seconds: float) -> None:
        """A group was committed: runs that have ended, of some shards, in one transaction each.

        `written` is the number of bytes in its records: memory, journal, outbox, dead letters.
        """
