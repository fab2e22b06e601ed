"""The engine of a worker: takes inputs, has them run on the event loop, and commits.

An input joins its key's lane and, when the lane is free, becomes a run (`run_driver`). When a run's
last action has returned, its memory changes, outputs and progress join the open commit group
(`completion`, `group_commit`), and the lane takes its next input at once: the next run of the key
reads what this one has written, and both reach the store in order, so an earlier run is never lost
while a later one is kept.

Everything here runs on the loop's thread, except user code that was sent to threads on request.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from functools import partial
from sys import getrefcount
from typing import TYPE_CHECKING, Any

from ...agent.event import EndOfInputEvent, Event, InputEvent, input_event
from ...agent.events.identity import set_origin_source
from ...store.crashpoints import reach
from ...store.records.offsets import LARGEST_OFFSET, is_owned
from ..metering.measures import MOST_TIMES
from ..metering.shapes import SECOND
from ..notices import unheard
from ..runs.identities import origin_here
from ..runs.lanes import Lanes
from ..runs.recorder import Recorder
from ..runs.removals import Removals
from ..runs.run import Run
from ..runs.traced import next_traced, trace_late, traced_runs
from ..tasks.executing import executing_thread
from ..tasks.thread_pool import ThreadPool
from ..waiting.questions import NO_ANSWERS, answer_in, is_answer
from .completion import RunCompletion
from .context import WorkerContext
from .owned_runs import OwnedRuns
from .run_driver import RunDriver
from .unfinished import UnfinishedRuns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...agent.action import Action
    from ...agent.hooks import Hooks
    from ...agent.plan import AgentPlan
    from ...agent.resources.registry import ResourceRegistry
    from ...agent.waiting.retry import RetryPolicy
    from ..beacon import Beacon
    from ..hooks import WorkerHook
    from ..limits.admission import Admission
    from ..long_term.all_shards import AllShards
    from ..metrics import WorkerMetrics
    from ..policy import Policy
    from ..recording.recorder import RunRecorder
    from ..runs.group_commit import GroupCommit, ShardWriter
    from ..runs.lane import Lane
    from ..streams.text_sender import TextSender
    from ..tracing.tracer import Tracer
    from ..waiting.questions import Questions
    from ..wire import InputBatch

PendingBatch = tuple["Iterator[tuple[int, bytes, bytes]]", "InputBatch", bool]
"""Inputs that are left of a batch; the batch; whether none is rejected or a retried dead letter."""

SLICE_SECONDS = 0.02  # not Final: tests set another, also where this is compiled


class Engine:
    """Takes a worker's inputs, has them run, and commits."""

    def __init__(
        self,
        plan: AgentPlan,
        writers: dict[int, ShardWriter],
        shards: int,
        group: GroupCommit,
        *,
        policy: Policy,
        decode: Callable[[bytes], Any],
        encode: Callable[[bytes, Any, int | None], bytes],
        resources: ResourceRegistry,
        metrics: WorkerMetrics,
        beacon: Beacon,
        questions: Questions,
        halt: Callable[[dict[str, Any]], None],
        texts: TextSender | None = None,
        hooks: Hooks[WorkerHook] | None = None,
        tracer: Tracer | None = None,
        admission: Admission | None = None,
        all_shards: AllShards | None = None,
        recordings: RunRecorder | None = None,
    ) -> None:
        """`writers` are the shards of this worker, of `shards` in all; `OwnedShards` changes them.

        `halt` gets the report when an action failed and the policy is to fail. What is None is
        not there: hooks that listen, the event log (`tracer`), the admission of calls with limits,
        streams of calls (`texts`), recorded runs. `all_shards` are those of the state directory,
        for shared sets.
        """
        self.plan = plan
        self.texts = texts
        self.encode = encode
        self.resources = resources
        self.metrics = metrics
        self.hooks = hooks
        self.tracer = tracer
        self.admission = admission
        self.all_shards = all_shards
        self.recordings = recordings
        self.threads = ThreadPool(policy.threads, "tamias-call", metrics.measures.user_time)
        self.recorder = Recorder(group)
        self.questions = questions
        self.route: Callable[[Event], tuple[Action, ...]] = plan.route
        if plan.conditions:
            self.route = partial(plan.route, failed=self._condition_failed)
        wants_ends = plan.may_reach_action(EndOfInputEvent())
        self._unfinished = unfinished = UnfinishedRuns(group)
        self.owned = OwnedRuns(group, unfinished, start=self._start_run, wants_ends=wants_ends)
        self._group = group
        self._policy = policy
        self._decode = decode
        self._beacon = beacon
        self._halt = halt
        self._here = executing_thread()
        set_origin_source(origin_here)
        self._halted = False
        self._when_halted: Callable[[], None] | None = None
        """Called once when nothing is executed any more, if no more is to begin."""
        self._is_halt_reported = False
        self._lanes = Lanes(writers, shards, policy.memory_cache)
        self._completion = RunCompletion(
            self,
            group,
            policy,
            unfinished=unfinished,
            owned=self.owned,
            questions=questions,
            halt=self._stop_runs,
        )
        self._driver = RunDriver(
            self,
            self._completion,
            policy,
            beacon,
            decode=decode,
            yielded=self._end_callback,
            broken=group.fail,
        )
        self.waits, self.execution_of = self._driver.waits, self._driver.execution_of
        self.under_way = self._driver.under_way
        self._wants_ends = wants_ends
        self._simple = self._find_simple_action()
        self._batches: deque[PendingBatch] = deque()
        self._removals = Removals(self._lanes.find, self._executing_lane, unfinished.awaits_moment)
        for writer in writers.values():
            self.add_shard(writer)

    @property
    def active(self) -> int:
        """The number of runs that are executed, without those that wait for a thread."""
        return self._completion.active - self._driver.queued

    @property
    def idle(self) -> bool:
        """Whether nothing is under way, and no input waits here."""
        return not self._batches and not self._completion.active

    def overdue(self) -> str:
        """Describe the action that has waited for longest; empty if that is not long."""
        return self._driver.overdue()

    def key_of(self, offset: int) -> bytes | None:
        """Return the key of an input that is executed now; None if it is not found."""
        key = self._driver.key_of(offset)
        if key is None and self._batches:
            _, batch, _ = self._batches[0]
            if offset in batch.offsets:
                key = batch.keys[batch.offsets.index(offset)]
        return key

    # -- inputs -------------------------------------------------------------------------------

    def receive(self, batch: InputBatch) -> None:
        """Queue a batch of inputs for `work`."""
        if self._when_halted is not None:
            return
        inputs = zip(batch.offsets, batch.keys, batch.payloads, strict=True)
        plain = not batch.rejections and max(batch.offsets) <= LARGEST_OFFSET
        self._batches.append((inputs, batch, plain))

    def work(self) -> bool:
        """Run what has been received, for one time slice, and commit what has ended.

        Returns whether inputs are left, for the loop's next turn. The slice bounds how long slow
        plain actions keep the loop from everything else, and how much a crash can undo.
        """
        until = time.monotonic() + SLICE_SECONDS
        while self._batches:
            inputs, batch, plain = self._batches[0]
            simple = self._simple if plain and not (self._unfinished or self._halted) else None
            if simple is None:
                exhausted = self._run(inputs, batch.rejections, until)
            else:
                try:
                    exhausted = self._run_simply(inputs, simple, until)
                finally:
                    self._here.run = None
            if not exhausted:
                break
            self._batches.popleft()
        self._beacon.name_none()
        self._group.flush()
        # What follows no output has to wait for.
        self._lanes.drop_idle(self._group.committed)
        self.metrics.measures.take_times()
        return bool(self._batches)

    def _run(
        self,
        inputs: Iterator[tuple[int, bytes, bytes]],
        rejections: dict[int, dict[str, Any]],
        until: float,
    ) -> bool:
        """Run inputs until none is left, or `until` has passed; return whether none is left."""
        for offset, key, payload in inputs:
            lane = self._lanes[key]
            if lane.run is not None or lane.queue or lane.held or offset > LARGEST_OFFSET:
                self._take(lane, offset, payload, rejections.get(offset))
            elif self._halted:
                lane.wait(offset, payload, rejections.get(offset))
            else:
                self._start(lane, offset, payload, rejections.get(offset))
            if time.monotonic() > until:
                return False
        return True

    def _take(
        self, lane: Lane, offset: int, payload: bytes, rejection: dict[str, Any] | None
    ) -> None:
        """Start an input, or have it wait for those of its key that came before.

        An answer does not wait: it may be what its key waits for.
        """
        if self._halted:
            lane.wait(offset, payload, rejection)
        elif is_owned(offset):
            self.owned.receive(lane, offset, rejection)
        elif (lane.held and rejection is not None) or is_answer(payload, self._decode):
            self._start(lane, offset, payload, rejection)
        elif lane.held:
            self.owned.store(lane, offset, payload)
        elif lane.run is not None or lane.queue:
            lane.wait(offset, payload, rejection)
        else:
            self._start(lane, offset, payload, rejection)

    def _run_simply(  # noqa: C901, PLR0912, PLR0915 (inline, as the text says)
        self, inputs: Iterator[tuple[int, bytes, bytes]], action: Action, until: float
    ) -> bool:
        """Do the work of `_run` for inputs that start one action, on a shorter path.

        Where throughput matters nearly all inputs are of this kind, so the loop does inline, in the
        same order, the work of `_start` and of the functions behind it. A run that needs more (it
        sends events, makes durable calls, waits, fails) continues in the `RunDriver`.
        """
        lanes, group, name_input = self._lanes, self._group, self._beacon.naming(action.name)
        decode, clock, is_async = self._decode, time.monotonic_ns, action.is_async
        call = self._driver.starter(action) if is_async else action.fn
        limit, here, measures = round(until * SECOND), self._here, self.metrics.measures
        times, executed = measures.plain_times(action.name), measures.untaken
        exhausted, (traced, slow) = True, traced_runs(self.tracer)
        references, make_event, no_answers = getrefcount, input_event, NO_ANSWERS  # found sooner
        unshared = of_memory = of_fields = 0  # how many references there are to them
        for offset, key, payload in inputs:
            lane = lanes[key]
            if lane.run is not None or lane.queue or lane.held or self._halted:
                self._take(lane, offset, payload, None)
                continue
            run = Run(lane, offset, payload)
            if offset >= traced:
                is_traced, traced = next_traced(run, self.tracer)  # type: ignore[arg-type]
                if is_traced:
                    self._driver.begin(run)
                    exhausted = clock() <= limit
                    if exhausted:
                        continue
                    break
            run.action = action
            name_input(offset)
            began = 0
            try:
                value = decode(payload)
                if value.__class__ not in no_answers and answer_in(value) is not None:
                    self._driver.begin(run)
                    continue
                event = make_event(value, (key, offset, 0, 0))
                here.run = None if is_async else run
                context = WorkerContext(self, run)
                if not unshared:
                    unshared = references(context)
                    of_memory, of_fields = references(lane.memory), references(lane.fields)
                began = clock()
                result = call(event, context)
                ended = clock()
                if result is not None:
                    if is_async:
                        self._driver.wait(run, result, (began, ended))
                        exhausted = ended <= limit
                        if exhausted:
                            continue
                        break
                    self.metrics.notices.check_result(action, result)
            except BaseException as error:  # noqa: BLE001 (SystemExit too: it is the action's)
                ended = clock()
                self._driver.fail_begun(run, error, (began, ended))
            else:
                times.words[executed] = ended - began or 1
                executed += 1
                if (
                    references(context) > unshared
                    or references(lane.memory) > of_memory
                    or references(lane.fields) > of_fields
                    or run.sensory is not None
                ):
                    run.renew_memory()
                if run.sent is not None or run.log is not None or run.timers is not None:
                    self._completion.occupy(run)
                    run.route = self.route
                    run.unheard = self.unheard
                    trace_late(run, self.tracer, began)
                    self._driver.end_step(run)
                else:
                    writer = lane.writer
                    if not writer.is_open:
                        group.join(writer)
                    lane.group = group.group
                    if lane.fields.delta or lane.is_layered:
                        lane.commit()
                    outputs = run.outputs
                    writer.offsets.append(offset)
                    writer.counts.append(len(outputs))
                    writer.outputs += outputs
                    if ended - began >= slow:
                        trace_late(run, self.tracer, began, is_over=True)
            if ended > limit or executed == MOST_TIMES:
                exhausted = False
                break
        measures.untaken = executed
        return exhausted

    def _start(
        self, lane: Lane, offset: int, payload: bytes, rejection: dict[str, Any] | None
    ) -> None:
        """Begin the run of an input whose lane is free, or set the input aside."""
        if is_owned(offset):
            self.owned.receive(lane, offset, rejection, in_turn=True)
            return
        run = Run(lane, offset, payload)
        if self._unfinished:
            self._unfinished.begin(run)
        if rejection is None:
            self._driver.begin(run)
        else:
            self._start_run(run, rejection)

    def _start_run(self, run: Run, rejection: dict[str, Any] | None) -> None:
        if rejection is None:
            self._driver.begin(run)
        else:
            reach("aside.before")
            self._completion.set_aside(run, rejection)

    def _start_waiting(self, lane: Lane) -> None:
        """Start the next inputs of a lane that has become free, for one time slice."""
        until = time.monotonic() + SLICE_SECONDS
        # A run that is suspended takes the queue away from its lane.
        while lane.queue and lane.run is None and not self._halted:
            self._start(lane, *lane.queue.popleft())
            if time.monotonic() > until:
                asyncio.get_running_loop().call_soon(self._continue, lane)
                return

    def _continue(self, lane: Lane) -> None:
        try:
            self._end_callback(lane)
        except BaseException as error:  # noqa: BLE001 (not the user's: those are caught before)
            self._group.fail(error)

    def _end_callback(self, lane: Lane) -> None:
        """End a callback of the loop that has continued a run of this lane."""
        if lane.queue and lane.run is None:
            self._start_waiting(lane)
        self._beacon.name_none()
        self._group.schedule()
        self._report_if_halted()

    def unheard(self, event: Event, sender: str) -> None:
        """Notice an event that no action listens to."""
        self.metrics.unheard += 1
        self.metrics.notices.add(unheard(self.plan, event, sender))

    def _condition_failed(self, text: str) -> None:
        self.metrics.condition_failures += 1
        self.metrics.notices.add(text)

    @property
    def call_retry(self) -> RetryPolicy | None:
        """The retry policy of durable calls that have none of their own."""
        return self._policy.call_retry

    # -- shards and settings ------------------------------------------------------------------

    def add_shard(self, writer: ShardWriter) -> None:
        """Add a shard that was acquired, with its unfinished runs."""
        writer.removals = self._removals
        self._unfinished.add(writer)
        self.owned.open_shard(writer, self._lanes)

    def has_interrupted(self, shard: int) -> bool:
        """Whether an input of a shard was begun by an earlier life, and has not begun again."""
        return self._unfinished.awaits_input(shard)

    def _executing_lane(self) -> Lane | None:
        return run.lane if isinstance(run := self._here.run, Run) else None

    def forget_shard(self, writer: ShardWriter) -> None:
        """Drop all that is cached of a shard, which has no run under way."""
        self._lanes.drop_writer(writer)
        self._removals.forget(writer)
        self._unfinished.forget(writer)

    def reconfigure(self, policy: Policy) -> None:
        """Apply another policy from now on; running timers are not changed."""
        self._policy = self._completion.policy = policy
        self._driver.reconfigure(policy)
        self._simple = self._find_simple_action()

    def _find_simple_action(self) -> Action | None:
        """The one action that inputs start, if the agent is of that kind."""
        policy = self._policy
        if self.plan.conditions or self.recordings is not None:
            return None
        actions = self.plan.route(InputEvent(input=None))
        plain = not (policy.sync_in_threads or policy.timed or self.hooks or self._wants_ends)
        return actions[0] if plain and len(actions) == 1 else None

    # -- the end ------------------------------------------------------------------------------

    def halt_queue(self, halted: Callable[[], None]) -> None:
        """Drop all that has not begun, and begin nothing more; what is executed is finished.

        Runs that wait are suspended. `halted` is called when all that was begun is committed, and
        its outputs are sent.
        """
        self._halted = True
        self._when_halted = halted
        self._batches.clear()
        for lane in self._lanes.all():
            lane.queue = None
        self._driver.begin_none()
        self.suspend_waiting()
        self._report_if_halted()

    def suspend_waiting(self) -> None:
        """Suspend all runs that do nothing but wait, however short."""
        self._driver.suspend_waiting()

    def _report_if_halted(self) -> None:
        halted = self._when_halted
        if halted is None or self._is_halt_reported or self._completion.active:
            return
        self._is_halt_reported = True
        self._group.when_committed(lambda _: halted(), None)
        self._group.schedule()

    def _stop_runs(self, report: dict[str, Any]) -> None:
        """Start no more runs, since an action failed and the policy is to fail."""
        self._halted = True
        self._driver.halt()
        self._halt(report)

    def close(self) -> None:
        """Cancel all tasks of runs, release the threads, and close files."""
        self._halted = True
        self._driver.halt()
        for lane in self._lanes.all():
            if lane.run is not None and lane.run.task is not None:
                lane.run.task.cancel()
        self.threads.close()
        self._driver.close()
        self.close_logs()

    def close_logs(self) -> None:
        """Close the files with runs."""
        for log in (self.recordings, self.tracer):
            if log is not None:
                log.close()
