"""Every error that tamias raises on purpose, in one tree.

A reader of an error wants three things: what happened, what to do, and (for a script) an exit
code. So every class carries ``exit_code``, the code the command line ends with, and every instance
a message, plus an optional ``hint`` that says what to do when the message alone does not. What a
user's own code raises is never wrapped silently: it reaches the caller as `AgentFailedError` with
the original traceback as text, because the exception itself may not survive the trip between two
processes.

All of them survive pickling: ``args`` holds the message and everything else has a default, so the
class can be rebuilt from ``args`` and the rest comes back with ``__dict__``.
"""

from __future__ import annotations

from .naming.public import public

__all__ = [
    "ActionResultError",
    "AgentDefinitionError",
    "AgentFailedError",
    "AnswerError",
    "BridgeError",
    "ConfigError",
    "DivergenceError",
    "DurableCallError",
    "EnvironmentSetupError",
    "EnvironmentUseError",
    "FencedError",
    "ForeignStoreError",
    "InputError",
    "JavaCallError",
    "JavaTimeoutError",
    "JvmError",
    "LeaseHeldError",
    "MemoryAccessError",
    "MemorySetError",
    "MissingExtraError",
    "PoolError",
    "ReloadError",
    "ResourceNotFoundError",
    "RunError",
    "RunTimeoutError",
    "ServiceError",
    "ServiceTimeoutError",
    "StoreCorruptError",
    "StoreError",
    "StoreFormatError",
    "StoreFullError",
    "StoreLockedError",
    "StoreUnwritableError",
    "SubmissionFailedError",
    "TamiasError",
    "TargetError",
    "TimerError",
    "TriggerConditionError",
    "UnserializableError",
    "UsageError",
    "WaitTimeoutError",
    "WorkerStartError",
]


@public
class TamiasError(Exception):
    """Base of all errors of tamias.

    ``message`` says what happened; ``hint``, when not empty, what to do. ``str()`` gives both.
    """

    exit_code: int = 1
    is_outcome: bool = False
    """Whether it is what came of a call, as an exception of the user's is, and not about tamias: a
    durable call that raises it is done, and on record."""
    is_temporary: bool = False
    """Whether another attempt may succeed without a change of the code or the input."""

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def message(self) -> str:
        """What happened, without the hint."""
        return str(self.args[0]) if self.args else ""

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


# ------------------------------------------------------------------ what the user can put right


@public
class UsageError(TamiasError):
    """Something the user wrote or typed cannot work as it stands."""

    exit_code = 2


@public
class ConfigError(UsageError, ValueError):
    """A configuration value is of the wrong type, out of range, or its name is mistyped."""


@public
class AgentDefinitionError(UsageError, ValueError):
    """An agent, one of its actions or one of its resources is declared in a way that cannot run."""


@public
class ResourceNotFoundError(AgentDefinitionError, KeyError):
    """The agent has no resource of that type and name."""


@public
class TargetError(UsageError, ValueError):
    """The agent named on the command line cannot be imported, or is not an agent."""


@public
class InputError(UsageError):
    """A source cannot be read, has changed since the last run, or holds a key of no stable form."""


@public
class MissingExtraError(UsageError):
    """A feature needs a package that is not installed; the message names the ``pip install``."""


@public
class EnvironmentUseError(UsageError, RuntimeError):
    """An execution environment is used in a way, or an order, that cannot be: twice, too early."""


@public
class EnvironmentSetupError(UsageError):
    """A Python environment for workers cannot be made, or does not work."""


# ------------------------------------------------------------------ the store


@public
class StoreError(TamiasError):
    """The state directory cannot be used."""

    exit_code = 2


@public
class StoreFormatError(StoreError):
    """The store was written by a newer version, or is not a store of tamias."""


@public
class ForeignStoreError(StoreError):
    """The store belongs to another agent."""


@public
class StoreLockedError(StoreError):
    """Another launcher has the state directory open."""


@public
class StoreUnwritableError(StoreError):
    """The store is on a read-only file system, or permissions forbid to write it."""


@public
class StoreFullError(StoreError):
    """The disk, or the map of the store, has no room left."""

    exit_code = 1


@public
class StoreCorruptError(StoreError):
    """The store holds bytes that it cannot have written."""


@public
class FencedError(StoreError):
    """Another process took the shard over: this writer's epoch is past, nothing was written."""


@public
class LeaseHeldError(StoreError):
    """The write lease of a shard is held by a living process."""


# ------------------------------------------------------------------ a run


@public
class RunError(TamiasError):
    """A run, that is one input and every action it causes, could not be finished."""


