"""As `flink_agents.api.version_compatibility` of Flink Agents: which Flink is installed."""

from __future__ import annotations

import importlib.metadata

__all__ = ["FlinkVersionManager", "flink_version_manager"]

_PARTS = 3


def _numbers(text: str) -> list[int]:
    """The numbers that a version begins with: as many as it has, three at most."""
    numbers: list[int] = []
    for part in text.split("-", maxsplit=1)[0].split("."):
        if not part.isdigit() or len(numbers) == _PARTS:
            break
        numbers.append(int(part))
    return numbers


def _normalize_version(version_str: str) -> str:
    numbers = _numbers(version_str)
    return ".".join(map(str, numbers + [0] * (_PARTS - len(numbers))))


class FlinkVersionManager:
    """The version of Flink that is installed, looked up when it is first asked for."""

    def __init__(self) -> None:
        self._version: str | None = None
        self._initialized = False

    @property
    def version(self) -> str | None:
        """The version; None if Flink is not installed."""
        if not self._initialized:
            try:
                self._version = importlib.metadata.version("apache-flink")
            except Exception:  # noqa: BLE001 (a broken installation is none)
                self._version = None
            self._initialized = True
        return self._version

    @property
    def major_version(self) -> str | None:
        """Its first two numbers."""
        version = self.version
        if not version:
            return None
        return ".".join(version.split("-")[0].split(".")[:2])

    def ge(self, target_version: str) -> bool:
        """Whether Flink is installed in this version or a later one."""
        version = self.version
        return bool(version) and _padded(version or "") >= _padded(target_version)

    def lt(self, target_version: str) -> bool:
        """Whether Flink is installed in an earlier version."""
        return bool(self.version) and not self.ge(target_version)


def _padded(text: str) -> list[int]:
    numbers = _numbers(text)
    return numbers + [0] * (_PARTS - len(numbers))


flink_version_manager = FlinkVersionManager()
"""The one of this process."""
