"""What the configuration says about the event log."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ...agent.config.observing.event_log_options import EventLogLevel, EventLogOptions
from ...agent.config.values import to_enum
from ...agent.errors import ConfigError, InputError
from ...store.encoding.keys import encode_key
from .truncation import Truncator

if TYPE_CHECKING:
    from ...agent.config.configuration import Configuration
    from ...agent.config.option import ConfigOption

__all__ = ["EventLogSettings"]

T = TypeVar("T")

_PREFIX: Final = "event-log.type."
_SUFFIX: Final = ".level"


@dataclass(slots=True)
class EventLogSettings:
    """The settings of the event log.

    Attributes:
        level: of events whose types have none of their own.
        levels: by the type of events, or what it begins with, in front of a dot.
        truncator: cuts contents at level STANDARD.
        slow: a run that takes so many seconds is kept.
        sample: one in so many of other runs is kept; 0 for none.
        keys: the encoded keys whose runs are all kept.
        rate: runs a second that are kept, at most.
        max_bytes: of the files of a slot.
        folder: where the files are; empty for the state directory.
    """

    level: EventLogLevel = EventLogLevel.STANDARD
    levels: dict[str, EventLogLevel] = field(default_factory=dict)
    truncator: Truncator = field(default_factory=Truncator)
    slow: float = 1.0
    sample: int = 1000
    keys: frozenset[bytes] = frozenset()
    rate: float = inf
    max_bytes: int = 16 << 20
    folder: str = ""

    @classmethod
    def of(cls, config: Configuration) -> EventLogSettings:
        """The settings in a configuration."""
        levels = {}
        for name, value in config.data.items():
            if name.startswith(_PREFIX) and name.endswith(_SUFFIX) and len(name) > _SHORTEST:
                levels[name[len(_PREFIX) : -len(_SUFFIX)]] = _level(name, value)
        folder = config.get(EventLogOptions.FOLDER)
        base = config.get(EventLogOptions.BASE_LOG_DIR)
        has_all = bool(base) and not folder
        return cls(
            level=config.get(EventLogOptions.LEVEL),
            levels=levels,
            truncator=Truncator(
                config.get(EventLogOptions.MAX_STRING_LENGTH),
                config.get(EventLogOptions.MAX_ARRAY_ELEMENTS),
                config.get(EventLogOptions.MAX_DEPTH),
            ),
            slow=config.get(EventLogOptions.SLOW),
            sample=_given(config, EventLogOptions.SAMPLE, 1 if has_all else None),
            keys=_encoded(config.get(EventLogOptions.KEYS)),
            rate=_given(config, EventLogOptions.RATE, 0.0 if has_all else None) or inf,
            max_bytes=config.get(EventLogOptions.MAX_BYTES),
            folder=folder or base,
        )

    @property
    def is_off(self) -> bool:
        """Whether nothing is ever written."""
        return self.level is EventLogLevel.OFF and not any(
            level is not EventLogLevel.OFF for level in self.levels.values()
        )

    def level_of(self, event_type: str) -> EventLogLevel:
        """The level of a type: its own, or that of the nearest package above it."""
        name = event_type
        while name:
            if name in self.levels:
                return self.levels[name]
            name = name.rpartition(".")[0]
        return self.level


_SHORTEST: Final = len(_PREFIX) + len(_SUFFIX)


def _given(config: Configuration, option: ConfigOption[T], default: T | None) -> T:
    """What is set, or this default in place of the option's."""
    return config.get(option) if default is None or option.key in config.data else default


def _level(name: str, value: Any) -> EventLogLevel:
    try:
        return to_enum(value, EventLogLevel)  # type: ignore[return-value]
    except ValueError as error:
        raise ConfigError(f"The setting {name!r} is {value!r}, wanted: {error}.") from None


def _encoded(keys: str) -> frozenset[bytes]:
    """The keys that texts may mean: themselves, and the values of which they are the JSON."""
    found = set()
    for text in filter(None, keys.split(",")):
        found.add(encode_key(text))
        with suppress(ValueError, RecursionError, InputError):
            value = json.loads(text)
            found.add(encode_key(tuple(value) if isinstance(value, list) else value))
    return frozenset(found)
