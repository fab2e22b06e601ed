"""As `flink_agents.plan.actions.action` of Flink Agents."""

from tamias import Action

__all__ = ["Action"]
