"""The context of an action: its run, and the services of the worker."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

from ...agent.context import RunnerContext
from ...agent.errors import DurableCallError, MemoryAccessError, RunError
from ...agent.event import ORIGIN, Event, OutputEvent
from ...agent.memory import MemoryType
from ..durable.call_log import durable_section, inside_durable_call, is_recordable
from ..durable.fingerprint import function_name, has_changed, identify_call
from ..hooks import RunInfo, WorkerHook
from ..memory.memory import WorkerMemory
from ..tasks.tracking import next_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...agent.config.configuration import Configuration
    from ...agent.hooks import Hooks
    from ...agent.memory import MemoryObject
    from ...agent.metrics import MetricGroup
    from ...agent.plan import AgentPlan
    from ...agent.resources.registry import ResourceRegistry
    from ...agent.resources.resource import Resource, ResourceType
    from ..durable.call_log import CallRecord
    from ..metrics import WorkerMetrics
    from ..tasks.thread_pool import ThreadPool
    from .recorder import Recorder
    from .run import Run

_CHANGING: Final[set[str]] = set()
"""Functions that have changed their arguments, which has been logged."""
_LOG: Final = logging.getLogger("tamias.worker")

REPLAY_GRACE_SECONDS = 30.0
"""How long a concurrent call that is not on record waits for its siblings to claim theirs."""


class Services(Protocol):
    """The services of a worker that contexts and runs use; the engine provides them."""

    plan: AgentPlan
    encode: Callable[[bytes, Any, int], bytes]
    """Encodes (key, output, input offset) for the pool's sink."""
    resources: ResourceRegistry
    metrics: WorkerMetrics
    recorder: Recorder
    hooks: Hooks[WorkerHook] | None
    """None where no hook listens."""

    def unheard(self, event: Event, sender: str) -> None:
        """Notice an event that no action listens to."""

    @property
    def threads(self) -> ThreadPool:
        """The threads for durable calls of plain functions."""


