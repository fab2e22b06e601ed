"""Handlers of the commands that reload a pool.

A reload is an operation of the pool's loop (`control/operations.py`), which continues it in every
turn; the shards move as for any other reason (`dispatch/migration.py`). A thread does what takes
long: providing the new environment, and running a smoke input. The loop starts the new generation's
zygote, because that has to be the child of a thread that lives as long as the pool.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...agent.config.configuration import Configuration
from ...agent.config.options import PoolOptions
from ...agent.config.yaml_text import flatten
from ...agent.errors import ConfigError, ReloadError
from ...worker.importing.yaml_files import target_settings
from ..control.commands import RecordFiles, Reload, Rollback
from ..control.operations import Operation
from ..workers.monitor import watch_limits
from . import generation_record
from .current import LOG, CurrentGeneration
from .operation import ReloadOperation
from .settings_diff import compare

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from ...environments.launch import Launch
    from ...worker.process.boot import Boot
    from .operation import SmokeTest
    from .settings_diff import SettingsDiff

    SmokeRunner: TypeAlias = Callable[[Boot, Launch | None, Configuration, str], None]


class Reloader:
    """Carries out a pool's commands to reload.

    Args:
        current: what the pool begins with.
        provide: makes an environment; it may take long.
        smoke: runs a file of inputs through new code, as `smoke(boot, launch, config, path)`, and
            raises what is wrong.
    """

    def __init__(
        self,
        current: CurrentGeneration,
        provide: Callable[[dict[str, Any]], Launch | None],
        smoke: SmokeRunner | None,
    ) -> None:
        self._current = current
        self._provide = provide
        self._smoke = smoke
        self._in_document = {current.pool.current_generation: _settings_in(current.boot.target)}
        """What the YAML file of the agent sets, by generation."""

    def register(self) -> None:
        """Register the commands' handlers with the pool, before it runs."""
        current, pool = self._current, self._current.pool
        pool.command_queue.one_by_one(Reload, self._begin)
        pool.command_queue.one_by_one(RecordFiles, lambda _: _RecordFilesOperation(current))
        pool.post(RecordFiles())
        pool.command_queue.at_once(Rollback, lambda _: self._roll_back())

    def _begin(self, command: Reload) -> Operation:
        current = self._current
        target = command.target or current.boot.target
        in_document = _settings_in(target)
        edited = self._edited(in_document)
        changes = compare(current.boot.config, {**edited, **flatten(command.settings)})
        if any(key.startswith("environment.") for key in changes.lasting):
            raise ConfigError(
                "An environment is no setting of a reload.",
                hint="Say all of it: --python, --requirements, ...; environment, on the socket.",
            )
        environment = current.environment if command.environment is None else command.environment
        if target != current.boot.target:
            self._check_target(target)
        elif (
            changes.live
            and not changes.lasting
            and not command.smoke
            and environment == current.environment
            and not current.changed_files()
        ):
            self._in_document[current.pool.current_generation] = in_document
            return _ApplySettings(current, changes)
        operation = ReloadOperation(
            current,
            changes,
            target,
            environment,
            provide=self._provide,
            smoke=self._smoke_test(command.smoke),
        )
        self._in_document[operation.number] = in_document
        return operation

    def _edited(self, now: dict[str, Any]) -> dict[str, Any]:
        """Return what has been edited in the settings of the agent's YAML file.

        Only that: what else is set there may have been replaced on the command line.
        """
        known = self._in_document.get(self._current.pool.current_generation, {})
        return {key: now.get(key) for key in {**known, **now} if known.get(key) != now.get(key)}

    def _smoke_test(self, path: str | None) -> SmokeTest | None:
        run = self._smoke
        if path is None or run is None:
            return None
        return lambda boot, launch, config: run(boot, launch, config, path)

    def _check_target(self, target: str | None) -> None:
        current = self._current
        ours = current.state.manifest.agent
        named = current.boot.target is not None and target is not None
        if not named or generation_record.agent_of(str(target)) != ours:
            raise ConfigError(
                f"{current.state.path} belongs to the agent {ours}, and {target} is another one.",
                hint="A reload may take the same agent from elsewhere: a file of the same name.",
            )

    def _roll_back(self) -> dict[str, Any]:
        operation = self._current.pool.command_queue.operation
        if not isinstance(operation, ReloadOperation) or not operation.rollout.undecided:
            raise ReloadError("No reload is under way that could be rolled back.")
        operation.rollout.fail("it was told to")
        return {"generation": operation.number, "outcome": "rolling back"}


def _settings_in(target: str | None) -> dict[str, Any]:
    return target_settings(target) if target else {}


class _RecordFilesOperation(Operation):
    """Records the files of the first generation's code, once it has been imported."""

    def __init__(self, current: CurrentGeneration) -> None:
        self._current = current

    def step(self, now: float) -> dict[str, Any] | None:
        """As `Operation.step`."""
        del now
        current = self._current
        number = current.pool.current_generation
        starter = current.pool.generations[number].starter
        if not starter.is_warm:
            return None
        if starter.files:
            generation_record.record_files(current.state, number, starter.files)
        return {"files": len(starter.files)}


class _ApplySettings(Operation):
    """Applies options that a running pool can change."""

    def __init__(self, current: CurrentGeneration, changes: SettingsDiff) -> None:
        self._current = current
        self._changes = changes

    def step(self, now: float) -> dict[str, Any]:
        """As `Operation.step`."""
        del now
        current, changes = self._current, self._changes
        config = Configuration(changes.config)
        on_error = config.get(PoolOptions.ON_ERROR) or current.boot.on_error
        boot = replace(current.boot, config=changes.config, on_error=on_error)
        watch_limits(config)  # before anything is on record
        job = current.job_with(boot, current.environment)
        if job:
            current.state.save_job({**current.state.manifest.job, **job})
        current.boot = boot
        current.apply_settings(config, on_error)
        applied = ", ".join(f"{key}={value}" for key, value in changes.live.items())
        LOG.info("changed while running: %s", applied)
        return {
            "generation": current.pool.current_generation,
            "outcome": "applied",
            "changed": changes.live,
        }
