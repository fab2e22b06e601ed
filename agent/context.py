"""What an action can do: the interface of the ``ctx`` that every action receives.

The contract is kept apart from its implementations (the worker's is one, a test's may be another).
A context belongs to one execution of one action and is of no use after it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from .naming.public import public
from .tracing.executions import Execution

if TYPE_CHECKING:
    from .config.configuration import Configuration
    from .event import Event
    from .long_term.memory_set import LongTermMemory
    from .memory import MemoryObject
    from .metrics import MetricGroup
    from .resources.resource import Resource, ResourceType
    from .waiting.moments import Duration, Moment
    from .waiting.retry import RetryPolicy

__all__ = ["RunnerContext"]

P = ParamSpec("P")
T = TypeVar("T")


@public
class RunnerContext(ABC):
    """The second argument of every action."""

    __slots__ = ()

    # -------------------------------------------------------------- events

    @property
    @abstractmethod
    def key(self) -> Any:
        """The key of the input that this run is about."""

    @abstractmethod
    def send_event(self, event: Event) -> None:
        """Send ``event`` to the actions that listen to it; an `OutputEvent` becomes an output.

        Its effects are kept only if the whole run is committed.
        """

    # -------------------------------------------------------------- memory

    @property
    @abstractmethod
    def sensory_memory(self) -> MemoryObject:
        """The root of the memory that is cleared before each run."""

    @property
    @abstractmethod
    def short_term_memory(self) -> MemoryObject:
        """The root of the memory that is kept for this key."""

    @property
    @abstractmethod
    def long_term_memory(self) -> LongTermMemory:
        """The memory sets of this key, and those that all keys share; see docs/memory.md."""

    # -------------------------------------------------------------- durable calls

    @overload
    def durable_execute(
        self,
        func: Callable[..., T],
        /,
        *args: Any,
        retry: RetryPolicy | Mapping[str, Any] | None,
        reconciler: Callable[[], T] | None = None,
        limit: str | None = None,
        **kwargs: Any,
    ) -> T: ...

    @overload
    def durable_execute(
        self,
        func: Callable[..., T],
        /,
        *args: Any,
        reconciler: Callable[[], T],
        limit: str | None = None,
        **kwargs: Any,
    ) -> T: ...

    @overload
    def durable_execute(
        self, func: Callable[..., T], /, *args: Any, limit: str | None, **kwargs: Any
    ) -> T: ...

    @overload
    def durable_execute(self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...

    @abstractmethod
    def durable_execute(self, func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call ``func`` once, whatever crashes: its result is on record before this returns.

        When the action runs again after a crash, the recorded result (or exception) is given
        without a call. Arguments and result must be picklable. The action has to make the same
        durable calls in the same order each time; one that does not gets a `DivergenceError`.
        Inside ``func``, memory and `send_event` may not be used (`MemoryAccessError`). Blocks the
        worker until ``func`` is done. A result that cannot be recorded raises `DurableCallError`.

        Two keywords are not passed on, unless ``func`` has such parameters.
        ``retry=RetryPolicy(...)``: a failed attempt is put on record and the next one made after
        the policy's wait, for which the run may leave its worker; when it gives up, the last
        exception is raised, and the run is not tried again. The policy's ``timeout`` cannot stop a
        plain function: its late result is dropped. Without a policy, the option ``call-attempts``
        holds. ``reconciler=function``: called, without arguments, in place of ``func`` when the
        call was begun before a crash and its outcome is not on record; if it fails, it, not
        ``func``, is called when the run is tried again. ``limit="name"``: the call waits until the
        configuration's ``limits.name`` allows it; see docs/limits.md.
        """

    @overload
    def durable_execute_async(
        self,
        func: Callable[..., Awaitable[T]],
        /,
        *args: Any,
        retry: RetryPolicy | Mapping[str, Any] | None,
        reconciler: Callable[[], Awaitable[T] | T] | None = None,
        limit: str | None = None,
        **kwargs: Any,
    ) -> Awaitable[T]: ...

    @overload
    def durable_execute_async(
        self,
        func: Callable[..., T],
        /,
        *args: Any,
        retry: RetryPolicy | Mapping[str, Any] | None,
        reconciler: Callable[[], T] | None = None,
        limit: str | None = None,
        **kwargs: Any,
    ) -> Awaitable[T]: ...

    @overload
    def durable_execute_async(
        self,
        func: Callable[..., Awaitable[T]],
        /,
        *args: Any,
        reconciler: Callable[[], Awaitable[T] | T],
        limit: str | None = None,
        **kwargs: Any,
    ) -> Awaitable[T]: ...

    @overload
    def durable_execute_async(
        self,
        func: Callable[..., T],
        /,
        *args: Any,
        reconciler: Callable[[], T],
        limit: str | None = None,
        **kwargs: Any,
    ) -> Awaitable[T]: ...

    @overload
    def durable_execute_async(
        self, func: Callable[..., Awaitable[T]], /, *args: Any, limit: str | None, **kwargs: Any
    ) -> Awaitable[T]: ...

    @overload
    def durable_execute_async(
        self, func: Callable[..., T], /, *args: Any, limit: str | None, **kwargs: Any
    ) -> Awaitable[T]: ...

    @overload
    def durable_execute_async(
        self, func: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[T]: ...

    @overload
    def durable_execute_async(
        self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[T]: ...

    @abstractmethod
    def durable_execute_async(self, func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """The awaitable form of `durable_execute`.

        A plain function runs in a thread, a coroutine function on the event loop, so other keys
        go on meanwhile. Several may run at once, under ``asyncio.gather`` for example; the order in
        which the calls are *made* is what has to be the same each time.
        """

    def stream(self, text: str, *, reasoning: str = "") -> None:
        """Show ``text`` to the client of the input at once, if it has asked for the stream.

        For what a person sees while a run is under way (``Client.submit(..., stream=True)``). It is
        kept nowhere, and may be dropped; if the action is executed again, its client is told to
        drop what it has seen. Inside a durable function it belongs to that call. In all other
        cases, without a service for example, nothing happens. Calls of chat models stream by
        themselves.
        """
        del text, reasoning

    @property
    def scope_of_calls(self) -> str:
        """What the ids of calls begin with that are made here: which sub-agent makes them."""
        return ""

    def execution(
        self,
        entity: str,  # noqa: ARG002 (a default)
        name: str,  # noqa: ARG002 (as above)
        metadata: Mapping[str, Any] | None = None,  # noqa: ARG002 (as above)
    ) -> AbstractContextManager[Execution]:
        """Have `tamias trace` show what a ``with`` block does as one thing inside the action.

        ``entity`` says what it is: "tool", "parser", or a word of one's own; ``metadata`` is plain
        data. It has failed if the block raises, or sets ``error`` of what it gets. It is recorded
        only where the run is, and nothing depends on it.
        """
        return nullcontext(Execution())

    def notice(self, text: str) -> None:  # noqa: ARG002 (a default)
        """Report a probable mistake of the agent: the log and the summary have each text once."""
        return

    @property
    def is_inside_durable_call(self) -> bool:
        """Whether the caller runs inside a durable function, on whatever thread or task of it."""
        return False

    def is_on_record(self, func: Callable[..., Any], /, *args: Any) -> bool:  # noqa: ARG002
        """Whether a durable call of ``func`` is on record that this execution has not made yet.

        For what is decided anew in each execution, by what may change meanwhile.
        """
        return False

    # -------------------------------------------------------------- waiting

    @abstractmethod
    def now(self) -> datetime:
        """The time, in UTC; what it returned is on record, so a replay sees the same.

        Raises `MemoryAccessError` inside a durable function.
        """

    @abstractmethod
    async def sleep(self, duration: Duration) -> None:
        """Wait, never shorter than ``duration`` (seconds, or a `timedelta`).

        If the wait is longer than ``suspend-after``, the run leaves its worker: this execution of
        the action is cancelled (``asyncio.CancelledError``), and when the wait is over the action
        is executed again, where durable calls and waits on record are not repeated. Inputs of the
        key wait until the run has ended; other keys go on. Raises `TimerError` for a duration that
        is negative or none, `MemoryAccessError` inside a durable function.
        """

    @abstractmethod
    def schedule(
        self,
        when: datetime | Duration | None = None,
        event: Event | None = None,
        id: str | None = None,
        *,
        after: Duration | None = None,
        at: Moment | None = None,
        every: Duration | None = None,
    ) -> str:
        """Have ``event`` arrive as a run of this key, once, and not early; return the timer's id.

        ``after`` counts from `now`, ``at`` is a moment; ``when`` is either, by its type. With
        ``every`` it is repeated after that time, until it is cancelled; without ``after`` and
        ``at``, ``every`` is the first delay, too. The timer is set when the run is committed. What
        comes due while nothing runs arrives once, afterwards. Raises `TimerError` for a bad time,
        or if a timer of this key with this ``id`` is set already; `UnserializableError` for an
        event that cannot be pickled.
        """

    @abstractmethod
    def cancel(self, id: str) -> bool:
        """Cancel a timer of this key; returns whether there was one whose event has not arrived."""

    @abstractmethod
    async def wait_for(
        self,
        name: str,
        timeout: Duration | None = None,
        ask: Any = None,
        *,
        id: str | None = None,
    ) -> Any:
        """Wait for an answer from outside, and return it; the run leaves its worker, see `sleep`.

        Who is to answer finds the `Question`, with ``name`` and ``ask``, among the outputs, and by
        ``tamias waiting``. An answer names its token: ``tamias answer``, ``Client.answer``, or an
        `Answer` as an input of the key. Several questions of one ``name`` that an action asks at
        the same time, in tasks of its own, each need an ``id``. Raises `WaitTimeoutError` if none
        has come in time, `TimerError` for a bad ``timeout``, `MemoryAccessError` inside a durable
        function, `UnserializableError` if ``ask`` cannot be pickled.
        """

    # -------------------------------------------------------------- resources and settings

    @abstractmethod
    def get_resource(
        self, name: str, type: ResourceType, metric_group: MetricGroup | None = None
    ) -> Resource:
        """The resource ``name`` of that type, created once per worker at the first request.

        It reports its metrics to ``metric_group``, by default that of the action. Raises
        `AgentDefinitionError` when the agent has no such resource.
        """

    def resource_name(self, resource: Resource) -> str:  # noqa: ARG002 (a default)
        """The name by which the agent declares a resource; empty if it does not."""
        return ""

    def resource_names(self, type: ResourceType) -> list[str]:  # noqa: ARG002 (a default)
        """The names of the resources of that type that the agent declares.

        Those that an MCP server has besides are not among them.
        """
        return []

    @property
    @abstractmethod
    def action_config(self) -> dict[str, Any]:
        """The settings given where the action was declared: ``@action(..., **config)``."""

    @abstractmethod
    def get_action_config_value(self, key: str) -> Any:
        """One of the action's settings, or ``None``."""

    @property
    @abstractmethod
    def config(self) -> Configuration:
        """The configuration of the job. Changing it here changes nothing elsewhere."""

    # -------------------------------------------------------------- metrics

    @property
    @abstractmethod
    def agent_metric_group(self) -> MetricGroup:
        """The metrics that all actions of the agent share."""

    @property
    @abstractmethod
    def action_metric_group(self) -> MetricGroup:
        """The metrics of this action."""

    @abstractmethod
    def close(self) -> None:
        """Release what the context holds. Called by the worker, not by actions."""
