"""The context of an action: its run, and the services of the worker."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import nullcontext
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ...agent.context import RunnerContext
from ...agent.errors import DurableCallError, MemoryAccessError, RunError, TimerError
from ...agent.event import Event, OutputEvent, is_output
from ...agent.events.identity import ORIGIN, is_early
from ...agent.long_term.own_call import acall_of_memory, call_of_memory, is_of_memory
from ...agent.memory import MemoryType
from ...agent.streams.call_stream import call_stream
from ...agent.tracing.executions import Execution
from ...agent.waiting.moments import datetime_of, moment_of, seconds_of
from ...store import clock
from ..durable.call_log import durable_section, inside_durable_call
from ..durable.call_options import CallOptions, call_limited, limited
from ..durable.fingerprint import function_name, identify_call, known_function
from ..limits.requests import PermitExpiredError
from ..long_term.memory import WorkerLongTermMemory
from ..memory.memory import WorkerMemory
from ..runs.traced import trace_of
from ..streams.text_sender import ACTION
from ..waiting.waits import SuspendRun
from .durable_call import DurableCall
from .recorded_reads import RecordedReads
from .wait_steps import (
    Asking,
    WaitStep,
    cancel_timer,
    check_name,
    checked_period,
    set_timer,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from ...agent.config.configuration import Configuration
    from ...agent.long_term.memory_set import LongTermMemory
    from ...agent.memory import MemoryObject
    from ...agent.metrics import MetricGroup
    from ...agent.resources.resource import Resource, ResourceType
    from ...agent.streams.call_stream import CallStream
    from ...agent.waiting.moments import Duration, Moment
    from ..runs.run import Run
    from .services import Services

REPLAY_GRACE_SECONDS = 30.0
"""How long a concurrent call that is not on record waits for its siblings to claim theirs."""


class WorkerContext(RunnerContext):
    """The context of one run. Its action changes from step to step."""

    _sensory: WorkerMemory | None = None
    _has_stream: bool = False
    _stream: CallStream | None = None
    """What the action itself shows, once it has shown something."""

    def __init__(self, engine: Services, run: Run) -> None:
        self._engine = engine
        self.run = run
        self._lane = lane = run.lane
        self._fields = lane.fields
        """They have ended when the action has, if tasks or threads may still use the context."""

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
        run = self.run
        if self._fields.is_guarded:
            self._refuse_ended("an event")
            if inside_durable_call():
                raise MemoryAccessError(
                    "send_event cannot be used inside a durable function: a replay would not send "
                    "the event again. Return what it needs, and send it after the call"
                )
        if isinstance(event, OutputEvent):
            place = run.offset if run.owned is None else run.origin
            run.outputs.append(self._engine.encode(lane.key_bytes, event.output, place))
            if run.trace is not None:
                run.trace.send_output(event, run.step + 1)
        elif isinstance(event, Event):
            if is_output(event):
                self.send_event(OutputEvent.from_event(event))
                return
            if run.sent is None:
                run.sent = []
            state = event.__dict__
            known = state.get(ORIGIN)
            if known is None or not is_early(known) or not run.keeps_origin(event, known):
                state[ORIGIN] = (lane.key_bytes, run.offset, run.step + 1, len(run.sent))
            run.sent.append(event)
            if run.trace is not None:
                run.trace.send(event)
        else:
            raise TypeError(f"send_event takes an Event, not {type(event).__name__}")

    def stream(self, text: str, *, reasoning: str = "") -> None:
        """Show text to the client of the input; see `RunnerContext.stream`."""
        self._refuse_ended("ctx.stream")
        texts = self._engine.texts
        if texts is None:
            return
        if inside_durable_call():
            stream = call_stream()
        else:
            if not self._has_stream:
                self._has_stream = True
                self._stream = texts.of_call(self.run, ACTION)
            stream = self._stream
        if stream is not None:
            stream.write(text, reasoning=reasoning)

    # -- memory -------------------------------------------------------------------------------

    @property
    def short_term_memory(self) -> MemoryObject:
        """The key's memory."""
        if self._fields.ended:
            self._refuse_ended("memory")
        return self._lane.memory

    @property
    def sensory_memory(self) -> MemoryObject:
        """The run's memory, empty when the run begins."""
        self._refuse_ended("memory")
        if self._sensory is None:
            self._sensory = WorkerMemory(self.run.sensory_fields(), MemoryType.SENSORY)
        return self._sensory

    @property
    def long_term_memory(self) -> LongTermMemory:
        """The key's memory sets, and those that all keys share."""
        self._refuse_ended("long-term memory")
        reads = RecordedReads(self._engine, self.run, self._wait_for_siblings)
        return WorkerLongTermMemory(self, self.run, self._engine.all_shards, reads)

    # -- durable calls ------------------------------------------------------------------------

    def durable_execute(self, func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call `func` once, also across crashes; see `RunnerContext.durable_execute`."""
        self._refuse_nesting(func)
        known = known_function(func)
        if inspect.iscoroutinefunction(func) if known is None else known.is_async:
            name = function_name(func)
            raise DurableCallError(
                f"{name} is a coroutine function: await ctx.durable_execute_async({name}, ...)"
            )
        if known is None and is_of_memory(func):
            return call_of_memory(func, args, kwargs)
        options = CallOptions.taken_from(func, kwargs, self._engine.call_retry)
        if options.reconciler is not None and inspect.iscoroutinefunction(options.reconciler):
            raise DurableCallError(
                f"the reconciler of {function_name(func)} is a coroutine function, which only"
                " ctx.durable_execute_async can await"
            )
        call = DurableCall(
            self._engine, self.run, func, args, kwargs, options=options, is_async=False
        )
        recorded = call.record
        if recorded is not None:
            return call.replay(recorded)
        if call.is_new and call.log.replaying:
            raise call.log.divergence(call.name, call.identity)
        record = self._engine.recorder.record_call_now
        while True:
            if call.next_moment > clock.now():
                raise SuspendRun(call.next_moment)
            try:
                result = self._attempt(call, options)
                count = None if call.admission is None else partial(call.count, result)
                outcome, soon = call.outcome(result), call.is_repeatable
                record(self.run, call.log, outcome, count, soon=soon)
            finally:
                call.leave()
            if call.record is not None:
                return call.answer(result)

    def _attempt(self, call: DurableCall, options: CallOptions) -> Any:
        """Make an attempt, by one route after another; its exception, if any, is in the call."""
        result: Any = None
        while True:
            if call.admission is not None:
                call.admission.enter_now(self._engine.waits)
            begun = call.begun()
            if begun is not None:
                self._engine.recorder.record_call_now(self.run, call.log, begun)
            is_late = False
            if self._engine.recorder.has_uncommitted(self.run):
                self._engine.recorder.record_effects_now(self.run)
            call.begin_attempt()
            try:
                with durable_section():
                    result = call_limited(call.work, options.timeout, call.name)
            except PermitExpiredError:
                is_late = True
            except Exception as error:  # noqa: BLE001 (it is recorded, or raised again)
                call.catch(error)
            finally:
                call.end_attempt()
            if not is_late and not call.goes_on():
                return result

    async def durable_execute_async(
        self, func: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        """Await `func` (or run it on a thread) once; see `RunnerContext.durable_execute_async`."""
        self._refuse_nesting(func)
        if known_function(func) is None and is_of_memory(func):
            return await acall_of_memory(func, args, kwargs)
        options = CallOptions.taken_from(func, kwargs, self._engine.call_retry)
        call = DurableCall(
            self._engine, self.run, func, args, kwargs, options=options, is_async=True
        )
        recorded = call.record
        if recorded is not None:
            return call.replay(recorded)
        if call.is_new and call.log.replaying:
            await self._wait_for_siblings(call)
        record = self._engine.recorder.record_call
        while True:
            if call.next_moment > clock.now():
                await self._wait_until(call.next_moment)
            try:
                result = await self._attempt_async(call, options)
                count = None if call.admission is None else partial(call.count, result)
                outcome, soon = call.outcome(result), call.is_repeatable
                await record(self.run, call.log, outcome, count, soon=soon)
            finally:
                call.leave()
            if call.record is not None:
                return call.answer(result)

    async def _attempt_async(self, call: DurableCall, options: CallOptions) -> Any:
        """As `_attempt`."""
        result: Any = None
        while True:
            if call.admission is not None:
                await call.admission.enter(self._engine.waits)
            begun = call.begun()
            if begun is not None:
                await self._engine.recorder.record_call(self.run, call.log, begun)
            is_late = False
            if self._engine.recorder.has_uncommitted(self.run):
                await self._engine.recorder.record_effects(self.run)
            call.begin_attempt()
            try:
                with durable_section():  # the limit's task is part of the call
                    work = self._perform(call)
                    if options.timeout is not None:
                        work = limited(work, options.timeout, call.name)
                    result = await work
            except PermitExpiredError:
                is_late = True
            except Exception as error:  # noqa: BLE001 (it is recorded, or raised again)
                call.catch(error)
            finally:
                call.end_attempt()
            if not is_late and not call.goes_on():
                return result

    def execution(
        self, entity: str, name: str, metadata: Mapping[str, Any] | None = None
    ) -> AbstractContextManager[Execution]:
        """Have a trace show what the block does as one; see `RunnerContext.execution`."""
        tracer = self._engine.tracer
        if tracer is None:
            return nullcontext(Execution())
        return trace_of(self.run, tracer).execution(entity, name, metadata)

    def notice(self, text: str) -> None:
        """Report a probable mistake of the agent."""
        self._engine.metrics.notices.add(text)

    @property
    def is_inside_durable_call(self) -> bool:
        """Whether the caller runs inside a durable function."""
        return inside_durable_call()

    def is_on_record(self, func: Callable[..., Any], /, *args: Any) -> bool:
        """Whether a call is on record that this execution has not made yet."""
        log = self.run.call_log()
        return log.replaying and log.has(identify_call(func, args, {}))

    async def _perform(self, call: DurableCall) -> Any:
        work = call.work
        result = work() if call.is_async else await self._engine.threads.run(work)
        # Also of a lambda around a coroutine function. Compiled code would iterate anything else.
        return await result if inspect.isawaitable(result) else result

    async def _wait_for_siblings(self, call: DurableCall | WaitStep) -> None:
        log = call.log
        loop = asyncio.get_running_loop()
        deadline = loop.time() + REPLAY_GRACE_SECONDS
        self.run.calls += 1
        try:
            while log.replaying:
                if log.is_divergence(own=call.own) or loop.time() > deadline:
                    raise log.divergence(call.name, call.identity)
                await asyncio.sleep(0.001)
        finally:
            self.run.calls -= 1

    def _refuse_ended(self, what: str) -> None:
        """Raise RunError after the end of the action."""
        if self._fields.ended:
            raise RunError(
                f"{what} came from a task or thread after the action had ended that started it:"
                " await everything that uses the context",
                hint="Await the task, or join the thread (from an async action:"
                " await asyncio.to_thread(thread.join)), before the action returns. What is to go"
                " on for longer is a run of its own: send an event.",
            )

    def _refuse_nesting(self, func: Callable[..., Any]) -> None:
        if self._fields.ended:
            self._refuse_ended(f"a durable call of {function_name(func)}")
        if inside_durable_call():
            raise MemoryAccessError(
                f"{function_name(func)} was to be called durably inside a durable function: the "
                "outer call alone is on record. Make both calls from the action"
            )

    # -- waiting ------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The time, in UTC, as on record."""
        self._refuse_inside("ctx.now")
        return datetime_of(self._recorded_now())

    def _recorded_now(self) -> float:
        step = WaitStep(self._engine, self.run, "ctx.now")
        if step.record is None:
            step.check_divergence()
            step.issue(clock.now())
        return cast("float", step.value())

    async def sleep(self, duration: Duration) -> None:
        """Wait, never shorter; see `RunnerContext.sleep`."""
        seconds = seconds_of(duration, "the duration of ctx.sleep")
        self._refuse_inside("ctx.sleep")
        step = WaitStep(self._engine, self.run, "ctx.sleep", seconds)
        if step.record is None:
            await self._wait_for_siblings(step)
            step.issue(clock.now() + seconds)
        with step.traced("sleep", step.value()):
            await self._wait_until(step.value())
        step.end()

    async def _wait_until(self, moment: float) -> None:
        await self._engine.waits.until(self.run, moment)

    async def wait_for(
        self,
        name: str,
        timeout: Duration | None = None,
        ask: Any = None,
        *,
        id: str | None = None,
    ) -> Any:
        """Wait for an answer from outside; see `RunnerContext.wait_for`."""
        self._refuse_inside(f"ctx.wait_for({name!r})")
        check_name(name)
        seconds = None if timeout is None else seconds_of(timeout, "the timeout of ctx.wait_for")
        # Without an id as older versions have identified it.
        told_apart = (name, seconds) if id is None else (name, seconds, id)
        step = WaitStep(self._engine, self.run, "ctx.wait_for", *told_apart)
        asking = Asking(self._engine, self.run, name)
        if step.record is None:
            await self._wait_for_siblings(step)
            step.issue(asking.ask(seconds, ask))
            await self._engine.recorder.recorded(self.run)
        else:
            asking.ask_again(step.value())
        with step.traced(name, asking.deadline):
            try:
                if not asking.is_answered:
                    await self._engine.waits.until(self.run, asking.deadline, asking.future())
            finally:
                asking.stop_waiting()
            await asking.settle()
        step.end()
        return asking.answer()

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
        """Set a timer; see `RunnerContext.schedule`."""
        self._refuse_inside("ctx.schedule")
        if when is not None:
            if after is not None or at is not None:
                raise TimerError("ctx.schedule was given more than one moment.")
            if isinstance(when, datetime):
                at = when
            else:
                after = when
        period = 0.0 if every is None else checked_period(every)
        if at is not None and after is not None:
            raise TimerError("ctx.schedule was given both `at` and `after`.")
        if at is not None:
            due = moment_of(at, "the moment of ctx.schedule")
        elif after is not None or period:
            delay = period if after is None else seconds_of(after, "the delay of ctx.schedule")
            due = self._recorded_now() + delay
        else:
            raise TimerError("ctx.schedule was given no moment: pass `after`, `at` or `every`.")
        return set_timer(self._engine, self.run, event, id, due, period)

    def cancel(self, id: str) -> bool:
        """Cancel a timer; see `RunnerContext.cancel`."""
        self._refuse_inside(f"ctx.cancel({id!r})")
        return cancel_timer(self._engine, self.run, id)

    def _refuse_inside(self, what: str) -> None:
        self._refuse_ended(what)
        if inside_durable_call():
            raise MemoryAccessError(
                f"{what} cannot be used inside a durable function: a replay would not call the "
                "function again. Use it in the action, before or after the call"
            )

    # -- resources, configuration, metrics ----------------------------------------------------

    def get_resource(
        self, name: str, type: ResourceType, metric_group: MetricGroup | None = None
    ) -> Resource:
        """The worker's instance of a resource, made at the first use, bound to this context."""
        resource = self._engine.resources.get(name, type)
        return resource.bound(self, metric_group or self.action_metric_group)

    def resource_name(self, resource: Resource) -> str:
        """The name by which the agent declares a resource."""
        return self._engine.resources.name_of(resource)

    def resource_names(self, type: ResourceType) -> list[str]:
        """The names that the agent declares."""
        return list(self._engine.plan.providers.get(type, ()))

    @property
    def action_config(self) -> dict[str, Any]:
        """The configuration in the action's declaration."""
        action = self.run.action
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
        action = self.run.action
        return self._engine.metrics.of_action(action.name if action is not None else "")

    def close(self) -> None:
        """Nothing to do: the worker closes what it made for the agent."""
