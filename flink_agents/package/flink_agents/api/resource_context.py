"""As `flink_agents.api.resource_context` of Flink Agents."""

from tamias import ResourceContext

__all__ = ["ResourceContext"]
