"""From flags, --set and --config to the configuration of a job.

A flag is one more way to give an option of the same name, and stands above --set, which stands
above the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..agent.config.configuration import Configuration, parse_assignments
from ..agent.config.options import KNOWN_OPTIONS, PoolOptions

if TYPE_CHECKING:
    from pathlib import Path


def configuration(
    file: Path | None, assignments: list[str] | None, flags: dict[str, Any]
) -> Configuration:
    """The configuration; flags that are None were not given.

    Raises:
        ConfigError: something in it is malformed, or no value for its option.
    """
    config = Configuration()
    if file is not None:
        config.load_file(file)
    config.override(parse_assignments(assignments or ()))
    given = {name: value for name, value in flags.items() if value is not None}
    for name, value in given.items():
        KNOWN_OPTIONS[name].convert(value)
    config.override(given)
    return config


def for_workers(config: Configuration) -> dict[str, Any]:
    """The settings of a job, without those of its state directory and environment."""
    return {
        name: value
        for name, value in config.data.items()
        if not name.startswith("environment.") and name != PoolOptions.STATE_DIR.key
    }
