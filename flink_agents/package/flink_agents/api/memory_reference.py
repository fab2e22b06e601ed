"""As `flink_agents.api.memory_reference` of Flink Agents."""

from tamias import MemoryRef

__all__ = ["MemoryRef"]
