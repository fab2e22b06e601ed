"""As `flink_agents.runtime.local_execution_environment` of Flink Agents: a pool here."""

from __future__ import annotations

from typing import Any

from tamias import AgentsExecutionEnvironment
from tamias.launcher.jobs.local import LocalAgentBuilder, LocalExecutionEnvironment

__all__ = ["LocalAgentBuilder", "LocalExecutionEnvironment", "create_instance"]


def create_instance(
    env: Any = None, t_env: Any = None, **options: Any
) -> AgentsExecutionEnvironment:
    """Make an environment; without Flink's it is the pool on this machine."""
    return AgentsExecutionEnvironment.get_execution_environment(env, t_env, **options)
