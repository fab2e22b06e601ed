"""The pool: the loop that joins a source, the workers and a sink.

Pure machines decide (`dispatch/dispatcher.py`, `delivery/checkpoint.py`); the pool carries out. One
turn of the loop: carry out commands, read inputs as far as the dispatcher wants them, carry out its
instructions, wait for a socket, process what has arrived, and from time to time save a checkpoint
and publish the status. There is one thread, to which others speak by `post` only, and nothing here
looks into a payload.

Exactly once, from the pool's side. A worker's outbox record goes to the sink first, then into a
checkpoint, and only when that is saved may the worker forget the record. Whatever dies in between,
the record comes again, and the delivery knows which of its inputs the sink has.
"""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from ...agent.limits.settings import Limits
from ...store import clock
from ...store.waiting.reading import WaitingCounts
from ...worker import wire
from ...worker.process.limits import give_to_user, users_of_workers
from ..connection.listening import listen
from ..control import commands
from ..control.commands import Mailbox
from ..control.operations import CommandQueue
from ..dispatch.breaker import Breaker
from ..dispatch.dispatcher import Dispatcher
from ..hooks import LauncherHook
from ..limits.pool_limits import PoolLimits
from ..logs.worker_log import WorkerLog
from ..retries.live_retries import LiveRetries
from ..workers.generation import Generation, Generations, make_starter
from ..workers.monitor import Monitor
from ..workers.registry import WorkerRegistry
from .answers import Answers
from .at_end import EndOfInput
from .checkpoints import CheckpointSaver
from .inbox import Inbox
from .observer import Observer
from .reader import Reader
from .scaling import Scaling, Swapping
from .shutdown import stop_workers
from .signals import Signals
from .worker_control import WorkerControl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...agent.errors import TamiasError
    from ...environments.launch import Launch
    from ...store.state.directory import StateDirectory
    from ...worker.process.boot import Boot
    from ..control.commands import Answer, Command
    from ..delivery.delivery import Delivery
    from ..delivery.source import Source
    from ..workers.registry import WorkerHandle
    from .settings import PoolSettings
    from .status import PoolStatus

_LOG: Final = logging.getLogger("tamias.pool")

CHECKPOINT_SECONDS: Final = 0.1
MOST_OF_LOOP: Final = 0.05
"""The share of the loop's time that checkpoints may take: with many workers, whose inputs finish in
another order than they are read, one is larger, and they are saved less often."""
LONGEST_SECONDS: Final = 0.5
STATUS_SECONDS: Final = 0.25
HALT_SECONDS: Final = 1.0
"""The longest to wait for workers to say what they execute when they halt."""
IDLE_SECONDS: Final = 1.0
"""Between two turns of the loop with nothing to do."""
OPERATION_SECONDS: Final = 0.02
"""Between two steps of an operation, which may wait for what no descriptor shows."""


