"""The effect of new settings on a running pool: which apply at once, which need new workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ...agent.config.configuration import Configuration
from ...agent.config.options import KNOWN_OPTIONS, PoolOptions
from ...agent.config.yaml_text import flatten
from ...agent.errors import ConfigError

_HINTS: Final = {
    PoolOptions.WORKERS.key: "tamias scale changes the number of workers.",
    PoolOptions.SHARDS.key: "It is fixed when the state directory is created.",
}


@dataclass(frozen=True, slots=True)
class SettingsDiff:
    """The difference between two configurations."""

    config: dict[str, Any]
    """The new one, whole."""
    live: dict[str, Any]
    """What can change in a running pool; None where something is not set any more."""
    lasting: dict[str, Any]
    """What takes new workers."""


def compare(old: dict[str, Any], settings: dict[str, Any]) -> SettingsDiff:
    """Compare a configuration with the one that `settings` change it to.

    Args:
        old: the configuration's data, by dotted key.
        settings: the new values, nested or flat; None takes a setting back.

    Raises:
        ConfigError: one of them is malformed, or cannot change in a running pool.
    """
    config = Configuration({**old, **flatten(settings)}).data
    changed = {
        key: config.get(key) for key in {**old, **config} if _value(old, key) != _value(config, key)
    }
    for key in changed:
        option = KNOWN_OPTIONS.get(key)
        if option is not None and option.fixed:
            raise ConfigError(
                f"The setting {key!r} cannot change while the pool runs.",
                hint=_HINTS.get(key, "Stop the pool, and start it again with the new value."),
            )
    live = {key for key in changed if key in KNOWN_OPTIONS and KNOWN_OPTIONS[key].live}
    return SettingsDiff(
        config,
        {key: changed[key] for key in changed if key in live},
        {key: changed[key] for key in changed if key not in live},
    )


def _value(config: dict[str, Any], key: str) -> Any:
    """What holds: 2 and "2" are the same for an option, and so are its default and nothing."""
    option = KNOWN_OPTIONS.get(key)
    if option is None:
        return config.get(key)
    return option.default if config.get(key) is None else option.convert(config[key])
