"""As `flink_agents.api.resource` of Flink Agents."""

from tamias import Resource, ResourceDescriptor, ResourceName, ResourceType, SerializableResource

__all__ = ["Resource", "ResourceDescriptor", "ResourceName", "ResourceType", "SerializableResource"]
