"""As `flink_agents.api.configuration` of Flink Agents."""

from tamias import ConfigOption, Configuration

__all__ = ["ConfigOption", "Configuration"]
