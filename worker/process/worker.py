"""A worker: messages of the launcher in, reports out, and the engine between them.

It acquires the leases of its shards, announces the records in their outboxes, and works until the
launcher sends STOP. Meanwhile it may have to release shards and take others (`shards.py`).
`running.py` makes the process around it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from ...agent.config.options import KNOWN_OPTIONS
from ...agent.errors import TamiasError
from ...agent.failures.error_json import error_to_json
from ...agent.hooks import make_hooks
from ...agent.limits.settings import Limits
from ...agent.resources.registry import ResourceRegistry
from ...store import clock
from ...store.crashpoints import reach
from ...store.encoding.codec import make_decoder, make_encoder
from ...store.encoding.keys import decode_key
from ...store.records.offsets import offset_of
from ...store.state.layout import StateLayout
from .. import wire
from ..beacon import Beacons
from ..cassette import Cassette
from ..connection.connecting import make_connection
from ..engine.engine import Engine
from ..hooks import WorkerHook
from ..limits.admission import Admission
from ..metering.cells import Cells
from ..metrics import WorkerMetrics
from ..notices import Notices
from ..policy import Policy, field_ttl_of
from ..recording.recorder import RunRecorder
from ..runs.group_commit import GroupCommit
from ..streams.text_sender import TextSender
from ..tasks.thread_pool import threads_are_replaced
from ..tasks.tracking import current_offset
from ..tracing.tracer import Tracer
from ..waiting.announcer import Announcer
from ..waiting.questions import Questions
from .heartbeat import HEARTBEAT_SECONDS, Heartbeats
from .output import change_label
from .own_changes import OwnChanges
from .shards import OwnedShards

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...agent.plan import AgentPlan
    from ..hooks import HookClasses
    from ..profiling.profiler import Profiler
    from .boot import Assignment, Boot

EXIT_OK: Final = 0
EXIT_FATAL: Final = 1

POOL_VARIABLE: Final = "TAMIAS_POOL"
"""An environment variable of workers and of all that they start, which names their pool: the
launcher's process id, a colon, and the state directory."""
GENERATION_VARIABLE: Final = "TAMIAS_GENERATION"
"""Another one: the number of their generation, a colon, and the start method."""
_set_handler: Final = signal.signal
"""As it is before the agent is imported, which may replace it."""
RESOURCES_SECONDS: Final = 2.0
"""How long resources may take to close what belongs to the loop: connections of clients. The shards
have been released by then."""

_LOG: Final = logging.getLogger("tamias.worker")


