"""As `flink_agents.api.configuration` of Flink Agents."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from tamias import ConfigOption, Configuration

__all__ = ["ConfigOption", "Configuration", "ReadableConfiguration", "WritableConfiguration"]


class WritableConfiguration(ABC):
    """Takes settings; `Configuration` is one."""

    @abstractmethod
    def set_str(self, key: str, value: str) -> None:
        """Set a text."""

    @abstractmethod
    def set_int(self, key: str, value: int) -> None:
        """Set a whole number."""

    @abstractmethod
    def set_float(self, key: str, value: float) -> None:
        """Set a number."""

    @abstractmethod
    def set_bool(self, key: str, value: bool) -> None:  # noqa: FBT001 (as Flink Agents has it)
        """Set a truth value."""

    @abstractmethod
    def set(self, option: ConfigOption[Any], value: Any) -> None:
        """Set an option."""


class ReadableConfiguration(ABC):
    """Gives settings; `Configuration` is one."""

    @abstractmethod
    def get_int(self, key: str, default: int | None = None) -> int | None:
        """The whole number under a key."""

    @abstractmethod
    def get_float(self, key: str, default: float | None = None) -> float | None:
        """The number under a key."""

    @abstractmethod
    def get_bool(self, key: str, default: bool | None = None) -> bool | None:  # noqa: FBT001
        """The truth value under a key."""

    @abstractmethod
    def get_str(self, key: str, default: str | None = None) -> str | None:
        """The text under a key."""

    @abstractmethod
    def get(self, option: ConfigOption[Any]) -> Any:
        """The value of an option."""


WritableConfiguration.register(Configuration)
ReadableConfiguration.register(Configuration)