class WorkerContext(RunnerContext):
    """The context of one run. Its action changes from step to step."""

    _sensory: WorkerMemory | None = None

    def __init__(self, engine: Services, run: Run) -> None:
        self._engine = engine
        self._run = run
        self._lane = run.lane

    @property
    def key(self) -> Any:
        """The key of the input."""
        return self._lane.key

    # -- events -------------------------------------------------------------------------------

    def send_event(self, event: Event) -> None:
        """Send an event; an OutputEvent's output is encoded here and now.

        Raises:
            MemoryAccessError: called inside a durable function.
            UnserializableError: the output cannot be encoded for the sink.
            TypeError: `event` is no event.
        """
        lane = self._lane
        run = self._run
        if lane.fields.is_guarded and inside_durable_call():
            raise MemoryAccessError(
                "send_event cannot be used inside a durable function: a replay would not send the "
                "event again. Return what it needs, and send it after the call"
            )
        if isinstance(event, OutputEvent):
            run.outputs.append(self._engine.encode(lane.key_bytes, event.output, run.offset))
        elif isinstance(event, Event):
            if run.sent is None:
                run.sent = []
            event.__dict__[ORIGIN] = (lane.key_bytes, run.offset, run.step + 1, len(run.sent))
            run.sent.append(event)
        else:
            raise TypeError(f"send_event takes an Event, not {type(event).__name__}")

    # -- memory -------------------------------------------------------------------------------

    @property
    def short_term_memory(self) -> MemoryObject:
        """The key's memory."""
        return self._lane.memory

    @property
    def sensory_memory(self) -> MemoryObject:
        """The run's memory, empty when the run begins."""
        if self._sensory is None:
            self._sensory = WorkerMemory(self._run.sensory_fields(), MemoryType.SENSORY)
        return self._sensory

    # -- durable calls ------------------------------------------------------------------------

    def durable_execute(self, func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call `func` once, also across crashes; see `RunnerContext.durable_execute`."""
        self._refuse_nesting(func)
        name = function_name(func)
        if inspect.iscoroutinefunction(func):
            raise DurableCallError(
                f"{name} is a coroutine function: await ctx.durable_execute_async({name}, ...)"
            )
        call = _DurableCall(self._engine, self._run, func, args, kwargs)
        if call.record is not None:
            return call.replay(call.record)
        if call.log.replaying:
            raise call.log.divergence(call.name, call.identity)
        result: Any = None
        with call.under_way(), durable_section():
            result = func(*args, **kwargs)
        self._engine.recorder.record_call_now(self._run, call.log, call.outcome(result))
        return call.answer(result)

    async def durable_execute_async(
        self, func: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        """Await `func` (or run it on a thread) once; see `RunnerContext.durable_execute_async`."""
        self._refuse_nesting(func)
        call = _DurableCall(self._engine, self._run, func, args, kwargs)
        if call.record is not None:
            return call.replay(call.record)
        if call.log.replaying:
            await self._wait_for_siblings(call)
        result: Any = None
        with call.under_way():
            result = await self._perform(func, args, kwargs)
        await self._engine.recorder.record_call(self._run, call.log, call.outcome(result))
        return call.answer(result)

    async def _perform(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if inspect.iscoroutinefunction(func):
            with durable_section():
                return await func(*args, **kwargs)
        with durable_section():
            result = await self._engine.threads.run(func, *args, **kwargs)
        if inspect.isawaitable(result):  # a lambda around a coroutine function, for example
            with durable_section():
                return await result
        return result

    async def _wait_for_siblings(self, call: _DurableCall) -> None:
        log = call.log
        loop = asyncio.get_running_loop()
        deadline = loop.time() + REPLAY_GRACE_SECONDS
        while log.replaying:
            if log.is_divergence(own=call.own) or loop.time() > deadline:
                raise log.divergence(call.name, call.identity)
            await asyncio.sleep(0.001)

    def _refuse_nesting(self, func: Callable[..., Any]) -> None:
        if inside_durable_call():
            raise MemoryAccessError(
                f"{function_name(func)} was to be called durably inside a durable function: the "
                "outer call alone is on record. Make both calls from the action"
            )

    # -- resources, configuration, metrics ----------------------------------------------------

    def get_resource(
        self, name: str, type: ResourceType, metric_group: MetricGroup | None = None
    ) -> Resource:
        """The worker's instance of a resource, made at the first use."""
        resource = self._engine.resources.get(name, type)
        resource.set_metric_group(metric_group or self.action_metric_group)
        return resource

    @property
    def action_config(self) -> dict[str, Any]:
        """The configuration in the action's declaration."""
        action = self._run.action
        return action.config if action is not None else {}

    def get_action_config_value(self, key: str) -> Any:
        """One value of `action_config`, or None."""
        return self.action_config.get(key)

    @property
    def config(self) -> Configuration:
        """The agent's configuration."""
        return self._engine.plan.config

    @property
    def agent_metric_group(self) -> MetricGroup:
        """Metrics of the agent as a whole."""
        return self._engine.metrics.agent

    @property
    def action_metric_group(self) -> MetricGroup:
        """Metrics of the action that is running."""
        action = self._run.action
        return self._engine.metrics.of_action(action.name if action is not None else "")

    def close(self) -> None:
        """Nothing to do: the worker closes what it made for the agent."""

    def end(self) -> None:
        """Refuse all further uses, by tasks and threads that the action has left running."""
        self.__class__ = _EndedContext
        self._run.renew_memory()


class _EndedContext(WorkerContext):
    """The class of a context whose action has ended: it refuses every use."""

    def send_event(self, event: Event) -> None:  # noqa: ARG002 (refused whatever it is)
        """Refuse. Raises RunError."""
        raise self._ended("an event")

    @property
    def short_term_memory(self) -> MemoryObject:
        """Refuse. Raises RunError."""
        raise self._ended("memory")

    @property
    def sensory_memory(self) -> MemoryObject:
        """Refuse. Raises RunError."""
        raise self._ended("memory")

    def durable_execute(self, func: Callable[..., Any], /, *_: Any, **__: Any) -> Any:
        """Refuse. Raises RunError."""
        raise self._ended(f"a durable call of {function_name(func)}")

    async def durable_execute_async(self, func: Callable[..., Any], /, *_: Any, **__: Any) -> Any:
        """Refuse. Raises RunError."""
        raise self._ended(f"a durable call of {function_name(func)}")

    def _ended(self, what: str) -> RunError:
        return RunError(
            f"{what} came from a task or thread after the action had ended that started it: await "
            "everything that uses the context",
            hint="Await the task, or join the thread (from an async action:"
            " await asyncio.to_thread(thread.join)), before the action returns. What is to go on"
            " for longer is a run of its own: send an event.",
        )


def _is_own(run: Run) -> bool:
    """Whether the action itself is calling, and not a task that it has started."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop in this thread
        return True
    return task is None or run.task is None or task is run.task


class _DurableCall:
    """One durable call: the part that its synchronous and its asynchronous form share.

    Either `replay` a call that is on record; or make it in the block of `under_way`, record
    `outcome`, and return `answer`.
    """

    __slots__ = (
        "_arguments",
        "_began",
        "_cause",
        "_engine",
        "_issued",
        "_place",
        "_run",
        "identity",
        "log",
        "name",
        "own",
        "record",
    )

    def __init__(
        self,
        engine: Services,
        run: Run,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self._engine = engine
        self._run = run
        self._cause: Exception | None = None
        self.name = function_name(func)
        self._arguments = func, args, kwargs
        self.identity = identify_call(func, args, kwargs)
        self.own = _is_own(run)
        """Whether the action itself makes the call, and not a task that it has started."""
        self._place = None if self.own else next_place(run.offset)
        self.log = run.call_log()
        self.record = self.log.claim(self.identity, own=self.own, place=self._place)
        """The call's record, claimed; None if it is not on record."""

    def replay(self, record: CallRecord) -> Any:
        """Return the recorded result, or raise the recorded exception."""
        if self._engine.hooks is not None:
            self._engine.hooks.call(
                WorkerHook.call_replayed, run_info(self._run), self.name, record.fingerprint
            )
        return self.log.replay(record)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Guard the run's memory in this block, and catch an exception that is to be recorded."""
        self._issued = self.log.issue(self.name, self.identity, own=self.own, place=self._place)
        self._began = time.perf_counter()
        memories = (self._run.lane.fields, self._run.sensory_fields())
        for fields in memories:
            fields.begin_durable_call()
        try:
            yield
        except Exception as error:
            if not is_recordable(error):
                raise
            self._cause = error
        finally:
            for fields in memories:
                fields.end_durable_call()

    def outcome(self, result: Any) -> CallRecord:
        """The record of the call that has just been made.

        Raises:
            DurableCallError: the result cannot be pickled.
        """
        changed = has_changed(self.identity, *self._arguments)
        if changed and self.name not in _CHANGING:
            _CHANGING.add(self.name)
            _LOG.warning(
                "the arguments of the durable call %s were changed in place while it ran. If the "
                "function does that, a replay, which does not call it, leaves them as they are: "
                "have it return what is new instead",
                self.name,
            )
        if self._cause is not None:
            self.record = self._issued.failed(self._cause, changed=changed)
        else:
            self.record = self.log.record(self._issued, result, changed=changed)
        if self._engine.hooks is not None:
            seconds = time.perf_counter() - self._began
            self._engine.hooks.call(
                WorkerHook.call_made,
                run_info(self._run),
                self.name,
                self.identity.fingerprint,
                seconds,
                self._cause,
            )
        return self.record

    def answer(self, result: Any) -> Any:
        """Return `result`, or raise the call's exception; the outcome is on record now."""
        assert self.record is not None  # noqa: S101 (see `outcome`)
        if self._cause is not None:
            raise self.log.error_of(self.record, self._cause)
        self.log.mark_answered(self.record)
        return result


def run_info(run: Run) -> RunInfo:
    """A run as hooks see it."""
    return RunInfo(run.offset, run.lane.key_bytes, run.attempts + 1)