class Pool:
    """One life of a job. `run` may be called once.

    Attributes:
        dispatcher: decides which worker gets which input.
        generations: what the workers are made of.
        command_queue: carries out commands; handlers of more commands may be registered.
        hooks: called when something happens to the pool.
        current_generation: the generation that new workers belong to, and that counts.
    """

    def __init__(
        self,
        boot: Boot,
        source: Source,
        delivery: Delivery,
        state: StateDirectory,
        settings: PoolSettings,
    ) -> None:
        """`delivery` is open, and `source` stands where its checkpoint says."""
        self._boot = boot
        self._source = source
        self._delivery = delivery
        self._state = state
        self._settings = settings
        self.hooks = settings.hooks
        self.dispatcher = Dispatcher(
            settings.slots,
            shards=boot.shards,
            generation=boot.generation,
            window=settings.window,
            batch=settings.batch,
            max_attempts=settings.max_attempts,
            breaker=Breaker(settings.breaker),
        )
        self._reader = Reader(source, delivery, self.dispatcher, settings.malformed_limit)
        self.generations = Generations()
        self.current_generation = boot.generation
        self._reader.is_full = self._is_full
        self._end = EndOfInput(boot.shards, settings.at_end, settings.at_end_limit)
        self._mailbox = Mailbox()
        self.command_queue = CommandQueue(self._mailbox)
        self._retries = LiveRetries(state, self.dispatcher, delivery)
        self._register_commands()
        self._answers: Answers | None = None
        self._failure: TamiasError | None = None
        self._signals = 0
        self._drain_until = float("inf")
        self._finishing = False
        """Whether no more inputs are read: a command wants the pool to end with those it has."""
        self._draining = False
        """Whether no more inputs are begun: a signal wants it to end with those executed now."""
        self._report_drain_by: float | None = None
        self._drain_reported = False
        self._clock = time.monotonic
        self._next_checkpoint = 0.0
        self._next_status = 0.0
        self._observer = Observer(
            self.dispatcher, source, delivery, state, settings.on_status, hooks=settings.hooks
        )
        self._observer.waiting = lambda: self._end.counts
        self._observer.ages = self._reader.ages
        self._observer.top_keys = self._reader.top_keys

    @property
    def status(self) -> PoolStatus:
        """The status as of its last update."""
        return self._observer.status

    # -- the loop -----------------------------------------------------------------------------

    def run(self) -> bool:
        """Work until the source is exhausted and everything is delivered.

        Returns whether that is so: False means that a signal or a command has ended it early,
        resumably.

        Raises:
            AgentFailedError: an action failed, and `on_error` is "fail".
            WorkerStartError: workers do not start.
            TamiasError: anything else that cannot be survived.
        """
        finished: bool | None = None
        try:
            with ExitStack() as stack:
                if self._settings.handle_signals:
                    stack.enter_context(
                        Signals(self._drain_on_signal, self._settings.drain_timeout)
                    )
                self._open(stack)
                finished = self._live()
            return finished
        finally:
            self.command_queue.close(
                None if finished is None else {"finished": finished}, self._failure
            )
            if self._answers is not None:
                self._answers.close()
            self._retries.close()

    def _live(self) -> bool:
        self.hooks.call(LauncherHook.pool_started, self._state.path, self._settings.slots)
        outcome = "failed"
        try:
            self._loop()
            if self._draining and not self._drain_reported:
                self._report("draining")
            self._report("stopping")
            if self._draining and self._clock() >= self._drain_until:
                self.monitor.report_left()
            self.hooks.call(LauncherHook.pool_stopping)
            self._stop_workers()
            if self._failure is not None:
                raise self._failure
            finished = not self._draining and self._source.exhausted
            outcome = "finished" if finished else "interrupted"
        finally:
            self._report(outcome)
            self.hooks.call(LauncherHook.pool_ended, outcome)
        return finished

    def _open(self, stack: ExitStack) -> None:
        state = self._state.path
        self._state.layout.run.mkdir(exist_ok=True)
        self._transport = listen(self._boot.address, stack, users_of_workers(self._boot.config))
        self._log = stack.enter_context(
            WorkerLog(self._state.layout.pool_log, self._settings.log_limit)
        )
        stack.callback(self.generations.close)
        self.add_generation(self._boot, self._settings.start_method, self._settings.launch)
        self._registry = WorkerRegistry(state)
        stack.callback(self._registry.close)
        self._inbox = Inbox(
            self._transport,
            self._registry,
            self.dispatcher,
            self._delivery,
            self._fail,
            policy=lambda generation: self.generations[generation].boot.on_error,
            hooks=self.hooks,
        )
        self._workers = WorkerControl(
            self.dispatcher,
            self.generations,
            self._registry,
            self._transport,
            self._inbox,
            hooks=self.hooks,
            fail=self._fail,
            is_ending=lambda: self._failure is not None or self._draining,
        )
        self._checkpoints = CheckpointSaver(
            self._delivery,
            self.dispatcher.placement,
            self._registry,
            self._transport,
            self.hooks,
        )
        self.monitor = Monitor(
            self._registry,
            self.dispatcher,
            state,
            self._settings.limits,
            replace_slot=lambda slot: self.post(commands.Swap(slot)),
            abandon=self._workers.abandon,
            fail=self._fail,
        )
        self._answers = Answers(self.dispatcher.placement, self._registry, self._transport)
        self._limits = self._inbox.limits = PoolLimits(
            self._settings.call_limits,
            self._boot.shards,
            self._state.layout.limits_log,
            self._transport,
        )
        stack.callback(self._limits.close)
        self._workers.limits = self._limits
        self._observer.limits = self._limits.describe
        self._inbox.on_ready = self.monitor.inspect_ready
        self._inbox.on_acquired = self._acquired
        self._inbox.on_rest = self._end.report
        self._inbox.on_answered = self._answers.finish
        if self._settings.streams is not None:
            self._inbox.on_streamed = self._settings.streams.receive
        give_to_user(state, self._boot.config)

    def _loop(self) -> None:
        now = self._clock()
        streams = self._settings.streams
        self._report("running")
        while True:
            self.command_queue.turn(now)
            more = True
            while more:
                more = self._reader.feed()
                self._retries.turn()
                if streams is not None:  # before the inputs that have them are sent
                    streams.announce(self._registry, self._transport)
                self._workers.dispatch(now)
            if self._draining:
                self._halt_workers()
            if self._failure is not None or self._at_end():
                break
            self._wait(now)
            now = self._clock()
            self._inbox.receive(now)
            self._workers.poll(now)
            self._limits.turn()
            if now >= self.monitor.next_inspection:
                self.monitor.inspect(now, self.generations)
            if now >= self._next_checkpoint:
                self._registry.kill_overdue(now)
                began = time.thread_time()
                self._checkpoints.save()
                pause = (time.thread_time() - began) / MOST_OF_LOOP
                self._next_checkpoint = now + min(max(CHECKPOINT_SECONDS, pause), LONGEST_SECONDS)
            if now >= self._next_status:
                ends = self._drain_reported or self._finishing
                self._report("draining" if ends else "running")
        self._checkpoints.save()

    def _at_end(self) -> bool:
        dispatcher = self.dispatcher
        if self._draining:
            return self._ends_at_once or dispatcher.quiet
        if self._finishing and dispatcher.idle:
            return True
        # Outboxes may hold outputs of inputs that no source has any more: dead letters that an
        # earlier life retried. So the pool does not end before every shard has announced its own.
        announced = len(self._inbox.announced_shards) == self._boot.shards
        if not (self._source.exhausted and dispatcher.idle and announced) or self._retries.busy:
            return False
        if self._end.begin(dispatcher.counters.submitted + dispatcher.owned.announced):
            for worker in self._registry:
                if worker.ready:
                    self._ask(worker, dispatcher.shards_of(worker.assignment.slot))
        now = clock.now()
        if self._end.is_over(now):
            counts = self._end.counts
            self._observer.waiting = lambda: counts  # whatever dies while the workers stop
            return True
        if self._settings.on_rest is not None and (counts := self._end.at_rest()) is not None:
            return self._settings.on_rest(counts, self.post)
        if remark := self._end.remark(self._clock(), now):
            _LOG.warning("the input has ended, and the job goes on: %s", remark)
        return False

    def _ask(self, worker: WorkerHandle, shards: Sequence[int]) -> None:
        """Ask a worker to report these of its shards when nothing is to be done in them."""
        if worker.waits:
            ends = self._settings.ends_input and not self._source.left
            body = {"round": self._end.number, "ends": ends}
            self._transport.send(worker.identity, wire.pack(wire.END_OF_INPUT, body))
        else:
            self._end.report(self._end.number, dict.fromkeys(shards, WaitingCounts()))

    def _acquired(self, worker: WorkerHandle, shards: Sequence[int]) -> None:
        """A worker has got shards."""
        if self._answers is not None:
            self._answers.resend(worker, shards)
        if self._end.number:
            self._end.forget(shards)
            self._ask(worker, shards)

    def _is_full(self) -> bool:
        limit = self._settings.waiting_limit
        return bool(limit) and self._registry.waiting_inputs > limit

    def _wait(self, now: float) -> None:
        deadline = self.dispatcher.next_deadline(now)
        until = min(self._next_status, self._next_checkpoint)
        if self.dispatcher.idle and self._delivery.is_saved and self._registry.all_ready:
            until = now + IDLE_SECONDS
        if self.command_queue.operation is not None:
            until = min(until, now + OPERATION_SECONDS)
        if deadline is not None:
            until = min(until, deadline)
        until = min(until, self.monitor.next_inspection)
        for pause in (self._limits.pause, self._retries.pause):
            if pause is not None:
                until = min(until, now + pause)
        descriptors = [self._mailbox.fileno(), *self.generations.descriptors()]
        if self._reader.starved and (arrival := self._source.fileno()) is not None:
            descriptors.append(arrival)
        self._transport.wait(until - now, descriptors, soon=self.dispatcher.has_few)

    # -- commands -----------------------------------------------------------------------------

    def post(self, command: Command) -> Answer:
        """Give the pool a command; from any thread, also before it runs.

        The future gets the answer, a JSON object, when all of it has happened. Or a TamiasError,
        as the command says, and PoolError if the pool ends first.
        """
        return self._mailbox.post(command)

    def _register_commands(self) -> None:
        command_queue = self.command_queue
        command_queue.at_once(commands.Describe, lambda _: self._describe())
        command_queue.at_once(commands.Drain, lambda _: self._finish())
        command_queue.at_once(commands.Stop, lambda _: self._drain())
        command_queue.one_by_one(
            commands.Scale,
            lambda scale: Scaling(self.dispatcher, scale.workers, self.current_generation),
        )
        command_queue.pass_on(commands.AnswerQuestion, self._answer)
        command_queue.pass_on(commands.RetryDeadLetters, self._retries.begin)
        command_queue.one_by_one(commands.Swap, lambda swap: Swapping(self.dispatcher, swap.slot))

    def _describe(self) -> dict[str, Any]:
        return asdict(
            self._observer.update(
                self.status.phase, self.current_generation, self._registry, self._clock()
            )
        )

    def _answer(self, command: commands.AnswerQuestion, reply: Answer) -> None:
        assert self._answers is not None  # noqa: S101 (commands are carried out in the loop)
        self._answers.begin(command, reply)

    def _finish(self) -> None:
        self._finishing = self._reader.closed = True
        self.dispatcher.refuse_due()

    def add_generation(
        self, boot: Boot, start_method: str, launch: Launch | None, *, on_trial: bool = False
    ) -> Generation:
        """Make a new generation, whose interpreter begins to start; it has no slots yet.

        `boot` is as that of the others, but for its number and what is new.

        Raises:
            ValueError: there is a generation of that number.
            WorkerStartError: there is no such interpreter.
        """
        if on_trial:
            self.dispatcher.on_trial.add(boot.generation)
        make = self._settings.make_starter
        starter = make(boot) if make else make_starter(start_method, boot, self._log.file, launch)
        return self.generations.add(Generation(boot.generation, boot, starter))

    def send_settings(self, generation: int, message: bytes) -> None:
        """Send changed settings to a generation's workers, those to come included."""
        self._inbox.pending_settings[generation] = message
        for worker in self._registry:
            if worker.ready and worker.generation == generation:
                self._transport.send(worker.identity, message)

    def forget_settings(self, generation: int) -> None:
        """Drop the changed settings of a generation that ends."""
        self._inbox.pending_settings.pop(generation, None)

    def promote(self, generation: int) -> None:
        """Make this generation the current one; its failures end the pool from now on."""
        self.dispatcher.on_trial.discard(generation)
        limits = Limits.of(self.generations[generation].boot.config)
        self._limits.configure(limits.share(self._settings.limit_parts))
        self.current_generation = generation

    def kill_workers(self, generation: int) -> None:
        """Kill a generation's workers; no input is a suspect because of that."""
        self._registry.kill_generation(generation)

    def _fail(self, error: TamiasError, generation: int | None = None) -> None:
        """End the pool with an error, unless it is that of a generation on trial."""
        if generation is not None and generation in self.dispatcher.on_trial:
            trial = self.generations[generation]
            trial.failure = trial.failure or error
        elif self._failure is None:
            self._failure = error

    # -- the end ------------------------------------------------------------------------------

    @property
    def _ends_at_once(self) -> bool:
        """Whether nothing is waited for: a second signal, or `drain-timeout` has passed."""
        return self._signals > 1 or self._clock() >= self._drain_until

    def _drain_on_signal(self) -> None:
        self._drain()
        self._mailbox.wake()

    def _drain(self) -> None:
        self._signals += 1
        if not self._draining and self._settings.drain_timeout:
            self._drain_until = self._clock() + self._settings.drain_timeout
        self._draining = self._reader.closed = True
        self.dispatcher.drain()

    def _halt_workers(self) -> None:
        """Have the workers begin nothing more, and report that when they say what they execute."""
        now = self._clock()
        self._workers.halt(now)
        if self._drain_reported:
            return
        if self._report_drain_by is None:
            self._report_drain_by = now + HALT_SECONDS
        if self._workers.executed_is_known(now) or now >= self._report_drain_by:
            self._drain_reported = True
            self._report("draining")
        else:
            self._next_status = now + HALT_SECONDS / 10

    def _stop_workers(self) -> None:
        exits = stop_workers(
            self._registry,
            self.generations,
            self._transport,
            self._inbox,
            lambda: self._ends_at_once,
        )
        for event in exits:
            self._workers.record_exit(event, expected=True)

    def _report(self, phase: str) -> None:
        now = self._clock()
        self._log.bound()
        self._next_status = now + STATUS_SECONDS
        self._observer.publish(phase, self.current_generation, self._registry, now)
