"""As `flink_agents.runtime.memory.internal_base_long_term_memory` of Flink Agents."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ...api.memory.long_term_memory import BaseLongTermMemory

__all__ = ["InternalBaseLongTermMemory"]


class InternalBaseLongTermMemory(BaseLongTermMemory, ABC):  # type: ignore[metaclass]  # a subclass
    """A long-term memory that is told which key it is used for."""

    def configure_observation(
        self,
        *,
        update_observation_enabled: bool,
        get_observation_enabled: bool,
        search_observation_enabled: bool,
    ) -> None:
        """Say which operations are put on record; since 0.4."""

    @abstractmethod
    def switch_context(
        self, key: str, *, observation_id: str = "", observation_suppressed: bool = False
    ) -> None:
        """Say whose items are meant from now on, and, since 0.4, by which action."""