@public
class AgentFailedError(RunError):
    """An action let an exception out, and the strategy for it is ``fail``.

    ``user_traceback`` is the traceback of the action as text, ``offset`` the position of the input
    and ``key`` its key.
    """

    def __init__(
        self,
        message: str = "",
        *,
        hint: str = "",
        user_traceback: str = "",
        offset: int | None = None,
        key: object = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.user_traceback = user_traceback
        self.offset = offset
        self.key = key

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}\n\n{self.user_traceback.rstrip()}" if self.user_traceback else text


@public
class ActionResultError(RunError, TypeError):
    """An action returned what it should have sent (an event) or awaited (a coroutine)."""


@public
class TriggerConditionError(RunError, ValueError):
    """A condition of an action cannot be evaluated for an event, and the strategy is ``FAIL``."""


@public
class RunTimeoutError(RunError):
    """A run took longer than ``run-timeout``."""

    @classmethod
    def after(cls, limit: float) -> RunTimeoutError:
        """The error for a limit in seconds."""
        return cls(f"the run took longer than the run-timeout of {limit:g} s")


@public
class DurableCallError(RunError):
    """A durable call could not be recorded or replayed."""


@public
class DivergenceError(DurableCallError):
    """A replayed action made another durable call than the recorded one.

    ``recorded_by`` is the generation of the code that made the record, ``replayed_by`` that of the
    code which diverged from it. Where they are the same, the action is not deterministic.
    """

    def __init__(
        self, message: str = "", *, hint: str = "", recorded_by: int = 0, replayed_by: int = 0
    ) -> None:
        super().__init__(message, hint=hint)
        self.recorded_by = recorded_by
        self.replayed_by = replayed_by

    @property
    def is_between_generations(self) -> bool:
        """Whether other code made the record: the same attempt would end in the same way."""
        return self.recorded_by != self.replayed_by


@public
class MemoryAccessError(RunError, ValueError):
    """Memory was used in a way it does not allow: a bad path, or from inside a durable call."""


@public
class MemorySetError(RunError, ValueError):
    """A memory set cannot have this item, vector, id or setting, or has no such item."""


@public
class UnserializableError(RunError):
    """A value that has to leave the process, or to be stored, cannot be pickled."""


@public
class TimerError(RunError, ValueError):
    """A wait, or a timer, cannot be: a negative duration, two timers of one id, ...."""


@public
class WaitTimeoutError(RunError, TimeoutError):
    """Nobody has answered within the ``timeout`` of ``ctx.wait_for``."""

    is_on_record: bool = False
    """Whether each other attempt of the run would find the same."""


@public
class AnswerError(UsageError, LookupError):
    """An answer is to no question that waits: unknown, answered already, too late."""


# ------------------------------------------------------------------ the pool


@public
class PoolError(TamiasError):
    """The pool of workers cannot do its work."""


@public
class WorkerStartError(PoolError):
    """Workers do not start, or keep dying for a reason that no input explains."""


class ReloadError(PoolError):
    """A reload was refused, or rolled back: the generation before it does the work."""


# ------------------------------------------------------------------ Flink and Java


@public
class BridgeError(TamiasError):
    """Something between Python and Java, or between Flink and a pool, has gone wrong."""


@public
class JvmError(BridgeError):
    """A JVM does not start, or has died or hung while it was needed. The next call gets another."""


@public
class JavaCallError(BridgeError):
    """Java code that was called has thrown an exception.

    ``java_type`` is the exception's class, ``java_stack`` its stack trace. If Python code that Java
    had called in turn is where it comes from, that exception is the ``__cause__``.
    """

    is_outcome = True

    def __init__(
        self, message: str = "", *, hint: str = "", java_type: str = "", java_stack: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.java_type = java_type
        self.java_stack = java_stack


@public
class JavaTimeoutError(BridgeError, TimeoutError):
    """A call of Java code has taken longer than ``java-call-timeout``."""

    is_outcome = True


# ------------------------------------------------------------------ a service's clients


@public
class ServiceError(TamiasError):
    """A service cannot be reached, or wants none of this client."""


@public
class ServiceTimeoutError(ServiceError, TimeoutError):
    """Something has not happened in the time given; what was submitted is still under way."""


@public
class SubmissionFailedError(RunError):
    """A submitted input has no outputs: its run had no success, and it was set aside.

    ``cause`` is the dead letter's ("exception", "crash", "timeout", ...), or "ignored", "forgotten"
    (it was done, and its outputs were acknowledged or have expired) or "mismatch" (another input
    was submitted under the same sequence); ``user_traceback`` the action's, as text.
    """

    def __init__(
        self,
        message: str = "",
        *,
        hint: str = "",
        cause: str = "",
        user_traceback: str = "",
        offset: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.cause = cause
        self.user_traceback = user_traceback
        self.offset = offset


def reason_of(error: Exception) -> str:
    """What an error says; of the system's without their number and the file's name."""
    return getattr(error, "strerror", None) or str(error)
