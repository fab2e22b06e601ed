"""As `flink_agents.api.execution_environment` of Flink Agents."""

from tamias import AgentBuilder, AgentsExecutionEnvironment

__all__ = ["AgentBuilder", "AgentsExecutionEnvironment"]
