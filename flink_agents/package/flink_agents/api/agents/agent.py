"""As `flink_agents.api.agents.agent` of Flink Agents."""

from tamias import STRUCTURED_OUTPUT, Agent

__all__ = ["STRUCTURED_OUTPUT", "Agent"]
