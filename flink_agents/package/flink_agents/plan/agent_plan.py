"""As `flink_agents.plan.agent_plan` of Flink Agents."""

from tamias import AgentPlan

__all__ = ["AgentPlan"]
