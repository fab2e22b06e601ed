"""One reload, from the command to the end of one of the two generations."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ...agent.config.configuration import Configuration
from ...agent.config.options import PoolOptions
from ...agent.errors import ConfigError, ReloadError, TamiasError
from ...worker.importing.codebase import changed, forget_bytecode
from ..control.operations import Operation
from ..dispatch.slot import Phase
from ..hooks import LauncherHook
from ..workers.monitor import watch_limits
from . import generation_record
from .rollout import (
    AddSlots,
    MoveShard,
    Observed,
    Promote,
    Retire,
    Rollout,
    RolloutPolicy,
    RolloutStage,
    Side,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from ...environments.launch import Launch
    from ...worker.process.boot import Boot
    from ..workers.generation import Generation
    from .current import CurrentGeneration
    from .rollout import Step
    from .settings_diff import SettingsDiff

    SmokeTest: TypeAlias = Callable[[Boot, Launch | None, Configuration], None]


RETURN_SECONDS: Final = 5.0
"""The time that runs of a rolled-back generation get before their workers are killed."""


class ReloadOperation(Operation):
    """One reload, from the command to the end of one of the two generations."""

    def __init__(
        self,
        current: CurrentGeneration,
        changes: SettingsDiff,
        target: str | None,
        environment: dict[str, Any],
        *,
        provide: Callable[[dict[str, Any]], Launch | None],
        smoke: SmokeTest | None,
    ) -> None:
        """Begin.

        Raises:
            ConfigError: the new configuration makes no sense.
            StoreFullError, StoreUnwritableError: the new number cannot be put on record.
        """
        pool, old = current.pool, current.boot
        self._current = current
        self._config = config = Configuration(changes.config)
        watch_limits(config)
        self._live = changes.live
        self._environment = environment
        self._old = pool.current_generation
        self.number = generation_record.plan(current.state)
        on_error = config.get(PoolOptions.ON_ERROR) or old.on_error
        self._boot = replace(
            old,
            generation=self.number,
            config=changes.config,
            target=target,
            on_error=on_error,
        )
        self._began = time.monotonic()
        self._old_slots = pool.dispatcher.moves.destinations()
        """Where the shards come from, and go back to."""
        before = pool.dispatcher.counters.of(self._old)
        self.rollout = Rollout(
            range(old.shards),
            RolloutPolicy(
                probation=config.get(PoolOptions.RELOAD_PROBATION),
                canary=config.get(PoolOptions.RELOAD_CANARY),
                deaths=config.get(PoolOptions.RELOAD_DEATHS),
                failures=config.get(PoolOptions.RELOAD_FAILURES),
            ),
            old_runs=before.runs,
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
        self._moved_before = pool.dispatcher.moves.done
        pool.dispatcher.moves.recent = 0.0
        self._reported: RolloutStage | None = None
        self._preparation = self._prepare(provide, smoke)

    # -- preparation ---------------------------------------------------------------------------

    def _prepare(
        self,
        provide: Callable[[dict[str, Any]], Launch | None],
        smoke: SmokeTest | None,
    ) -> Future[Launch | None]:
        """Prepare the new generation on a thread, because it takes long."""
        future: Future[Launch | None] = Future()
        current, boot, config = self._current, self._boot, self._config
        environment = self._environment
        files = current.pool.generations[self._old].starter.files

        def work() -> None:
            try:
                launch = provide(environment)
                check_version(boot, launch, current.launch)
                forget_bytecode(changed(files))
                if smoke is not None:
                    smoke(boot, launch, config)
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
                self._generation = self._current.pool.add_generation(
                    self._boot,
                    self._config.get(PoolOptions.START_METHOD),
                    self._launch,
                    on_trial=True,
                )
            except Exception as error:  # noqa: BLE001 (whatever it is, the old ones go on)
                self.rollout.fail(error_text(error))
        elif self._generation.starter.is_warm:
            self.rollout.prepared()

    # -- each turn -----------------------------------------------------------------------------

    def step(self, now: float) -> dict[str, Any] | None:
        """As `Operation.step`.

        Raises:
            ReloadError: it was rolled back, and this is why.
        """
        if self.rollout.stage is RolloutStage.PREPARING:
            self._go_on_preparing()
        self._observe(now)
        stage = None
        while stage is not self.rollout.stage and not self.rollout.over:
            stage = self.rollout.stage
            for step in self.rollout.tick(now):
                self._carry_out(step)
            self._report()
        if self.rollout.stage is RolloutStage.RETURNING:
            self._hurry(now)
        self._report()
        return self._answer() if self.rollout.over else None

    def _observe(self, now: float) -> None:
        """Report to the rollout what has happened."""
        rollout, dispatcher = self.rollout, self._current.pool.dispatcher
        for shard, side in list(self._going.items()):
            owner = dispatcher.placement.owner(shard)
            here = owner is not None and owner.number == self._slot_of(shard, side)
            if here and not dispatcher.moves.is_moving(shard):
                del self._going[shard]
                rollout.moved(shard, side, now)
        if self._leaving is not None:
            self._observe_leaving()
        if self._generation is None:
            return
        for slot in self._slots.values():
            if dispatcher.phase(slot) is Phase.READY:
                rollout.ready(slot)
        counts = dispatcher.counters.of(self.number)
        failure, error = self._generation.failure, dispatcher.given_up.get(self.number, "")
        rollout.observed(
            Observed(
                counts.runs,
                counts.failed,
                counts.deaths + counts.start_failures,
                counts.last_death,
                error if failure is None else error_text(failure),
            )
        )

    def _observe_leaving(self) -> None:
        """Once the workers of the leaving generation are gone, end its zygote."""
        pool = self._current.pool
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
            self._current.pool.kill_workers(self.number)

    # -- instructions --------------------------------------------------------------------------

    def _carry_out(self, step: Step) -> None:
        pool = self._current.pool
        if isinstance(step, AddSlots):
            for old in pool.dispatcher.slots():
                self._slots[old] = pool.dispatcher.add_slot(self.number)
            self.rollout.added(self._slots.values())
        elif isinstance(step, MoveShard):
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
            pool.forget_settings(self.number if step.side is Side.NEW else self._old)

    def _slot_of(self, shard: int, side: Side) -> int:
        old_slot = self._old_slots[shard]
        return self._slots[old_slot] if side is Side.NEW else old_slot

    def _promote(self) -> None:
        current, generation = self._current, self._generation
        assert generation is not None  # noqa: S101 (all shards are its)
        python = generation_record.python_of(self._launch)
        definition = generation_record.definition_of(self._boot.target, self._boot.config, python)
        try:
            generation_record.promote(
                current.state,
                self.number,
                definition,
                generation.starter.files,
                **current.job_with(self._boot, self._environment),
            )
        except TamiasError as error:
            self.rollout.fail(error_text(error))
            return
        current.boot, current.launch = self._boot, self._launch
        current.environment = self._environment
        current.pool.promote(self.number)
        if self._live:
            current.apply_settings(self._config, self._boot.on_error)
        self.rollout.promoted()

    # -- reports -------------------------------------------------------------------------------

    def _report(self) -> None:
        stage, pool = self.rollout.stage, self._current.pool
        pool.status.reload = {
            "generation": self.number,
            "stage": stage.value,
            "shards_moved": self.rollout.at_new,
            "runs": self.rollout.runs,
            "failures": self.rollout.failures,
            "deaths": self.rollout.deaths,
            "reason": self.rollout.reason,
        }
        if stage is not self._reported:
            self._reported = stage
            pool.hooks.call(
                LauncherHook.reload_stage, self.number, stage.value, self.rollout.reason
            )

    def _answer(self) -> dict[str, Any]:
        rollout, moves = self.rollout, self._current.pool.dispatcher.moves
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


def check_version(boot: Boot, launch: Launch | None, before: Launch | None) -> None:
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


def error_text(error: BaseException) -> str:
    """An error as the reason for something; with the user's traceback, if it has one."""
    if isinstance(error, TamiasError):
        return f"{type(error).__name__}: {error}"
    return f"{type(error).__name__}: {error}".strip(": ")
