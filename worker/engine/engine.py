"""The engine of a worker: takes inputs, performs runs on the event loop, commits, answers.

An input joins its key's lane and, when the lane is free, becomes a run. A synchronous action is
called right here; an asynchronous one becomes a task, and other lanes go on. When a run's last
action has returned, its memory changes, outputs and progress join the open commit group
(`group_commit`), and the lane takes its next input at once: what one run has written the next one
of the key can read, and both reach the store in order: an earlier run is never lost behind a later.

A run of several steps parks after each until its effects are on record. A run that fails is tried
again up to `max-attempts` times, on the spot, because the key's later inputs have to wait for it
anyway; then the policy decides: dead-letter it, ignore it, or fail the job.

Everything here runs on the loop's thread, except user code that was sent to threads on request.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import DivergenceError, RunTimeoutError
from ...agent.event import InputEvent, input_event
from ...store.crashpoints import reach
from ...store.records.offsets import LARGEST_OFFSET, offset_of
from ..hooks import WorkerHook
from .async_actions import AsyncActions
from .context import WorkerContext, run_info
from .failures import dead_letter, failure_report, is_final, log_ignored, verdict_letter
from .lane import Lanes
from .recorder import Recorder
from .run import Run
from .thread_pool import ThreadPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...agent.action import Action
    from ...agent.event import Event
    from ...agent.hooks import Hooks
    from ...agent.plan import AgentPlan
    from ...agent.resources.registry import ResourceRegistry
    from ...store.records.dead_letters import DeadLetter
    from ...store.records.journal import JournalEntry
    from ..beacon import Beacon
    from ..hooks import Outcome
    from ..wire import InputBatch
    from .group_commit import GroupCommit, ShardWriter
    from .lane import Lane
    from .metrics import WorkerMetrics
    from .policy import Policy

Inbox = tuple["Iterator[tuple[int, bytes, bytes]]", "dict[int, dict[str, Any]]", bool]

SLICE_SECONDS: Final = 0.02


class Engine:
    """Drives the runs of one worker."""

    def __init__(
        self,
        plan: AgentPlan,
        writers: dict[int, ShardWriter],
        shards: int,
        group: GroupCommit,
        *,
        policy: Policy,
        decode: Callable[[bytes], Any],
        encode: Callable[[bytes, Any, int], bytes],
        resources: ResourceRegistry,
        metrics: WorkerMetrics,
        beacon: Beacon,
        halt: Callable[[dict[str, Any]], None],
        hooks: Hooks[WorkerHook] | None = None,
    ) -> None:
        """`writers` are the shards of this worker, of `shards` in all; `OwnedShards` changes them.

        `halt` gets the report when an action failed and the policy is to fail. `hooks` is None
        where no hook listens.
        """
        self.plan = plan
        self.encode = encode
        self.resources = resources
        self.metrics = metrics
        self.threads = ThreadPool(policy.threads, "tamias-call")
        self._group = group
        self._policy = policy
        self._decode = decode
        self._beacon = beacon
        self._halt = halt
        self._halted = False
        self._lanes = Lanes(writers, shards)
        self._loop = asyncio.get_running_loop()
        self._hooks = self.hooks = hooks
        self.recorder = Recorder(group)
        self._actions = AsyncActions(
            self, beacon, policy, finished=self._action_finished, failed=group.fail
        )
        self.active = 0
        """How many runs are under way."""
        self._executed = metrics.executed
        self._simple = self._find_simple_action()
        self._inbox: deque[Inbox] = deque()
        self._journal: dict[int, list[JournalEntry]] = {}
        for writer in writers.values():
            self.add_shard(writer)

    # -- inputs -------------------------------------------------------------------------------

    def receive(self, batch: InputBatch) -> None:
        """Take a batch of inputs in; `work` runs them."""
        inputs = zip(batch.offsets, batch.keys, batch.payloads, strict=True)
        plain = not batch.verdicts and batch.offsets[0] <= LARGEST_OFFSET
        self._inbox.append((inputs, batch.verdicts, plain))

    def work(self) -> bool:
        """Run what has been received, for one time slice, and commit what has ended.

        Returns whether inputs are left, for the loop's next turn. The slice bounds how long slow
        plain actions keep the loop from everything else, and how much a crash can undo.
        """
        until = time.monotonic() + SLICE_SECONDS
        while self._inbox:
            inputs, verdicts, plain = self._inbox[0]
            simple = self._simple if plain and not (self._journal or self._halted) else None
            if simple is None:
                exhausted = self._run(inputs, verdicts, until)
            else:
                exhausted = self._run_simply(inputs, simple, until)
            if not exhausted:
                break
            self._inbox.popleft()
        self.settle()
        return bool(self._inbox)

    def _run(
        self,
        inputs: Iterator[tuple[int, bytes, bytes]],
        verdicts: dict[int, dict[str, Any]],
        until: float,
    ) -> bool:
        """Run inputs until there are no more, or it is later than `until`; whether the former."""
        for offset, key, payload in inputs:
            self._take(self._lanes[key], offset, payload, verdicts.get(offset))
            if time.monotonic() > until:
                return False
        return True

    def _take(
        self, lane: Lane, offset: int, payload: bytes, verdict: dict[str, Any] | None
    ) -> None:
        if lane.run is not None or lane.queue or self._halted:
            lane.wait(offset, payload, verdict)
        elif verdict is None:
            self._start(lane, offset, payload)
        else:
            self._set_aside(lane, offset, payload, verdict)

    def _run_simply(
        self, inputs: Iterator[tuple[int, bytes, bytes]], action: Action, until: float
    ) -> bool:
        """Do the work of `_run` for inputs that start one synchronous action, without detours.

        Nearly all events per second are of this kind, so the loop spells out what `_take` and all
        behind it would do, in that order. A run that turns out to be more (it sends events, makes
        durable calls, fails) goes on there.
        """
        lanes, group, name_input = self._lanes, self._group, self._beacon.name_input
        decode, call, clock = self._decode, action.fn, time.monotonic
        executed, exhausted = 0, True
        for offset, key, payload in inputs:
            lane = lanes[key]
            if lane.run is not None or lane.queue or self._halted:
                lane.wait(offset, payload, None)
                continue
            run = Run(lane, offset, payload)
            run.action = action
            name_input(offset)
            try:
                call(input_event(decode(payload), (key, offset, 0, 0)), WorkerContext(self, run))
            except BaseException as error:  # noqa: BLE001 (SystemExit too: it is the action's)
                self._adopt(run)
                self._fail(run, error)
            else:
                executed += 1
                if run.sent is not None or run.log is not None:
                    self._adopt(run)
                    run.route = self.plan.route
                    self._end_step(run)
                else:
                    writer = lane.writer
                    if not writer.is_open:
                        group.join(writer)
                    lane.group = group.group
                    if lane.fields.delta:
                        lane.commit()
                    outputs = run.outputs
                    writer.offsets.append(offset)
                    writer.counts.append(len(outputs))
                    writer.outputs += outputs
            if clock() > until:
                exhausted = False
                break
        self._executed[action.name] += executed
        return exhausted

    def settle(self) -> None:
        """Commit the runs that have ended since the last call."""
        self._beacon.name_none()
        self._group.flush()
        self._lanes.drop_idle(self._group.committed)

    def add_shard(self, writer: ShardWriter) -> None:
        """Add a shard that was taken, with its unfinished runs."""
        self._journal.update(writer.shard.journal())

    def forget_shard(self, writer: ShardWriter) -> None:
        """A shard is let go of, with nothing of it under way."""
        self._lanes.drop_writer(writer)
        for offset in writer.shard.journal():
            self._journal.pop(offset, None)

    def _pump(self, lane: Lane) -> None:
        """Start the next inputs of a lane that has become free."""
        queue = lane.queue
        while queue and lane.run is None and not self._halted:
            offset, payload, verdict = queue.popleft()
            if verdict is None:
                self._start(lane, offset, payload)
            else:
                self._set_aside(lane, offset, payload, verdict)

    def reconfigure(self, policy: Policy) -> None:
        """Go by another policy from now on; timers that run are left as they are."""
        self._policy = self._actions.policy = policy
        self._simple = self._find_simple_action()

    # -- runs ---------------------------------------------------------------------------------

    def _find_simple_action(self) -> Action | None:
        """The one synchronous action that inputs set off, if that is how this agent is made."""
        policy = self._policy
        actions = self.plan.route(InputEvent(input=None))
        plain = not (policy.sync_in_threads or policy.timed or self._hooks)
        return actions[0] if plain and len(actions) == 1 and not actions[0].is_async else None

    def _adopt(self, run: Run) -> None:
        """Make a run the one that its lane is busy with."""
        run.lane.run = run
        self.active += 1

    def _start(self, lane: Lane, offset: int, payload: bytes) -> None:
        run = Run(lane, offset, payload)
        if self._journal:
            run.entries = self._journal.pop(offset, None)
        self._begin(run)

    def _begin(self, run: Run) -> None:
        self._adopt(run)
        self._point_at(run)
        if self._hooks is not None:
            self._hooks.call(WorkerHook.run_begun, run_info(run))
        try:
            origin = (run.lane.key_bytes, run.offset, 0, 0)
            run.begin(input_event(self._decode(run.payload), origin), self.plan.route)
        except Exception as error:  # noqa: BLE001 (whatever the payload makes its class do)
            self._fail(run, error)
            return
        self._step(run)

    def _step(self, run: Run) -> None:
        """Perform the next step: the run then parks, waits, fails or ends."""
        if run.expired:
            self._fail(run, RunTimeoutError())
            return
        try:
            step = run.next_step()
            if step is not None:
                event, action = step
                if self._hooks is not None:
                    self._hooks.call(WorkerHook.action_begun, run_info(run), action.name, event)
                if action.is_async or self._policy.sync_in_threads:
                    self._actions.start(run, event, action)
                    return
                self._point_at(run)
                self._call(run, action, event)
                self._executed[action.name] += 1
        except BaseException as error:  # noqa: BLE001 (SystemExit too: it is the action's)
            self._fail(run, error)
            return
        if step is None:
            self._complete(run)
        else:
            self._end_step(run)

    def _call(self, run: Run, action: Action, event: Event) -> None:
        """Call a plain action on the loop's thread."""
        error: BaseException | None = None
        try:
            action.fn(event, WorkerContext(self, run))
        except BaseException as caught:
            error = caught
            raise
        finally:
            if self._hooks is not None:
                self._hooks.call(WorkerHook.action_ended, run_info(run), action.name, error)

    def _end_step(self, run: Run) -> None:
        """The current action has returned: complete the run, or park it until that is on record."""
        try:
            effects = run.end_action()
            if effects is not None:
                self.recorder.record_effects(run, effects, self._resume)
                return
        except Exception as error:  # noqa: BLE001 (a divergence, or events that cannot be pickled)
            self._fail(run, error)
            return
        self._complete(run)

    def _point_at(self, run: Run) -> None:
        """Name the run's input in the beacon: its code is executed from now on."""
        if self._policy.timed:
            self._beacon.name_call(run.offset)
        else:
            self._beacon.name_input(run.offset)

    def _resume(self, run: Run) -> None:
        """A parked run's effects are on record, or a failed one is due again: go on with it."""
        try:
            self._point_at(run)
            if run.steps is None:
                self._begin(run)
            else:
                self._step(run)
            self._settle(run.lane)
        except BaseException as error:  # noqa: BLE001 (not the user's: his are caught before)
            self._group.fail(error)

    def _settle(self, lane: Lane) -> None:
        """Finish a callback from the loop."""
        if lane.queue and lane.run is None:
            self._pump(lane)
        self._beacon.name_none()
        self._group.schedule()

    def _action_finished(self, run: Run, action: Action, failure: BaseException | None) -> None:
        """An action that was started as a task has ended."""
        if self._hooks is not None:
            self._hooks.call(WorkerHook.action_ended, run_info(run), action.name, failure)
        if failure is None:
            self._executed[action.name] += 1
            self._end_step(run)
        else:
            self._fail(run, failure)
        self._settle(run.lane)

    # -- ends ---------------------------------------------------------------------------------

    def _complete(self, run: Run) -> None:
        if self._hooks is not None:
            self._hooks.call(WorkerHook.run_ended, run_info(run), len(run.outputs))
        run.lane.commit()
        run.lane.writer.outputs += run.outputs
        self._close(run, len(run.outputs))

    def _close(self, run: Run, outputs: int) -> None:
        """The run has ended, however: its lane is free and its progress joins the open group."""
        lane = run.lane
        lane.run = None
        run.log = None
        self.active -= 1
        if run.timer is not None:
            run.timer.cancel()
        writer = lane.writer
        if not writer.is_open:
            self._group.join(writer)
        lane.group = self._group.group
        writer.offsets.append(run.offset)
        writer.counts.append(outputs)
        if run.entries is not None:
            writer.batch.finished.append(run.offset)
        if run.offset > LARGEST_OFFSET:
            writer.batch.retried.append(offset_of(run.offset))

    def _fail(self, run: Run, error: BaseException) -> None:
        if self._group.is_broken:
            return  # the worker ends, and the run is another's
        run.lane.fields.roll_back()
        if run.expired:
            error = RunTimeoutError.after(self._policy.run_timeout)
        self.metrics.failures += 1
        outcome = self._outcome(run, error)
        if self._hooks is not None:
            self._hooks.call(WorkerHook.run_failed, run_info(run), error, outcome)
        run.attempts += 1
        if outcome == "fail":
            self.recorder.forget_calls(run, error)  # or the job could never be carried on
            self._halted = True
            self._actions.halt()
            self._halt(failure_report(run, error))
        elif outcome == "ignore":
            self.metrics.ignored += 1
            log_ignored(run, error)
            run.lane.writer.failed.append(run.offset)
            self._close(run, 0)
        elif outcome == "retry":
            self._retry(run, error)
        else:
            self._dead_letter(run, dead_letter(run, error, self._policy.codec))

    def _outcome(self, run: Run, error: BaseException) -> Outcome:
        """Return what follows this failure of a run."""
        policy = self._policy
        if policy.on_error == "fail":
            return "fail"
        if policy.on_error == "ignore" and not isinstance(error, DivergenceError):
            return "ignore"
        again = run.attempts + 1 < policy.max_attempts and not is_final(error)
        return "retry" if again else "dead-letter"

    def _retry(self, run: Run, error: BaseException) -> None:
        self.active -= 1
        if run.timer is not None:
            run.timer.cancel()
        self.recorder.forget_calls(run, error)
        run.log = None
        self.metrics.retries += 1
        again = run.lane.run = run.again()  # in its place, so that nothing overtakes it
        self._loop.call_soon(self._resume, again)

    def _set_aside(self, lane: Lane, offset: int, payload: bytes, verdict: dict[str, Any]) -> None:
        """Record as a dead letter an input that must not be run (again)."""
        reach("aside.before")
        run = Run(lane, offset, payload)
        run.entries = self._journal.pop(offset, None)
        self.active += 1
        self._dead_letter(run, verdict_letter(run, verdict, self._policy.codec))

    def _dead_letter(self, run: Run, letter: DeadLetter) -> None:
        self.metrics.dead_letters += 1
        run.lane.writer.batch.dead.append(letter)
        run.lane.writer.failed.append(run.offset)
        self._close(run, 0)

    def close(self) -> None:
        """Cancel what runs and release the threads."""
        self._halted = True
        self._actions.halt()
        for lane in self._lanes.values():
            if lane.run is not None and lane.run.task is not None:
                lane.run.task.cancel()
        self.threads.close()
        self._actions.close()
