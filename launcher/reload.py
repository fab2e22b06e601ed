"""Reloading a pool: what carries out the decisions of `rollout.py`.

A reload is an undertaking of the pool's loop (`orders.py`), which asks it to go on in every turn;
the shards move by the dispatcher's own means (`moves.py`). What takes long and is not the loop's
business is done on a thread: providing the new environment, and running a smoke input. The new
generation's zygote is started by the loop again, because it has to be the child of a thread that
lives as long as the pool.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ..agent.configuration import Configuration
from ..agent.errors import ConfigError, ReloadError, TamiasError
from ..agent.options import KNOWN_OPTIONS, PoolOptions
from ..worker import wire
from ..worker.codebase import changed, forget_bytecode
from . import lineage
from .changes import compare
from .commands import NoteFiles, Reload, Rollback
from .orders import Undertaking
from .rollout import AddSlots, Move, Promote, Prudence, Retire, Rollout, Side, Stage
from .slotstate import Phase
from .smoke import Trial, smoke
from .supervisor import watch_limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..store.directory import StateDirectory
    from ..worker.boot import Boot
    from .changes import Changes
    from .generation import Generation
    from .launch import Launch
    from .pool import Pool
    from .rollout import Step

RETURN_SECONDS: Final = 5.0
"""What runs of a generation that is rolled back get to finish before their workers are killed."""

_LOG: Final = logging.getLogger("tamias.reload")


class Reloader:
    """Takes a pool's commands to reload, and knows what its current generation is made of.

    Args:
        pool: before it runs.
        state: its state directory.
        boot: of the generation that it begins with.
        launch: the same; None for the launcher's own interpreter.
        environment: what the workers' environment was made of.
        provide: makes one of that. It may take long.
        trial: how to read a file with a smoke input.
    """

    def __init__(
        self,
        pool: Pool,
        state: StateDirectory,
        boot: Boot,
        *,
        launch: Launch | None,
        environment: dict[str, Any],
        provide: Callable[[dict[str, Any]], Launch | None],
        trial: Trial,
    ) -> None:
        self.pool = pool
        self.state = state
        self.boot = boot
        self.launch = launch
        self.environment = environment
        self.provide = provide
        self.trial = trial
        pool.orders.one_by_one(Reload, self._begin)
        pool.orders.one_by_one(NoteFiles, lambda _: _Noting(self))
        pool.post(NoteFiles())
        pool.orders.at_once(Rollback, lambda _: self._roll_back())
        pool.status.generation = boot.generation

    def _begin(self, command: Reload) -> Undertaking:
        changes = compare(self.boot.config, command.settings)
        if any(key.startswith("environment.") for key in changes.lasting):
            raise ConfigError(
                "An environment is no setting of a reload.",
                hint="Say all of it: --python, --requirements, ...; environment, on the socket.",
            )
        target = command.target or self.boot.target
        environment = self.environment if command.environment is None else command.environment
        if target != self.boot.target:
            self._check_target(target)
        elif (
            changes.live
            and not changes.lasting
            and not command.smoke
            and environment == self.environment
            and not self._changed()
        ):
            return _Tuning(self, changes)
        return _Reloading(self, changes, target, environment, command.smoke)

    def _changed(self) -> list[str]:
        """Files of the current generation's code that are not any more what it has imported."""
        return changed(self.pool.generations[self.boot.generation].starter.files)

    def _check_target(self, target: str | None) -> None:
        ours = self.state.manifest.agent
        if self.boot.target is None or target is None or lineage.agent_of(target) != ours:
            raise ConfigError(
                f"{self.state.path} belongs to the agent {ours}, and {target} is another one.",
                hint="A reload may take the same agent from elsewhere: a file of the same name.",
            )

    def _roll_back(self) -> dict[str, Any]:
        undertaking = self.pool.orders.undertaking
        if not isinstance(undertaking, _Reloading) or not undertaking.rollout.undecided:
            raise ReloadError("No reload is under way that could be rolled back.")
        undertaking.rollout.fail("it was told to")
        return {"generation": undertaking.number, "outcome": "rolling back"}

    def tune(self, config: Configuration, on_error: str) -> None:
        """Go by the values that live options have in `config`, in the launcher and all workers."""
        self.pool.supervisor.limits = watch_limits(config)
        self.pool.dispatcher.allow_attempts(config.get(PoolOptions.MAX_ATTEMPTS))
        values = {key: config.data.get(key) for key, option in KNOWN_OPTIONS.items() if option.live}
        message = wire.pack(wire.CONFIGURE, {"settings": values, "on_error": on_error})
        self.pool.announce(self.boot.generation, message)

    def job_with(self, boot: Boot, environment: dict[str, Any]) -> dict[str, Any]:
        """What changes in the manifest's job with a generation, if a command can resume it."""
        ours = {
            "target": boot.target,
            "config": boot.config,
            "on_error": boot.on_error,
            "environment": environment,
        }
        return {
            name: {**spec, **{key: ours[key] for key in ours.keys() & spec.keys()}}
            for name, spec in lineage.specs(self.state.manifest.job).items()
        }


