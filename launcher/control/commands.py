"""The commands of a running pool, and the mailbox for them, which any thread may use.

`Mailbox.post` adds a command and returns a future, which gets the answer (a JSON object) or a
`TamiasError` when the command is done. A `Wakeup` wakes the pool, so an
idle pool needs no polling, and a command is carried out at once.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from ...agent.errors import PoolError
from ...store.wakeup import Wakeup

if TYPE_CHECKING:
    from typing import TypeAlias


class Command:
    """A command to a pool."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Describe(Command):
    """Describe the pool; answered at once with the fields of a `PoolStatus`."""


@dataclass(frozen=True, slots=True)
class Drain(Command):
    """Read no more inputs, finish all that have been read, and end; the job can be resumed."""


@dataclass(frozen=True, slots=True)
class Stop(Command):
    """Finish what is in flight, and end; the job can be resumed. The same as a first SIGTERM."""


@dataclass(frozen=True, slots=True)
class Scale(Command):
    """Change the number of workers; answered when all shards have moved."""

    workers: int


@dataclass(frozen=True, slots=True)
class Swap(Command):
    """Replace the worker of a slot by a fresh one, in a slot of its own, without an interruption.

    It takes over the shards one by one; then the old one ends.
    """

    slot: int


@dataclass(frozen=True, slots=True)
class Reload(Command):
    """Replace all workers by a new generation; answered when it is promoted or rolled back.

    It may change `settings` of the configuration, by key (None removes one); the `target`; the
    whole `environment` (None: no change). The agent's code is read again from disk. `smoke` is a
    file of inputs that the new code must process before it gets real ones. If the only changes are
    options that a running pool can change, they are changed at once, and the workers stay.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    target: str | None = None
    environment: dict[str, Any] | None = None
    smoke: str | None = None


@dataclass(frozen=True, slots=True)
class RecordFiles(Command):
    """Record the files of the agent's code, as soon as it has been imported."""


@dataclass(frozen=True, slots=True)
class Rollback(Command):
    """Roll back the reload that is under way; answered at once."""


@dataclass(frozen=True, slots=True)
class AnswerQuestion(Command):
    """Answer the question that has this token; answered when that is on record.

    `value` is encoded as `codec` says, "json" or "pickle"; `by` names who has answered. `request`
    names the command, if the caller may send it again: it counts once then.
    """

    token: str
    value: bytes
    codec: str = "json"
    by: str | None = None
    request: str = ""


@dataclass(frozen=True, slots=True)
class RetryDeadLetters(Command):
    """Retry dead letters: those with these `numbers`, or those of a `cause`, or else all.

    Answered when all have ended, with the numbers by what has become of them; at once if not
    `wait`.
    """

    numbers: tuple[int, ...] | None = None
    cause: str | None = None
    wait: bool = True


Answer: TypeAlias = "Future[dict[str, Any]]"


class Mailbox:
    """A thread-safe queue of commands; see the module's text."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._commands: list[tuple[Command, Answer]] = []
        self._wakeup = Wakeup()
        self._closed = False
        self._is_woken = False

    def wake(self) -> None:
        """Wake the pool without a command; also from a signal handler."""
        self._is_woken = True
        self._wakeup.wake()

    def post(self, command: Command) -> Answer:
        """Add a command. Thread-safe; also possible before the pool runs."""
        answer: Answer = Future()
        with self._lock:
            if not self._closed:
                self._commands.append((command, answer))
                self._wakeup.wake()
                return answer
        answer.set_exception(ended())
        return answer

    def fileno(self) -> int:
        """Return a descriptor that is readable when there are commands."""
        return self._wakeup.fileno()

    def receive(self) -> list[tuple[Command, Answer]]:
        """Return the commands since the last call, in order; never waits."""
        if not self._commands and not self._is_woken:
            return []
        with self._lock:
            self._is_woken = False
            commands, self._commands = self._commands, []
            self._wakeup.clear()
        return commands

    def close(self) -> None:
        """Refuse further commands; answer the remaining ones with an error."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._wakeup.close()
        for _, answer in self._commands:
            fail(answer, ended())


def fail(answer: Answer, error: BaseException) -> None:
    """Answer with an error, unless the command was answered or cancelled."""
    if not answer.done():
        answer.set_exception(error)


def succeed(answer: Answer, result: dict[str, Any]) -> None:
    """Answer with a result, unless the command was answered or cancelled."""
    if not answer.done():
        answer.set_result(result)


def ended() -> PoolError:
    """Return the error for commands that arrive too late."""
    return PoolError(
        "The pool has ended before it could do that.", hint="Start it again, and repeat it."
    )
