"""As `flink_agents.api.memory_object` of Flink Agents."""

from tamias import MemoryObject, MemoryType

__all__ = ["MemoryObject", "MemoryType"]
