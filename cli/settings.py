"""Makes the configuration of a job from flags, --set and --config.

A flag sets the option of the same name. Flags override --set, which overrides the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..agent.config.configuration import Configuration, parse_assignments
from ..agent.config.options import KNOWN_OPTIONS, PoolOptions
from ..worker.importing.yaml_files import target_settings

if TYPE_CHECKING:
    from pathlib import Path


def configuration(
    file: Path | None,
    assignments: list[str] | None,
    flags: dict[str, Any],
    *,
    target: str = "",
) -> Configuration:
    """Return the configuration; flags that are None were not given.

    If the target is a YAML file, what is set there counts where nothing else is given.

    Raises:
        ConfigError: something in it is malformed, or not a value of its option.
    """
    config = Configuration()
    if file is not None:
        config.load_file(file)
    config.add_defaults(target_settings(target))
    config.override(parse_assignments(assignments or ()))
    given = {name: value for name, value in flags.items() if value is not None}
    for name, value in given.items():
        KNOWN_OPTIONS[name].convert(value)
    config.override(given)
    return config


def for_workers(config: Configuration) -> dict[str, Any]:
    """Return the settings of a job, without its state directory and environment."""
    return {
        name: value
        for name, value in config.data.items()
        if not name.startswith("environment.") and name != PoolOptions.STATE_DIR.key
    }
