"""The current generation of a pool: what it is made of, and how a change of it is put on record."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ...agent.config.options import KNOWN_OPTIONS, PoolOptions
from ...worker import wire
from ...worker.importing.codebase import changed
from ..workers.monitor import watch_limits
from . import generation_record

if TYPE_CHECKING:
    from ...agent.config.configuration import Configuration
    from ...environments.launch import Launch
    from ...store.state.directory import StateDirectory
    from ...worker.process.boot import Boot
    from ..pool.pool import Pool

LOG: Final = logging.getLogger("tamias.reload")


@dataclass(slots=True)
class CurrentGeneration:
    """What the workers of a pool run at present; a promoted reload replaces it.

    Attributes:
        pool: the pool.
        state: its state directory.
        boot: what the workers run.
        launch: their interpreter; None for the launcher's own.
        environment: what the interpreter's environment was made of.
    """

    pool: Pool
    state: StateDirectory
    boot: Boot
    launch: Launch | None
    environment: dict[str, Any]

    def changed_files(self) -> list[str]:
        """Files of the agent's code that differ from what the workers have imported."""
        return changed(self.pool.generations[self.pool.current_generation].starter.files)

    def apply_settings(self, config: Configuration, on_error: str) -> None:
        """Apply the live options of `config` to the launcher and all workers."""
        self.pool.monitor.limits = watch_limits(config)
        self.pool.dispatcher.allow_attempts(config.get(PoolOptions.MAX_ATTEMPTS))
        values = {key: config.data.get(key) for key, option in KNOWN_OPTIONS.items() if option.live}
        message = wire.pack(wire.CONFIGURE, {"settings": values, "on_error": on_error})
        self.pool.send_settings(self.pool.current_generation, message)

    def job_with(self, boot: Boot, environment: dict[str, Any]) -> dict[str, Any]:
        """What changes in the manifest's job with a generation, if a command can resume it."""
        ours = {
            "target": boot.target,
            "on_error": boot.on_error,
            "environment": environment,
        }
        return {
            name: {
                **{key: value for key, value in spec.items() if key != generation_record.WITHHELD},
                **{key: ours[key] for key in ours.keys() & spec.keys()},
                **generation_record.recorded_config(boot.config),
            }
            for name, spec in generation_record.specs(self.state.manifest.job).items()
        }