class _Noting(Undertaking):
    """To know which files the first generation's code is in, once it has been imported."""

    def __init__(self, reloader: Reloader) -> None:
        self._reloader = reloader

    def step(self, now: float) -> dict[str, Any] | None:
        """As `Undertaking.step`."""
        del now
        reloader = self._reloader
        number = reloader.boot.generation
        starter = reloader.pool.generations[number].starter
        if not starter.is_warm:
            return None
        if starter.files:
            lineage.note_files(reloader.state, number, starter.files)
        return {"files": len(starter.files)}


class _Tuning(Undertaking):
    """New values of options that a running pool can change."""

    def __init__(self, reloader: Reloader, changes: Changes) -> None:
        self._reloader = reloader
        self._changes = changes

    def step(self, now: float) -> dict[str, Any]:
        """As `Undertaking.step`."""
        del now
        reloader, changes = self._reloader, self._changes
        config = Configuration(changes.config)
        on_error = config.get(PoolOptions.ON_ERROR) or reloader.boot.on_error
        boot = replace(reloader.boot, config=changes.config, on_error=on_error)
        watch_limits(config)  # before anything is on record
        job = reloader.job_with(boot, reloader.environment)
        if job:
            reloader.state.save_job({**reloader.state.manifest.job, **job})
        reloader.boot = boot
        reloader.tune(config, on_error)
        told = ", ".join(f"{key}={value}" for key, value in changes.live.items())
        _LOG.info("changed while running: %s", told)
        return {"generation": boot.generation, "outcome": "applied", "changed": changes.live}