class Worker:
    """The socket side of a worker: messages in and out around the engine."""

    def __init__(
        self,
        boot: Boot,
        plan: AgentPlan,
        assignment: Assignment,
        loop: asyncio.AbstractEventLoop,
        hooks: HookClasses,
    ) -> None:
        self._boot = boot
        self._plan = plan
        self._assignment = assignment
        self._loop = loop
        self._hook_classes = hooks
        self.notices = Notices()
        self._ended = loop.create_future()
        self._texts = TextSender(loop, self._send)
        self._owned = OwnedShards(boot, loop, self._send)
        self._connection = make_connection(
            boot.address, boot.parent, bytes.fromhex(assignment.identity)
        )
        self._turn_scheduled = False
        self._halts = False
        self._postponed: list[bytes] = []
        """Messages that have arrived before a reply to a plain action."""
        self._is_child = False
        self._next_heartbeat = 0.0
        self._lag = 0.0
        self._own_changes = OwnChanges()
        self.profiler: Profiler | None = None

    async def serve(self) -> int:
        """Start, work and stop; return the exit code."""
        try:
            self._start()
        except (TamiasError, OSError) as error:
            self._fatal(error)
        code: int = await self._ended
        self._stop()
        if hasattr(self, "_resources"):
            with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
                await asyncio.wait_for(self._resources.aclose(), RESOURCES_SECONDS)
            if self._cassette is not None:
                self._cassette.close()
        return code

    # -- start and stop --------------------------------------------------------------------------

    def _start(self) -> None:
        boot, assignment, plan = self._boot, self._assignment, self._plan
        layout = StateLayout(boot.state)
        self._connection.open()
        self._owned.field_ttl = field_ttl_of(plan.config)
        self._owned.acquire_initial(assignment.shards)
        self._cells = Cells(layout.counts(assignment.slot))
        self._metrics = WorkerMetrics(plan.actions, self.notices, self._cells)
        self._cassette = Cassette.of(plan.config)
        self._resources = ResourceRegistry(plan.providers, plan.config, self._cassette)
        kinds, broken = self._hook_classes
        self._hooks = make_hooks(WorkerHook, kinds, broken)
        self._metrics.hooks = self._hooks
        self._group = GroupCommit(
            self._send,
            self._loop,
            threaded=boot.durability == "machine" and not threads_are_replaced(),
            failed=self._fatal,
        )
        self._announcer = Announcer(self._loop, self._send, self._is_idle)
        self._group.on_waiting = self._announcer.changed
        # What is answered from a record uses nothing.
        replays = self._cassette is not None and self._cassette.replays
        limits = Limits.of({} if replays else plan.config.data)
        self._admission = Admission(limits, self._send, self._loop)
        self._admission.requests.bind()
        self._admission.requests.receive_now = self._receive_permits
        self._owned.usage = self._admission.usage
        self._questions = Questions(self._owned.writers, self._group, self._send)
        self._beacon = Beacons(layout.beacons)[assignment.slot]
        _working.add(self)
        self._engine = Engine(
            plan,
            self._owned.writers,
            boot.shards,
            self._group,
            policy=self._policy(boot.on_error),
            decode=make_decoder(boot.input_codec),
            encode=make_encoder(boot.output_codec),
            resources=self._resources,
            metrics=self._metrics,
            beacon=self._beacon,
            questions=self._questions,
            halt=self._report_failure,
            texts=self._texts,
            hooks=self._hooks or None,
            tracer=Tracer.of(plan, boot, assignment.slot),
            admission=self._admission,
            all_shards=self._owned.all_shards,
            recordings=RunRecorder.of(plan.config, layout, assignment.slot, boot.input_codec),
        )
        change_label(self._label)
        if self.profiler is not None:
            self.profiler.know(self._beacon, self._engine.execution_of)
        self._hooks_want_commits = self._hooks.wants(WorkerHook.committed)
        self._group.on_commit = self._committed
        self._owned.attach(self._engine, self._group, self._announcer, self._fatal)
        self._owned.announce()
        self._beacon.know_actions(plan.actions)
        ready = {"pid": os.getpid(), "actions": list(plan.actions)}
        self._send_json(wire.READY, {**ready, **self._owned.describe()})
        reach("announce.after")
        self._owned.watch()
        self._hooks.call(WorkerHook.worker_started, assignment.slot, boot.generation)
        self._loop.add_reader(self._connection.fileno(), self._readable)
        self._heartbeats = Heartbeats(self._engine, self._group, self._announcer)
        self._heartbeat()
        self._turn()

    def _is_idle(self) -> bool:
        return self._engine.idle

    def _stop(self) -> None:
        reach("stop.before")
        if hasattr(self, "_engine"):
            self._hooks.call(WorkerHook.worker_stopping)
            self._loop.remove_reader(self._connection.fileno())
            self._announcer.stop()
            self._engine.close()
            self._group.close()
            self._resources.close()
        self._owned.close()
        self._connection.close()

    def _label(self) -> str:
        """Return the label of a line that is printed now."""
        text = f"worker {self._assignment.slot}"
        offset = current_offset()
        if offset is None and threading.current_thread() is threading.main_thread():
            offset = self._beacon.offset
        if offset is None:
            return text
        key = self._engine.key_of(offset)
        named = "" if key is None else f", key {decode_key(key)!r}"
        return f"{text}, input {offset_of(offset)}{named}"

    # -- messages -----------------------------------------------------------------------------

    def abandon(self) -> None:
        """Give up what the kernel takes from a dead process, for a worker that is a thread.

        Nothing is sent, and nothing is committed but what is being committed just now: LMDB waits
        for a transaction of another thread before it closes, and would wait for ever then.
        """
        self._ended.cancel()
        self._group.close()
        self._owned.close()
        self._connection.close(linger=0.0)

    def forget_files(self) -> None:
        """Close the files that a process would not outlive, for a worker that is a thread.

        User code that is still running may go on counting, in memory of its own.
        """
        if hasattr(self, "_engine"):
            self._engine.close_logs()
            self._beacon.become_private()
            self._cells.become_private()

    def _stop_without_launcher(self) -> None:
        if not self._ended.done():
            _LOG.debug("worker %d stops: its launcher is gone", self._assignment.slot)
            self._end(EXIT_FATAL)

    def _readable(self) -> None:
        """Take a turn, unless one is scheduled: each would schedule its own next one."""
        if not self._turn_scheduled:
            self._turn()

    def _scheduled_turn(self) -> None:
        self._turn_scheduled = False
        self._turn()

    def _turn(self) -> None:
        """Process messages and run inputs; an error here has lost inputs, so it ends the worker."""
        if self._ended.done():
            return
        try:
            self._process_messages()
        except BaseException as error:  # noqa: BLE001 (not the user's: the engine catches those)
            self._fatal(error)

    def _process_messages(self) -> None:
        """Process all messages that have arrived, and run inputs; schedule a turn if any are left.

        All, so that HALT is seen before the next run, however small the batches are.
        """
        if self._postponed:
            postponed, self._postponed = self._postponed, []
            for message in postponed:
                self._dispatch(message)
        for message in self._connection.receive():
            self._dispatch(message)
        if self._beacon.is_to_halt:
            self._halt()
        if self._connection.is_lost:  # no other process may take the launcher's place
            self._stop_without_launcher()
        elif self._engine.work():
            self._turn_soon()

    def _receive_permits(self, is_there: Callable[[], bool], seconds: float) -> None:
        """Receive the launcher's reply to a plain action, which keeps the loop from doing that."""
        connection, until = self._connection, time.monotonic() + seconds
        while not is_there() and (left := until - time.monotonic()) > 0:
            if not connection.wait(left):
                break
            for message in connection.receive():
                if message[:1] == wire.PERMITS:
                    self._dispatch(message)
                else:
                    self._postponed.append(message)
            if connection.is_lost:
                break
        if self._postponed:
            self._turn_soon()

    def _turn_soon(self) -> None:
        if not self._turn_scheduled:
            self._turn_scheduled = True
            self._loop.call_soon(self._scheduled_turn)

    def _dispatch(self, message: bytes) -> None:
        kind = message[:1]
        if kind == wire.INPUTS:
            self._engine.receive(wire.unpack_inputs(message))
        elif kind == wire.ACKNOWLEDGE:
            levels = wire.unpack(message)
            self._owned.acknowledge({int(shard): level for shard, level in levels.items()})
        elif kind == wire.RELEASE:
            self._owned.release(wire.unpack(message)["shard"])
        elif kind == wire.TAKE:
            self._owned.acquire_when_free(wire.unpack(message)["shard"])
        elif kind == wire.CONFIGURE:
            self._reconfigure(**wire.unpack(message))
        elif kind == wire.END_OF_INPUT:
            body = wire.unpack(message)
            self._announcer.begin_round(body["round"], ends=body["ends"])
        elif kind == wire.PERMITS:
            self._admission.requests.receive(wire.unpack(message))
        elif kind == wire.ANSWER:
            self._questions.receive(wire.unpack(message), clock.now())
        elif kind == wire.WANTED:
            self._texts.change(**wire.unpack(message))
        elif kind == wire.HALT:
            self._halt()
        elif kind == wire.STOP:
            self._owned.commit_trims()
            self._group.flush()
            self._send_metrics(last=True)
            self._end(EXIT_OK)

    def _halt(self) -> None:
        if not self._halts:
            self._halts = True
            self._announcer.stop()
            self._engine.halt_queue(lambda: self._send_json(wire.HALTED, {}))
            self._send_metrics()

    def _reconfigure(self, settings: dict[str, Any], on_error: str) -> None:
        """Apply new values of live options; runs under way are not changed."""
        for key, value in settings.items():
            self._plan.config.set(KNOWN_OPTIONS[key], value)
        self._engine.reconfigure(self._policy(on_error))

    def _policy(self, on_error: str) -> Policy:
        return Policy.of(self._plan.config, on_error=on_error, codec=self._boot.input_codec)

    def _send(self, message: bytes) -> None:
        if self._texts.has_text:  # a call's text arrives before the outcome of its run
            self._texts.flush()
        if not self._connection.send(message):
            self._stop_without_launcher()

    def _send_json(self, kind: bytes, body: dict[str, Any]) -> None:
        self._send(wire.pack(kind, body))

    def _heartbeat(self) -> None:
        if self._ended.done():
            return
        try:
            self._beacon.beat()
            self._announcer.look()
            now = self._loop.time()
            self._lag = max(0.0, now - self._next_heartbeat) if self._next_heartbeat else 0.0
            self._send_metrics()
        except Exception as error:  # noqa: BLE001 (the user's code has closed the socket, say)
            self._fatal(error)
        else:
            self._next_heartbeat = now + HEARTBEAT_SECONDS
            self._loop.call_at(self._next_heartbeat, self._heartbeat)

    def _send_metrics(self, *, last: bool = False) -> None:
        writers = self._owned.writers.values()
        if self.profiler is not None and self.profiler.failures:
            self._metrics.measures.unwritten["profile"] = self.profiler.failures
        self._send_json(wire.METRICS, self._heartbeats.next(writers, lag=self._lag, last=last))

    def _committed(self, runs: int, shards: int, written: int, seconds: float) -> None:
        self._metrics.measures.count_commit(runs, written, seconds)
        if self._heartbeats.is_early(self._loop.time()):
            self._send_metrics()
        if self._hooks_want_commits:
            self._hooks.call(WorkerHook.committed, runs, shards, written, seconds)

    def _report_failure(self, report: dict[str, Any]) -> None:
        self._send_json(wire.FAILED, report)

    def become_child(self) -> None:
        """Run in each child that the user's code forks: a child must not go on as this worker.

        It shares the worker's sockets and its event queue in the kernel, and would take messages
        and wake-ups away from it. A child that returns or raises out of the action uses the beacon
        next, which is released here, and that error ends the child.
        """
        self._is_child = True
        change_label(lambda: f"worker {self._assignment.slot}")
        self._beacon.release()
        self._cells.become_private()

    def _fatal(self, error: BaseException) -> None:
        """End the worker, which cannot go on; its successor repeats what is not committed."""
        if self._is_child:
            _LOG.error("a child that an action has forked came back from the action: it is ended")
            os._exit(EXIT_FATAL)
        if self._ended.cancelled():  # the process is ending already
            return
        try:
            self._report_fatal(error)
        except BaseException:  # noqa: BLE001 (without its socket, say)
            if threading.current_thread() is threading.main_thread():
                os._exit(EXIT_FATAL)  # its end is all that the launcher can see
        self._end(EXIT_FATAL)

    def _report_fatal(self, error: BaseException) -> None:
        _LOG.error(
            "worker %d stops: %s",
            self._assignment.slot,
            error,
            exc_info=None if isinstance(error, TamiasError) else error,
        )
        body = error_to_json(error, with_traceback=False)
        own_cause = self._own_changes.describe(self._owned.files())
        if own_cause:
            body["message"] = f"{body['message']} ({own_cause})"
            body["own_cause"] = own_cause
        self._send_json(wire.FATAL, body)

    def _end(self, code: int) -> None:
        if not self._ended.done():
            self._ended.set_result(code)


_working: Final[WeakSet[Worker]] = WeakSet()
"""The workers of this process. Python never forgets what is registered for forks; a process with
workers as threads has many, one after the other."""


def _after_fork() -> None:
    for worker in list(_working):
        worker.become_child()


os.register_at_fork(after_in_child=_after_fork)
