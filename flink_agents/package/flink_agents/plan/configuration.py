"""As `flink_agents.plan.configuration` of Flink Agents."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from pydantic_core import core_schema

from tamias import ConfigError, Configuration

__all__ = ["AgentConfiguration", "flatten_dict"]

T = TypeVar("T")
D = TypeVar("D")


def flatten_dict(d: Mapping[str, Any], parent_key: str = "", sep: str = ".") -> dict[str, Any]:
    """Nested mappings as one, with keys joined."""
    flat: dict[str, Any] = {}
    for name, value in d.items():
        key = f"{parent_key}{sep}{name}" if parent_key else name
        if isinstance(value, Mapping):
            flat.update(flatten_dict(value, key, sep))
        else:
            flat[key] = value
    return flat


class AgentConfiguration(Configuration):
    """A configuration whose values are checked when they are read; in JSON, ``conf_data``."""

    __slots__ = ()

    def __init__(self, conf_data: Mapping[str, Any] | None = None) -> None:
        super().__init__(conf_data)

    @classmethod
    def of(cls, given: Configuration | Mapping[str, Any] | None) -> AgentConfiguration:
        """The same settings in this class."""
        if isinstance(given, AgentConfiguration):
            return given
        return cls(given.data if isinstance(given, Configuration) else given)

    @property
    def conf_data(self) -> dict[str, Any]:
        """Return a copy of the settings."""
        return self.data

    def get_conf_data(self) -> dict[str, Any]:
        """Return a copy of the settings."""
        return self.data

    def set_str(self, key: str, value: str) -> None:
        """Set a text."""
        self._put(key, value)

    def set_int(self, key: str, value: int) -> None:
        """Set a whole number."""
        self._put(key, value)

    def set_float(self, key: str, value: float) -> None:
        """Set a number."""
        self._put(key, value)

    def set_bool(self, key: str, value: bool) -> None:  # noqa: FBT001 (as Flink Agents has it)
        """Set a truth value."""
        self._put(key, value)

    def _typed(self, key: str, kind: type[T], default: D) -> T | D:
        try:
            return super()._typed(key, kind, default)
        except ConfigError as error:
            message = f"Invalid value for {key}: {self.data.get(key)} ({error.message})"
            raise ConfigError(message, hint=error.hint) from None

    def get_value_with_type(self, key: str, config_type: type[Any], default: Any) -> Any:
        """The value under a key in a type."""
        return self._typed(key, config_type, default)

    def get_config_data_by_prefix(self, prefix: str) -> dict[str, Any]:
        """Return the settings below a key."""
        start = f"{prefix}."
        return {
            key.removeprefix(start): value
            for key, value in self.data.items()
            if key.startswith(start)
        }

    def load_from_file(self, config_path: str | None = None) -> None:
        """Take the section ``agent`` of a YAML file in.

        Raises OSError if it cannot be read, and yaml.YAMLError if it is no YAML.
        """
        import yaml  # noqa: PLC0415 (slow to import, and most runs have no file)

        if config_path:
            document = yaml.safe_load(Path(config_path).read_text(encoding="utf-8")) or {}
            for key, value in flatten_dict(document.get("agent") or {}).items():
                self._put(key, value)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: object, _handler: object
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._read,
            serialization=core_schema.plain_serializer_function_ser_schema(cls.as_json),
        )

    @classmethod
    def _read(cls, given: Any) -> AgentConfiguration:
        is_json = isinstance(given, Mapping)
        return cls.of(given.get("conf_data") or {} if is_json else given)

    def as_json(self) -> dict[str, Any]:
        """Return the data that a plan has of these settings."""
        data = {
            key: value.value if isinstance(value, Enum) else value
            for key, value in self.data.items()
        }
        return {"conf_data": data}