class _Reloading(Undertaking):
    """One reload, from the command to the end of one of the two generations."""

    def __init__(
        self,
        reloader: Reloader,
        changes: Changes,
        target: str | None,
        environment: dict[str, Any],
        smoke_input: str | None,
    ) -> None:
        """Begin.

        Raises:
            ConfigError: the new configuration makes no sense.
            StoreFullError, StoreUnwritableError: the new number cannot be put on record.
        """
        pool, old = reloader.pool, reloader.boot
        self._reloader = reloader
        self._config = config = Configuration(changes.config)
        watch_limits(config)
        self._live = changes.live
        self._environment = environment
        self._old = old.generation
        self.number = lineage.plan(reloader.state)
        on_error = config.get(PoolOptions.ON_ERROR) or old.on_error
        self._boot = replace(
            old,
            generation=self.number,
            config=changes.config,
            target=target,
            on_error=on_error,
        )
        self._began = time.monotonic()
        self._homes = pool.dispatcher.destinations()
        """Where the shards come from, and go back to."""
        before = pool.dispatcher.tally(self._old)
        self.rollout = Rollout(
            range(old.shards),
            Prudence(
                probation=config.get(PoolOptions.RELOAD_PROBATION),
                canary=config.get(PoolOptions.RELOAD_CANARY),
                deaths=config.get(PoolOptions.RELOAD_DEATHS),
                failures=config.get(PoolOptions.RELOAD_FAILURES),
            ),
            old_runs=before.completed,
            old_failures=before.failed,
        )
        self._slots: dict[int, int] = {}
        """The new slot for each old one."""
        self._going: dict[int, Side] = {}
        self._generation: Generation | None = None
        self._launch: Launch | None = None
        self._leaving: Side | None = None
        self._closing: threading.Thread | None = None
        self._kill_at = float("inf")
        self._seen = (0, 0, 0)
        """Runs, failures and deaths that the rollout has been told of."""
        self._moved_before = pool.dispatcher.moves.done
        pool.dispatcher.moves.recent = 0.0
        self._told: Stage | None = None
        self._preparation = self._prepare(smoke_input)

    # -- preparation ---------------------------------------------------------------------------

    def _prepare(self, smoke_input: str | None) -> Future[Launch | None]:
        """Do on a thread what takes long."""
        future: Future[Launch | None] = Future()
        reloader, boot, config = self._reloader, self._boot, self._config
        environment = self._environment
        files = reloader.pool.generations[self._old].starter.files

        def work() -> None:
            try:
                launch = reloader.provide(environment)
                _check_version(boot, launch, reloader.launch)
                forget_bytecode(changed(files))
                if smoke_input is not None:
                    smoke(boot, launch, config, smoke_input, reloader.trial)
            except BaseException as error:  # noqa: BLE001 (it is the answer)
                future.set_exception(error)
            else:
                future.set_result(launch)

        threading.Thread(target=work, name="tamias-reload", daemon=True).start()
        return future

    def _go_on_preparing(self) -> None:
        if self._generation is None:
            if not self._preparation.done():
                return
            try:
                self._launch = self._preparation.result()
                self._generation = self._reloader.pool.add_generation(
                    self._boot,
                    self._config.get(PoolOptions.START_METHOD),
                    self._launch,
                    on_trial=True,
                )
            except Exception as error:  # noqa: BLE001 (whatever it is, the old ones go on)
                self.rollout.fail(_told(error))
        elif self._generation.starter.is_warm:
            self.rollout.prepared()

    # -- each turn -----------------------------------------------------------------------------

    def step(self, now: float) -> dict[str, Any] | None:
        """As `Undertaking.step`.

        Raises:
            ReloadError: it was rolled back, and this is why.
        """
        if self.rollout.stage is Stage.PREPARING:
            self._go_on_preparing()
        self._observe(now)
        stage = None
        while stage is not self.rollout.stage and not self.rollout.over:
            stage = self.rollout.stage
            for step in self.rollout.tick(now):
                self._carry_out(step)
        if self.rollout.stage is Stage.RETURNING:
            self._hurry(now)
        self._report()
        return self._answer() if self.rollout.over else None

    def _observe(self, now: float) -> None:
        """Tell the rollout what has happened."""
        rollout, dispatcher = self.rollout, self._reloader.pool.dispatcher
        for shard, side in list(self._going.items()):
            owner = dispatcher.placement.owners[shard]
            if owner == self._slot_of(shard, side) and not dispatcher.moves.is_moving(shard):
                del self._going[shard]
                rollout.moved(shard, side, now)
        if self._leaving is not None:
            self._observe_leaving()
        if self._generation is None:
            return
        for slot in self._slots.values():
            if dispatcher.phase(slot) is Phase.READY:
                rollout.ready(slot)
        tally = dispatcher.tally(self.number)
        runs, failures, deaths = self._seen
        died = tally.deaths + tally.start_failures
        if (tally.completed, tally.failed) != (runs, failures):
            rollout.ran(tally.completed - runs, tally.failed - failures)
        for _ in range(died - deaths):
            rollout.died(tally.last_death)
        self._seen = tally.completed, tally.failed, died
        if self._generation.failure is not None:
            rollout.fail(_told(self._generation.failure))
        elif tally.given_up:
            rollout.fail(tally.given_up)

    def _observe_leaving(self) -> None:
        """Once the workers of the leaving generation are gone, end its zygote."""
        pool = self._reloader.pool
        side = self._leaving
        slots = self._slots.values() if side is Side.NEW else self._slots.keys()
        if self._closing is None:
            if any(pool.dispatcher.phase(slot) is not Phase.RETIRED for slot in slots):
                return
            number = self.number if side is Side.NEW else self._old
            if side is Side.NEW and self._generation is None:
                self.rollout.retired()
                return
            # Not here: an interpreter takes its time to end.
            starter = pool.generations.take_out(number).starter
            self._closing = threading.Thread(target=starter.close, daemon=True)
            self._closing.start()
        if not self._closing.is_alive():
            self.rollout.retired()

    def _hurry(self, now: float) -> None:
        """Kill the workers of a generation that is rolled back and keeps its shards too long."""
        if self._kill_at == float("inf"):
            self._kill_at = now + RETURN_SECONDS
        if now >= self._kill_at:
            self._kill_at = now + RETURN_SECONDS
            self._reloader.pool.kill_workers(self.number)

    # -- instructions --------------------------------------------------------------------------

    def _carry_out(self, step: Step) -> None:
        pool = self._reloader.pool
        if isinstance(step, AddSlots):
            for old in pool.dispatcher.slots():
                self._slots[old] = pool.dispatcher.add_slot(self.number)
            self.rollout.added(self._slots.values())
        elif isinstance(step, Move):
            self._going[step.shard] = step.to
            slot = self._slot_of(step.shard, step.to)
            pool.dispatcher.move(step.shard, slot, at_once=step.to is Side.OLD)
        elif isinstance(step, Promote):
            self._promote()
        elif isinstance(step, Retire):
            self._leaving = step.side
            slots = self._slots.values() if step.side is Side.NEW else self._slots.keys()
            for slot in slots:
                pool.dispatcher.retire(slot)
            pool.forget_news(self.number if step.side is Side.NEW else self._old)
        elif step.reason:
            _LOG.warning("generation %d was rolled back: %s", self.number, step.reason)

    def _slot_of(self, shard: int, side: Side) -> int:
        home = self._homes[shard]
        return self._slots[home] if side is Side.NEW else home

    def _promote(self) -> None:
        reloader, generation = self._reloader, self._generation
        assert generation is not None  # noqa: S101 (all shards are its)
        python = lineage.python_of(self._launch)
        definition = lineage.definition_of(self._boot.target, self._boot.config, python)
        try:
            lineage.promote(
                reloader.state,
                self.number,
                definition,
                generation.starter.files,
                **reloader.job_with(self._boot, self._environment),
            )
        except TamiasError as error:
            self.rollout.fail(_told(error))
            return
        reloader.boot, reloader.launch = self._boot, self._launch
        reloader.environment = self._environment
        reloader.pool.promote(self.number)
        if self._live:
            reloader.tune(self._config, self._boot.on_error)
        self.rollout.promoted()

    # -- what is said --------------------------------------------------------------------------

    def _report(self) -> None:
        stage = self.rollout.stage
        status = self._reloader.pool.status
        status.reload = {
            "generation": self.number,
            "stage": stage.value,
            "shards_moved": self.rollout.at_new,
            "runs": self.rollout.runs,
            "failures": self.rollout.failures,
            "deaths": self.rollout.deaths,
            "reason": self.rollout.reason,
        }
        if stage is not self._told:
            self._told = stage
            _LOG.info("generation %d: %s", self.number, stage.value)

    def _answer(self) -> dict[str, Any]:
        rollout, moves = self.rollout, self._reloader.pool.dispatcher.moves
        if rollout.reason:
            raise ReloadError(
                f"Generation {self.number} was rolled back: {rollout.reason}",
                hint=f"Generation {self._old} does the work, as before.",
            )
        return {
            "generation": self.number,
            "outcome": "promoted",
            "seconds": time.monotonic() - self._began,
            "runs": rollout.runs,
            "failures": rollout.failures,
            "moves": moves.done - self._moved_before,
            "longest_pause": moves.recent,
        }


def _check_version(boot: Boot, launch: Launch | None, before: Launch | None) -> None:
    """Refuse a Python that cannot load what the program pickles for it."""
    ours = sys.version_info[:2]
    old = ours if before is None else before.minor
    new = ours if launch is None else launch.minor
    if old != new and (boot.agent is not None or boot.input_codec == "pickle"):
        raise ConfigError(
            f"Inputs and agent were pickled for Python {old[0]}.{old[1]}, and the new environment "
            f"has {new[0]}.{new[1]}.",
            hint="Another version takes another life of the program.",
        )


def _told(error: BaseException) -> str:
    """An error as the reason for something; with the user's traceback, if it has one."""
    if isinstance(error, TamiasError):
        return f"{type(error).__name__}: {error}"
    return f"{type(error).__name__}: {error}".strip(": ")
